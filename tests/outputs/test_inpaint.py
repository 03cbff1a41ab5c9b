"""Holes filled by search: the known pixels stay, and the search finds what the generator can draw.

The pictures of these tests are samples of a small generator, so a filling without error exists.
"""

import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image
from small_generators import make_run, pictures, points
from small_translators import linear, read

from zoo import sampling
from zoo.errors import UsageError
from zoo.metrics.paired import psnr
from zoo.outputs import blending
from zoo.outputs.blending import blended
from zoo.outputs.inpaint import inpaint
from zoo.outputs.latent_search import (
    LatentSearch,
    context_loss,
    importance,
    kept_in_range,
    lengths,
)

ROOT = pathlib.Path(__file__).parents[2]
SIZE = 12  # numbers in a latent point
HOLE = np.zeros((8, 8), bool)
HOLE[2:6, 3:7] = True


def quiet(_):
    pass


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def smooth(channels=1, classes=None):
    """Returns a generator of 8x8 pictures without jumps, in which a search gets somewhere."""
    keras.utils.set_random_seed(0)
    z = keras.Input((SIZE,), name="z")
    inputs, x = z, layers.Dense(16, "tanh")(z)
    if classes:
        label = keras.Input((), dtype="int32", name="label")
        code = layers.Embedding(classes, 16, embeddings_initializer="random_normal")(label)
        inputs, x = [z, label], layers.Add()([x, layers.Rescaling(40.0)(code)])
    x = layers.Dense(64 * channels, "tanh")(x)
    return keras.Model(inputs, layers.Reshape((8, 8, channels))(x))


def judge(channels=1, classes=None):
    """Returns a discriminator that prefers bright pictures."""
    image = keras.Input((8, 8, channels), name="image")
    label = keras.Input((), dtype="int32", name="label")
    mean = layers.GlobalAveragePooling2D()(image)
    logit = layers.Dense(1, kernel_initializer="ones")(layers.Rescaling(1.0)(mean))
    return keras.Model([image, label] if classes else image, logit)


def sample(generator, seed, labels=None):
    z = sampling.latents(1, SIZE, [seed])
    return sampling.to_uint8(sampling.run_generator(generator, z, labels))[0]


@pytest.fixture(scope="module")
def search():
    return LatentSearch(smooth(channels=3))


@pytest.fixture(scope="module")
def found(search):
    picture = sample(search.generator, 100)
    return picture, search(picture, HOLE, count=4, seed=1, steps=150)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "plain", smooth())


@pytest.fixture
def files(plain, tmp_path):
    """A picture of the run's generator, and a mask."""
    picture = sample(keras.models.load_model(f"{plain}/generator.keras"), 100)
    save(picture, tmp_path / "picture.png")
    save(HOLE.astype("uint8") * 255, tmp_path / "mask.png")
    return tmp_path


def save(array, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array.squeeze()).save(path)
    return str(path)


# The search


@pytest.mark.backend
def test_the_search_finds_what_the_generator_can_draw(search, found):
    picture, answers = found
    drawn = sampling.run_generator(search.generator, sampling.latents(64, SIZE, 7))
    hole = HOLE[np.newaxis]
    by_chance = max(
        psnr(s[np.newaxis], picture[np.newaxis], hole) for s in sampling.to_uint8(drawn)
    )
    assert by_chance < 25
    assert psnr(answers.images[:1], picture[np.newaxis], hole) > 35


def test_answers_differ_where_little_is_known(plain):
    generator = keras.models.load_model(f"{plain}/generator.keras")
    hole = np.ones((8, 8), bool)
    hole[0] = False
    answers = LatentSearch(generator)(sample(generator, 100), hole, count=4, steps=60)
    images = answers.images.astype(int)
    for i, image in enumerate(images):
        assert all(np.abs(image - other).mean() > 2 for other in images[:i])


