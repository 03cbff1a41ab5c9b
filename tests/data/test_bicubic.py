"""Bicubic resizing: the kernel of MATLAB, inside the picture that of Pillow."""

import numpy as np
import pytest
from PIL import Image

from zoo.data import bicubic


def picture(height=40, width=60):
    # Pillow cuts off what lies beyond 0 and 255 after each axis, so little contrast.
    return np.random.default_rng(0).integers(64, 192, (height, width, 3)).astype("uint8")


@pytest.mark.parametrize(("size", "new_size"), [(40, 10), (40, 20), (10, 40), (7, 3), (1, 4)])
def test_weights_of_a_pixel_sum_to_one_and_are_symmetric(size, new_size):
    weights = bicubic.matrix(size, new_size)
    assert weights.shape == (new_size, size)
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(weights, weights[::-1, ::-1], atol=1e-6)


def test_doubling_has_the_weights_of_keys():
    # At a quarter of a pixel, a = -1/2.
    row = bicubic.matrix(8, 16)[8]
    np.testing.assert_allclose(row[2:6], [-0.0234375, 0.2265625, 0.8671875, -0.0703125])
    assert not row[:2].any() and not row[6:].any()


@pytest.mark.parametrize("size", [(10, 15), (160, 240)])
def test_it_is_pillows_inside_of_the_picture(size):
    image = picture()
    ours = bicubic.resized(image, size).astype(int)
    theirs = np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.BICUBIC))
    border = 2 if size[0] < 40 else 8
    cut = slice(border, -border)
    assert np.abs(ours - theirs)[cut, cut].max() <= 1
    assert np.abs(ours - theirs).max() > 1, "the border is not mirrored"


def test_what_the_scale_does_not_divide_is_cut_off():
    high, low = bicubic.shrunk(picture(43, 61), 4)
    assert high.shape == (40, 60, 3) and low.shape == (10, 15, 3) and low.dtype == np.uint8


def test_a_line_of_pixels_is_resized_too():
    assert bicubic.resized(picture(1, 30), (4, 120)).shape == (4, 120, 3)
