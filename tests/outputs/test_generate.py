"""Drawing samples: the same seed gives the same picture, and files hold what they promise."""

import pathlib
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
from PIL import Image
from small_generators import make_run, pictures, points

from zoo import cards
from zoo.errors import UsageError
from zoo.outputs.generate import _class_indices, generate, load_generator
from zoo.sampling import walk
from zoo.seeds import parse as parse_seeds

ROOT = pathlib.Path(__file__).parents[2]
NAMES = ["cat", "dog", "red, green", "3"]


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "plain", pictures())


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    model = pictures(channels=3, classes=4)
    return make_run(tmp_path_factory.mktemp("runs") / "labelled", model, class_names=NAMES)


def arrays(source, tmp_path, **options):
    (path,) = generate(source, format="npz", out=str(tmp_path / "a.npz"), overwrite=True, **options)
    with np.load(path) as file:
        return dict(file)


@pytest.mark.parametrize("which", ["plain", "labelled"])
def test_a_seed_gives_the_same_bytes_alone_and_among_others(which, request, tmp_path):
    source = request.getfixturevalue(which)
    many = generate(source, seed=list(range(70)), format="png", out=str(tmp_path / "many"))
    for seed in (5, 66):
        (alone,) = generate(source, seed=[seed], format="png", out=str(tmp_path / f"alone{seed}"))
        assert pathlib.Path(alone).name == pathlib.Path(many[seed]).name
        assert pathlib.Path(alone).read_bytes() == pathlib.Path(many[seed]).read_bytes()
    assert len({pathlib.Path(path).read_bytes() for path in many}) == 70


def test_a_larger_count_begins_with_the_same_samples(labelled, tmp_path):
    few, many = (arrays(labelled, tmp_path, seed=3, count=n) for n in (3, 130))
    for key in ("images", "labels", "seeds", "indices"):
        np.testing.assert_array_equal(few[key], many[key][:3])


def test_another_seed_gives_other_samples(plain, tmp_path):
    first, second = (arrays(plain, tmp_path, seed=s, count=4)["images"] for s in (0, 1))
    assert all((a != b).any() for a in first for b in second)


def test_npz_holds_what_the_generator_makes(labelled, tmp_path):
    result = arrays(labelled, tmp_path, seed=[9, 4, 2**40], classes="dog")
    z = np.stack([np.random.default_rng((s, 0)).standard_normal(6) for s in (9, 4, 2**40)])
    label = np.full(3, 1, "int32")
    expected = keras.ops.convert_to_numpy(load_generator(labelled)([z.astype("float32"), label]))
    assert result["images"].dtype == np.uint8 and result["images"].shape == (3, 8, 8, 3)
    assert np.abs(result["images"] - (expected + 1) * 127.5).max() < 0.51
    assert result["labels"].dtype == np.int32 and result["labels"].tolist() == [1, 1, 1]
    assert result["seeds"].tolist() == [9, 4, 2**40] and result["indices"].tolist() == [0, 0, 0]


def test_a_class_is_found_in_either_spelling_of_its_letters():
    mac, others = "cafe\u0301", "caf\u00e9"
    for known in (mac, others):
        for asked in (mac, others):
            assert _class_indices(asked, ["b", known]) == [1]


def test_of_tens_of_thousands_of_classes_a_message_lists_some():
    names = [f"class {i}" for i in range(30_000)]
    with pytest.raises(UsageError, match=r"no class 'x'.* and 29,900 more\. An index") as error:
        _class_indices("x", names)
    assert len(str(error.value)) < 2000


def test_a_model_without_classes_has_no_labels(plain, tmp_path):
    assert "labels" not in arrays(plain, tmp_path, count=2)


def test_classes_take_turns(labelled, tmp_path):
    def labels(**options):
        return arrays(labelled, tmp_path, **options)["labels"].tolist()

    assert labels(count=6) == [0, 1, 2, 3, 0, 1]
    assert labels(seed=[5, 2, 0]) == [1, 2, 0]
    assert labels(count=4, classes="dog,2") == [1, 2, 1, 2]
    assert labels(count=2, classes="red, green") == [2, 2]


