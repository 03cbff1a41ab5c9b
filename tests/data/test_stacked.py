"""stacked_mnist, made here of the embedded digits: the label is what the channels show."""

import numpy as np
import pytest

import zoo.data
from zoo.data import stacked
from zoo.errors import UsageError


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Uses the digits of scikit-learn instead of MNIST, and few triples."""
    load = zoo.data.load

    def instead(name, **options):
        return load("digits" if name == "mnist" else name, **options)

    monkeypatch.setattr(zoo.data, "load", instead)
    monkeypatch.setattr(stacked, "COUNTS", {"train": 500, "test": 200})


@pytest.mark.parametrize(("split", "count"), [("train", 500), ("test", 200)])
def test_the_label_is_the_number_that_the_channels_show(split, count):
    made = zoo.data.load("stacked_mnist", split=split)
    digits = zoo.data.load("mnist", split=split)
    assert made.samples.shape == (count, 32, 32, 3) and made.samples.dtype == np.uint8
    known = {x.tobytes(): y for x, y in zip(digits.samples, digits.labels, strict=True)}
    for picture, label in zip(made.samples, made.labels, strict=True):
        shown = [known[np.ascontiguousarray(picture[..., i : i + 1]).tobytes()] for i in range(3)]
        assert made.class_names[label] == "".join(map(str, shown))


def test_the_triples_are_always_the_same_and_differ_between_splits():
    one = zoo.data.load("stacked_mnist")
    assert one.fingerprint == zoo.data.load("stacked_mnist").fingerprint
    assert one.fingerprint != zoo.data.load("stacked_mnist", split="test").fingerprint
    # Drawn with replacement, three at a time: nearly all of the thousand classes in few triples.
    assert len(set(one.labels)) > 350


@pytest.mark.parametrize("options", [{"channels": 1}, {"channels": 4}, {"split": "validation"}])
def test_what_it_has_not_is_refused(options):
    with pytest.raises(UsageError, match="stacked_mnist has"):
        zoo.data.load("stacked_mnist", **options)
