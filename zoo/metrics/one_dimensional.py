"""Distances of samples on the line from an exactly known distribution.

`mixture` is anything with `mean`, `std`, `cdf(x)` and `cdf_integral(x)`, such as
`zoo.data.synthetic.Mixture`. Samples are arrays `(n,)` or `(n, 1)` of finite numbers; all distances
but Kolmogorov-Smirnov's have the unit of the samples.
"""

import numpy as np

from zoo.errors import UsageError

# Below this the bias of the two distances is larger than anything worth measuring.
LEAST = 100


def mean_error(samples, mixture):
    """Returns |mean of the samples - mixture.mean|, a float.

    It is an absolute value, so biased upwards: a perfect generator scores about 0.80 std / sqrt(n).

    Raises:
        UsageError: for fewer than 2 samples, or samples that are not finite numbers on the line.
    """
    return float(abs(_line(samples, 2).mean() - mixture.mean))


def std_error(samples, mixture):
    """Returns |standard deviation of the samples (n - 1 in the divisor) - mixture.std|, a float.

    It is an absolute value, so biased upwards: for one normal distribution a perfect generator
    scores about 0.56 std / sqrt(n).

    Raises:
        UsageError: for fewer than 2 samples, or samples that are not finite numbers on the line.
    """
    return float(abs(_line(samples, 2).std(ddof=1) - mixture.std))


def wasserstein(samples, mixture):
    """Returns the 1-Wasserstein distance between the samples and the mixture, a float.

    It is the area between the two distribution functions, the integral of |F_n(x) - F(x)| over the
    line (Vallender 1974, "Calculation of the Wasserstein distance between probability distributions
    on the line"), computed exactly: between neighbouring samples F_n is constant and F crosses it
    at most once. No reference sample is drawn.

    It is biased upwards: a perfect generator scores about 1.26 std / sqrt(n) for one normal
    distribution, which is 0.016 for N(4, 1.25) with 10,000 samples.

    Raises:
        UsageError: for fewer than 100 samples, or samples that are not finite numbers on the line.
    """
    x = np.sort(_line(samples, LEAST))
    level = np.arange(1, len(x)) / len(x)
    low, high = x[:-1].copy(), x[1:].copy()
    below = mixture.cdf(x)
    # If F stays on one side of the step, the crossing is at an end. Otherwise halving locates it.
    high[below[:-1] >= level] = low[below[:-1] >= level]
    low[below[1:] <= level] = high[below[1:] <= level]
    inside = np.flatnonzero(low < high)
    for _ in range(50):
        middle = (low[inside] + high[inside]) / 2
        above = mixture.cdf(middle) > level[inside]
        high[inside[above]], low[inside[~above]] = middle[above], middle[~above]
    integral, at_crossing = mixture.cdf_integral(x), mixture.cdf_integral(high)
    before = level * (high - x[:-1]) - (at_crossing - integral[:-1])
    after = (integral[1:] - at_crossing) - level * (x[1:] - high)
    left, right = integral[0], integral[-1] - (x[-1] - mixture.mean)
    return float(left + before.sum() + after.sum() + right)


def kolmogorov_smirnov(samples, cdf):
    """Returns the largest |F_n(x) - F(x)|, a float in [0, 1] (Kolmogorov 1933).

    Args:
        samples: array `(n,)` or `(n, 1)`.
        cdf: function from an array to the probability of a value up to each of its elements.

    It is biased upwards: a perfect generator scores about 0.87 / sqrt(n), and above 1.36 / sqrt(n)
    in one of twenty draws.

    Raises:
        UsageError: for fewer than 100 samples, or samples that are not finite numbers on the line.
    """
    x = np.sort(_line(samples, LEAST))
    expected = cdf(x)
    steps = np.arange(len(x) + 1) / len(x)
    return float(max((steps[1:] - expected).max(), (expected - steps[:-1]).max()))


def _line(samples, least):
    samples = np.asarray(samples, float)
    if samples.ndim == 2 and samples.shape[1] == 1:
        samples = samples[:, 0]
    if samples.ndim != 1 or len(samples) < least:
        raise UsageError(
            f"Expected at least {least} samples on the line, shape (n,) or (n, 1). "
            f"Received: shape {samples.shape}."
        )
    if not np.isfinite(samples).all():
        raise UsageError(
            "Expected finite samples. "
            f"Received: {(~np.isfinite(samples)).sum()} of {len(samples)} are NaN or infinite."
        )
    return samples
