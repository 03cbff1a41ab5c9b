"""Scores of pictures by their features: the metrics, and the reference they compare with."""

import contextlib
import dataclasses
import functools
import re

import numpy as np

from zoo.errors import UsageError
from zoo.metrics.extractors import PRETRAINED
from zoo.metrics.named import Namer, namer
from zoo.metrics.segmenter import SCORES as SEGMENTATION

# Most real pictures of the held-out split in a reference. More would cost time and change little.
REFERENCE = 10_000
LARGEST_SUBSET = 1000
WHOLE = "all pictures"

# Metric -> its version, raised with every change of the computation, and score -> better direction.
METRICS = {
    "frechet": (1, {"frechet": "lower"}),
    "kernel": (1, {"kernel": "lower"}),
    "precision_recall": (1, {"precision": "higher", "recall": "higher"}),
    "density_coverage": (1, {"density": "higher", "coverage": "higher"}),
    "classifier_score": (1, {"classifier_score": "higher"}),
    "class_coverage": (1, {"classes": "higher", "class_reverse_kl": "lower"}),
    "label_accuracy": (1, {"label_accuracy": "higher"}),
    "named": (1, {"named": "higher", "named_as_asked": "higher", "kinds": "higher"}),
    "diversity_within_class": (1, {"diversity_within_class": "near 1"}),
    "memorisation": (
        1,
        {
            "memorisation": "near 0.5",
            "generated_distance": "near held_out_distance",
            "held_out_distance": "",
        },
    ),
}
# For translated pictures with pairs: the distance of each to its target.
PAIRED = {
    "l1": (1, {"l1": "lower"}),
    "psnr": (1, {"psnr": "higher"}),
    "ssim": (1, {"ssim": "higher"}),
    "feature_distance": (1, {"feature_distance": "lower"}),
}
# For pictures made of label maps, in addition: the labels that a segmenter finds in them.
SEGMENTED = {"segmentation": (1, dict.fromkeys(SEGMENTATION, "higher"))}
# For translated pictures without pairs. Each score has a direction, as in `a_to_b_frechet`.
UNPAIRED = {
    "frechet": METRICS["frechet"],
    "kernel": METRICS["kernel"],
    "cycle_error": (1, {"cycle_error": "lower"}),
    "sides": (1, {"named_as_other": "higher"}),
}
# For enlarged pictures: the distance of each to the original, by `zoo.metrics.enlarged`.
ENLARGED = {
    "psnr_luma": (1, {"psnr_luma": "higher"}),
    "ssim_luma": (1, {"ssim_luma": "higher"}),
    "psnr_rgb": (1, {"psnr_rgb": "higher"}),
    "ssim_rgb": (1, {"ssim_rgb": "higher"}),
    "feature_distance": PAIRED["feature_distance"],
}
# For filled holes: the distance to the truth. Each score has a kind of hole, as in `box_hole_psnr`.
FILLED = {
    "hole_psnr": (1, {"hole_psnr": "higher"}),
    "hole_ssim": (1, {"hole_ssim": "higher"}),
    "feature_distance": PAIRED["feature_distance"],
}
EVERY = METRICS | PAIRED | SEGMENTED | UNPAIRED | ENLARGED | FILLED
_DIRECTION = re.compile(r"(a_to_b|b_to_a|box|brush)_")
# The k of the balls around samples, as in the papers.
NEIGHBOURS = {"precision_recall": 3, "density_coverage": 5}
# For data with a known distribution; see `zoo.tasks.points.known_scores`.
KNOWN = "known_distribution"
KNOWN_VERSION = 1


@dataclasses.dataclass
class Reference:
    """The reference that samples are compared with, computed once for many scorings.

    Attributes:
        features: float32 `(m, d)` of real pictures, held out if the data set has any.
        labels: int32 `(m,)`, or None.
        classes: int, number of classes in the data set, or 0.
        train: float32 `(t, d)` of training pictures, or None if they are not compared with.
        split: str, the pictures of `features`, for people to read.
        namer: `zoo.metrics.named.Namer` of what the data show, or None if it is not known.
    """

    features: np.ndarray
    labels: np.ndarray | None = None
    classes: int = 0
    train: np.ndarray | None = None
    split: str = ""
    namer: Namer | None = None
    _radii: dict = dataclasses.field(default_factory=dict, repr=False)

    @functools.cached_property
    def moments(self):
        """Mean and covariance of the features, float64, for the Frechet distance."""
        from zoo.metrics.frechet import moments

        return moments(self.features)

    def radii(self, k):
        """The squared distance of each feature to its k-th nearest, or None for too few."""
        from zoo.metrics.manifold import squared_radii

        if k not in self._radii and len(self.features) > k:
            self._radii[k] = squared_radii(self.features, k)
        return self._radii.get(k)


