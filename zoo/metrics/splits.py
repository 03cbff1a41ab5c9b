"""The data of the judge: a train split and a held-out split."""

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
        reference: str, description of `held_out`, for people to read.
        own: bool, whether the data set itself has this split, so that nothing trained on its train
            split has seen `held_out`.
        whole: `zoo.data.Dataset`, both parts together, if the data set does not have this split
            itself; else None.
    """

    train: data.Dataset
    held_out: data.Dataset
    reference: str
    own: bool
    whole: data.Dataset | None = None


def splits(name, **options):
    """Loads the train split and the held-out split of a data set.

    The held-out split is the test split. If the data set has none, such as a folder without
    sub-folders for splits, it is the last fifth of the pictures in an order that is always the
    same. Fields that are independent of each other, such as those of `domains:`, are split one by
    one.

    Args:
        name, **options: as for `zoo.data.load`.

    Returns:
        `Splits`.
    """
    train = data.load(name, **options)
    try:
        return Splits(train, data.load(name, split="test", **options), "test split", True)
    except UsageError as error:
        if "has no split" not in str(error):
            raise
    least = min(map(len, train.fields.values()))
    if least < 5:
        raise UsageError(
            f"{name} has too few pictures to hold a fifth of them out. Expected at least 5. "
            f"Received: {least}."
        )
    kept, held_out = {}, {}
    for field, array in train.fields.items():
        # Aligned fields have equal lengths, so their orders are equal too.
        order, fifth = np.random.RandomState(0).permutation(len(array)), len(array) // 5
        kept[field] = array[np.sort(order[:-fifth])]
        held_out[field] = array[np.sort(order[-fifth:])]
    parts = [_part(train, fields) for fields in (kept, held_out)]
    return Splits(*parts, "fifth of the pictures, seed 0", False, train)


def _part(dataset, fields):
    fingerprint = cache.fingerprint(fields, dataset.class_names)
    return dataclasses.replace(dataset, fields=fields, fingerprint=fingerprint)
