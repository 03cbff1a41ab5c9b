"""Runs of pictures to pictures, with pairs and without: what they leave, and that they resume."""

import csv
import json

import keras
import numpy as np
import pytest
import running
from PIL import Image

from zoo.errors import UsageError
from zoo.runs import assembly, config
from zoo.training import train

pytestmark = pytest.mark.usefixtures("eager_steps")

COUNT = 10  # pictures of each side, which make five steps of two
STEPS = 5
SMALL = {"image_size": 32, "width": 4, "patch_halvings": 2, "batch_size": 2, "epochs": 2}
SETTINGS = {
    "pix2pix": SMALL,
    # So small that the pool exchanges pictures from the second step on.
    "cyclegan": SMALL | {"blocks": 1, "pool_size": 3, "identity_weight": 1.0},
}
NETWORKS = {"pix2pix": ["generator"], "cyclegan": ["a_to_b", "b_to_a"]}
COLUMNS = {
    "pix2pix": [
        *("d_loss", "g_loss", "g_adversarial", "g_l1", "d_real", "d_fake"),
        *("generator_learning_rate", "discriminator_learning_rate"),
    ],
    "cyclegan": [
        *("d_loss", "g_loss", "d_a", "d_b", "g_adversarial", "g_cycle", "g_identity"),
        *("generators_learning_rate", "discriminators_learning_rate"),
    ],
}
each_model = pytest.mark.parametrize("model", SETTINGS)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder of pictures of discs and of their negatives; the pictures are not square."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    y, x = np.mgrid[:36, :48]
    for side in "AB":
        (folder / side).mkdir()
    for i in range(COUNT):
        disc = np.hypot(y - rng.integers(8, 28), x - rng.integers(8, 40)) < rng.integers(4, 10)
        picture = np.where(disc[..., None], rng.integers(100, 256, 3), rng.integers(0, 100, 3))
        for side, shown in (("A", picture), ("B", 255 - picture)):
            Image.fromarray(shown.astype("uint8")).save(folder / side / f"{i}.png")
    return folder


def start(folder, runs_dir, model, name="one", **changes):
    source = {"pix2pix": "pairs", "cyclegan": "domains"}[model]
    resolved = config.resolve(model, f"{source}:{folder}", overrides=SETTINGS[model] | changes)
    return train.start(resolved, source=assembly.Source(), runs_dir=runs_dir, name=name)


@pytest.fixture(scope="module")
def straight(pictures, tmp_path_factory):
    """One complete run of each model: name -> session."""
    runs = tmp_path_factory.mktemp("runs")
    return {name: start(pictures, runs, name, name) for name in SETTINGS}


@each_model
def test_the_directory_has_all_that_it_promises(straight, model):
    path = straight[model].directory
    names = {str(p.relative_to(path)) for p in path.rglob("*") if p.is_file()}
    assert {name for name in names if not name.startswith("events/")} == {
        *("config.json", "environment.json", "metrics.csv", "timings.csv", "report.html", ".lock"),
        *(f"samples/step-{step:07d}.png" for step in (0, 2 * STEPS)),
        *(f"checkpoints/step-{step:07d}.npz" for step in (0, 2 * STEPS)),
        *(f"{name}.keras" for name in NETWORKS[model]),
    }
    assert sum(name.startswith("events/") for name in names) == 1
    report = (path / "report.html").read_text("utf-8")
    for column in COLUMNS[model][2:-2]:
        assert column.partition("_")[2] in report