@pytest.mark.backend
def test_known_pixels_stay_and_the_answers_are_in_order(found):
    picture, answers = found
    assert answers.images.dtype == np.uint8 and answers.images.shape == (4, 8, 8, 3)
    for image in answers.images:
        np.testing.assert_array_equal(image[~HOLE], picture[~HOLE])
    assert (np.diff(answers.losses) >= 0).all()
    expected = numpy(
        context_loss(answers.samples / np.float32(127.5) - 1, picture / 127.5 - 1, importance(HOLE))
    )
    np.testing.assert_allclose(answers.losses, expected, atol=0.2)


@pytest.mark.backend
def test_the_seed_decides(search, found):
    picture, answers = found
    again = search(picture, HOLE, count=4, seed=1, steps=150)
    np.testing.assert_array_equal(again.images, answers.images)
    np.testing.assert_array_equal(again.losses, answers.losses)
    other = search(picture, HOLE, count=4, seed=2, steps=150)
    assert (other.samples != answers.samples).any()


@pytest.mark.backend
def test_no_network_changes_and_the_prior_counts(monkeypatch):
    generator, bright = pictures(), judge()
    before = [numpy(v).copy() for v in (*generator.variables, *bright.variables)]
    picture = np.full((8, 8, 1), 128, "uint8")
    hole = np.ones((8, 8), bool)
    hole[0, 0] = False
    dark = LatentSearch(generator)(picture, hole, count=2, steps=30)
    for loss in ("non_saturating", "relativistic", "least_squares"):
        lit = LatentSearch(generator, bright, loss, prior=100.0)(picture, hole, count=2, steps=30)
        assert lit.samples.mean() > dark.samples.mean() + 5
    after = [numpy(v) for v in (*generator.variables, *bright.variables)]
    for value, changed in zip(before, after, strict=True):
        np.testing.assert_array_equal(value, changed)


@pytest.mark.backend
def test_each_class_is_tried_and_the_right_one_fits_best():
    generator = smooth(classes=3)
    search = LatentSearch(generator, judge(classes=3))
    picture = sample(generator, 100, np.array([1]))
    answers = search(picture, HOLE, count=2, labels=np.array([0, 1, 2] * 2), steps=150)
    assert answers.labels.dtype == np.int32 and len(answers.labels) == 2
    assert answers.labels[0] == 1


def test_a_search_ends_early_when_nothing_falls_any_more(search):
    steps = []
    flat = keras.Input((4,), name="z")
    constant = layers.Reshape((8, 8, 3))(layers.Dense(192, kernel_initializer="zeros")(flat))
    picture = np.full((8, 8, 3), 30, "uint8")
    found = LatentSearch(keras.Model(flat, constant))(
        picture, HOLE, 1, steps=1000, progress=lambda done, note: steps.append((done, note))
    )
    assert found.steps == 100 and [done for done, _ in steps] == list(range(10, 101, 10))
    assert steps[0][1].startswith("loss ")


def test_weights_are_the_share_of_unknown_neighbours():
    hole = np.random.default_rng(0).random((9, 12)) < 0.4
    weights = importance(hole, far=0.0)
    assert weights.dtype == np.float32 and weights.shape == (9, 12, 1)
    for y, x in np.ndindex(hole.shape):
        part = hole[max(y - 3, 0) : y + 4, max(x - 3, 0) : x + 4]
        expected = 0 if hole[y, x] else part.sum() / (part.size - 1)
        assert weights[y, x, 0] == pytest.approx(expected)
    single = np.zeros((20, 20), bool)
    single[0, 0] = True
    assert importance(single)[19, 19] == np.float32(0.1) and importance(single)[0, 0] == 0


@pytest.mark.backend
def test_the_context_loss_is_the_weighted_difference():
    rng = np.random.default_rng(0)
    drawn, target = rng.uniform(-1, 1, (3, 5, 6, 2)), rng.uniform(-1, 1, (5, 6, 2))
    weights = rng.uniform(0, 1, (5, 6, 1))
    arrays = [x.astype("float32") for x in (drawn, target, weights)]
    expected = (weights * np.abs(drawn - target)).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(numpy(context_loss(*arrays)), expected, rtol=1e-5)