@dataclasses.dataclass
class Real:
    """Real pictures that are scored like samples: their scores are the floor.

    Attributes:
        features, probabilities, labels: as for `scores_of`.
        reference: `Reference`, the pictures they are compared with.
    """

    features: np.ndarray
    probabilities: np.ndarray | None
    labels: np.ndarray | None
    reference: Reference

    def scores(self, metrics, seed=0, labelled=True):
        """Returns the scores that apply and accept so few pictures, name -> float.

        Args:
            metrics: list of str from `METRICS`.
            seed: int, of random subsets.
            labelled: bool, whether the labels count as asked for.
        """
        labels = self.labels if labelled else None
        given = self.features, self.probabilities, labels, self.reference
        values = {}
        for name in metrics:
            with contextlib.suppress(UsageError):
                values |= scores_of(*given, [name], seed)[0]
        return values


def prepare(parts, extractor, count, keep_train=False):
    """Computes the reference and the floor.

    If the data set has no test split, the run has seen every picture. Features that were trained on
    other pictures then compare samples with all pictures, and the floor is one half compared with
    the other. Features of the data's own classifier compare with the fifth that it has not seen.

    Args:
        parts: `zoo.metrics.splits.Splits`.
        extractor: `zoo.metrics.features.Extractor`.
        count: int, most pictures in the floor. They are always the same, so the floor is a constant
            of the protocol.
        keep_train: bool, whether to compute the features of the complete train split, for
            memorisation.

    Returns:
        `(reference, real, pictures)`: the `Reference`; the `Real` pictures of the floor; the
        pictures behind `reference.train`, uint8, or None.
    """
    if compares_whole(parts, extractor.name):
        return _prepare_whole(parts.loaded, extractor, count)
    train, held_out = parts.train, parts.held_out
    chosen = np.sort(np.random.default_rng(0).permutation(len(held_out.samples))[:REFERENCE])
    features, _ = extractor.extract(held_out.samples[chosen], "real pictures")
    floor = np.random.default_rng(1).permutation(len(train.samples))[:count]
    everything = None
    if keep_train:
        everything, likely = extractor.extract(train.samples, "training pictures")
        real = everything[floor], None if likely is None else likely[floor]
    else:
        real = extractor.extract(train.samples[floor], "real pictures")
    reference = Reference(
        features,
        _of(held_out.labels, chosen),
        len(held_out.class_names),
        everything,
        parts.reference,
        namer(extractor, held_out.class_names),
    )
    real = Real(*real, _of(train.labels, floor), reference)
    return reference, real, train.samples if keep_train else None


def compares_whole(parts, features):
    """Returns whether all pictures are the reference, as there is no split that a run has not seen.

    Args:
        parts: `zoo.metrics.splits.Splits`.
        features: str, name of the extractor.
    """
    return not parts.own and features in PRETRAINED


