"""Every ingredient is usable with every variant where it makes sense."""

import helpers
import keras
import numpy as np
import pytest

import zoo
from zoo.errors import UsageError

# All ingredients at once; a variant uses the ones that it has.
EVERYTHING = {
    "loss": "least_squares",
    "label_smoothing": 0.1,
    "penalty": "r1",
    "weight_clip": 1.0,
    "gradient_clip": 1.0,
    "instance_noise": 0.1,
    "augment": "color,cutout",
    "augment_target": 0.6,
    "packing": 2,
    "minibatch_std": 2,
    "discriminators": 2,
    "combination": "softmax",
    "optimizer": "rmsprop",
    "discriminator_learning_rate": 1e-4,
    "decay": "cosine",
    "decay_steps": 10,
    "decay_after": 1,
    "jitter": 0.2,
    "mirror": True,
    "pool_size": 4,
    "discriminator_features": "random",
    "feature_size": 32,
    "final_penalty_weight": 1.0,
    "final_ema_half_life": 1000.0,
    "final_augment_strength": 0.3,
    "final_beta_2": 0.99,
    "weight_decay": 0.0,  # is Adam's
    "reconstruction_rate": 0.6,
    "early_reconstruction_rate": 0.1,
    "early_rounds": 1,
    "scale": 2,
    "degradation": "bicubic,noise",
    "stages": "both",
    "error_rounds": 1,
    "error_learning_rate": 1e-3,
    "error_decay_to": 0.5,
    "perceptual_weight": 0.1,
    "perceptual_features": "random",
    "perceptual_maps": 2,
    "global_rounds": 1,
    "enhancer_rounds": 1,
    "holes": "brush",
    "hole_size": 0.7,
}


# Not under each backend: the cases of parity.py hold them to the same steps, one ingredient each.
@pytest.mark.parametrize("name", zoo.names())
def test_a_variant_takes_its_ingredients_together(name):
    accepted = zoo.get(name).settings()
    chosen = {setting: value for setting, value in EVERYTHING.items() if setting in accepted}
    if "num_classes" in accepted and "packing" in accepted:
        chosen["packing"] = 1  # samples of several classes are not judged together
    gan = helpers.small(name, **chosen)
    # Two eager steps are faster than tracing one.
    gan.compile(run_eagerly=keras.config.backend() == "tensorflow")
    x, y = helpers.data(gan, helpers.BATCH)
    before = gan.get_weights()
    # Where blocks start as the identity, most weights move from the second step on.
    for _ in range(2):
        assert all(np.isfinite(value) for value in helpers.step(gan, x, y).values())
    moved = [not np.array_equal(a, b) for a, b in zip(before, gan.get_weights(), strict=True)]
    assert np.mean(moved) > 0.8
    if "minibatch_std" not in accepted:
        return
    kinds = {
        type(layer).__name__ for network in gan.discriminator_networks for layer in network.layers
    }
    assert "MinibatchStdDev" in kinds
    with pytest.raises(UsageError, match="Expected minibatch_std=0"):
        gan.inference_discriminator()


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("sine", "augment"),
        ("gaussian", "augment"),
        ("conditional", "packing"),
        ("cyclegan", "packing"),
        ("cyclegan", "penalty"),
        ("pix2pix", "pool_size"),
        ("pix2pix", "n_critic"),
        ("dcgan", "jitter"),
    ],
)
def test_an_ingredient_that_a_variant_does_not_have_is_an_unknown_setting(name, setting):
    assert setting not in zoo.get(name).settings()
    with pytest.raises(UsageError, match=f"{name} has no setting '{setting}'"):
        zoo.create(name, **{setting: EVERYTHING.get(setting, 2)})


def test_every_ingredient_is_in_the_test_above():
    declared = {
        n: s
        for name in zoo.names()
        for part in zoo.get(name).parts
        for n, s in part.settings.items()
    }
    # Settings without a neutral value, or that only set the amount of another.
    shades = {"penalty_weight", "penalty_every", "augment_strength", "combination_sharpness"}
    shades |= {"instance_noise_images", "decay_to", "learning_rate", "beta_1", "beta_2"}
    shades |= {"ema_half_life", "ema_ramp_up", "n_critic", "warm_start_rounds", "rounds_before"}
    assert declared.keys() - shades == EVERYTHING.keys()