@each_model
def test_the_table_has_every_loss_by_name(straight, model):
    with (straight[model].directory / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["epoch", "step", "images", *COLUMNS[model]]
    assert [(row["step"], row["images"]) for row in rows] == [("5", "10"), ("10", "20")]
    terms = [name for name in COLUMNS[model] if name.startswith("g_") and name != "g_loss"]
    for row in rows:
        values = {name: float(value) for name, value in row.items()}
        assert np.isfinite(list(values.values())).all()
        assert values["g_loss"] == pytest.approx(sum(values[name] for name in terms), rel=1e-5)


@each_model
def test_the_files_of_the_networks_have_the_averaged_weights_and_take_pictures(straight, model):
    session = straight[model]
    gan = assembly.trained(session.directory)
    for name in NETWORKS[model]:
        network = keras.models.load_model(session.directory / f"{name}.keras")
        averages = gan.network(f"ema_{name}").get_weights()
        for got, expected in zip(network.get_weights(), averages, strict=True):
            np.testing.assert_array_equal(got, expected)
        drawn = network(np.zeros((1, 32, 64, 3), "float32"))
        assert tuple(drawn.shape) == (1, 32, 64, 3)


@each_model
def test_the_pictures_change_and_the_inputs_in_them_do_not(straight, model):
    folder = straight[model].directory / "samples"
    first, last = (np.asarray(Image.open(folder / f"step-{s:07d}.png")) for s in (0, 2 * STEPS))
    assert first.shape == last.shape and first.ndim == 3
    same = (first == last).all(-1)
    # One or two of three pictures in a row come from the data.
    assert 0.2 < same.mean() < 0.9


@pytest.mark.backend
# Trains each model twice more; JAX compiles a step each time.
@pytest.mark.slow
@each_model
def test_resumed_equals_straight_bit_for_bit(pictures, straight, tmp_path, model):
    part = start(pictures, tmp_path, model, max_minutes=1e-9)
    assert part.step == 1
    part = running.resume(part.directory, epochs=1, max_minutes=None)
    assert (part.first_step, part.step) == (1, STEPS)
    part = running.resume(part.directory, epochs=2)
    assert (part.first_step, part.step) == (STEPS, 2 * STEPS)
    running.assert_equal_runs(part.directory, straight[model].directory)


def test_the_pool_is_in_the_checkpoint_and_holds_past_pictures(straight):
    gan = assembly.trained(straight["cyclegan"].directory)
    assert int(gan.part["Pool"].filled) == 3
    for pool in gan.part["Pool"].pools.values():
        values = keras.ops.convert_to_numpy(pool)
        assert values.shape == (3, 32, 32, 3) and np.abs(values).max() <= 1
        assert all(values[i].std() > 0 for i in range(3))


@pytest.mark.slow  # trains each model twice
@each_model
def test_sides_need_not_be_equal(pictures, tmp_path, model):
    session = start(pictures, tmp_path, model, image_size="32x48", epochs=1, max_minutes=1e-9)
    recorded = json.loads((session.directory / "config.json").read_text())
    assert recorded["image_size"] == "32x48" and recorded["sample_shape"] == [32, 48, 3]
    assert running.resume(session.directory, max_minutes=None).step == STEPS


@pytest.mark.slow  # trains twice
def test_the_direction_turns_the_pairs_round(pictures, tmp_path):
    there, back = (
        start(pictures, tmp_path, "pix2pix", d, direction=d, epochs=1, max_minutes=1e-9)
        for d in ("a_to_b", "b_to_a")
    )
    prints = {
        json.loads((s.directory / "config.json").read_text())["data_fingerprint"]
        for s in (there, back)
    }
    assert len(prints) == 2
    with pytest.raises(UsageError, match="direction: 'a_to_b' in the run, 'b_to_a' asked for"):
        running.resume(there.directory, direction="b_to_a")


@each_model
def test_a_run_can_begin_with_the_networks_of_another(
    pictures, straight, tmp_path, model, monkeypatch
):
    monkeypatch.setattr(train, "train", lambda gan, dataset, session: gan)
    source = assembly.trained(straight[model].directory)
    resolved = config.resolve(
        model, straight[model].config["dataset"], overrides=SETTINGS[model] | {"seed": 1}
    )
    for name in NETWORKS[model]:
        gan = train.start(
            resolved,
            source=assembly.Source(),
            runs_dir=tmp_path,
            init_from=straight[model].directory / f"{name}.keras",
        )
        for other in NETWORKS[model]:
            pairs = zip(
                gan.network(other).get_weights(),
                source.network(f"ema_{other}").get_weights(),
                strict=True,
            )
            equal = [np.array_equal(a, b) for a, b in pairs]
            # The name of the file tells which of two similar networks it is.
            assert all(equal) == (other == name)


# name -> (arguments, what the sentence says); {folder} holds pictures
PIX2PIX = ["--model=pix2pix", "--dataset=pairs:{folder}", "--set=width=4"]
CYCLEGAN = ["--model=cyclegan", "--dataset=domains:{folder}", "--set=width=4"]
WRONG = {
    "no pairs": (["--model=pix2pix", "--dataset=digits"], ["pix2pix", "digits", "pairs:PATH"]),
    "no domains": (["--model=cyclegan", "--dataset=digits"], ["cyclegan", "domains:PATH"]),
    "pairs are no domains": (
        ["--model=cyclegan", "--dataset=pairs:{folder}"],
        ["cyclegan", "domains:PATH", "input, target"],
    ),
    "noise to pairs": (
        ["--model=dcgan", "--dataset=pairs:{folder}"],
        ["dcgan", "'image'", "folder:PATH"],
    ),
    "points to pairs": (["--model=gaussian", "--dataset=pairs:{folder}"], ["gaussian", "ring8"]),
    "sides of a U-Net": (
        [*PIX2PIX, "--set=image_size=72"],
        ["divisible by 16", "image_shape=(72, 72, 3)"],
    ),
    "sides of a cycle": (
        [*CYCLEGAN, "--set=image_size=32x30"],
        ["divisible by 4", "image_shape=(32, 30, 3)"],
    ),
    "packing": ([*CYCLEGAN, "--set=packing=2"], ["cyclegan has no setting 'packing'"]),
    "a direction of no pairs": (
        [*CYCLEGAN, "--set=direction=b_to_a"],
        ["direction"],
    ),
    "no such direction": ([*PIX2PIX, "--set=direction=b_to_c"], ["'b_to_c'", "a_to_b, b_to_a"]),
    "no such channels": ([*PIX2PIX, "--set=channels=2"], ["channels", "2"]),
    "large batch": ([*CYCLEGAN, "--batch_size=11"], ["at most 10", "11"]),
    "no scores": ([*PIX2PIX, "--set=score_features=raw"], ["leave out score_features"]),
    "no folder": (["--model=pix2pix", "--dataset=pairs:nowhere"], ["nowhere"]),
    "no path": (["--model=pix2pix", "--dataset=pairs:"], ["'pairs:'", "pairs:PATH"]),
}


@pytest.fixture(scope="module")
def answers(pictures, tmp_path_factory):
    """What train.py answered to each case; one process, because starting Keras takes seconds."""
    cases = {
        name: [argument.format(folder=pictures) for argument in arguments]
        for name, (arguments, _) in WRONG.items()
    }
    return running.ask(tmp_path_factory.mktemp("wrong"), cases)


@pytest.mark.parametrize("case", WRONG)
def test_a_mistake_is_one_sentence_and_exit_code_2(answers, case):
    code, _, err, changed = answers[case]
    assert "Traceback" not in err, err
    lines = [line for line in err.splitlines() if not line.startswith("warning: ")]
    assert code == 2 and len(lines) == 1 and lines[0].startswith("error: "), err
    missing = [words for words in WRONG[case][1] if words not in lines[0]]
    assert not missing, err
    assert changed == []


@pytest.mark.slow  # trains
def test_alpha_is_learnt_where_it_is_asked_for_and_not_elsewhere(pictures, tmp_path):
    folder = tmp_path / "transparent"
    for path in sorted(pictures.rglob("*.png")):
        picture = Image.open(path).convert("RGBA")
        picture.putalpha(128)
        (folder / path.parent.name).mkdir(parents=True, exist_ok=True)
        picture.save(folder / path.parent.name / path.name)
    resolved = config.resolve("pix2pix", f"pairs:{folder}", overrides=SMALL)
    dataset = assembly.load_data(resolved, assembly.Source())
    assert dataset.samples.shape == (COUNT, 32, 32, 3)
    session = start(folder, tmp_path, "pix2pix", channels=4, epochs=1, max_minutes=1e-9)
    network = keras.models.load_model(session.directory / "generator.keras")
    assert network.output.shape[-1] == 4
    assert (session.directory / "samples" / "step-0000001.png").exists()
