"""Bicubic resizing as MATLAB's `imresize` does it, the custom of papers on super-resolution.

Keys: "Cubic Convolution Interpolation for Digital Image Processing", 1981, with a = -1/2. When it
shrinks, the kernel is stretched by the factor, against aliasing; at the border the picture is
mirrored. Pillow's BICUBIC has the same kernel and leaves out what lies beyond the border instead,
so the two differ within a few pixels of it only.
"""

import functools

import numpy as np


@functools.lru_cache(8)  # those of a large picture take many megabytes each
def matrix(size, new_size):
    """Returns the weights that resize one axis, read-only float32 `(new_size, size)`.

    Args:
        size: int, pixels before.
        new_size: int, pixels after.
    """
    scale = new_size / size
    stretch = min(scale, 1.0)
    # Where the middles of the new pixels lie among the old ones.
    middles = (np.arange(new_size) + 0.5) / scale - 0.5
    taps = int(np.ceil(4 / stretch)) + 2
    places = np.floor(middles - 2 / stretch).astype(int)[:, None] + np.arange(taps)
    values = _cubic(stretch * (middles[:, None] - places))
    values /= values.sum(axis=1, keepdims=True)
    mirrored = np.concatenate([np.arange(size), np.arange(size)[::-1]])[places % (2 * size)]
    weights = np.zeros((new_size, size))
    np.add.at(weights, (np.arange(new_size)[:, None], mirrored), values)
    weights = weights.astype("float32")
    weights.setflags(write=False)
    return weights


def resized(image, size):
    """Returns a picture in another size.

    Args:
        image: uint8 or float `(height, width, channels)`.
        size: (height, width).

    Returns:
        uint8, rounded, or float32, as the picture given.
    """
    rows, columns = (matrix(*pair) for pair in zip(image.shape[:2], size, strict=True))
    result = np.tensordot(rows, image.astype("float32"), (1, 0))
    result = np.tensordot(columns, result, (1, 1)).transpose(1, 0, 2)
    return np.clip(np.rint(result), 0, 255).astype("uint8") if image.dtype == np.uint8 else result


def shrunk(image, scale):
    """Returns a picture, without the rest that `scale` does not divide, and its small version.

    Args:
        image: uint8 `(height, width, channels)`.
        scale: int.

    Returns:
        `(high, low)`, uint8.
    """
    height, width = (side // scale for side in image.shape[:2])
    high = image[: height * scale, : width * scale]
    return high, resized(high, (height, width))


def _cubic(x):
    x = np.abs(x)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))