@pytest.mark.backend
def test_points_stay_as_long_as_the_prior_draws_them():
    drawn = np.linalg.norm(np.random.default_rng(0).standard_normal((20_000, 30)), axis=1)
    least, most = lengths(30)
    assert np.mean((least <= drawn) & (drawn <= most)) == pytest.approx(0.99, abs=0.003)
    z = np.array([[3.0, 4.0], [0.3, 0.4], [30.0, 40.0]], "float32")
    kept = numpy(kept_in_range(z, 1.0, 10.0))
    np.testing.assert_allclose(kept, [[3, 4], [0.6, 0.8], [6, 8]], rtol=1e-6)


# Blending


def test_blending_removes_an_offset_and_keeps_gradients():
    y, x = np.mgrid[:12, :12]
    picture = np.stack([40 + 5 * x + 3 * y, 200 - 4 * x], axis=-1).astype("uint8")
    # Against each side of the hole, and at the border of the picture.
    for rows, columns in ((slice(3, 9), slice(2, 8)), (slice(0, 7), slice(5, 12))):
        hole = np.zeros((12, 12), bool)
        hole[rows, columns] = True
        offsets = np.array([30, -25])[:, np.newaxis, np.newaxis, np.newaxis]
        samples = (picture + offsets) / 127.5 - 1
        np.testing.assert_array_equal(blended(samples, picture, hole), np.stack([picture] * 2))


def test_a_flat_sample_becomes_the_harmonic_continuation():
    picture = np.zeros((5, 20, 1), "uint8")
    picture[:, :3], picture[:, 17:] = 10, 150
    hole = np.zeros((5, 20), bool)
    hole[:, 3:17] = True
    (filled,) = blended(np.zeros((1, 5, 20, 1)), picture, hole)
    np.testing.assert_array_equal(filled[:, 2:18, 0], np.rint([np.linspace(10, 150, 16)] * 5))


def test_what_lies_outside_of_black_and_white_is_cut():
    picture = np.full((4, 4, 1), 250, "uint8")
    hole = np.zeros((4, 4), bool)
    hole[1, 1] = True
    samples = np.full((1, 4, 4, 1), -1.0)
    samples[0, 1, 1] = 1.0
    assert blended(samples, picture, hole)[0, 1, 1] == 255


def test_without_scipy_a_sentence_says_what_to_install(monkeypatch):
    def gone(name):
        raise ImportError(name)

    monkeypatch.setattr(blending.importlib, "import_module", gone)
    with pytest.raises(UsageError, match="pip install scipy"):
        LatentSearch(smooth())


# Files


def test_a_picture_with_a_mask_gets_answers_and_an_overview(plain, files):
    said = []
    written = inpaint(
        plain,
        str(files / "picture.png"),
        str(files / "mask.png"),
        count=3,
        steps=60,
        out=str(files / "out"),
        say=said.append,
    )
    names = [pathlib.Path(path).name for path in written]
    assert names == ["picture_overview.png", *(f"picture_{i}.png" for i in range(3))]
    picture = read(files / "picture.png")
    for path in written[1:]:
        answer = read(path)
        np.testing.assert_array_equal(answer[~HOLE], picture[~HOLE])
    assert read(written[0]).shape == (64, 5 * 64 + 4 * 2)
    assert [text for text in said if "prior" in text] == said[:1] and "no checkpoint" in said[0]
    assert "context loss" in said[-1]
    with pytest.raises(UsageError, match=r"picture_overview\.png and 3 more would be replaced"):
        inpaint(
            plain, str(files / "picture.png"), str(files / "mask.png"), 3, out=str(files / "out")
        )


