"""Fidelity and diversity apart, by balls around samples that reach to their nearest neighbours.

All four scores depend on the number of samples of both sides and on k, so only scores of equal
counts and equal k may be compared. Time is proportional to n m d, and memory beside float64 copies
of the features stays below 100 MB.
"""

import numpy as np

from zoo.errors import UsageError
from zoo.metrics.frechet import feature_pair

# Distances held at a time: 32 MB.
DISTANCES = 4_000_000
# Of the squared norms: above the rounding of squared distances, and far below what is worth telling
# apart. A distance that equals a radius falls on the right side of it whatever the rounding.
TIE = 1e-12


def precision_recall(features, reference, k=3, radii=None):
    """Returns precision and recall (Kynkaanniemi et al. 2019, equations 1 and 2), two floats.

    A set of samples covers the closed balls around each of them that reach to its k-th nearest
    neighbour in the set. Precision is the share of generated samples in what the real ones cover;
    recall is the share of real samples in what the generated ones cover. Both in [0, 1].

    The true distribution does not score 1 but what k, n and the dimension make of it: 0.5 for a
    round Gaussian in 128 dimensions, k = 3 and 10,000 samples. So compare with what held-out real
    samples score. The balls of outliers are large, so a generator wider than the data has too high
    a recall (Naeem et al. 2020, section 3.1). The paper takes k = 3 and 50,000 samples of each.

    Args:
        features: array `(n, d)`, of generated samples.
        reference: array `(m, d)`, of real ones, by the same extractor.
        k: int, at least 1.
        radii: `squared_radii(reference, k)`, if they are there already.

    Raises:
        UsageError: for fewer samples than k + 1 on either side, values that are not finite, or
            shapes that do not fit.
    """
    features, reference = _checked(features, reference, k)
    real_radius = squared_radii(reference, k) if radii is None else radii
    generated_radius = squared_radii(features, k)
    precise = np.zeros(len(features), bool)
    recalled = np.zeros(len(reference), bool)
    for rows, square in squared_distances(features, reference, 1 - TIE):
        precise[rows] = (square <= real_radius).any(axis=1)
        recalled |= (square <= generated_radius[rows, None]).any(axis=0)
    return float(precise.mean()), float(recalled.mean())


def density_coverage(features, reference, k=5, radii=None):
    """Returns density and coverage (Naeem et al. 2020, section 3.2), two floats.

    Around each real sample lies the ball that reaches to its k-th nearest real neighbour, open as
    in the code published with the paper. Density is the number of these balls that a generated
    sample lies in, on average, divided by k: at least 0, and above 1 if the generator prefers dense
    places. Coverage is the share of the balls with a generated sample in them, in [0, 1].

    Density is unbiased: the true distribution scores 1 on average. Coverage is biased downwards:
    with n generated and m real samples the true distribution scores
    1 - (m - 1) ... (m - k) / ((n + m - 1) ... (n + m - k)) on average, so 0.97 for k = 5 and equal
    counts, whatever the dimension. The paper takes k = 5 and 10,000 samples of each.

    A real sample with k exact copies has an empty ball and is never covered.

    Args:
        features: array `(n, d)`, of generated samples.
        reference: array `(m, d)`, of real ones, by the same extractor.
        k: int, at least 1.
        radii: `squared_radii(reference, k)`, if they are there already.

    Raises:
        UsageError: for fewer samples than k + 1 on either side, values that are not finite, or
            shapes that do not fit.
    """
    features, reference = _checked(features, reference, k)
    radius = squared_radii(reference, k) if radii is None else radii
    inside = 0
    covered = np.zeros(len(reference), bool)
    for _, square in squared_distances(features, reference, 1 + TIE):
        near = square < radius
        inside += np.count_nonzero(near)
        covered |= near.any(axis=0)
    return float(inside / (k * len(features))), float(covered.mean())


def squared_radii(samples, k):
    """Returns the squared distance of each sample to its k-th nearest other one, float64 `(n,)`.

    Args:
        samples: array `(n > k, d)`.
    """
    radii = np.empty(len(samples))
    for rows, square in squared_distances(samples, samples):
        square[np.arange(len(square)), np.arange(rows.start, rows.stop)] = np.inf
        square.partition(k - 1, axis=1)
        radii[rows] = square[:, k - 1]
    return np.maximum(radii, 0)


def squared_distances(a, b, norms=1.0):
    """Yields the squared Euclidean distances between rows of `a` and all of `b`, some rows a time.

    By |x|^2 + |y|^2 - 2 x . y, one matrix product for each chunk. The mean of `b` is taken off
    first, so the rounding error is a few 1e-16 of the squared norms about it; it can be negative.

    Args:
        a, b: arrays `(n, d)` and `(m, d)`. Of `a` only the rows of a chunk are turned into float64.
        norms: float, multiplies the squared norms: 1 - TIE makes distances smaller and 1 + TIE
            larger, by more than the rounding error.

    Yields:
        a slice of the rows of `a`, and their distances, float64 `(rows, m)`, which the caller may
        overwrite and which the next chunk overwrites.
    """
    centre = b.mean(axis=0, dtype=float)
    b = b - centre
    b_norm = norms * np.einsum("md,md->m", b, b)
    size = min(max(DISTANCES // len(b), 1), len(a))
    buffer = np.empty((size, len(b)))
    for start in range(0, len(a), size):
        rows = slice(start, min(start + size, len(a)))
        x = a[rows] - centre
        square = np.matmul(-2 * x, b.T, out=buffer[: len(x)])
        square += norms * np.einsum("nd,nd->n", x, x)[:, None]
        square += b_norm
        yield rows, square


def _checked(features, reference, k):
    if k < 1:
        raise UsageError(f"Expected at least the nearest neighbour, k >= 1. Received: {k}.")
    return feature_pair(features, reference, k + 1)
