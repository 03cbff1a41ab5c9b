"""The perceptual distance: of features, towards the drawn picture, and outside of the game."""

import helpers
import keras
import numpy as np
import pytest
from helpers import numpy, small
from keras import ops

from zoo.errors import UsageError
from zoo.metrics import efficientnet
from zoo.parts.perceptual import Perceptual


def pictures(seed=0, side=32, channels=1):
    drawn = np.random.default_rng(seed).uniform(-1, 1, (2, side, side, channels))
    return ops.convert_to_tensor(drawn.astype("float32"))


def part(gan):
    return gan.part["Perceptual"]


@pytest.mark.backend
@pytest.mark.parametrize("channels", [1, 3])
def test_it_is_the_mean_over_maps_of_the_squared_difference(channels):
    gan = small("srgan", image_shape=(32, 32, channels), perceptual_maps=2)
    a, b = pictures(0, channels=channels), pictures(1, channels=channels)
    rgb = [np.repeat(numpy(x), 3 // channels, axis=-1) for x in (a, b)]
    first, second = ([numpy(m) for m in part(gan).network(x)] for x in rgb)
    expected = np.mean([np.square(first[i] - second[i]).mean() for i in range(2)])
    assert float(numpy(part(gan).distance(a, b))) == pytest.approx(expected, rel=1e-4)
    assert float(numpy(part(gan).distance(a, a))) == 0


@pytest.mark.parametrize("count", [1, 2])
def test_each_map_counts_in_its_own_size(count):
    gan = small("srgan", image_shape=(32, 32, 3), perceptual_maps=count)
    part(gan).scales = (2.0, 4.0, 1.0, 1.0)
    a, b = pictures(0, channels=3), pictures(1, channels=3)
    maps = [part(gan).network(x) for x in (a, b)]
    pairs = [maps] if count == 1 else zip(*maps, strict=True)
    squares = [np.square(numpy(f) - numpy(g)).mean() for f, g in pairs]
    expected = np.mean([s / scale**2 for s, scale in zip(squares, (2, 4), strict=False)])
    assert float(numpy(part(gan).distance(a, b))) == pytest.approx(expected, rel=1e-4)


@pytest.mark.backend
def test_its_gradient_flows_to_the_drawn_picture():
    gan = small("srgan")
    variable = keras.Variable(numpy(pictures(0, 16)))
    (gradient,) = helpers.plain_gradient(
        [variable], lambda: part(gan).distance(variable.value, pictures(1, 16))
    )
    assert np.abs(numpy(gradient)).max() > 0


def test_its_network_belongs_to_no_player_and_no_file():
    gan, without = small("srgan"), small("srgan", perceptual_weight=0.0)
    assert part(gan).network is not None and part(without).network is None
    assert [v.shape for v in gan.variables] == [v.shape for v in without.variables]
    before = [numpy(w) for w in part(gan).network.weights]
    gan.compile()
    helpers.step(gan, helpers.data(gan, 8)[0])
    for weight, value in zip(part(gan).network.weights, before, strict=True):
        np.testing.assert_array_equal(numpy(weight), value)


def test_seed_and_name_decide_it():
    first, again, other = (part(small("srgan", seed=seed)).network for seed in (0, 0, 1))
    kernels = [numpy(network.weights[0]) for network in (first, again, other)]
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert not np.array_equal(kernels[0], kernels[2])


def test_the_package_is_needed_only_where_it_is_used(monkeypatch):
    missing = efficientnet.Version("no-such-package", "file", "0", (1,), (1.0,))
    monkeypatch.setitem(efficientnet.VERSIONS, "lite0", missing)
    trained = {"perceptual_features": "efficientnet_lite0"}
    small("srgan", **trained, perceptual_weight=0.0)
    small("srgan", **trained, stages="error", error_rounds=2)
    ways = "--set perceptual_weight=0 .* pip install no-such-package"
    with pytest.raises(UsageError, match=ways) as error:
        small("srgan", **trained)
    assert "\n" not in str(error.value)


def test_a_run_records_the_file_of_its_network():
    values = {"perceptual_features": "efficientnet_lite0", "perceptual_weight": 0.1}
    expected = {"perceptual_hash": efficientnet.VERSIONS["lite0"].sha256}
    assert Perceptual.dependencies(values) == expected
    assert Perceptual.dependencies(values | {"perceptual_weight": 0.0}) == {}
    assert Perceptual.dependencies(values | {"perceptual_features": "random"}) == {}
