"""A run from the first step to the last: what it writes, and how it ends early."""

import csv
import json
import math
import pathlib

import keras
import numpy as np
import pytest
import running
from keras import ops
from PIL import Image

from zoo import backend, machine
from zoo.errors import UsageError
from zoo.models.dcgan import DCGAN
from zoo.runs import assembly, checkpoints
from zoo.training import memory, train

pytestmark = pytest.mark.backend


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def restored(config, folder, groups=("trainable", "other", "optimizer")):
    gan = assembly.build(config)
    checkpoints.restore(gan, checkpoints.newest(folder)[1], groups)
    return gan


def test_a_run_directory_has_all_that_it_promises(straight):
    path = straight[0].directory
    names = {str(p.relative_to(path)) for p in path.rglob("*") if p.is_file()}
    (events,) = [name for name in names if name.startswith("events/")]
    assert "tfevents" in events
    assert names - {events} == {
        "config.json",
        "environment.json",
        "metrics.csv",
        "timings.csv",
        "samples/step-0000000.png",
        "samples/step-0000064.png",
        "walk.png",
        "checkpoints/step-0000000.npz",
        "checkpoints/step-0000064.npz",
        "generator.keras",
        "report.html",
        ".lock",
    }


def test_the_config_holds_every_resolved_value_and_what_the_data_are(straight):
    config = json.loads((straight[0].directory / "config.json").read_text())
    resolved = running.resolve(image_size=16)
    # The rest follows from the data.
    changed = {name for name in resolved if config[name] != resolved[name]}
    assert changed == {"channels", "learning_rate"} and config["learning_rate"] == 2e-3
    assert (config["image_size"], config["channels"], config["samples"]) == (16, 1, 1618)
    assert config["class_names"] == list("0123456789")
    assert len(config["data_fingerprint"]) == 64
    assert config["backend"] == keras.config.backend()


def test_the_environment_says_what_the_numbers_came_from(straight):
    environment = json.loads((straight[0].directory / "environment.json").read_text())
    assert environment["backend"] == keras.config.backend()
    assert environment["versions"]["keras"] == keras.__version__
    assert environment["versions"]["numpy"] == np.__version__
    assert {"command", "commit", "devices", "python", "platform"} <= set(environment)


def test_the_rows_of_the_metrics_are_the_means_of_keras(straight):
    session, history = straight
    rows = rows_of(session.directory / "metrics.csv")
    assert list(rows[0]) == [
        "epoch",
        "step",
        "images",
        "d_loss",
        "g_loss",
        "d_real",
        "d_fake",
        "generator_learning_rate",
        "discriminator_learning_rate",
    ]
    assert [row["step"] for row in rows] == ["16", "32", "48", "64"]
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    assert [row["images"] for row in rows] == ["1600", "3200", "4800", "6400"]
    for name in ("d_loss", "g_loss", "d_real", "d_fake"):
        got = [float(row[name]) for row in rows]
        assert got == [float(value) for value in history.history[name]]
        assert all(map(math.isfinite, got)) and len(set(got)) == 4
    recorded = json.loads((session.directory / "config.json").read_text())
    rate = pytest.approx(recorded["learning_rate"])
    assert all(float(row["generator_learning_rate"]) == rate for row in rows)
    timings = rows_of(session.directory / "timings.csv")
    assert list(timings[0]) == ["epoch", "step", "seconds", "cpu_seconds", "images_per_second"]
    seconds = [float(row["seconds"]) for row in timings]
    assert seconds == sorted(seconds) and seconds[0] > 0


def test_the_generator_file_has_the_averaged_weights(straight):
    session, _ = straight
    gan = restored(session.config, session.directory / "checkpoints")
    generator = keras.models.load_model(session.directory / "generator.keras")
    averaged, current = gan.ema_generator.get_weights(), gan.generator.get_weights()
    for got, expected in zip(generator.get_weights(), averaged, strict=True):
        np.testing.assert_array_equal(got, expected)
    assert any(not np.array_equal(a, b) for a, b in zip(averaged, current, strict=True))


