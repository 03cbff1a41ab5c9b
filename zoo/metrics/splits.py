"""The data of the judge: a train split and a held-out split."""

import dataclasses
import functools

import numpy as np

from zoo import data
from zoo.data import cache
from zoo.errors import UsageError, lacks_split


@dataclasses.dataclass(frozen=True, eq=False)
class Splits:
    """A data set in two parts.

    Attributes:
        loaded: `zoo.data.Dataset`, the train split; all pictures if the data set has no test split.
        test: `zoo.data.Dataset`, the test split, or None.
    """

    loaded: data.Dataset
    test: data.Dataset | None = None

    @property
    def own(self):
        """Whether what was trained on the data set has not seen `held_out`."""
        return self.test is not None

    @property
    def train(self):
        """`zoo.data.Dataset` of all pictures that are not held out."""
        return self.loaded if self.own else self._parts[0]

    @property
    def held_out(self):
        """`zoo.data.Dataset` of the test split, or of a fifth of the pictures."""
        return self.test if self.own else self._parts[1]

    @property
    def reference(self):
        """What `held_out` is, a str for people to read."""
        return "test split" if self.own else "fifth of the pictures, seed 0"

    # Copies every picture, on the disk if they lie there, so only for those who ask.
    @functools.cached_property
    def _parts(self):
        kept, held_out = {}, {}
        for field, array in self.loaded.fields.items():
            # Aligned fields have equal lengths, so their orders are equal too.
            order, fifth = np.random.RandomState(0).permutation(len(array)), len(array) // 5
            kept[field] = cache.rows(array, np.sort(order[:-fifth]))
            held_out[field] = cache.rows(array, np.sort(order[-fifth:]))
        return [_part(self.loaded, fields) for fields in (kept, held_out)]


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
        return Splits(train, data.load(name, split="test", **options))
    except UsageError as error:
        if not lacks_split(error):
            raise
    least = min(map(len, train.fields.values()))
    if least < 5:
        raise UsageError(
            f"{name} has too few pictures to hold a fifth of them out. Expected at least 5. "
            f"Received: {least}."
        )
    return Splits(train)


def _part(dataset, fields):
    fingerprint = cache.fingerprint(fields, dataset.class_names)
    return dataclasses.replace(dataset, fields=fields, fingerprint=fingerprint)
