"""Distances between enlarged pictures and their originals, as papers on super-resolution have them.

These compute the error of the luminance alone, and leave out a border as wide as the factor of the
enlargement. On red, green and blue the ratio is about 2 dB lower, so the two never compare.
"""

import numpy as np

from zoo.errors import UsageError
from zoo.metrics import paired

# ITU-R BT.601, from 0..255 to 16..235, as MATLAB's rgb2ycbcr.
_WEIGHTS = np.array([65.481, 128.553, 24.966]) / 255


def luma(image):
    """Returns the luminance of a picture, float64 `(h, w, 1)`.

    Args:
        image: uint8 `(h, w, 1 or 3)`. That of a grey picture is the picture.
    """
    values = image.astype("float64")
    return values if image.shape[-1] == 1 else 16 + values @ _WEIGHTS[:, np.newaxis]


def psnr(drawn, target, border=0):
    """Returns the peak signal-to-noise ratio of two pictures in decibels, at most 100.

    Args:
        drawn, target: uint8, or float in 0..255, `(h, w, c)` of one shape.
        border: int, pixels left out on each side.

    Raises:
        UsageError: nothing is left within the border.
    """
    drawn, target = _inner(drawn, target, border)
    return paired.decibels(np.square(drawn - target).mean())


def ssim(drawn, target, border=0):
    """Returns the structural similarity of two pictures, as `zoo.metrics.paired.ssim` has it.

    Args:
        drawn, target, border: as for `psnr`.

    Raises:
        UsageError: less than the window of 11x11 is left within the border.
    """
    drawn, target = _inner(drawn, target, border, paired.WINDOW)
    edge = slice(paired.EDGE, -paired.EDGE)
    return float(paired.similarities(drawn, target)[edge, edge].mean())


def _inner(drawn, target, border, least=1):
    if drawn.shape != target.shape or min(drawn.shape[:2]) - 2 * border < least:
        raise UsageError(
            f"Expected two pictures of one size, of which {least}x{least} pixels are left within a "
            f"border of {border}. Received: {drawn.shape} and {target.shape}."
        )
    cut = slice(border, -border or None)
    return drawn[cut, cut].astype("float64"), target[cut, cut].astype("float64")
