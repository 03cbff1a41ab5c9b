"""Pictures that are no squares, with an alpha channel: a step of each game that takes them."""

import helpers
import numpy as np
import pytest
from helpers import BATCH

pytestmark = pytest.mark.usefixtures("eager_steps")

# Sides that are halved to odd ones where a network crops.
SHAPES = {
    "dcgan": (18, 30, 4),
    "conditional": (18, 30, 4),
    "vanilla": (5, 7, 4),
    "pix2pix": (32, 48, 4),
    "cyclegan": (12, 20, 4),
    "discogan": (32, 48, 4),
    "pix2pixhd": (16, 24, 4),
}


# What differs between backends is in parity.py.
@pytest.mark.parametrize(("name", "shape"), SHAPES.items())
def test_a_step_with_sides_that_differ_and_an_alpha_channel(name, shape):
    gan = helpers.small(name, image_shape=shape)
    gan.compile()
    x, y = helpers.data(gan, BATCH)
    before = [helpers.numpy(v) for v in gan.trainable_variables]
    losses = helpers.step(gan, x, y)
    assert all(np.isfinite(value) for value in losses.values())
    moved = [
        not np.array_equal(helpers.numpy(v), value)
        for v, value in zip(gan.trainable_variables, before, strict=True)
    ]
    assert np.mean(moved) > 0.9
    drawing = gan.network(gan.averaged[0])
    assert drawing.output_shape == (None, *shape)
