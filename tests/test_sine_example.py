import importlib.util
from pathlib import Path

import keras
import numpy as np
import pytest

from zoo.backend import value_and_grad

PATH = Path(__file__).parents[1] / "examples" / "sine_numpy.py"
SPEC = importlib.util.spec_from_file_location("sine_numpy", PATH)
example = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(example)


@pytest.fixture
def game():
    """Both networks, with biases that are not zero, and a minibatch."""
    rng = np.random.default_rng(0)
    generator = example.new_network([1, 10, 10, 10], rng)
    discriminator = example.new_network([10, 10, 10, 1], rng)
    for network in (generator, discriminator):
        for bias in network[1::2]:
            bias += rng.normal(0, 0.3, bias.shape)
    real, _ = example.real_signals(7, rng)
    return generator, discriminator, real, rng.standard_normal((7, 1))


def finite_differences(loss, network):
    gradients = []
    for weights in network:
        gradient = np.zeros_like(weights)
        for index in np.ndindex(weights.shape):
            kept = weights[index]
            weights[index] = kept + 1e-6
            above = loss()
            weights[index] = kept - 1e-6
            gradient[index] = (above - loss()) / 2e-6
            weights[index] = kept
        gradients.append(gradient)
    return gradients


def fakes(generator, z):
    return np.tanh(example.forward(generator, z, example.RELU)[1])


def test_the_discriminators_gradients_are_finite_differences(game):
    generator, discriminator, real, z = game
    fake = fakes(generator, z)
    _, gradients = example.discriminator_loss(discriminator, real, fake)
    expected = finite_differences(
        lambda: example.discriminator_loss(discriminator, real, fake)[0], discriminator
    )
    for gradient, other in zip(gradients, expected, strict=True):
        assert np.abs(other).max() > 1e-4
        np.testing.assert_allclose(gradient, other, atol=1e-8, rtol=1e-5)


def test_the_generators_gradients_are_finite_differences(game):
    generator, discriminator, _, z = game
    _, gradients = example.generator_loss(generator, discriminator, z)
    expected = finite_differences(
        lambda: example.generator_loss(generator, discriminator, z)[0], generator
    )
    for gradient, other in zip(gradients, expected, strict=True):
        assert np.abs(other).max() > 1e-4
        np.testing.assert_allclose(gradient, other, atol=1e-8, rtol=1e-5)


def as_keras(network, slope, out):
    layers = [keras.Input((network[0].shape[0],))]
    for i in range(0, len(network), 2):
        layers.append(keras.layers.Dense(network[i].shape[1]))
        if i + 2 < len(network):
            layers.append(keras.layers.LeakyReLU(slope) if slope else keras.layers.ReLU())
    model = keras.Sequential([*layers, keras.layers.Activation(out)])
    model.set_weights(network)
    return model


# Keras on torch converts to numpy in a way that numpy 2 warns of.
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")
def test_losses_and_gradients_are_those_of_a_keras_model_with_the_same_weights(game):
    generator, discriminator, real, z = game
    g = as_keras(generator, 0.0, "tanh")
    d = as_keras(discriminator, 0.2, "sigmoid")
    entropy = keras.losses.BinaryCrossentropy()
    ones, zeros = np.ones((7, 1), "float32"), np.zeros((7, 1), "float32")
    real, z = real.astype("float32"), z.astype("float32")
    fake = fakes(generator, z).astype("float32")

    def d_loss():
        return entropy(ones, d(real)) + entropy(zeros, d(fake)), None

    def g_loss():
        return entropy(ones, d(g(z))), None

    for ours, loss, model in (
        (example.discriminator_loss(discriminator, real, fake), d_loss, d),
        (example.generator_loss(generator, discriminator, z), g_loss, g),
    ):
        value, _, gradients = value_and_grad(loss, model.trainable_variables)
        assert float(keras.ops.convert_to_numpy(value)) == pytest.approx(ours[0], rel=1e-5)
        for gradient, other in zip(ours[1], gradients, strict=True):
            other = keras.ops.convert_to_numpy(other)
            np.testing.assert_allclose(gradient, other, atol=1e-6, rtol=1e-4)


def test_a_step_is_clipped_by_norm_and_weights_by_value():
    weights = np.array([0.0, 0.2499, 0.0])
    example.descend([weights], [np.array([0.1, -0.1, 0.0])])
    np.testing.assert_allclose(weights, [-0.001, 0.25, 0])
    weights = np.zeros(2)
    example.descend([weights], [np.array([30.0, 40.0])])
    np.testing.assert_allclose(weights, [-0.01 * 0.2 * 0.6, -0.01 * 0.2 * 0.8])


def test_the_loss_survives_extreme_logits():
    for label in (0, 1):
        loss, gradient = example.cross_entropy(np.array([[-1e4], [1e4]]), label)
        assert loss == pytest.approx(5e3) and np.isfinite(gradient).all()


def test_the_program_writes_a_picture_and_says_its_score(tmp_path, capsys):
    out = tmp_path / "sine.png"
    example.main(["--updates=30", "--seed=1", f"--out={out}"])
    assert out.read_bytes().startswith(b"\x89PNG")
    assert list(tmp_path.iterdir()) == [out]
    output = capsys.readouterr().out
    assert "residual RMS" in output and str(out) in output


def test_a_folder_that_is_not_there_is_refused_before_training(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        example.main(["--updates=1000000000", f"--out={tmp_path / 'no' / 'sine.png'}"])
    assert stop.value.code == 2
    assert "no such folder" in capsys.readouterr().err


def test_the_example_stays_short():
    assert len(PATH.read_text().splitlines()) < 150
