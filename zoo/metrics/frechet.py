"""The Fréchet distance between two sets of features, and checks of features for all metrics."""

import numpy as np

from zoo.errors import UsageError

# Rows turned into float64 at a time: 64 MB for 2,048 dimensions.
ROWS = 4096


def frechet_distance(features, reference):
    """Returns the Fréchet distance of two sets of features (Heusel et al. 2017, equation 6), float.

    It is the squared 2-Wasserstein distance between the Gaussians with their means and covariances:
    0 for equal moments, without an upper limit. With the features of Inception v3 it is the FID.

    It is biased upwards, by an amount that falls as 1 / n and depends on the generator too (Chong
    and Forsyth 2020). So compare only distances from equal counts; the paper takes 50,000. Two
    samples of the same round Gaussian with variance 1, of n and m rows, score about
    (1 / n + 1 / m) (d + d (d + 1) / 4), which is 0.85 for 128 dimensions and 10,000 each.

    Args:
        features: array `(n, d)`, of generated samples.
        reference: array `(m, d)`, of real samples, by the same extractor.

    Raises:
        UsageError: for fewer samples than max(d, 2) on either side, values that are not finite, or
            shapes that do not fit.
    """
    features, reference = feature_pair(features, reference)
    return frechet_from_moments(*moments(features), *moments(reference))


def moments(features):
    """Returns the mean `(d,)` and the covariance `(d, d)` (n - 1 in the divisor), both float64.

    Both are unbiased. A file can hold them instead of the features of a reference.

    Args:
        features: array `(n, d)`, in any precision; it is never copied as a whole.

    Raises:
        UsageError: for fewer samples than max(d, 2): their covariance would have directions without
            any spread, and a distance to it would say more about n than about the samples. Also for
            another shape, and values that are not finite.
    """
    features = feature_array("features", features)
    n, d = features.shape
    if n < max(d, 2):
        raise UsageError(
            f"{d:,}-dimensional features need at least {max(d, 2):,} samples: take more --samples, "
            "a smaller extractor, or the kernel distance, which is unbiased for few as well. "
            f"Received: {n:,}."
        )
    mean = features.mean(axis=0, dtype=float)
    scatter = np.zeros((d, d))
    for start in range(0, n, ROWS):
        centred = features[start : start + ROWS] - mean
        scatter += centred.T @ centred
    return mean, scatter / (n - 1)


def frechet_from_moments(mean, covariance, reference_mean, reference_covariance):
    """Returns the Fréchet distance between two Gaussians (Heusel et al. 2017, equation 6), float.

    Tr (C R)^(1/2) is the sum of the singular values of A^T B for any C = A A^T and R = B B^T, and
    A and B come from symmetric eigenproblems. So singular covariances need neither a small number
    on the diagonal nor the real part of a complex root, unlike the square root of the product C R.

    Args:
        mean, reference_mean: arrays `(d,)`.
        covariance, reference_covariance: arrays `(d, d)`, symmetric, positive semidefinite.

    Raises:
        UsageError: for shapes that do not fit or values that are not finite.
    """
    given = mean, covariance, reference_mean, reference_covariance
    mean, covariance, reference_mean, reference_covariance = given = [
        np.asarray(a, float) for a in given
    ]
    shapes, d = [a.shape for a in given], mean.size
    if shapes != [(d,), (d, d)] * 2:
        raise UsageError(f"Expected two means (d,) and covariances (d, d). Received: {shapes}.")
    if not all(np.isfinite(a).all() for a in given):
        raise UsageError("Expected finite moments. Received: NaN or infinite ones.")
    product = _root(covariance).T @ _root(reference_covariance)
    cross = np.linalg.svd(product, compute_uv=False).sum()
    spread = np.trace(covariance) + np.trace(reference_covariance) - 2 * cross
    # Rounding leaves equal moments a little below zero.
    return float(max(np.square(mean - reference_mean).sum() + spread, 0))


def frechet_of_few(features, reference):
    """Returns `frechet_distance` for two samples or more on either side, float.

    It is the same function without the minimum count. The covariance of n samples in more than n
    dimensions has directions without any spread, and the distance is far above that of many
    samples. So compare it only with the distance of equally many other samples to the same
    reference.

    With fewer samples than dimensions, it is computed from the samples themselves, with small
    matrices: A is the centred features, transposed, over sqrt(n - 1), and has a column per sample.

    Args:
        features: array `(n >= 2, d)`. reference: array `(m >= 2, d)`.

    Raises:
        UsageError: for fewer samples, values that are not finite, or shapes that do not fit.
    """
    given = feature_pair(features, reference, least=2)
    means, roots = zip(*map(_mean_and_root, given), strict=True)
    cross = np.linalg.svd(roots[0].T @ roots[1], compute_uv=False).sum()
    spread = sum(np.square(root).sum() for root in roots) - 2 * cross
    return float(max(np.square(means[0] - means[1]).sum() + spread, 0))


def _mean_and_root(features):
    """Returns the mean `(d,)` and a matrix A `(d, min(n, d))` with A A^T the covariance."""
    n, d = features.shape
    if n >= max(d, 2):
        mean, covariance = moments(features)
        return mean, _root(covariance)
    mean = features.mean(axis=0, dtype=float)
    return mean, (features - mean).T / np.sqrt(n - 1)


def feature_array(name, features, least=1):
    """Returns `features` as an array `(n >= least, d)` of finite numbers, in the dtype it has.

    Raises:
        UsageError: for anything else; the message calls it `name`.
    """
    features = np.asarray(features)
    if features.dtype.kind not in "fiu":
        features = features.astype(float)
    if features.ndim != 2 or len(features) < least or not features.shape[1]:
        raise UsageError(
            f"Expected {name} of shape (n >= {least:,}, d). Received: shape {features.shape}."
        )
    broken = (~np.isfinite(features)).any(axis=1).sum()
    if broken:
        raise UsageError(
            f"Expected finite {name}. "
            f"Received: NaN or infinite values in {broken:,} of {len(features):,} samples."
        )
    return features


def feature_pair(features, reference, least=1):
    """Returns both as `feature_array` does.

    Raises:
        UsageError: if `feature_array` refuses one of them, or if their dimensions differ.
    """
    features = feature_array("features", features, least)
    reference = feature_array("reference features", reference, least)
    if features.shape[1] != reference.shape[1]:
        raise UsageError(
            "Expected features and reference features of the same dimension, by one extractor. "
            f"Received: {features.shape[1]:,} and {reference.shape[1]:,}."
        )
    return features, reference


def _root(covariance):
    """Returns a matrix A with A A^T = `covariance`."""
    values, vectors = np.linalg.eigh(covariance)
    # Rounding leaves tiny values where there is no spread. Their roots would be far larger.
    values[values < 10 * np.finfo(float).eps * values[-1]] = 0
    return vectors * np.sqrt(values)