def test_a_transparent_part_is_the_hole_and_a_generator_file_will_do(plain, files):
    grey = read(files / "picture.png")
    alpha = np.where(HOLE, 0, 255)
    save(np.stack([grey, grey, grey, alpha], -1).astype("uint8"), files / "holed.png")
    said = []
    paths = [
        inpaint(
            f"{plain}/generator.keras",
            str(files / name),
            mask,
            count=1,
            steps=20,
            out=str(files / out),
            say=said.append,
        )[1]
        for name, mask, out in (
            ("holed.png", None, "a"),
            ("picture.png", str(files / "mask.png"), "b"),
        )
    ]
    first, second = (pathlib.Path(path).read_bytes() for path in paths)
    assert first == second
    assert "a generator file holds none" in said[0]


def test_a_folder_takes_masks_of_the_same_names_or_one_for_all(plain, files):
    picture = read(files / "picture.png")
    for name in ("x", "deep/y"):
        save(picture, files / "in" / f"{name}.png")
        mask = HOLE if name == "x" else HOLE.T
        save(mask.astype("uint8") * 255, files / "masks" / f"{name}.bmp")
    options = {"count": 1, "steps": 10, "say": quiet}
    written = inpaint(
        plain, str(files / "in"), str(files / "masks"), out=str(files / "out"), **options
    )
    assert len(written) == 4
    for name, mask in (("x", HOLE), ("deep/y", HOLE.T)):
        answer = read(files / "out" / f"{name}_0.png")
        np.testing.assert_array_equal(answer[~mask], picture[~mask])
        assert (answer[mask] != picture[mask]).any()
    one = inpaint(
        plain, str(files / "in"), str(files / "mask.png"), out=str(files / "one"), **options
    )
    assert len(one) == 4
    (files / "masks" / "x.bmp").unlink()
    with pytest.raises(UsageError, match="no mask of the name x in"):
        inpaint(plain, str(files / "in"), str(files / "masks"), out=str(files / "o"), **options)


def test_resizing_brings_picture_and_mask_to_the_size(plain, tmp_path):
    large = np.full((40, 24, 3), 90, "uint8")
    mask = np.zeros((40, 24), "uint8")
    mask[15:20, 6:12] = 255
    paths = save(large, tmp_path / "large.png"), save(mask, tmp_path / "mask.png")
    with pytest.raises(UsageError, match=r"draws pictures of 8x8.*--resize=crop.*of 40x24"):
        inpaint(plain, *paths, out=str(tmp_path / "out"), say=quiet)
    said = []
    options = {"count": 1, "steps": 5, "out": str(tmp_path / "out"), "say": said.append}
    _, path = inpaint(plain, *paths, resize="crop", **options)
    answer = read(path)
    changed = answer != 90
    assert answer.shape == (8, 8) and 2 <= changed.sum() <= 9 and changed[2:5, 2:4].any()
    assert not changed[:2].any() and not changed[6:].any()
    assert "8x8 (height x width): crop" in said[0]


def test_the_classes_of_the_answers_are_named(tmp_path):
    run = make_run(tmp_path / "run", smooth(classes=3), class_names=["a", "b", "c"])
    picture = sample(keras.models.load_model(f"{run}/generator.keras"), 5, np.array([2]))
    paths = save(picture, tmp_path / "p.png"), save(HOLE.astype("uint8") * 255, tmp_path / "m.png")
    said = []
    inpaint(run, *paths, count=4, steps=10, out=str(tmp_path / "all"), say=said.append)
    named = said[-1].partition("classes ")[2].split(", ")
    assert len(named) == 4 and set(named) <= set("abc")
    inpaint(run, *paths, count=2, classes="b", steps=10, out=str(tmp_path / "b"), say=said.append)
    assert said[-1].endswith("classes b, b")
    with pytest.raises(UsageError, match="no class 'd'"):
        inpaint(run, *paths, classes="d", out=str(tmp_path / "d"), say=said.append)


