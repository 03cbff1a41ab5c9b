"""Every ingredient is usable with every variant where it makes sense."""

import helpers
import numpy as np
import pytest

import zoo
from zoo.errors import UsageError


# Not under each backend: the cases of parity.py hold them to the same steps, one ingredient each.
@pytest.mark.parametrize("name", zoo.names())
def test_a_variant_takes_the_ingredients_together(name):
    own = zoo.get(name).settings()
    images = len(own["image_shape"].default) == 3
    gan = helpers.small(
        name,
        loss="least_squares",
        label_smoothing=0.1,
        penalty="r1",
        weight_clip=1.0,
        gradient_clip=1.0,
        instance_noise=0.1,
        augment="color,cutout" if images else "",
        augment_target=0.6,
        packing=1 if "num_classes" in own else 2,
        minibatch_std=2,
        discriminators=2,
        combination="softmax",
        optimizer="rmsprop",
        discriminator_learning_rate=1e-4,
        decay="cosine",
        decay_steps=10,
    )
    gan.compile()
    x, y = helpers.data(gan, helpers.BATCH)
    before = gan.get_weights()
    assert all(np.isfinite(value) for value in helpers.step(gan, x, y).values())
    moved = [not np.array_equal(a, b) for a, b in zip(before, gan.get_weights(), strict=True)]
    assert np.mean(moved) > 0.8
    kinds = {
        type(layer).__name__ for network in gan.discriminator_networks for layer in network.layers
    }
    assert "MinibatchStdDev" in kinds
    with pytest.raises(UsageError, match="Expected minibatch_std=0"):
        gan.inference_discriminator()


def test_augmentation_of_vectors_is_refused():
    with pytest.raises(UsageError, match=r"Expected augment='' for samples of the shape \(10,\)"):
        zoo.create("sine", augment="flip")
