"""GMAN: several discriminators against one generator, and how their judgements are combined."""

import helpers
import keras
import numpy as np
import pytest
from helpers import BATCH, data, numpy, small, step

import zoo

pytestmark = pytest.mark.backend

LOSSES = np.array([0.5, 2.0, 1.0], "float32")


@pytest.mark.parametrize(
    ("combination", "sharpness", "expected"),
    [
        ("mean", 1.0, LOSSES.mean()),
        ("max", 1.0, 2.0),
        ("softmax", 0.0, LOSSES.mean()),
        ("softmax", 1.0, np.sum(np.exp(LOSSES) * LOSSES) / np.exp(LOSSES).sum()),
        ("softmax", 100.0, 2.0),
    ],
)
def test_the_losses_are_combined_as_the_paper_says(combination, sharpness, expected):
    gan = small("vanilla", combination=combination, combination_sharpness=sharpness)
    combined = gan.part["Discriminators"].combined
    result = combined([keras.ops.convert_to_tensor(loss) for loss in LOSSES])
    assert float(numpy(result)) == pytest.approx(expected, rel=1e-5)
    assert float(numpy(combined([keras.ops.convert_to_tensor(3.0)]))) == 3


@pytest.mark.parametrize("name", ["vanilla", "conditional"])
def test_each_discriminator_starts_differently_and_learns(name):
    gan = small(name, discriminators=3, combination="softmax")
    gan.compile()
    x, y = data(gan, BATCH)
    before = [
        [numpy(v) for v in network.trainable_variables] for network in gan.discriminator_networks
    ]
    assert len(before) == 3
    assert not np.array_equal(before[0][0], before[1][0])
    assert all(np.isfinite(value) for value in step(gan, x, y).values())
    for network, values in zip(gan.discriminator_networks, before, strict=True):
        for variable, value in zip(network.trainable_variables, values, strict=True):
            assert not np.array_equal(numpy(variable), value), variable.path


@pytest.mark.slow  # compiles three steps
def test_each_discriminator_moves_as_if_it_were_alone():
    def make(name, **settings):
        class Injected(zoo.get(name)):
            def draw(self, batch):
                return {"z": keras.ops.convert_to_tensor(z)}

        return Injected(**settings)

    z = np.random.default_rng(0).standard_normal((BATCH, 4)).astype("float32")
    settings = {"make": make, "loss": "relativistic_average", "penalty": "r1"}
    several = small("vanilla", discriminators=2, **settings)
    several.compile("sgd")
    x, _ = data(several, BATCH)
    start = [network.get_weights() for network in several.discriminator_networks]
    generator = several.generator.get_weights()
    step(several, x)
    for network, weights in zip(several.discriminator_networks, start, strict=True):
        alone = small("vanilla", **settings)
        alone.compile("sgd")
        alone.discriminator.set_weights(weights)
        alone.generator.set_weights(generator)
        step(alone, x)
        for one, other in zip(
            network.get_weights(), alone.discriminator.get_weights(), strict=True
        ):
            np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.slow  # compiles three steps
def test_a_model_of_several_is_saved_and_goes_on(tmp_path):
    gan = small("dcgan", discriminators=2, discriminator_norm="spectral")
    gan.compile()
    x, _ = data(gan, BATCH)
    step(gan, x)
    gan.save(tmp_path / "gan.keras")
    again = keras.models.load_model(tmp_path / "gan.keras")
    for one, other in zip(helpers.state(gan), helpers.state(again), strict=True):
        np.testing.assert_array_equal(numpy(one), numpy(other))
    for name, value in step(gan, x).items():
        assert step(again, x)[name] == pytest.approx(value, rel=1e-5)
        break
