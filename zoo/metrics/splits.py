"""What the judge compares: a data set's train split and what is held out of it."""

import dataclasses

import numpy as np

from zoo import data
from zoo.data import cache
from zoo.errors import UsageError


@dataclasses.dataclass(frozen=True, eq=False)
class Splits:
    """A data set in two parts.

    Attributes:
        train, held_out: `zoo.data.Dataset`.
        reference: str, what `held_out` is, for a person.
        own: bool, whether the data set itself has this split, so that nothing trained on its train
            split has seen `held_out`.
    """

    train: data.Dataset
    held_out: data.Dataset
    reference: str
    own: bool


def splits(name, **options):
    """Loads what the judge compares: a data set's train split and what is held out of it.

    The latter is the test split. Of a data set without one, such as a folder, it is the last fifth
    of the pictures in an order that is always the same.

    Args:
        name, **options: as for `zoo.data.load`.

    Returns:
        `Splits`.
    """
    train = data.load(name, **options)
    if not name.startswith("folder:"):
        try:
            return Splits(train, data.load(name, split="test", **options), "test split", True)
        except UsageError as error:
            if "has no split" not in str(error):
                raise
    order = np.random.RandomState(0).permutation(len(train.samples))
    fifth = len(order) // 5
    if not fifth:
        raise UsageError(
            f"{name} has too few pictures to hold a fifth of them out. Expected at least 5. "
            f"Received: {len(order)}."
        )
    parts = [_part(train, np.sort(chosen)) for chosen in (order[:-fifth], order[-fifth:])]
    return Splits(*parts, "fifth of the pictures, seed 0", False)


def _part(dataset, chosen):
    samples = dataset.samples[chosen]
    labels = None if dataset.labels is None else dataset.labels[chosen]
    return dataclasses.replace(
        dataset,
        samples=samples,
        labels=labels,
        fingerprint=cache.fingerprint(samples, labels, dataset.class_names),
    )