@pytest.mark.parametrize(
    ("picture", "mask", "message"),
    [
        ((8, 8), np.zeros((7, 8)), r"size of .*mask\.png is not .*Expected 8x8.*Received: 7x8"),
        ((8, 8), np.zeros((8, 8)), "no hole"),
        ((8, 8), np.full((8, 8), 255), "nothing but hole"),
        ((8, 8), None, r"picture\.png has no transparency.*--mask=FILE"),
        ((8, 8, 4), None, "no hole: the transparency of"),
        ((8, 8, 3), HOLE * 255, "has colours"),
    ],
)
def test_what_cannot_be_filled_is_one_sentence(plain, tmp_path, picture, mask, message):
    values = np.random.default_rng(0).integers(0, 256, picture)
    if picture[2:] == (4,):
        values[..., 3] = 255
    path = save(values.astype("uint8"), tmp_path / "picture.png")
    if mask is not None:
        mask = save(mask.astype("uint8"), tmp_path / "mask.png")
    with pytest.raises(UsageError, match=message) as caught:
        inpaint(plain, path, mask, out=str(tmp_path / "out"), say=quiet)
    assert "\n" not in str(caught.value) and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (points, "cannot fill holes.*samples of shape"),
        (lambda: smooth(channels=4), "1 or 3 channels.*samples of shape"),
        (linear, "makes pictures of pictures"),
    ],
)
def test_a_run_that_fills_no_holes_is_one_sentence(files, make, message):
    run = make_run(files / "run", make())
    with pytest.raises(UsageError, match=message):
        inpaint(run, str(files / "picture.png"), str(files / "mask.png"), say=quiet)


def test_missing_and_damaged_files_are_one_sentence(plain, files):
    (files / "text.png").write_text("hello")
    (files / "in").mkdir()
    save(np.zeros((8, 8), "uint8"), files / "in" / "x.png")
    good, bad, none = (str(files / name) for name in ("picture.png", "text.png", "none.png"))
    for inputs, mask, message in (
        (none, good, "no file or folder"),
        (good, none, "no file or folder .*--mask"),
        (bad, good, r"text\.png cannot be used: not a picture"),
        (good, bad, r"text\.png cannot be used: not a picture"),
        (good, str(files / "in"), "is a folder, and --input"),
    ):
        with pytest.raises(UsageError, match=message):
            inpaint(plain, inputs, mask, out=str(files / "out"), say=quiet)
    with pytest.raises(UsageError, match="1 to 64 answers"):
        inpaint(plain, good, good, count=65, say=quiet)


@pytest.mark.backend
def test_a_run_brings_its_own_discriminator(straight, tmp_path):
    session, _ = straight
    picture = np.random.default_rng(0).integers(0, 256, (16, 16)).astype("uint8")
    mask = np.zeros((16, 16), "uint8")
    mask[4:12, 4:12] = 255
    said = []
    written = inpaint(
        str(session.directory),
        save(picture, tmp_path / "p.png"),
        save(mask, tmp_path / "m.png"),
        count=2,
        steps=5,
        out=str(tmp_path / "out"),
        say=said.append,
    )
    assert len(written) == 3 and not [text for text in said if "prior" in text]


@pytest.mark.slow  # a process for each
@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["--input={0}/picture.png", "--mask={0}/mask.png", "--steps=5", "--count=2"], 0, ""),
        (["--input={0}/picture.png"], 2, "--mask=FILE"),
        (["--mask={0}/mask.png"], 2, "--mask is for pictures with holes"),
        (["--input={0}/picture.png", "--walk"], 2, "--walk is for samples"),
    ],
)
def test_the_program_fills_holes(plain, files, flags, code, message):
    flags = [flag.format(files) for flag in flags]
    done = subprocess.run(
        [sys.executable, "generate.py", f"--run={plain}", f"--out={files / 'out'}", *flags],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == code and message in done.stderr, done.stderr
    assert (files / "out" / "picture_1.png").exists() == (code == 0)
