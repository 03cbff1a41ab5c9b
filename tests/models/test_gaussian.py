"""The fully connected GAN on the line and in the plane: what it learns, and its settings."""

import helpers
import keras
import numpy as np
import pytest

from configs import gaussian
from zoo.data import synthetic
from zoo.errors import UsageError
from zoo.models.gaussian import GaussianGAN
from zoo.tasks import points

SMALL = {"hidden": 8, "depth": 2}


def preset(name, dataset="gaussian", **settings):
    config = gaussian.get_config(dataset, name)
    known = GaussianGAN.settings()
    return GaussianGAN(**{k: v for k, v in config.items() if k in known}, **settings), config


def units(network):
    return [x.units for x in network.layers if isinstance(x, keras.layers.Dense)]


def activations(network):
    kinds = [x.activation for x in network.layers if isinstance(x, keras.layers.Activation)]
    return [kind.__name__ for kind in kinds]


def rates(gan):
    pair = gan.optimizer
    return [float(helpers.numpy(o.learning_rate)) for o in (pair.generator, pair.discriminator)]


@pytest.mark.backend
def test_five_hundred_steps_find_mean_and_deviation():
    data = synthetic.load("gaussian", target="normal(2, 0.5)", n=32_000)
    gan = GaussianGAN(
        hidden=32,
        depth=2,
        scale=1.0,
        penalty_weight=1.0,
        learning_rate=1e-3,
        decay_steps=500,
        ema_half_life=5000.0,
    )
    gan.compile()
    before = gan.generate(1000)
    gan.fit(data.samples, batch_size=64, verbose=0)
    after = gan.generate(1000)
    assert abs(before.mean() - 2) > 1
    assert after.mean() == pytest.approx(2, abs=0.2)
    assert after.std() == pytest.approx(0.5, abs=0.2)


def test_the_paper_preset_has_the_settings_of_its_source():
    gan, config = preset("paper")
    assert config["batch_size"] == 100
    assert gan.generator.input_shape == (None, 1)
    assert units(gan.generator) == units(gan.discriminator) == [50, 50, 1]
    assert activations(gan.generator) == ["elu", "sigmoid"]
    assert activations(gan.discriminator) == ["elu", "elu"]
    assert gan.scale == 1 and gan.packing == 1 and gan.ema_half_life == 0
    assert gan.loss == "non_saturating" and gan.penalty is None
    gan.compile()
    for optimizer in gan.optimizer.optimizers:
        assert type(optimizer).__name__ == "Adam"
        assert (optimizer.beta_1, optimizer.beta_2) == (0.9, 0.999)
    assert rates(gan) == pytest.approx([2e-4, 2e-4])


def test_points_in_the_plane_get_two_noise_values_in_the_paper_preset():
    gan, _ = preset("paper", "ring8", sample_shape=(2,))
    assert gan.generator.input_shape == gan.generator.output_shape == (None, 2)


@pytest.mark.parametrize("dataset", ["gaussian", "ring8", "grid25"])
def test_one_recipe_serves_all_data_sets(dataset):
    run = {"batch_size", "epochs", "decay_steps", "sample_every"}
    config, other = (gaussian.get_config(name, "default") for name in (dataset, "ring8"))
    assert {name for name in config if config[name] != other[name]} <= run
    steps = len(synthetic.load(dataset).samples) // config["batch_size"] * config["epochs"]
    assert config["decay_steps"] == steps


def test_the_output_is_scaled():
    one = GaussianGAN(**SMALL, scale=1.0).generate(8)
    four = GaussianGAN(**SMALL, scale=4.0).generate(8)
    np.testing.assert_allclose(four, 4 * one, rtol=1e-5)


def test_both_learning_rates_fall_linearly_to_a_hundredth_and_stay():
    settings = {"learning_rate": 0.1, "discriminator_learning_rate": 0.2, "n_critic": 2}
    gan = GaussianGAN(**SMALL, decay_steps=4, **settings)
    gan.compile()
    x = np.zeros((4, 1), "float32")
    assert rates(gan) == pytest.approx([0.1, 0.2])
    gan.fit(np.repeat(x, 2, axis=0), batch_size=2, verbose=0)  # two steps, half of the way
    assert rates(gan) == pytest.approx([0.0505, 0.101])
    gan.fit(np.repeat(x, 2, axis=0), batch_size=2, epochs=2, verbose=0)
    assert rates(gan) == pytest.approx([0.001, 0.002])


def test_without_decay_the_learning_rate_can_be_assigned():
    gan = GaussianGAN(**SMALL, decay_steps=0, learning_rate=0.1)
    gan.compile()
    gan.optimizer.learning_rate = 0.05
    assert rates(gan) == pytest.approx([0.05, 0.05])


def test_a_given_optimizer_is_kept():
    gan = GaussianGAN(**SMALL)
    gan.compile(keras.optimizers.SGD(0.3))
    assert rates(gan) == pytest.approx([0.3, 0.3])


def test_a_saved_model_goes_on_with_its_falling_rate(tmp_path):
    gan = GaussianGAN(**SMALL, decay_steps=4, learning_rate=0.1)
    gan.compile()
    gan.fit(np.zeros((4, 1), "float32"), batch_size=2, verbose=0)
    gan.save(tmp_path / "gan.keras")
    loaded = keras.models.load_model(tmp_path / "gan.keras")
    assert rates(loaded) == rates(gan) == pytest.approx([0.0505, 0.0505])


@pytest.mark.parametrize("shape", [(3,), (28, 28, 1), (1, 1), ()])
def test_other_shapes_are_refused(shape):
    with pytest.raises(UsageError, match=r"\(1,\) or \(2,\)|shape of one sample"):
        GaussianGAN(shape)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"generator_activation": "rellu"}, "generator_activation.*relu"),
        ({"discriminator_activation": "maxout"}, "discriminator_activation"),
        ({"depth": 3, "generator_activation": "elu,sigmoid"}, "depth=3.*Received: 2"),
        ({"scale": 0.0}, "scale"),
        ({"decay_steps": -1}, "decay_steps"),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(UsageError, match=message):
        GaussianGAN(**{"hidden": 8, **settings})


def test_the_networks_are_of_stock_layers():
    gan = GaussianGAN((2,), **SMALL, packing=2)
    for network in (gan.generator, gan.discriminator):
        assert {type(layer).__module__.split(".")[0] for layer in network.layers} == {"keras"}
    assert gan.generator.output_names == ["sample"]
    assert gan.discriminator.input_shape == (None, 4)


def test_the_curve_of_several_discriminators_is_their_mean():
    gan = GaussianGAN(hidden=4, discriminators=2)
    x = np.linspace(-1, 1, 7, dtype="float32")[:, None]
    each = [helpers.numpy(network(x)) for network in gan.discriminator_networks]
    assert not np.allclose(*each)
    np.testing.assert_allclose(points.judge(gan)(x), np.mean(each, axis=0), atol=1e-6)
    assert points.judge(GaussianGAN(hidden=4, minibatch_std=2)) is None
