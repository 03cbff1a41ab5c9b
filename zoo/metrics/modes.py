"""Coverage of known modes, and its evenness."""

import numpy as np

from zoo.errors import UsageError


def mode_coverage(samples, centres, std):
    """Counts the modes reached, as PacGAN does (Lin et al. 2018, section 4.1, after VEEGAN 2017).

    Every sample is assigned to its nearest centre, and is of high quality when it lies within
    3 `std` of it (Euclidean distance). Then

    - modes: how many centres have at least one high-quality sample, an int;
    - high_quality: the share of high-quality samples, a float in [0, 1]. In two dimensions the true
      distribution itself scores 1 - exp(-4.5) = 0.989, not 1;
    - reverse_kl: KL(p || uniform) in nats, a float in [0, log(k)], where p is the share of each
      mode among the high-quality samples, as in the code published with the paper. Without a
      single high-quality sample it is log(k), the worst value.

    With n samples of the true distribution, reverse_kl is biased upwards by (k - 1) / (2 n), and
    modes by less than one in a thousand at the least number of samples. The paper draws 2,500.

    Args:
        samples: array `(n, d)`.
        centres: array `(k, d)`, the means of equally likely round Gaussians.
        std: float, the standard deviation of each in every direction.

    Returns:
        dict of modes, high_quality, reverse_kl.

    Raises:
        UsageError: for fewer than 10 samples per mode, or a shape that does not fit. Samples that
            are NaN or infinite belong to no mode and lower the quality.
    """
    samples, centres = np.asarray(samples, float), np.asarray(centres, float)
    k = len(centres)
    if samples.ndim != 2 or samples.shape[1:] != centres.shape[1:] or len(samples) < 10 * k:
        raise UsageError(
            f"Mode coverage needs at least ten samples per mode, here shape "
            f"(n >= {10 * k}, {centres.shape[-1]}). Received: shape {samples.shape}."
        )
    distance = np.linalg.norm(samples[:, None] - centres, axis=2)
    good = distance.min(axis=1) <= 3 * std
    counts = np.bincount(distance[good].argmin(axis=1), minlength=k)
    scores = _evenness(counts)
    return {
        "modes": scores["modes"],
        "high_quality": float(good.mean()),
        "reverse_kl": scores["reverse_kl"],
    }


def class_coverage(labels, count):
    """Counts the classes reached, as PacGAN does for Stacked MNIST (Lin et al. 2018, section 4.2).

    There a sample is three digits, its class is the number they make, and a classifier names the
    digits.

    - modes: how many classes have at least one sample, an int;
    - reverse_kl: KL(p || uniform) in nats, a float in [0, log(count)], where p is the share of each
      class among the samples.

    With n samples of the uniform distribution, reverse_kl is biased upwards by (count - 1) / (2 n),
    which is 0.019 for the paper's 26,000 samples and 1,000 classes, and modes by less than one in a
    thousand at the least number of samples.

    Args:
        labels: integer array `(n,)`, the class of each generated sample, in [0, count).
        count: int, the number of equally likely classes.

    Returns:
        dict of modes, reverse_kl.

    Raises:
        UsageError: for fewer than 10 samples per class, another shape, or labels that are not
            classes.
    """
    labels = np.asarray(labels)
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or count < 1 or len(labels) < 10 * count:
        raise UsageError(
            "Class coverage needs at least ten integer labels per class, here shape "
            f"(n >= {10 * count:,},). Received: {labels.dtype} of shape {labels.shape}."
        )
    if labels.min() < 0 or labels.max() >= count:
        raise UsageError(
            f"Expected labels from 0 to {count - 1:,}. "
            f"Received: {labels.min():,} to {labels.max():,}."
        )
    return _evenness(np.bincount(labels, minlength=count))


def _evenness(counts):
    """Returns how many counts are not 0, and KL(share of each || uniform), log(k) if all are 0."""
    share = counts[counts > 0] / max(counts.sum(), 1)
    return {
        "modes": int((counts > 0).sum()),
        "reverse_kl": float(np.log(len(counts)) + (share * np.log(share)).sum()),
    }
