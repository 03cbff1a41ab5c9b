"""The small pictures that a game enlarges: right, of the seed alone, and only what is asked for."""

import io

import helpers
import numpy as np
import pytest
from helpers import numpy
from keras import ops
from PIL import Image

from zoo.data import bicubic
from zoo.errors import UsageError
from zoo.parts import degradation

pytestmark = pytest.mark.backend


def photo(side=32, channels=3):
    small = np.random.default_rng(0).integers(0, 256, (6, 6, 3)).astype("uint8")
    image = Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(image.convert("L" if channels == 1 else "RGB")).reshape(side, side, channels)


def low(gan, images):
    batch = helpers.fields(gan, {"high": images})
    return numpy(gan.part["Degradation"].before_round(gan, batch)["low"])


def small(**settings):
    return helpers.small("srgan", **{"image_shape": (32, 32, 3)} | settings)


@pytest.mark.parametrize("scale", [2, 4])
def test_bicubic_is_what_the_scores_and_files_take(scale):
    images = np.stack([photo(), photo()[::-1]])
    made = low(small(scale=scale), images)
    assert made.shape == (2, 32 // scale, 32 // scale, 3)
    expected = np.stack([bicubic.shrunk(image, scale)[1] for image in images])
    levels = (made + 1) * 127.5
    np.testing.assert_allclose(levels, levels.round(), atol=1e-3)
    # A tie may round either way.
    assert np.abs(levels - expected).max() < 1.01 and (levels.round() != expected).mean() < 0.01


@pytest.mark.parametrize("kind", degradation.KINDS)
def test_each_kind_changes_the_picture_and_depends_on_the_seed_alone(kind):
    images = np.stack([photo()] * 4)
    plain = low(small(), images)
    first, again = (low(small(degradation=kind), images) for _ in range(2))
    other = low(small(degradation=kind, seed=1), images)
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - plain).max() > 0.01 and np.abs(first - other).max() > 0.005
    assert np.abs(first[0] - first[1]).max() > 0.005, "all pictures have one strength"
    assert np.abs(first - plain).mean() < 0.2


def test_the_strengths_are_those_of_the_docstring(monkeypatch):
    """At most 0.75 small pixels of blur, and a deviation of 12 grey levels."""
    gan = small(degradation="noise", image_shape=(128, 128, 3))
    monkeypatch.setattr(gan, "uniform", lambda shape: ops.ones(shape))
    grey = np.full((4, 128, 128, 3), 128, "uint8")
    assert low(gan, grey).std() * 127.5 == pytest.approx(12, rel=0.05)
    gan, seen = small(degradation="blur", scale=2), []
    monkeypatch.setattr(gan, "uniform", lambda shape: ops.ones(shape))
    monkeypatch.setattr(degradation, "blurred", lambda x, d: [seen.append(numpy(d)), x][1])
    low(gan, np.stack([photo()] * 2))
    np.testing.assert_allclose(seen[0], np.full((2, 1, 1), 0.75 * 2), rtol=1e-6)


def test_kinds_are_named_in_any_order_and_several_draws_follow_each_other():
    assert degradation.parse("jpeg, blur") == ("blur", "jpeg")
    assert degradation.parse("bicubic") == degradation.parse("") == ()
    gan = small(degradation="noise")
    images = np.stack([photo()] * 2)
    assert np.abs(low(gan, images) - low(gan, images)).max() > 0.005


def test_the_blur_is_a_gaussian():
    from scipy.ndimage import gaussian_filter

    image = np.zeros((1, 33, 33, 1), "float32")
    image[0, 16, 16] = 1
    made = numpy(degradation.blurred(ops.convert_to_tensor(image), np.full((1, 1, 1), 2, "f4")))
    expected = gaussian_filter(image[0, ..., 0], 2, truncate=8)
    np.testing.assert_allclose(made[0, ..., 0], expected, atol=1e-4)


@pytest.mark.parametrize("side", [12, 36])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("quality", [40, 75, 95])
def test_compression_is_that_of_a_jpeg_file(channels, quality, side):
    image = photo(side, channels)
    file = io.BytesIO()
    pillow = Image.fromarray(image[..., 0] if channels == 1 else image)
    pillow.save(file, "JPEG", quality=quality, subsampling=0)
    expected = np.asarray(Image.open(file)).reshape(image.shape).astype(float)
    given = ops.convert_to_tensor(image[np.newaxis].astype("float32") / 127.5 - 1)
    made = numpy(degradation.compressed(given, np.full(1, quality, "float32")))[0]
    made = np.clip((made + 1) * 127.5, 0, 255)
    difference = np.abs(made - expected)
    # In 12 pixels there is more detail to round. Blocks filled by mirroring would be 8 levels off.
    assert difference.mean() < (0.7 if side == 36 else 1.5)
    assert difference.max() < (8 if side == 36 else 20)
    assert np.abs(image.astype(float) - expected).mean() > difference.mean()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"degradation": "blurr"}, "no degradation 'blurr'. Did you mean 'blur'"),
        ({"scale": 3}, "enlarged 2 or 4 times. Received: scale=3"),
        ({"scale": 8}, "`scale` is out of range"),
        ({"image_shape": (18, 32, 3)}, "sides that 4 divides, for example"),
    ],
)
def test_a_wrong_setting_is_one_sentence(settings, message):
    with pytest.raises(UsageError, match=message) as error:
        small(**settings)
    assert "\n" not in str(error.value)
