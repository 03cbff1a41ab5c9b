"""Fills a hole with the gradients of another picture (Poisson blending)."""

import importlib

import numpy as np

from zoo.errors import UsageError

NEIGHBOURS = ((-1, 0), (1, 0), (0, -1), (0, 1))


def blended(drawn, picture, hole):
    """Returns a picture whose hole has the gradients of samples and no seam.

    The hole's pixels minimise the squared difference from the sample's gradients, with the known
    pixels held (Pérez et al. 2003, eq. 3; Yeh et al. 2017, eq. 7). That is the sample plus an
    offset that is harmonic in the hole and, at its edge, the difference from the known pixels.
    Where the hole reaches the border of the picture, the offset does not change across it. A system
    of sparse equations gives it, factored once for all samples and channels.

    Args:
        drawn: float `(n, height, width, channels)` in [-1, 1].
        picture: uint8 `(height, width, channels)`.
        hole: bool `(height, width)`, neither empty nor everything.

    Returns:
        uint8 `(n, height, width, channels)`. Pixels outside the hole are those of `picture`.

    Raises:
        UsageError: scipy is not installed.
    """
    samples = (np.asarray(drawn, "float64") + 1) * 127.5
    # Rows are pixels; columns all channels of all samples.
    missing = np.moveaxis(picture - samples, 0, 2).reshape(*hole.shape, -1)
    offset = np.moveaxis(_harmonic(missing, hole).reshape(-1, len(drawn), picture.shape[-1]), 1, 0)
    result = np.repeat(picture[np.newaxis], len(drawn), axis=0)
    result[:, hole] = np.clip(np.rint(samples[:, hole] + offset), 0, 255).astype("uint8")
    return result


def with_scipy(module):
    """Imports a module of scipy, which is slow, only where it is needed.

    Raises:
        UsageError: it is not installed.
    """
    try:
        return importlib.import_module(f"scipy.{module}")
    except ImportError:
        raise UsageError(
            "Inpainting by search needs the package scipy, which is not installed. Install it with "
            "`pip install scipy`."
        ) from None


def _harmonic(values, hole):
    """Returns the harmonic continuation of values into a hole, `(pixels of the hole, k)`.

    Args:
        values: float64 `(height, width, k)`, used outside the hole.
        hole: bool `(height, width)`.
    """
    sparse, solvers = with_scipy("sparse"), with_scipy("sparse.linalg")
    y, x = np.nonzero(hole)
    count = len(y)
    index = np.full(hole.shape, -1)
    index[y, x] = np.arange(count)
    height, width = hole.shape
    right, degree = np.zeros((count, values.shape[-1])), np.zeros(count)
    rows, columns = [], []
    for down, across in NEIGHBOURS:
        there = y + down, x + across
        inside = (there[0] >= 0) & (there[0] < height) & (there[1] >= 0) & (there[1] < width)
        (pixels,) = np.nonzero(inside)
        there = there[0][pixels], there[1][pixels]
        degree[pixels] += 1
        unknown = hole[there]
        rows.append(pixels[unknown])
        columns.append(index[there][unknown])
        # Each pixel occurs once, so that plain addition counts all.
        right[pixels[~unknown]] += values[there][~unknown]
    rows, columns = np.concatenate(rows), np.concatenate(columns)
    links = sparse.coo_matrix((-np.ones(len(rows)), (rows, columns)), (count, count))
    return solvers.splu((links + sparse.diags(degree)).tocsc()).solve(right)
