"""What ImageNet's classifier calls samples: which of the data's classes, and how many kinds."""

import types

import numpy as np
import pytest

from zoo.errors import UsageError
from zoo.metrics import named

GROUPS = [named.CLASSES["cat"], named.CLASSES["dog"]]


def test_shares_and_kinds_of_known_names():
    # Two cats, a dog, and a goldfish; asked for: cat, dog, dog, cat.
    names, labels = np.array([281, 285, 151, 1]), np.array([0, 1, 1, 0])
    assert named.named(names, GROUPS, labels) == {"named": 0.75, "named_as_asked": 0.5}
    assert named.named(names, GROUPS) == {"named": 0.75}
    many = np.tile(names, 300)
    many[1000:] = 282  # not counted
    assert named.named(many, GROUPS)["kinds"] == 3


def test_names_and_labels_that_do_not_fit_are_refused():
    for names, labels in (([], None), ([281, 282], [0])):
        with pytest.raises(UsageError, match="Expected the name of at least one sample"):
            named.named(names, GROUPS, labels)


@pytest.mark.parametrize(
    "names, known",
    [
        (("cat", "dog"), True),
        (("Cats", "DOGS", "birds"), True),
        (("cat", "teapot"), False),
        ((), False),
    ],
)
def test_data_are_named_by_what_their_classes_are_called(names, known):
    extractor = types.SimpleNamespace(classify=len)
    assert (named.namer(extractor, names) is not None) == known
    assert named.namer(types.SimpleNamespace(classify=None), names) is None


def test_no_class_of_imagenet_belongs_to_two_words():
    every = [i for group in named.CLASSES.values() for i in group]
    assert len(every) == len(set(every)) and 0 <= min(every) <= max(every) < 1000
