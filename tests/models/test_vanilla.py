"""The fully connected GAN: samples of any shape, and the settings of the tutorial."""

import helpers
import keras
import numpy as np
import pytest

from configs import vanilla
from zoo.errors import UsageError
from zoo.models.vanilla import VanillaGAN

SMALL = {"latent_dim": 4, "hidden": 8, "depth": 2}


def layers(network, kind):
    return [layer for layer in network.layers if isinstance(layer, kind)]


def paper(**settings):
    config = vanilla.get_config("mnist", "paper")
    known = VanillaGAN.settings()
    return VanillaGAN(**{k: v for k, v in config.items() if k in known}, **settings), config


def test_the_paper_preset_is_the_network_of_the_tutorial():
    gan, config = paper()
    assert config["batch_size"] == 32
    assert gan.generator.input_shape == (None, 128)
    assert [x.units for x in layers(gan.generator, keras.layers.Dense)] == [512, 784]
    assert [x.units for x in layers(gan.discriminator, keras.layers.Dense)] == [512, 1]
    for network in (gan.generator, gan.discriminator):
        (leak,) = layers(network, keras.layers.LeakyReLU)
        assert leak.negative_slope == 0.01
        assert not layers(network, keras.layers.BatchNormalization)
    (last,) = layers(gan.generator, keras.layers.Activation)
    assert last.activation is keras.activations.tanh
    assert gan.loss == "non_saturating" and gan.penalty is None and gan.ema_half_life == 0


def test_the_paper_preset_steps_with_the_optimizer_of_the_tutorial():
    gan, _ = paper(image_shape=(4, 4, 1))
    gan.compile()
    for optimizer in (gan.optimizer.generator, gan.optimizer.discriminator):
        assert type(optimizer).__name__ == "Adam"
        assert float(helpers.numpy(optimizer.learning_rate)) == pytest.approx(3e-4)
        assert (optimizer.beta_1, optimizer.beta_2) == (0.9, 0.999)


@pytest.mark.parametrize("shape", [(5, 5, 1), (3, 7, 3), (2, 3, 4)])
def test_images_have_any_size(shape):
    gan = VanillaGAN(shape, **SMALL)
    assert gan.generator.output_shape == (None, *shape)
    samples = np.random.default_rng(0).uniform(-1, 1, (3, *shape)).astype("float32")
    assert gan.discriminate(samples).shape == (3,)
    assert gan.generate(2).shape == (2, *shape)


def test_packed_samples_enter_the_discriminator_together():
    gan = VanillaGAN((4, 4, 1), packing=2, **SMALL)
    samples = np.random.default_rng(0).uniform(-1, 1, (6, 4, 4, 1)).astype("float32")
    assert gan.discriminate(samples).shape == (3,)


def test_depth_and_width_of_both_networks_follow_the_settings():
    gan = VanillaGAN((4, 4, 1), latent_dim=4, hidden=6, depth=3)
    for network, last in ((gan.generator, 16), (gan.discriminator, 1)):
        assert [x.units for x in layers(network, keras.layers.Dense)] == [6, 6, 6, last]
    assert len(layers(gan.generator, keras.layers.BatchNormalization)) == 3


def test_it_learns_to_draw_each_of_four_pictures():
    row = np.random.default_rng(0).integers(0, 4, 512)
    x = np.zeros((512, 4, 4, 1), "uint8")
    x[np.arange(512), row] = 255
    settings = {"latent_dim": 4, "hidden": 32, "depth": 2, "learning_rate": 1e-2}
    # Without the penalty one of the four is lost on some backends.
    gan = VanillaGAN((4, 4, 1), **settings, penalty="r1", penalty_weight=1.0)
    gan.compile()
    gan.fit(x, batch_size=32, epochs=12, verbose=0)
    real = np.stack([x[row == r][0] for r in range(4)]) / 127.5 - 1
    distance = np.abs(gan.generate(64)[:, None] - real).mean((2, 3, 4))
    assert np.median(distance.min(1)) < 0.2, "an untrained generator is 1 away"
    assert set(distance.argmin(1)) == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden": 0}, "`hidden` is out of range"),
        ({"depth": 0}, "`depth` is out of range"),
        ({"slope": -0.1}, "`slope` is out of range"),
        ({"generator_norm": "layer"}, "no generator_norm 'layer'. Valid: batch, none"),
    ],
)
def test_a_wrong_setting_gets_one_sentence(settings, message):
    with pytest.raises(UsageError, match=message):
        VanillaGAN((4, 4, 1), **SMALL | settings)
