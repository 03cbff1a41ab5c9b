"""What holds for every variant, present and future."""

import importlib
import math

import helpers
import keras
import numpy as np
import pytest
from keras import ops

import zoo
from zoo.errors import UsageError
from zoo.game import GAN, logs, recipes
from zoo.registry import MODELS
from zoo.runs import config
from zoo.settings import REQUIRED
from zoo.tasks.task import task_of

pytestmark = pytest.mark.backend


def test_names_and_classes_agree():
    assert zoo.names() == sorted(MODELS)
    for name, (module, class_name, line) in MODELS.items():
        assert zoo.get(name) is getattr(importlib.import_module(module), class_name)
        assert zoo.get(name) is getattr(zoo, class_name)
        assert line and "\n" not in line


@pytest.mark.parametrize("name", zoo.names())
def test_every_variant_has_a_recipe_and_all_its_presets_resolve(name):
    settings = zoo.get(name).settings()
    assert {"default", "paper"} <= set(recipes.presets(name))
    for preset in recipes.presets(name):
        resolved = config.resolve(name, "mnist", preset)
        assert resolved["model"] == name and resolved["preset"] == preset
        assert set(config.model_settings(resolved)) <= set(settings)
        known = config.known_settings(name)
        assert set(resolved) == {"model", "dataset", "preset", *known}
        for setting, value in config.model_settings(resolved).items():
            open_one = value is None
            assert open_one or settings[setting].checked(setting, value) == value


@pytest.mark.parametrize("name", zoo.names())
def test_settings_are_documented_typed_and_have_a_value(name):
    owner = zoo.get(name)
    documented, recipe = owner.meanings(), recipes.recipe_of(owner)
    for setting, declared in owner.settings().items():
        assert documented.get(setting), f"{setting} is missing in the docstrings of {name}"
        assert declared.kind in (int, float, str, bool, tuple), setting
        assert declared.default is not REQUIRED or setting in recipe, f"{setting} has no value"


@helpers.each_variant
def test_a_variant_learns_with_finite_losses(variant):
    history = helpers.train(variant, epochs=2).history
    assert set(history) == set(variant.trackers)
    for player in variant.all_players:
        names = ("loss", *logs.terms(variant, player), *player.seen)
        assert {player.column(name) for name in names} <= set(history), player.name
    assert all(np.isfinite(values).all() for values in history.values())
    assert int(helpers.numpy(variant.finite_steps)) == 4


@helpers.each_game
def test_every_optimizer_counts_its_steps_and_holds_moments(variant):
    helpers.train(variant, epochs=2)
    for player in variant.all_players:
        optimizer = variant.optimizer_of(player)
        assert int(helpers.numpy(optimizer.iterations)) == 4 * variant.moves_of(player), player.name
        slots = helpers.moments(optimizer)
        count = len(helpers.moved_by(variant, player.name))
        each, rest = divmod(len(slots), count)
        assert each and not rest, "an optimizer without moments, or not for every weight"
        still = sum(np.abs(slot).max() == 0 for slot in slots)
        assert still <= each * len(helpers.idle(variant, player.name)), player.name


@helpers.each_game
def test_a_step_moves_every_weight_and_keeps_the_moving_averages(variant):
    before = {id(v): helpers.numpy(v) for v in variant.variables}
    helpers.train(variant)
    idle = {path for name in helpers.players(variant) for path in helpers.idle(variant, name)}
    weights = [v for v in variant.trainable_variables if v.path not in idle]
    statistics = [v for v in variant.variables if "moving" in v.path]
    assert len(weights) > len(idle)
    for variable in (*weights, *statistics):
        assert not np.array_equal(helpers.numpy(variable), before[id(variable)]), variable.path


@helpers.each_game
def test_the_averages_follow_the_networks_that_draw(variant):
    helpers.train(variant)
    for name in variant.averaged:
        average, network = variant.network(f"ema_{name}"), variant.network(name)
        pairs = zip(average.weights, network.weights, strict=True)
        apart = [
            np.abs(helpers.numpy(average) - helpers.numpy(weight)).max()
            for average, weight in pairs
        ]
        assert max(apart) > 0, f"the average is {name} itself"


@helpers.each_of_noise
def test_a_variant_draws_samples_in_its_range(variant):
    for weight in variant.ema_generator.weights:
        weight.assign(weight * 10)
    samples = variant.generate(5, seed=1)
    assert samples.shape == (5, *variant.sample_shape) and samples.dtype == np.float32
    if len(variant.sample_shape) == 3:
        assert 0.5 < np.abs(samples).max() <= 1
    assert np.ptp(samples, axis=0).max() > 0, "all samples are the same"


@helpers.each_variant
def test_a_variant_is_made_again_from_its_config(variant):
    config = keras.saving.serialize_keras_object(variant)
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is type(variant)
    assert again.get_config() == variant.get_config()
    assert again.sample_shape == variant.sample_shape
    assert [v.shape for v in again.weights] == [v.shape for v in variant.weights]


