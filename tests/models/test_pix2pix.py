"""pix2pix: the U-Net, the patches, and the losses of the pairs."""

import helpers
import keras
import numpy as np
import pytest
from helpers import numpy, small
from keras import ops

import zoo
from zoo.errors import UsageError
from zoo.models.pix2pix import Pix2Pix, halvings
from zoo.runs import config


def fields(gan, count=2):
    return helpers.fields(gan, helpers.data(gan, count)[0])


def softplus(x):
    return np.logaddexp(0, x)


@pytest.mark.parametrize(
    ("shape", "count"),
    [((32, 32, 3), 5), ((256, 256, 3), 8), ((512, 512, 1), 8), ((32, 48, 3), 4), ((64, 96, 4), 5)],
)
def test_sides_are_halved_as_often_as_both_can_be(shape, count):
    assert halvings(shape) == count


def test_the_decoder_has_skips_of_equal_size_and_dropout_in_its_first_blocks():
    gan = zoo.create("pix2pix", image_shape=(32, 64, 3), width=2)
    network = gan.generator
    kinds = [layer.name for layer in network.layers]
    assert (
        sum(
            name.startswith("down_") and "_relu" not in name and "_norm" not in name
            for name in kinds
        )
        == 5
    )
    for i in range(4):
        up, down = network.get_layer(f"up_{i}_skip").input
        assert up.shape[1:3] == down.shape[1:3] == (32 / 2 ** (i + 1), 64 / 2 ** (i + 1))
    dropped = [x.name for x in network.layers if isinstance(x, keras.layers.Dropout)]
    assert dropped == ["up_3_drop", "up_2_drop", "up_1_drop"]


@pytest.mark.parametrize(("count", "side"), [(1, 16), (2, 34), (3, 70), (4, 142)])
def test_a_logit_looks_at_a_patch_of_the_size_that_is_documented(count, side):
    size, kernel, strides = 1, 4, [2] * count + [1, 1]
    for stride in reversed(strides):
        size = (size - 1) * stride + kernel
    assert size == side
    gan = small("pix2pix", patch_halvings=count)
    layer_strides = [
        layer.strides[0]
        for layer in gan.discriminator.layers
        if isinstance(layer, keras.layers.Conv2D)
    ]
    assert layer_strides == strides


def test_the_losses_are_the_formulas():
    gan = small("pix2pix", adversarial_weight=2.0, l1_weight=30.0, dropout=0.0)
    batch = fields(gan)
    made = gan.make(batch)
    real, fake = (
        numpy(gan.discriminator([batch["input"], judged], training=True))
        for judged in (batch["target"], made["fake"])
    )
    loss, seen = gan.discriminator_loss(batch, made)
    expected = (softplus(-real).mean() + softplus(fake).mean()) / 2
    assert float(numpy(loss)) == pytest.approx(expected, rel=1e-4)
    np.testing.assert_allclose(numpy(seen["fake"]), fake.reshape(-1), rtol=1e-4, atol=1e-5)
    terms = gan.generator_loss(batch, made)
    adversarial, l1 = (float(numpy(terms[name])) for name in ("adversarial", "l1"))
    assert adversarial == pytest.approx(2 * softplus(-fake).mean(), rel=1e-4)
    difference = np.abs(numpy(batch["target"]) - numpy(made["fake"]))
    assert l1 == pytest.approx(30 * difference.mean(), rel=1e-4)


def test_the_discriminator_sees_the_input_beside_what_it_judges():
    gan = small("pix2pix")
    batch = fields(gan)
    together = gan.discriminate(batch["input"], batch["target"])
    other = gan.discriminate(ops.flip(batch["input"], axis=2), batch["target"])
    assert np.abs(numpy(together) - numpy(other)).max() > 1e-3


def test_without_the_game_the_discriminator_rests():
    gan = small("pix2pix", adversarial_weight=0.0)
    gan.compile()
    before = gan.discriminator.get_weights()
    losses = helpers.step(gan, helpers.data(gan, 8)[0])
    assert set(losses) == {"loss", "g_loss", "g_l1"} == set(gan.trackers), "no empty columns"
    for weight, value in zip(gan.discriminator.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, value)
    assert set(helpers.step(made_without_l1(), helpers.data(gan, 8)[0])) >= {"g_adversarial"}


def made_without_l1():
    gan = small("pix2pix", l1_weight=0.0)
    gan.compile()
    return gan


def test_the_paper_preset_is_the_papers_network():
    resolved = config.sized(config.resolve("pix2pix", "pairs:x", "paper"), (256, 256, 3), 1)
    gan = Pix2Pix((256, 256, 3), **config.model_settings(resolved) | {"width": 1})
    # C64-C128-C256-C512-C512-C512-C512-C512, in units of 64.
    down = [gan.generator.get_layer(f"down_{i}").filters for i in range(8)]
    assert down == [1, 2, 4, 8, 8, 8, 8, 8]
    assert gan.generator.get_layer("down_7").output.shape[1:3] == (1, 1)
    assert gan.discriminator.output.shape[1:] == (32, 32, 1)
    assert resolved["width"] == 64 and gan.dropout == 0.5


def test_a_trained_generator_gives_the_same_picture_twice():
    gan = small("pix2pix")
    network = gan.inference_network("generator")
    x = numpy(fields(gan)["input"])
    np.testing.assert_array_equal(numpy(network(x)), numpy(network(x)))
    larger = np.zeros((1, 64, 96, 1), "float32")
    assert network(larger).shape == larger.shape


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((40, 32, 3), "divisible by 16.*image_size=32x32"),
        ((16, 16, 3), "at least 32 pixels.*image_size=32"),
        ((32, 32, 2), "1, 3 or 4 channels"),
        ((32, 32), "1, 3 or 4 channels"),
    ],
)
def test_other_shapes_are_refused_with_one_that_will_do(shape, message):
    with pytest.raises(UsageError, match=message):
        Pix2Pix(shape)