@pytest.mark.parametrize(
    ("options", "columns"),
    [
        ({"count": 4}, 2),
        ({"count": 6}, 4),
        ({"count": 60}, 8),
        ({"count": 9, "classes": "dog,cat"}, 4),
        ({"count": 9, "classes": "dog"}, 3),
        ({"seed": [1, 2, 3]}, 2),
        ({"seed": [0, 1, 2, 3, 5, 4, 8, 9, 10]}, 3),
    ],
)
def test_in_a_grid_classes_that_take_turns_keep_their_columns(labelled, tmp_path, options, columns):
    (path,) = generate(labelled, out=str(tmp_path / "grid.png"), **options)
    with Image.open(path) as picture:
        assert picture.width == columns * 66 - 2, "tiles of 64 pixels, and 2 between them"


def test_classes_of_a_bare_file_are_read_off_the_model(labelled, tmp_path):
    result = arrays(f"{labelled}/generator.keras", tmp_path, count=5)
    assert result["labels"].tolist() == [0, 1, 2, 3, 0]


def test_classes_of_a_file_have_the_names_of_its_card(labelled, tmp_path):
    file = shutil.copy(f"{labelled}/generator.keras", tmp_path / "beasts.keras")
    card = tmp_path / "beasts.md"
    card.write_text(cards.head("beasts", "dcgan", classes=NAMES) + "# beasts\n", encoding="utf-8")
    result = arrays(str(file), tmp_path, count=2, classes="dog")
    assert result["labels"].tolist() == [NAMES.index("dog")] * 2
    for other in (
        "",
        "---\n",
        "# beasts\n",
        '---\nclass_names: {"cat"\n---\n',
        "---\nclass_names: 3\n",
    ):
        card.write_text(other, encoding="utf-8")
        assert arrays(str(file), tmp_path, count=5)["labels"].tolist() == [0, 1, 2, 3, 0]


@pytest.mark.parametrize("name", ["dgo", "4", "-1", ""])
def test_an_unknown_class_lists_the_valid_ones(labelled, tmp_path, name):
    with pytest.raises(UsageError, match=r"cat.*dog"):
        generate(labelled, classes=name, out=str(tmp_path / "x.png"))
    assert not list(tmp_path.iterdir())


def test_a_class_of_a_model_without_classes_is_refused(plain, tmp_path):
    with pytest.raises(UsageError, match="has no classes"):
        generate(plain, classes="1", out=str(tmp_path / "x.png"))


def test_file_names_hold_seed_index_and_class(labelled, plain, tmp_path):
    def names(source, **options):
        paths = generate(source, format="png", out=str(tmp_path / "n"), overwrite=True, **options)
        return [pathlib.Path(path).name for path in paths]

    assert names(plain, seed=[7, 12]) == ["seed7.png", "seed12.png"]
    assert names(plain, seed=2, count=2) == ["seed2_0000.png", "seed2_0001.png"]
    assert names(labelled, seed=[7], classes="dog") == ["seed7_class1.png"]


def test_by_default_files_go_into_the_run(plain):
    (path,) = generate(plain, count=4)
    assert path == f"{plain}/generated/grid_seed0_count4.png"
    with Image.open(path) as picture:
        assert picture.width == picture.height == 2 * 64 + 2


def test_files_that_exist_are_kept_unless_asked(plain, tmp_path):
    (tmp_path / "seed1.png").write_text("mine")
    with pytest.raises(UsageError, match=r"seed1\.png would be replaced.*--overwrite"):
        generate(plain, seed=[0, 1, 2], format="png", out=str(tmp_path))
    assert [p.name for p in tmp_path.iterdir()] == ["seed1.png"]
    assert (tmp_path / "seed1.png").read_text() == "mine"
    generate(plain, seed=[0, 1, 2], format="png", out=str(tmp_path), overwrite=True)
    assert (tmp_path / "seed1.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("format", "out"), [("grid", "x.gif"), ("npz", "x.png"), ("png", "x.png"), ("walk", "x.npz")]
)
def test_a_file_name_that_does_not_fit_the_format_is_refused(plain, tmp_path, format, out):
    with pytest.raises(UsageError, match=f"Received: .*{out}"):
        generate(plain, count=2, format=format, out=str(tmp_path / out))


def test_samples_that_are_not_pictures_go_into_npz_only(tmp_path):
    source = make_run(tmp_path / "points", points())
    for format in ("png", "grid", "walk"):
        with pytest.raises(UsageError, match="--format=npz"):
            generate(source, format=format)
    result = arrays(source, tmp_path, count=5)
    assert "images" not in result
    assert result["samples"].dtype == np.float32 and result["samples"].shape == (5, 2)