@helpers.each_variant
def test_a_default_that_follows_the_size_is_taken_where_none_is_given(variant):
    defaults, chosen = variant.defaults_at(variant.sample_shape), variant.get_config()
    recipe = recipes.recipe_of(type(variant))
    left = {name for name, value in recipe.items() if callable(value)}
    assert left == defaults.keys()
    for name, value in defaults.items():
        # Settings that the small test models set do not follow the default.
        if name not in helpers.SMALL:
            assert getattr(variant, name) == chosen[name] == value


@helpers.each_variant
def test_the_seed_decides_the_initial_weights(variant):
    make = type(variant).from_config
    first, again = make(variant.get_config()), make(variant.get_config())
    other = make(variant.get_config() | {"seed": 1})
    seen = []
    for network in variant.network_names:
        # The largest: the first may be a table of classes, the same for all seeds.
        kernels = [
            helpers.numpy(max(g.network(network).weights, key=lambda w: math.prod(w.shape)))
            for g in (first, again, other)
        ]
        np.testing.assert_array_equal(kernels[0], kernels[1])
        assert not np.array_equal(kernels[0], kernels[2])
        assert not any(np.array_equal(kernels[0], kernel) for kernel in seen), "as another network"
        seen.append(kernels[0])
    for average, weight in first.averaged_weights():
        np.testing.assert_array_equal(helpers.numpy(average), helpers.numpy(weight))


@helpers.each_variant
def test_an_inference_network_holds_the_average_and_stock_layers(variant):
    helpers.train(variant)
    of_noise = ["z", "label"][: 1 + bool(variant.num_classes)]
    of_pictures = ["image", "mask"][: 1 + task_of(variant.task).fills]
    for name in variant.averaged:
        network, average = variant.inference_network(name), variant.network(f"ema_{name}")
        expected = of_noise if isinstance(variant, GAN) else of_pictures
        assert [x.name for x in network.inputs] == expected
        assert all(type(layer).__module__.startswith("keras.") for layer in network.layers)
        assert network.dtype_policy.name == "float32"
        for weight, kept in zip(network.weights, average.weights, strict=True):
            np.testing.assert_array_equal(helpers.numpy(weight), helpers.numpy(kept))
            assert weight is not kept


@helpers.each_of_noise
def test_the_inference_discriminator_judges_alike_and_holds_stock_layers(variant):
    helpers.train(variant)
    discriminator = variant.inference_discriminator()
    assert all(type(layer).__module__.startswith("keras.") for layer in discriminator.layers)
    x, y = helpers.data(variant, 3)
    inputs = helpers.reals(x) if y is None else [helpers.reals(x), y]
    logits = helpers.numpy(discriminator(inputs, training=False))
    assert logits.shape == (3, 1) and np.ptp(logits) > 0
    seen = helpers.seen(variant, helpers.reals(x))
    seen += [] if y is None else [ops.convert_to_tensor(y)]
    judged = variant.discriminator(seen if seen[1:] else seen[0], training=False)
    np.testing.assert_allclose(logits, helpers.numpy(judged), atol=1e-5)


def test_unknown_names_are_answered_with_the_near_ones():
    with pytest.raises(UsageError, match=r"no model named 'dcgn'. Did you mean 'dcgan'"):
        zoo.create("dcgn")
    with pytest.raises(UsageError, match=r"no setting 'widht'. Did you mean 'width'"):
        zoo.create("dcgan", widht=3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image_shape": (8, 8, 1)}, "at least 9 pixels"),
        ({"image_shape": (16, 16, 2)}, "1, 3 or 4 channels"),
        ({"image_shape": (32, 8, 1)}, "at least 9 pixels"),
        ({"image_shape": (16, 16)}, r"Received: image_shape=\(16, 16\)"),
        ({"width": 0}, "`width` is out of range. Expected a whole number of at least 1"),
        ({"width": 2.5}, "`width` is out of range"),
        ({"latent_dim": True}, "`latent_dim` is out of range"),
        ({"beta_1": 1.0}, "`beta_1` is out of range. Expected a number between 0.0 and 0.9999"),
        ({"learning_rate": float("nan")}, "`learning_rate` is out of range"),
        ({"n_critic": 0}, "`n_critic` is out of range"),
        ({"loss": "hing"}, "no loss 'hing'. Did you mean 'hinge'"),
        ({"penalty": "r3"}, "no penalty 'r3'"),
        ({"augment": "flop"}, "no augmentation 'flop'. Did you mean 'flip'"),
        ({"optimizer": "adm"}, "no optimizer 'adm'. Did you mean 'adam'"),
        (
            {"discriminator_norm": "layer"},
            "no discriminator_norm 'layer'. Valid: batch, none, spectral",
        ),
        ({"dtype": "float16"}, "Weights of float16 are not supported.*or mixed_float16"),
    ],
)
def test_a_wrong_setting_gets_one_sentence(settings, message):
    with pytest.raises(UsageError, match=message) as error:
        helpers.small("dcgan", **settings)
    assert "\n" not in str(error.value)