def test_the_pictures_show_the_same_latent_points_as_they_improve(straight):
    session, _ = straight
    first, last = (
        np.asarray(Image.open(session.directory / "samples" / f"step-{step:07d}.png"))
        for step in (0, 64)
    )
    assert first.shape == last.shape and first.ndim == 2 and min(first.shape) >= 8 * 64
    assert np.mean(first != last) > 0.3


def test_the_walk_is_that_of_the_last_step(straight):
    directory = straight[0].directory
    walk = np.asarray(Image.open(directory / "walk.png")).astype(int)
    last = np.asarray(Image.open(directory / "samples" / "step-0000064.png"))
    # The walk leads from the first sample to the second.
    assert np.abs(walk[:64, :64] - last[:64, :64]).max() <= 1
    assert np.abs(walk[:64, -64:] - last[:64, 66 : 66 + 64]).max() <= 1
    assert "Latent walk" in (directory / "report.html").read_text("utf-8")


def nan_from(step):
    """Returns a discriminator loss that is NaN from the given step on, counted from 1."""
    original = DCGAN.discriminator_loss

    def loss(self, *args, **kwargs):
        late = ops.cast(self.optimizer.iterations, "int32") >= step - 1
        value, seen = original(self, *args, **kwargs)
        return ops.where(late, float("nan"), 1.0) * value, seen

    return loss


def test_losses_that_are_not_finite_stop_the_run_and_name_the_step(tmp_path, monkeypatch):
    monkeypatch.setattr(DCGAN, "discriminator_loss", nan_from(6))
    # Noticed only before the picture of step 8. No checkpoint may store the bad values.
    with pytest.raises(UsageError, match=r"no longer finite at step 6\b") as caught:
        running.start(tmp_path, "nan", checkpoint_minutes=0, sample_every=4, learning_rate=1e-3)
    assert "\n" not in str(caught.value)
    path = tmp_path / "nan"
    assert f"--continue_from={path} --set learning_rate=0.00025." in str(caught.value)
    assert "The last good checkpoint, from which it goes on, is step 5." in str(caught.value)
    files = checkpoints.listing(path / "checkpoints")
    assert [checkpoints.step_of(file) for file in files] == [3, 4, 5]
    _, arrays = checkpoints.newest(path / "checkpoints")
    assert all(np.isfinite(a).all() for a in arrays.values())
    for weight in keras.models.load_model(path / "generator.keras").get_weights():
        assert np.isfinite(weight).all()
    assert not (path / "metrics.csv").exists()


@pytest.fixture
def untrained(monkeypatch):
    """Makes `start` return the model instead of training it."""
    monkeypatch.setattr(train, "train", lambda gan, dataset, session: gan)


def test_a_run_can_begin_with_the_weights_of_a_run(straight, tmp_path, untrained):
    session, _ = straight
    source = restored(session.config, session.directory / "checkpoints")
    gan = running.start(tmp_path, "second", init_from=session.directory, seed=1)
    for network in ("generator", "discriminator"):
        pairs = zip(getattr(gan, network).weights, getattr(source, network).weights, strict=True)
        for got, expected in pairs:
            np.testing.assert_array_equal(got, expected, err_msg=f"{network}: {got.path}")
    # Everything except weights starts fresh: noise, optimizers, and the step count.
    assert int(gan.optimizer.iterations) == 0 and int(gan.finite_steps) == 0
    fresh, _ = running.build(seed=1)
    np.testing.assert_array_equal(gan.noise.state, fresh.noise.state)


def test_a_run_can_begin_with_a_generator_file(straight, tmp_path, untrained):
    file = straight[0].directory / "generator.keras"
    gan = running.start(tmp_path, "second", init_from=file)
    expected = keras.models.load_model(file).get_weights()
    for generator in (gan.generator, gan.ema_generator):
        for got, weight in zip(generator.get_weights(), expected, strict=True):
            np.testing.assert_array_equal(got, weight)


