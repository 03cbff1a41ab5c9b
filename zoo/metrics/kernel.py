"""The kernel distance between two sets of features."""

import numpy as np

from zoo.errors import UsageError
from zoo.metrics.frechet import feature_pair


def kernel_distance(features, reference, *, subsets=100, subset_size=1000, seed=0):
    """Returns the kernel distance and its deviation (Binkowski et al. 2018, section 4), two floats.

    It is the squared maximum mean discrepancy with the kernel k(x, y) = (x . y / d + 1)^3, by the
    unbiased estimator (Gretton et al. 2012, equation 3), averaged over random subsets of both
    sides. With the features of Inception v3 it is the KID; papers often print it times 1,000.

    It is unbiased for any number of samples. So distances from unequal counts may be compared, and
    a perfect generator scores on either side of 0: negative values are correct. The deviation is
    that of one subset's estimate, the standard deviation over the subsets. It is not the error of
    the mean: that is smaller, but not by sqrt(subsets), because subsets of the same samples
    overlap.

    Args:
        features: array `(n, d)`, of generated samples.
        reference: array `(m, d)`, of real samples, by the same extractor.
        subsets: int, at least 1. Time is proportional to it.
        subset_size: int, at least 2, number of samples from each side in a subset, drawn without
            replacement.
        seed: int, seed for choosing the subsets.

    Raises:
        UsageError: for fewer samples than subset_size on either side, values that are not finite,
            or shapes that do not fit.
    """
    if subsets < 1 or subset_size < 2:
        raise UsageError(
            "Expected at least 1 subset of at least 2 samples. "
            f"Received: {subsets} of {subset_size}."
        )
    features, reference = feature_pair(features, reference)
    least = min(len(features), len(reference))
    if least < subset_size:
        raise UsageError(
            f"A kernel distance over subsets of {subset_size:,} needs as many samples on either "
            f"side: take more --samples, or a smaller subset_size. Received: {least:,}."
        )
    rng = np.random.default_rng(seed)
    values = [
        _discrepancy(*(_subset(array, subset_size, rng) for array in (features, reference)))
        for _ in range(subsets)
    ]
    return float(np.mean(values)), float(np.std(values))


def _subset(array, size, rng):
    return array[rng.choice(len(array), size, replace=False)].astype(float)


def _discrepancy(x, y):
    """Returns the unbiased estimate from two arrays of the same shape `(n, d)`."""
    n = len(x)
    # The diagonals, each sample with itself, would bias it.
    within = sum(k.sum() - np.trace(k) for k in (_kernel(x, x), _kernel(y, y))) / (n * (n - 1))
    return within - 2 * _kernel(x, y).mean()


def _kernel(x, y):
    linear = x @ y.T
    linear /= x.shape[1]
    linear += 1
    # Many times faster than the power 3, which numpy takes by logarithms.
    return linear * linear * linear
