"""What a classifier of ImageNet calls generated pictures."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from zoo.errors import UsageError

# Word -> the classes of ImageNet that show it.
CLASSES = {
    "bird": (*range(7, 25), *range(80, 101), *range(127, 147)),
    "cat": tuple(range(281, 286)),
    "dog": tuple(range(151, 269)),
}
# Samples among which kinds are counted.
COUNTED = 1000


@dataclasses.dataclass(frozen=True)
class Namer:
    """Names pictures by the classes of a data set. Made by `namer`.

    Attributes:
        classify: function from features `(n, d)` to the most probable class of ImageNet for each,
            int `(n,)`.
        groups: for each class of the data, the classes of ImageNet that show it.
    """

    classify: Callable
    groups: Sequence


def namer(extractor, class_names):
    """Returns the `Namer` of a data set, or None if it cannot be named.

    Args:
        extractor: `zoo.metrics.features.Extractor`. Only those of ImageNet's classes name pictures.
        class_names: names of the data's classes. All must be words of `CLASSES`, in any case and
            number.
    """
    words = [name.lower().removesuffix("s") for name in class_names]
    if extractor.classify is None or not words or not set(words) <= set(CLASSES):
        return None
    return Namer(extractor.classify, [CLASSES[word] for word in words])


def named(names, groups, labels=None):
    """Returns how many samples a classifier of ImageNet recognises, a dict of float.

    - named: the share of samples whose name is one of the data's classes, of any kind. Compare it
      with that of real pictures: the classifier errs on them too.
    - named_as_asked: the share whose name is the class that was asked for. Only with labels.
    - kinds: how many different classes of ImageNet, such as breeds, the first 1,000 samples have
      among those named. It rises with the number of samples, so with fewer it is left out.

    Args:
        names: int `(n,)`, the most probable class of ImageNet for each sample.
        groups: for each class of the data, the classes of ImageNet that show it.
        labels: int `(n,)`, the classes asked for, or None.

    Raises:
        UsageError: for no samples, or labels that do not fit.
    """
    names = np.asarray(names)
    if not len(names) or (labels is not None and np.shape(labels) != names.shape):
        raise UsageError(
            "Expected the name of at least one sample, and a label for each or none. "
            f"Received: {len(names)} names, labels of shape {np.shape(labels)}."
        )
    shown = np.stack([np.isin(names, list(group)) for group in groups])
    known = shown.any(axis=0)
    scores = {"named": float(known.mean())}
    if labels is not None:
        scores["named_as_asked"] = float(shown[labels, np.arange(len(names))].mean())
    if len(names) >= COUNTED:
        scores["kinds"] = float(len(np.unique(names[:COUNTED][known[:COUNTED]])))
    return scores