def test_a_walk_turns_on_the_sphere_and_closes():
    a, b = np.array([[3.0, 0, 0], [0, 1.0, 0]], "float32")
    path = walk(np.stack([a, b]), frames=4)
    assert path.shape == (8, 3) and path.dtype == np.float32
    np.testing.assert_array_equal(path[[0, 4]], [a, b])
    # Midway between orthogonal points: both have the same share, which a straight line halves.
    np.testing.assert_allclose(path[2], (a + b) / np.sqrt(2), atol=1e-6)
    np.testing.assert_allclose(path[6], path[2], atol=1e-6)
    unit = walk(np.eye(3, dtype="float32"), frames=5)
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1, atol=1e-6)
    steps = np.linalg.norm(np.roll(unit, -1, axis=0) - unit, axis=1)
    np.testing.assert_allclose(steps, steps[0], rtol=1e-5)


@pytest.mark.parametrize("other", [[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]])
def test_a_walk_between_points_on_one_line_is_finite(other):
    assert np.isfinite(walk(np.array([[1.0, 0.0], other], "float32"), frames=3)).all()


@pytest.mark.parametrize("classes", [None, 3])
def test_a_walk_is_a_gif_through_the_samples_of_the_seeds(classes, tmp_path):
    source = make_run(tmp_path / "run", pictures(classes=classes))
    (path,) = generate(source, seed=[4, 8, 2], format="walk", frames=5, out=str(tmp_path / "w.gif"))
    stills = arrays(source, tmp_path, seed=[4, 8, 2])["images"]
    with Image.open(path) as gif:
        assert gif.n_frames == 15
        for still, frame in zip(stills, (0, 5, 10), strict=True):
            gif.seek(frame)
            shown = np.asarray(gif.convert("L"))[::8, ::8]
            np.testing.assert_array_equal(shown, still[..., 0])
    with pytest.raises(UsageError, match="at least 2 seeds"):
        generate(source, seed=[4], format="walk")


def test_seeds_are_numbers_and_ranges():
    assert parse_seeds("0-3,7,9") == [0, 1, 2, 3, 7, 9]
    assert parse_seeds("5") == [5]
    for text in ("", "3-1", "a", "1,,2", "-1", "1.5", "0-9999999999999", str(2**64)):
        with pytest.raises(UsageError, match="Expected"):
            parse_seeds(text)


@pytest.mark.parametrize("damage", ["missing", "empty", "half", "text"])
def test_a_damaged_generator_is_one_sentence(tmp_path, plain, damage):
    complete = (pathlib.Path(plain) / "generator.keras").read_bytes()
    contents = {"empty": b"", "half": complete[: len(complete) // 2], "text": b"hello"}
    run = tmp_path / "run"
    run.mkdir()
    if damage != "missing":
        (run / "generator.keras").write_bytes(contents[damage])
    with pytest.raises(UsageError, match=r"generator\.keras") as caught:
        generate(str(run))
    assert "\n" not in str(caught.value)
    assert damage == "missing" or "damaged" in str(caught.value)


def run_program(*arguments):
    done = subprocess.run(
        [sys.executable, "generate.py", *arguments], cwd=ROOT, capture_output=True, text=True
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def test_the_program_takes_the_backend_of_the_run_and_is_quiet(tmp_path):
    backend = keras.config.backend()
    make_run(tmp_path / "mine", pictures(classes=2), backend=backend, class_names=["no", "yes"])
    done = run_program(
        "--run=mine",
        f"--runs_dir={tmp_path}",
        "--seeds=0-2",
        "--class=yes",
        "--format=npz",
        f"--out={tmp_path / 'x.npz'}",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == str(tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz") as file:
        assert file["labels"].tolist() == [1, 1, 1] and file["seeds"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--run=mnits"], "'mnits'"),
        ([], "exactly one of --run"),
        (["--run=x", "--generator=y"], "exactly one of --run"),
        (["--generator=nothing.keras"], "no generator file"),
        (["--run=mnist", "--format=jpg"], "png"),
        (["--run=mnist", "--seeds=1", "--count=3"], "--count"),
        (["--run=mnist", "--walk", "--format=npz"], "--walk"),
        (["--run=mnist", "--count=0"], "--count"),
        (["--run=mnist", "--sed=0"], "seed"),
    ],
)
def test_wrong_flags_are_one_sentence_and_exit_2(tmp_path, arguments, message):
    done = run_program(f"--runs_dir={tmp_path}", *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert message in done.stderr