def _prepare_whole(dataset, extractor, count):
    """`prepare` where all pictures are the reference."""
    pictures, labels = dataset.samples, dataset.labels
    if len(pictures) > REFERENCE:
        chosen = np.sort(np.random.default_rng(0).permutation(len(pictures))[:REFERENCE])
        pictures, labels = pictures[chosen], _of(labels, chosen)
    features, _ = extractor.extract(pictures, "real pictures")
    more = {
        "classes": len(dataset.class_names),
        "namer": namer(extractor, dataset.class_names),
    }
    order = np.random.default_rng(1).permutation(len(pictures))
    floor, other = order[: len(order) // 2], order[len(order) // 2 :]
    half = Reference(features[other], _of(labels, other), split="half of the pictures", **more)
    floor = floor[:count]
    real = Real(features[floor], None, _of(labels, floor), half)
    reference = Reference(features, labels, train=features, split=WHOLE, **more)
    return reference, real, pictures


def _of(labels, chosen):
    return None if labels is None else labels[chosen]


def scores(images, labels, reference, extractor, metrics=None, seed=0):
    """Returns the scores of pictures against a prepared reference, name -> float.

    Suitable for repeated calls during training: the work for the reference is done once.

    Args:
        images: uint8 `(n, h, w, c)`.
        labels: int32 `(n,)`, the requested classes, or None.
        reference: `Reference` by the same extractor.
        extractor: `zoo.metrics.features.Extractor`.
        metrics: list of str from `METRICS`, or None for all that apply and accept so few samples.
        seed: int, of random subsets.

    Raises:
        UsageError: a metric that was asked for does not apply or needs more samples.
    """
    return scores_of(*extractor.extract(images), labels, reference, metrics, seed)[0]


def scores_of(features, probabilities, labels, reference, metrics=None, seed=0, distance=None):
    """`scores` for features that are already computed.

    Args:
        features: float32 `(n, d)`. probabilities: float32 `(n, classes)`, or None.
        distance: float `(n,)` to the nearest of `reference.train`, if already computed.

    Returns:
        `(scores, left_out)`: name -> float, and metric -> why it is left out.
    """
    left_out = obstacles(probabilities, labels, reference)
    for name in metrics or ():
        if name in left_out:
            raise UsageError(f"The metric {name} does not apply: {left_out[name]}.")
    left_out = {name: why for name, why in left_out.items() if metrics is None}
    values = {}
    for name in METRICS if metrics is None else metrics:
        if name in left_out:
            continue
        try:
            values |= _compute(name, features, probabilities, labels, reference, seed, distance)
        except UsageError as error:
            if metrics is not None:
                raise
            left_out[name] = str(error).rstrip(".")
    return values, left_out


def obstacles(probabilities, labels, reference):
    """Returns the reasons against metrics that do not apply, metric -> str."""
    reasons = {}
    if probabilities is None:
        reasons["classifier_score"] = "these features name no classes"
    if probabilities is None or probabilities.shape[1] != reference.classes:
        why = "these features do not name the classes of the data"
        reasons["class_coverage"] = reasons["label_accuracy"] = why
    if labels is None:
        why = "the samples have no labels that were asked for"
        reasons["label_accuracy"] = reasons["diversity_within_class"] = why
    elif reference.labels is None:
        reasons["diversity_within_class"] = "the data have no classes"
    if reference.namer is None:
        reasons["named"] = "these features do not name what the classes of the data are called"
    if reference.train is None or reference.split == WHOLE:
        reasons["memorisation"] = (
            "it needs a split that was held out of training, and the features of all that was not"
        )
    return reasons


def _compute(name, features, probabilities, labels, reference, seed, distance):
    """Returns the scores of one metric, name -> float."""
    if name == "frechet":
        from zoo.metrics.frechet import frechet_from_moments, moments

        return {name: frechet_from_moments(*moments(features), *reference.moments)}
    if name == "kernel":
        from zoo.metrics.kernel import kernel_distance

        size = min(LARGEST_SUBSET, len(features), len(reference.features))
        mean, deviation = kernel_distance(features, reference.features, subset_size=size, seed=seed)
        return {name: mean, "kernel_deviation": deviation}
    if name in ("precision_recall", "density_coverage"):
        from zoo.metrics import manifold

        k = NEIGHBOURS[name]
        pair = getattr(manifold, name)(features, reference.features, k, reference.radii(k))
        return dict(zip(METRICS[name][1], pair, strict=True))
    if name == "classifier_score":
        from zoo.metrics.labels import classifier_score

        return {name: classifier_score(probabilities)}
    if name == "class_coverage":
        from zoo.metrics.modes import class_coverage

        coverage = class_coverage(probabilities.argmax(axis=1), reference.classes)
        return {
            "classes": float(coverage["modes"]),
            "class_reverse_kl": coverage["reverse_kl"],
        }
    if name == "label_accuracy":
        from zoo.metrics.labels import label_accuracy

        return {name: label_accuracy(probabilities, labels)}
    if name == "named":
        from zoo.metrics.named import named

        namer = reference.namer
        return named(namer.classify(features), namer.groups, labels)
    if name == "diversity_within_class":
        from zoo.metrics.labels import diversity_within_class

        return {
            name: diversity_within_class(
                features, labels, reference.features, reference.labels, seed=seed
            )
        }
    from zoo.metrics.memorisation import memorisation

    result = memorisation(features, reference.train, reference.features, distance)
    return {"memorisation": result.pop("closer")} | result


def gave(metric, values):
    """Returns whether any of the scores comes from a metric."""
    return any(score in values for score in METRICS[metric][1])


def direction(score):
    """Returns the direction or kind of hole in the name of a score, as "a_to_b", or None."""
    match = _DIRECTION.match(score)
    return match and match[1]


def better(score):
    """Returns which direction of a score is better, "lower" or another word; "" if unknown."""
    return _known(score, ("", {}))[1].get(_DIRECTION.sub("", score), "")


def version(score):
    """Returns the version of the metric that gives a score."""
    return _known(score, (KNOWN_VERSION, {}))[0]


def check_apply(metrics, valid, what):
    """Raises UsageError for a metric that is not in `valid`, the metrics of `what`."""
    for name in metrics or ():
        if name not in valid:
            raise UsageError(
                f"The metric {name} does not apply to {what}. Expected some of {', '.join(valid)}."
            )


def _known(score, default):
    name = _DIRECTION.sub("", score)
    return next((entry for entry in EVERY.values() if name in entry[1]), default)
