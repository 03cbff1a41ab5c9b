"""zoo.data.load: names, options, and `digits`, the set that is always there."""

import runpy

import numpy as np
import pytest

import zoo.data
from zoo.data import images
from zoo.data.catalog import DATASETS
from zoo.errors import UsageError


def test_the_catalog_runs_alone_and_names_only_sources_that_exist():
    table = runpy.run_path(zoo.data.catalog.__file__)["DATASETS"]
    assert table == DATASETS
    assert {name.partition(":")[0] for name in table} <= set(zoo.data.SOURCES)
    assert all(line and "\n" not in line for line in table.values())


@pytest.mark.parametrize("name", ["mnst", "MNIST", "tfds:", "folder", "digits:3", "", "nothing"])
def test_an_unknown_name_lists_the_valid_ones(name):
    with pytest.raises(UsageError, match=r"no data set .*Valid: cifar10, .*tfds:NAME"):
        zoo.data.load(name)


def test_a_misspelt_name_is_guessed():
    with pytest.raises(UsageError, match="Did you mean 'mnist'"):
        zoo.data.load("mnst")


@pytest.mark.parametrize(
    "options",
    [
        {"image_size": 0},
        {"image_size": "32"},
        {"image_size": True},
        {"image_size": 10**6},
        {"channels": 2},
        {"channels": "rgb"},
        {"resize": "corp"},
        {"split": "validation"},
        {"target": "normal(0, 1)"},
    ],
)
def test_an_option_out_of_range_is_refused(options):
    with pytest.raises(UsageError):
        zoo.data.load("digits", **options)


def test_vectors_have_no_image_size():
    with pytest.raises(UsageError, match="image_size"):
        zoo.data.load("sine", image_size=32)
    assert zoo.data.load("sine", n=5).samples.shape == (5, 10)


@pytest.mark.parametrize(("size", "channels"), [(None, None), (28, 3), (64, 1)])
def test_digits_have_the_asked_shape_and_use_the_whole_range(size, channels):
    data = zoo.data.load("digits", image_size=size, channels=channels)
    assert data.samples.shape == (1618, size or 32, size or 32, channels or 1)
    assert data.samples.dtype == np.uint8
    assert data.samples.min() == 0
    assert data.samples.max() == 255
    assert data.labels.dtype == np.int32
    assert data.labels.shape == (1618,)
    assert data.class_names == tuple("0123456789")
    assert len(data.fingerprint) == 64


def test_enlarged_digits_keep_the_ink_of_the_originals():
    from sklearn.datasets import load_digits

    train, test = zoo.data.load("digits"), zoo.data.load("digits", split="test")
    ink = np.concatenate([train.samples, test.samples]).reshape(-1, 8, 4, 8, 4).mean((2, 4))
    truth = load_digits().images * 255 / 16
    # The mean over 4x4 pixels is the original count, but for the smoothing. Wrapped around instead
    # of clipped, white would become black in the middle of strokes.
    difference = np.abs(np.sort(ink.mean((1, 2))) - np.sort(truth.mean((1, 2))))
    assert difference.max() < 6


def test_a_neighbour_classifier_recognises_digits_it_has_not_seen():
    train, test = zoo.data.load("digits"), zoo.data.load("digits", split="test")
    x, y = (d.samples.reshape(len(d.samples), -1).astype("float32") for d in (train, test))
    distance = (x**2).sum(1) - 2 * y @ x.T
    assert np.mean(train.labels[distance.argmin(1)] == test.labels) > 0.95


def test_the_splits_of_digits_share_nothing_and_are_all_there_is():
    train, test = zoo.data.load("digits"), zoo.data.load("digits", split="test")
    assert len(test.samples) == 179
    seen, unseen = ({x.tobytes() for x in d.samples} for d in (train, test))
    assert not seen & unseen
    assert len(seen | unseen) == 1797
    assert set(test.labels.tolist()) == set(range(10))


def test_fingerprints_tell_content_and_preparation_apart():
    prints = [
        zoo.data.load("digits").fingerprint,
        zoo.data.load("digits", split="test").fingerprint,
        zoo.data.load("digits", image_size=28).fingerprint,
        zoo.data.load("digits", channels=3).fingerprint,
    ]
    assert len(set(prints)) == 4
    assert zoo.data.load("digits", image_size=32, channels=1).fingerprint == prints[0]


def test_a_fingerprint_sees_one_changed_pixel_label_or_class_name():
    from zoo.data.cache import fingerprint

    samples, labels = np.zeros((3, 2, 2, 1), "uint8"), np.zeros(3, "int32")
    changed = samples.copy()
    changed[2, 1, 1, 0] = 1
    prints = [
        fingerprint(samples, labels, ("a", "b")),
        fingerprint(changed, labels, ("a", "b")),
        fingerprint(samples, labels + 1, ("a", "b")),
        fingerprint(samples, labels, ("a", "c")),
        fingerprint(samples, None, ()),
        fingerprint(samples.reshape(3, 1, 4, 1), None, ()),
    ]
    assert len(set(prints)) == 6


def test_grey_becomes_colour_by_repeating_and_colour_grey_by_luma():
    grey = np.arange(48, dtype="uint8").reshape(3, 4, 4, 1)
    colour = next(images.prepare_all(grey, None, 3, "crop"))
    np.testing.assert_array_equal(colour, np.repeat(grey, 3, axis=-1))
    primaries = np.eye(3, dtype="uint8").reshape(3, 1, 1, 3) * 255
    luma = next(images.prepare_all(primaries, None, 1, "crop"))
    assert luma.ravel().tolist() == [76, 150, 29]  # 0.299, 0.587, 0.114 of 255


def test_batches_of_images_come_in_order_and_complete():
    samples = np.arange(10, dtype="uint8").repeat(4).reshape(10, 2, 2, 1)
    batches = list(images.prepare_all(samples, 3, None, "crop", chunk=4))
    assert [len(batch) for batch in batches] == [4, 4, 2]
    assert np.concatenate(batches)[:, 1, 1, 0].tolist() == list(range(10))
