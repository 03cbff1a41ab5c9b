"""Copies of a game: `copy.deepcopy`, `pickle`, `keras.models.clone_model`."""

import copy
import pickle

import keras
import numpy as np
import pytest
from fitting import GREY, compiled, fit, images
from helpers import each_game, not_on_jax, numpy, snapshot, state, train

from zoo.game import networks

pytestmark = [pytest.mark.backend, pytest.mark.usefixtures("eager_steps")]

COPIES = {"deepcopy": copy.deepcopy, "pickle": lambda gan: pickle.loads(pickle.dumps(gan))}
each_copy = pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)


def stir(gan, seed=1):
    """Gives every variable another value, as a training would."""
    random = np.random.default_rng(seed)
    drawing = {id(v) for v in networks.seed_states(gan).values()}
    for variable in state(gan):
        if variable.name == "seed_generator_state" and id(variable) not in drawing:
            continue  # of an averaged network, which never drops anything out
        if keras.backend.is_float_dtype(variable.dtype):
            variable.assign(random.uniform(0.1, 1, variable.shape))
        else:
            variable.assign(random.integers(1, 9, variable.shape))


def assert_equal(values, others):
    for a, b in zip(values, others, strict=True):
        np.testing.assert_array_equal(a, b)


@each_game
def test_a_copy_of_any_variant_has_all_of_its_state_and_shares_none(variant):
    stir(variant)
    kept = snapshot(variant)
    copies = [copied(variant) for copied in COPIES.values()]
    for other in copies:
        assert other.get_config() == variant.get_config()
        assert_equal(snapshot(other), kept)
        stir(other, seed=2)
    assert_equal(snapshot(variant), kept)


@each_game
def test_a_clone_of_any_variant_begins_anew(variant):
    stir(variant)
    clone, fresh = keras.models.clone_model(variant), variant.from_config(variant.get_config())
    assert clone.get_config() | {"name": variant.name} == variant.get_config()
    for a, b in zip(clone.weights, fresh.weights, strict=True):
        np.testing.assert_array_equal(numpy(a), numpy(b))


# Averages, adaptive augmentation, and the scales of float16 are state of their own.
STATES = {
    "adaptive": (
        "dcgan",
        {"augment": "color", "augment_strength": 0.2, "augment_target": 0.6}
        | {"image_shape": GREY, "ema_half_life": 50.0},
    ),
    "float16": ("vanilla", {"dtype": "mixed_float16", "ema_half_life": 50.0}),
}


@not_on_jax
@pytest.mark.parametrize("case", STATES)
@pytest.mark.slow  # trains a model and four copies for each state
def test_a_copy_made_at_any_time_trains_on_like_its_original_and_apart_from_it(case):
    name, settings = STATES[case]
    gan = compiled(name, **settings)
    early = {kind: copied(gan) for kind, copied in COPIES.items()}
    train(gan)
    late = {kind: copied(gan) for kind, copied in COPIES.items()}
    kept = snapshot(gan)
    for kind in COPIES:
        train(early[kind])
        assert_equal(snapshot(early[kind]), kept)
        train(late[kind])
        assert_equal(snapshot(gan), kept)
    train(gan)
    for kind in COPIES:
        assert_equal(snapshot(late[kind]), snapshot(gan))


# One of each other shape of game, and its copy.
@pytest.mark.slow
@not_on_jax
@each_copy
@pytest.mark.parametrize("variant", ["conditional", "cyclegan"], indirect=True)
def test_a_copy_trains_on_like_its_original_and_apart_from_it(variant, copied):
    train(variant)
    kept = snapshot(variant)
    other = copied(variant)
    train(other)
    assert_equal(snapshot(variant), kept)
    train(variant)
    assert_equal(snapshot(variant), snapshot(other))


def test_a_clone_begins_anew_with_the_same_settings():
    gan = compiled("dcgan", image_shape=GREY)
    fit(gan, images())
    clone = keras.models.clone_model(gan)
    assert clone.get_config() | {"name": gan.name} == gan.get_config()
    clone.compile()
    fresh = compiled("dcgan", image_shape=GREY)
    assert fit(clone, images()) == fit(fresh, images())
