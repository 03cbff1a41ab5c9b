"""Separate scores of fidelity and diversity, from balls around samples that reach to neighbours.

All four scores depend on the number of samples of both sides and on k, so compare only scores with
equal counts and equal k. Time is proportional to n m d. Besides float64 copies of the features,
memory stays below 100 MB.
"""

import numpy as np

from zoo.errors import UsageError
from zoo.metrics.frechet import feature_pair

# Distances held at a time: 32 MB.
DISTANCES = 4_000_000
# A fraction of the squared norms: above the rounding of squared distances, and far below any
# difference that matters. It puts a distance that equals a radius on the right side of the radius,
# whatever the rounding.
TIE = 1e-12


def precision_recall(features, reference, k=3, radii=None):
    """Returns precision and recall (Kynkaanniemi et al. 2019, equations 1 and 2), two floats.

    A set of samples covers a closed ball around each sample that reaches to its k-th nearest
    neighbour in the set. Precision is the share of generated samples that the real ones cover;
    recall is the share of real samples that the generated ones cover. Both are in [0, 1].

    Even the true distribution does not score 1. Its score depends on k, n and the dimension: 0.5
    for a round Gaussian in 128 dimensions, k = 3 and 10,000 samples. So compare with the score of
    held-out real samples. The balls of outliers are large, so a generator wider than the data has
    too high a recall (Naeem et al. 2020, section 3.1). The paper uses k = 3 and 50,000 samples of
    each.

    Args:
        features: array `(n, d)`, of generated samples.
        reference: array `(m, d)`, of real samples, by the same extractor.
        k: int, at least 1.
        radii: `squared_radii(reference, k)` if already computed, or None.

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

    Around each real sample lies a ball that reaches to its k-th nearest real neighbour. It is open,
    as in the code published with the paper. Density is the number of these balls that contain a
    generated sample, averaged over the generated samples and divided by k: at least 0, and above 1
    if the generator prefers dense places. Coverage is the share of the balls with a generated
    sample in them, in [0, 1].

    Density is unbiased: the true distribution scores 1 on average. Coverage is biased downwards:
    with n generated and m real samples the true distribution scores
    1 - (m - 1) ... (m - k) / ((n + m - 1) ... (n + m - k)) on average, which is 0.97 for k = 5 and
    equal counts, whatever the dimension. The paper uses k = 5 and 10,000 samples of each.

    A real sample with k exact copies has an empty ball and is never covered.

    Args:
        features: array `(n, d)`, of generated samples.
        reference: array `(m, d)`, of real samples, by the same extractor.
        k: int, at least 1.
        radii: `squared_radii(reference, k)` if already computed, or None.

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
    """Returns each sample's squared distance to its k-th nearest neighbour, float64 `(n,)`.

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
    """Yields the squared Euclidean distances of some rows of `a` at a time to all rows of `b`.

    They are computed as |x|^2 + |y|^2 - 2 x . y, with one matrix product for each chunk. The mean
    of `b` is subtracted first, so the rounding error is a few 1e-16 of the squared norms about that
    mean. A result can be negative.

    Args:
        a, b: arrays `(n, d)` and `(m, d)`. Only one chunk of `a` at a time is turned into float64.
        norms: float, multiplies the squared norms: 1 - TIE makes distances smaller and 1 + TIE
            larger, by more than the rounding error.

    Yields:
        a slice of the rows of `a`, and their distances, float64 `(rows, m)`. The caller may
        overwrite the distances, and the next chunk does.
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
