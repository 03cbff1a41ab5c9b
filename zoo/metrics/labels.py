"""Certainty, accuracy and variety of classes in generated samples, by a classifier."""

import numpy as np
from scipy.spatial.distance import pdist

from zoo.errors import UsageError
from zoo.metrics.frechet import feature_array, feature_pair

# The most samples of a class whose pairs are all measured.
LARGEST = 500


def classifier_score(probabilities):
    """Returns exp(mean of KL(p(y|x) || p(y))) (Salimans et al. 2016, section 4), a float.

    p(y) is the mean of all p(y|x). The score runs from 1, where no sample's class is clear or all
    samples are of one class, to the number of classes, where all classes are certain and equally
    frequent. With Inception v3 it is the Inception Score, which papers take as the mean over ten
    tenths of 50,000 samples; here it is one score over all. With a classifier of the data in
    question its ceiling is the score of real samples. It ignores variety within a class.

    It is biased downwards because rare classes are missed: its logarithm by at most about
    (classes - 1) / (2 n).

    Args:
        probabilities: array `(n, classes)`, rows that sum to 1.

    Raises:
        UsageError: for fewer than 10 samples per class, another shape, or rows that are not
            probabilities.
    """
    given = _probabilities(probabilities)
    n, classes = given.shape
    if n < 10 * classes:
        raise UsageError(
            f"A classifier score over {classes:,} classes needs at least {10 * classes:,} samples. "
            f"Received: {n:,}."
        )
    mean = given.mean(axis=0)
    # 0 log 0 = 0, and a class with a mean of 0 has no share.
    ratio = np.divide(given, mean, out=np.ones_like(given), where=given > 0)
    return float(np.exp((given * np.log(ratio)).sum(axis=1).mean()))


def label_accuracy(probabilities, labels):
    """Returns the share of samples whose most probable class is the one asked for, in [0, 1].

    It is the accuracy of a classifier of real data on generated samples and the labels they were
    generated for (Shmelkov et al. 2018, "How good is my GAN?", GAN-test). A high value says that
    the samples are recognised, but nothing about their variety.

    It is unbiased; the standard error is sqrt(a (1 - a) / n), 0.003 for a = 0.9 and 10,000 samples.
    A perfect generator scores the classifier's accuracy on real data, not 1.

    Args:
        probabilities: array `(n, classes)`, rows that sum to 1; among equal ones the first counts.
        labels: integer array `(n,)`, the classes asked for.

    Raises:
        UsageError: for no samples, labels that are none of the classes, rows that are not
            probabilities, or shapes that do not fit.
    """
    given = _probabilities(probabilities)
    labels = label_array("labels", labels, len(given), given.shape[1])
    return float((given.argmax(axis=1) == labels).mean())


def diversity_within_class(features, labels, reference, reference_labels, seed=0):
    """Returns the distance between samples of a class, relative to real ones, a float.

    It is the mean Euclidean distance between two generated samples of a class, divided by that
    between two real ones, averaged over the classes: 1 is as diverse as real, 0 is one picture for
    each class, and above 1 is more diverse than real, which noise is too. The idea is from Odena et
    al. 2017, section 4.2, who use the structural similarity of random pairs; this ratio is the
    zoo's own.

    Each mean distance covers all pairs of up to 500 samples and is unbiased. Their ratio is biased
    upwards by the squared relative error of the real one: about 1 % for 30 real samples per class,
    more if a few of them lie far out, and falling as 1 / n.

    Args:
        features: array `(n, d)`, of generated samples.
        labels: integer array `(n,)`, the classes asked for.
        reference: array `(m, d)`, of real samples, by the same extractor.
        reference_labels: integer array `(m,)`.
        seed: int, seed for choosing 500 samples of a class that has more.

    Raises:
        UsageError: for fewer than 2 samples on either side of a class that occurs, real samples of
            a class that are all the same, values that are not finite, or shapes that do not fit.
    """
    features, reference = feature_pair(features, reference)
    labels = label_array("labels", labels, len(features))
    reference_labels = label_array("reference labels", reference_labels, len(reference))
    rng = np.random.default_rng(seed)
    ratios = []
    for label in np.union1d(labels, reference_labels):
        generated, real = features[labels == label], reference[reference_labels == label]
        if min(len(generated), len(real)) < 2:
            raise UsageError(
                f"Expected at least 2 samples of class {label} on either side. "
                f"Received: {len(generated)} generated and {len(real)} real."
            )
        spread = _spread(real, rng)
        if spread == 0:
            raise UsageError(
                "Expected real samples that differ from each other. "
                f"Received: {len(real)} of class {label} that are all the same."
            )
        ratios.append(_spread(generated, rng) / spread)
    return float(np.mean(ratios))


def label_array(name, labels, n, classes=None):
    """Returns `labels` as an integer array `(n,)`, each in [0, classes) if `classes` is given.

    Raises:
        UsageError: for anything else; the message calls it `name`.
    """
    labels = np.asarray(labels)
    if labels.shape != (n,) or labels.dtype.kind not in "iu":
        raise UsageError(
            f"Expected integer {name} of shape ({n},). "
            f"Received: {labels.dtype} of shape {labels.shape}."
        )
    if classes is not None and n and (labels.min() < 0 or labels.max() >= classes):
        raise UsageError(
            f"Expected {name} from 0 to {classes - 1:,}. "
            f"Received: {labels.min():,} to {labels.max():,}."
        )
    return labels


def _probabilities(given):
    """Returns probabilities as float64 `(n, classes)`, divided by their sums to remove rounding."""
    given = feature_array("probabilities", given).astype(float)
    sums = given.sum(axis=1, keepdims=True)
    # The tolerance covers the rounding of half precision.
    if (given < 0).any() or (abs(sums - 1) > 1e-2).any():
        raise UsageError(
            "Expected probabilities, not negative and with sums of 1; logits need a softmax first. "
            f"Received: values down to {given.min():.3g}, sums from {sums.min():.3g} to "
            f"{sums.max():.3g}."
        )
    return given / sums


def _spread(samples, rng):
    """Returns the mean distance between two of the samples."""
    if len(samples) > LARGEST:
        samples = samples[rng.choice(len(samples), LARGEST, replace=False)]
    return pdist(samples.astype(float)).mean()