def damaged(content, how):
    if how == "flipped":
        middle = len(content) // 2
        return content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :]
    return {"empty": b"", "half": content[: len(content) // 2], "text": b"hello"}[how]


@pytest.mark.parametrize("how", ["empty", "half", "text", "flipped"])
def test_a_corrupt_generator_file_is_one_sentence(straight, tmp_path, untrained, how):
    file = tmp_path / "generator.keras"
    file.write_bytes(damaged((straight[0].directory / "generator.keras").read_bytes(), how))
    with pytest.raises(UsageError, match=r"generator\.keras"):
        running.start(tmp_path / "runs", "second", init_from=file)
    assert not (tmp_path / "runs").exists()


def test_a_generator_of_other_shapes_is_refused(straight, tmp_path, untrained):
    for source in (straight[0].directory, straight[0].directory / "generator.keras"):
        with pytest.raises(UsageError, match=r"Nothing of .* fits this model"):
            running.start(tmp_path / "runs", "second", init_from=source, width=5)
    assert not (tmp_path / "runs").exists()


def test_a_run_of_the_same_name_is_only_deleted_when_asked(straight, tmp_path, untrained):
    def start(**options):
        return train.start(
            running.resolve(), source=assembly.Source(), runs_dir=tmp_path, name="one", **options
        )

    start()
    (tmp_path / "one" / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"exists.*--resume=one.*--overwrite"):
        start()
    assert (tmp_path / "one" / "mine.txt").exists()
    start(overwrite=True)
    assert not (tmp_path / "one" / "mine.txt").exists()
    assert (tmp_path / "one" / "config.json").exists()
    (tmp_path / "one" / "config.json").unlink()
    with pytest.raises(UsageError, match="is not a run"):
        start(overwrite=True)
    assert (tmp_path / "one" / "environment.json").exists()


def test_runs_without_a_name_are_numbered(straight, tmp_path, untrained):
    for _ in range(3):
        train.start(running.resolve(), source=assembly.Source(), runs_dir=tmp_path)
    names = sorted(p.name for p in pathlib.Path(tmp_path).iterdir())
    assert names == ["dcgan-digits", "dcgan-digits-2", "dcgan-digits-3"]


@pytest.fixture
def in_four_gib(untrained, monkeypatch):
    """Fakes a machine with 4 GiB. Returns a function that starts a run by the GiB of its step."""
    monkeypatch.setattr(machine, "memory", lambda: (4 * 2**30, None))
    monkeypatch.setattr(backend, "devices", lambda: ["CPU"])

    def start(folder, step):
        monkeypatch.setattr(memory, "estimate", lambda gan, config: int(step * 2**30))
        running.start(folder, "one")

    return start


def test_the_memory_is_said_where_it_is_large(in_four_gib, tmp_path, capsys, monkeypatch):
    printed = {}
    for step in (0.5, 3, 5):
        in_four_gib(tmp_path / str(step), step)
        printed[step] = tuple(capsys.readouterr())
    assert "memory" not in printed[0.5][0]
    assert "memory: at least 3.0 GiB for the step and 0.0 GiB for the data\n" in printed[3][0]
    assert "memory: at least 5.0 GiB" in printed[5][0]
    assert "warning" not in printed[0.5][1] + printed[3][1]
    (line,) = [line for line in printed[5][1].splitlines() if "warning" in line]
    assert "more than the 4.0 GiB this machine has" in line and "--batch_size" in line
    monkeypatch.setattr(backend, "devices", lambda: ["Some GPU"])
    for there, warned in ((None, False), (6, False), (3, True)):
        size = there and there * 2**30
        monkeypatch.setattr(machine, "gpu_memory", lambda size=size: size)
        in_four_gib(tmp_path / f"gpu{there}", 5)
        out, err = capsys.readouterr()
        assert "memory: at least 5.0 GiB" in out
        assert ("5.0 GiB of that is more than the 3.0 GiB a GPU here has" in err) == warned
        assert "this machine" not in err


def test_the_memory_of_this_machine_is_known():
    assert 2**28 < machine.memory()[0] < 2**50
