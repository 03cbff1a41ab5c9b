"""CycleGAN: both directions, the losses, the pool, and what the settings make of the networks."""

import helpers
import keras
import numpy as np
import pytest
from helpers import numpy, small

from zoo.errors import UsageError
from zoo.models.cyclegan import CycleGAN
from zoo.runs import config


def fields(gan, count=2):
    return helpers.fields(gan, helpers.data(gan, count)[0])


def test_the_losses_are_the_formulas():
    weights = {"adversarial_weight": 3.0, "cycle_weight": 7.0, "identity_weight": 5.0}
    gan = small("cyclegan", **weights)
    batch = fields(gan)
    made = {name: numpy(x) for name, x in gan.make(batch).items()}
    a, b = (numpy(batch[side]) for side in ("a", "b"))

    def drawn(network, x):
        return numpy(gan.network(network)(x, training=True))

    np.testing.assert_allclose(made["fake_b"], drawn("a_to_b", a), atol=1e-5)
    np.testing.assert_allclose(made["back_a"], drawn("b_to_a", made["fake_b"]), atol=1e-5)
    np.testing.assert_allclose(made["back_b"], drawn("a_to_b", made["fake_a"]), atol=1e-5)
    np.testing.assert_allclose(made["same_a"], drawn("b_to_a", a), atol=1e-5)
    judged = {
        (side, what): drawn(f"d_{side}", x)
        for side, real in (("a", a), ("b", b))
        for what, x in (("real", real), ("fake", made[f"fake_{side}"]))
    }
    terms = {name: float(numpy(x)) for name, x in gan.discriminators_loss(batch, made).items()}
    for side in ("a", "b"):
        real, fake = judged[side, "real"], judged[side, "fake"]
        expected = (np.mean((real - 1) ** 2) + np.mean(fake**2)) / 2
        assert terms[side] == pytest.approx(expected, rel=1e-4)
    terms = {name: float(numpy(x)) for name, x in gan.generators_loss(batch, made).items()}
    fooled = sum(np.mean((judged[side, "fake"] - 1) ** 2) / 2 for side in ("a", "b"))
    assert terms["adversarial"] == pytest.approx(3 * fooled, rel=1e-4)
    cycle = np.abs(made["back_a"] - a).mean() + np.abs(made["back_b"] - b).mean()
    assert terms["cycle"] == pytest.approx(7 * cycle, rel=1e-4)
    identity = np.abs(made["same_a"] - a).mean() + np.abs(made["same_b"] - b).mean()
    assert terms["identity"] == pytest.approx(5 * identity, rel=1e-4)


def test_what_has_no_weight_is_not_computed():
    gan = small("cyclegan", cycle_weight=0.0, identity_weight=0.0)
    batch = fields(gan)
    assert set(gan.make(batch)) == {"fake_a", "fake_b"}
    assert set(gan.generators_loss(batch, gan.make(batch))) == {"adversarial"}
    assert small("cyclegan", adversarial_weight=0.0).idle() == ("discriminators",)
    assert list(gan.trackers) == ["loss", "d_loss", "g_loss", "d_a", "d_b", "g_adversarial"]


def test_discriminators_are_shown_the_pool_and_generators_are_not():
    gan = small("cyclegan")
    judge, _ = gan.players
    old = np.full((3, *gan.image_shape), 0.25, "float32")
    for pool in gan.part["Pool"].pools.values():
        pool.assign(old)
    gan.part["Pool"].filled.assign(3)
    made = gan.make(fields(gan, 8))
    shown = numpy(gan.shown(judge, made)["fake_a"])
    from_pool = (shown == 0.25).all(axis=(1, 2, 3))
    fresh = (shown == numpy(made["fake_a"])).all(axis=(1, 2, 3))
    assert (from_pool | fresh).all() and from_pool.any() and fresh.any()


def test_each_discriminator_judges_its_own_side():
    gan = small("cyclegan")
    x = fields(gan)["a"]
    found = [numpy(gan.discriminate(side, x)) for side in ("a", "b")]
    assert found[0].ndim == 1 and not np.allclose(*found)


def test_the_paper_preset_is_the_papers_network():
    shape = (256, 256, 3)
    resolved = config.sized(config.resolve("cyclegan", "domains:x", "paper"), shape, 10)
    gan = CycleGAN(shape, **config.model_settings(resolved) | {"width": 1, "pool_size": 1})
    names = [x.name for x in gan.a_to_b.layers]
    assert sum(name.startswith("block_") and name[6:].isdigit() for name in names) == 9
    kinds = [type(x).__name__ for x in gan.a_to_b.layers]
    assert kinds.count("Conv2DTranspose") == 2 and "UpSampling2D" not in kinds
    assert gan.a_to_b.output_shape == (None, *shape)
    assert gan.d_a.output_shape == (None, 32, 32, 1)
    assert (resolved["decay_after"], resolved["decay_steps"]) == (1000, 1000)


@pytest.mark.parametrize("padding", ["zero", "reflect"])
@pytest.mark.parametrize("upsampling", ["nearest", "transposed"])
def test_a_picture_keeps_its_sides(padding, upsampling):
    gan = small("cyclegan", padding=padding, upsampling=upsampling)
    network = gan.inference_network("b_to_a")
    larger = np.zeros((1, 24, 40, 1), "float32")
    assert network(larger).shape == larger.shape
    assert gan.a_to_b.output_shape == (None, *gan.image_shape)


def test_reflected_borders_are_those_of_numpy():
    gan = small("cyclegan", padding="reflect")
    first = next(x for x in gan.a_to_b.operations if x.name.startswith("pad"))
    x = np.random.default_rng(0).normal(size=(1, *gan.image_shape)).astype("float32")
    expected = np.pad(x, ((0, 0), (3, 3), (3, 3), (0, 0)), mode="reflect")
    inner = keras.Model(gan.a_to_b.input, first.output)
    np.testing.assert_array_equal(numpy(inner(x)), expected)


@pytest.mark.parametrize("skips", [True, False])
def test_the_picture_is_added_where_the_setting_says_so(skips):
    gan = small("cyclegan", input_skip=skips)
    for weight in gan.a_to_b.get_layer("to_image").weights:
        weight.assign(np.zeros(weight.shape))
    x = np.random.default_rng(0).uniform(-1, 1, (1, *gan.image_shape)).astype("float32")
    np.testing.assert_allclose(numpy(gan.a_to_b(x)), np.tanh(x) if skips else 0 * x, atol=1e-6)


@pytest.mark.parametrize("shape", [(18, 16, 3), (4, 4, 3), (16, 16, 2), (16, 16)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(UsageError, match="image"):
        CycleGAN(shape)
