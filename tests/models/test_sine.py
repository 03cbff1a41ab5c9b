"""The fully connected GAN of sine signals: what it learns, and the settings of the book."""

import helpers
import keras
import numpy as np
import pytest

from configs import sine
from zoo.data import synthetic
from zoo.errors import UsageError
from zoo.metrics.sine import fit_sines
from zoo.models.sine import SineGAN


def paper(**settings):
    config = sine.get_config("sine", "paper")
    known = SineGAN.settings()
    return SineGAN(**{k: v for k, v in config.items() if k in known}, **settings), config


def kinds(network):
    return [type(layer).__name__ for layer in network.layers[1:]]


def test_a_few_hundred_steps_draw_sine_waves():
    data = synthetic.load("sine", n=25_600)
    gan = SineGAN(hidden=64, ema_half_life=5000.0)
    gan.compile()
    before = fit_sines(gan.generate(200))
    gan.fit(data.samples, batch_size=64, verbose=0)
    after = fit_sines(gan.generate(200))
    assert after["residual"].mean() < 0.06 < before["residual"].mean()
    assert 1.1 < after["frequency"].mean() < 1.6


def test_the_paper_preset_has_the_settings_of_the_book():
    gan, config = paper()
    steps = 100_000 // config["batch_size"] * config["epochs"]
    assert steps == pytest.approx(50_000, rel=1e-3)
    dense = [
        [x.units for x in network.layers if isinstance(x, keras.layers.Dense)]
        for network in (gan.generator, gan.discriminator)
    ]
    assert dense == [[10, 10, 10], [10, 10, 1]]
    assert gan.generator.input_shape == (None, 1)
    assert kinds(gan.generator) == ["Dense", "ReLU", "Dense", "ReLU", "Dense", "Activation"]
    assert gan.generator.layers[-1].activation is keras.activations.tanh
    assert kinds(gan.discriminator) == ["Dense", "LeakyReLU", "Dense", "LeakyReLU", "Dense"]
    assert gan.discriminator.layers[-2].negative_slope == pytest.approx(0.2)
    assert gan.loss == "non_saturating" and gan.penalty is None and gan.ema_half_life == 0
    gan.compile()
    for optimizer in gan.optimizer.optimizers:
        assert type(optimizer).__name__ == "SGD"
        assert float(helpers.numpy(optimizer.learning_rate)) == pytest.approx(0.01)
        assert optimizer.momentum == 0 and optimizer.global_clipnorm == 0.2


def test_the_paper_preset_clips_the_weights_of_both_networks():
    gan, _ = paper()
    gan.compile()
    for network in (gan.generator, gan.discriminator):
        network.set_weights([w + 1 for w in network.get_weights()])
    gan.fit(np.zeros((4, 10), "float32"), batch_size=4, verbose=0)
    for network in (gan.generator, gan.discriminator):
        assert max(np.abs(w).max() for w in network.get_weights()) == pytest.approx(0.25)


def test_the_generator_is_clipped_only_when_asked():
    gan = SineGAN(hidden=8, weight_clip=0.01)
    gan.compile()
    gan.fit(np.zeros((4, 10), "float32"), batch_size=4, verbose=0)
    assert max(np.abs(w).max() for w in gan.generator.get_weights()) > 0.1
    assert max(np.abs(w).max() for w in gan.discriminator.get_weights()) == pytest.approx(0.01)


def test_signals_have_any_length():
    gan = SineGAN((16,), hidden=8, packing=2)
    assert gan.generator.output_shape == (None, 16)
    assert gan.discriminate(np.zeros((4, 16), "float32")).shape == (2,)


@pytest.mark.parametrize("shape", [(28, 28, 1), (10, 1), ()])
def test_samples_of_another_shape_are_refused(shape):
    with pytest.raises(UsageError, match=r"sample_shape=\(points,\)|shape of one sample"):
        SineGAN(shape)


def test_the_networks_are_of_stock_layers():
    gan = SineGAN(hidden=8)
    for network in (gan.generator, gan.discriminator):
        assert {type(layer).__module__.split(".")[0] for layer in network.layers} == {"keras"}
    assert gan.generator.output_names == ["sample"]
