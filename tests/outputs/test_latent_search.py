"""The search that fills holes, and the blending: what they find, what they keep, who decides.

The pictures of these tests are samples of a small generator, so a filling without error exists.
"""

import keras
import numpy as np
import pytest
from keras import layers
from small_generators import SMOOTH, pictures, sample, smooth

from zoo import sampling
from zoo.errors import UsageError
from zoo.metrics.paired import psnr
from zoo.outputs import blending
from zoo.outputs.blending import blended
from zoo.outputs.latent_search import (
    LatentSearch,
    context_loss,
    importance,
    kept_in_range,
    lengths,
)

HOLE = np.zeros((8, 8), bool)
HOLE[2:6, 3:7] = True


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def judge(channels=1, classes=None):
    """Returns a discriminator that prefers bright pictures."""
    image = keras.Input((8, 8, channels), name="image")
    label = keras.Input((), dtype="int32", name="label")
    mean = layers.GlobalAveragePooling2D()(image)
    logit = layers.Dense(1, kernel_initializer="ones")(layers.Rescaling(1.0)(mean))
    return keras.Model([image, label] if classes else image, logit)


@pytest.fixture(scope="module")
def search():
    return LatentSearch(smooth(channels=3))


@pytest.fixture(scope="module")
def found(search):
    picture = sample(search.generator, 100)
    return picture, search(picture, HOLE, count=4, seed=1, steps=150)


@pytest.mark.backend
def test_the_search_finds_what_the_generator_can_draw(search, found):
    picture, answers = found
    drawn = sampling.run_generator(search.generator, sampling.latents(64, SMOOTH, 7))
    hole = HOLE[np.newaxis]
    by_chance = max(
        psnr(s[np.newaxis], picture[np.newaxis], hole) for s in sampling.to_uint8(drawn)
    )
    assert by_chance < 25
    assert psnr(answers.images[:1], picture[np.newaxis], hole) > 35


def test_answers_differ_where_little_is_known():
    generator = smooth()
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


def test_the_best_step_counts_and_points_stay_in_range(search):
    picture = sample(search.generator, 100)
    weights = importance(HOLE)
    z = sampling.latents(4, SMOOTH, 1)
    target = picture / np.float32(127.5) - 1

    def loss(z):
        drawn = sampling.run_generator(search.generator, z)
        return numpy(context_loss(drawn, target, weights))

    # With steps so long, the last one is hardly the best.
    told = []
    best, _ = search._searched(z, None, target, weights, 20, 5.0, lambda _, note: told.append(note))
    assert loss(best).min() == pytest.approx(float(told[-1].removeprefix("loss ")), rel=1e-3)
    near, _ = search._searched(z, None, target, weights, 60, 0.1, None)
    assert (loss(near) < loss(z)).all()
    least, most = lengths(SMOOTH)
    found = np.linalg.norm(near, axis=1)
    assert (found > least - 1e-4).all() and (found < most + 1e-4).all()


def test_labels_go_with_classes():
    picture, several = np.zeros((8, 8, 1), "uint8"), np.zeros(2, "int32")
    with pytest.raises(UsageError, match="a label for each search"):
        LatentSearch(smooth(classes=3))(picture, HOLE, 2)
    with pytest.raises(UsageError, match="and none without"):
        LatentSearch(smooth())(picture, HOLE, 2, labels=several)
    with pytest.raises(UsageError, match="at most 64"):
        LatentSearch(smooth())(picture, HOLE, 65)


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


def test_a_generator_that_is_not_finite_is_one_sentence():
    generator = smooth()
    generator.layers[1].bias.assign(np.full(16, np.nan))
    with pytest.raises(UsageError, match="not finite"):
        LatentSearch(generator)(np.zeros((8, 8, 1), "uint8"), HOLE, 1, steps=2)


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
