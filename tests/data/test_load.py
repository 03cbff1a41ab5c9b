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


@pytest.mark.parametrize(
    "name", ["mnst", "MNIST", "tfds:", "folder", "pairs:", "domains", "digits:3", "", "nothing"]
)
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
        {"image_size": "32x"},
        {"image_size": "0"},
        {"image_size": 32.0},
        {"image_size": (32, 0)},
        {"image_size": True},
        {"image_size": 10**6},
        {"channels": 2},
        {"channels": True},
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


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "dda22e39ff2ce87387d79973390936601394205ff04d49fa8ef5bc148a03732e"),
        ({"split": "test"}, "572906e922d5e1766fc61c0b07297ea6e4b2575d10bea5c62c7ea03a2c2ae248"),
        ({"image_size": 28}, "9bbed24f1126b73a009cb8057d5d7b51bf7d3db8479b301dbb72a00ddd21f565"),
        ({"channels": 3}, "d62aec044c8f464bbbfc17757dde2f9fef1ac170ae1398aefd5c877aaba94387"),
        ({"image_size": 100}, "4a38ab5e808f08a1e0d7686894e4916f24c996619abc16fcbea14f8b62063e12"),
    ],
)
def test_fingerprints_are_those_that_resumed_runs_compare(options, expected):
    assert zoo.data.load("digits", **options).fingerprint == expected


def test_the_fingerprint_of_vectors_is_that_which_resumed_runs_compare():
    sine = zoo.data.load("sine", n=500).fingerprint
    assert sine == "8362a9c3e95961c7db07d7b1c5c50bfd6d4a6457610ed4db2fbc23de4c5f31f2"


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (None, None),
        (32, (32, 32)),
        (np.int64(32), (32, 32)),
        ("32", (32, 32)),
        ("64x128", (64, 128)),
        (" 64X128 ", (64, 128)),
        ((64, 128), (64, 128)),
        ([64, 128], (64, 128)),
        (4096, (4096, 4096)),
    ],
)
def test_an_image_size_is_a_side_or_height_and_width(value, size):
    assert images.parse_size(value) == size


@pytest.mark.parametrize(
    "value",
    [
        *(0, -1, 4097, True, 64.0, (64,), (64, 64, 3), (64, 1.5), (True, 64), (), {}),
        *("", "64x", "x64", "64x0", "64x4097", "64x64x3", "6.4", "a", "-64", "64*128", "9" * 5000),
        "6\u0664",
    ],
)
def test_nonsense_as_an_image_size_is_a_sentence(value):
    with pytest.raises(UsageError, match=r"from 1 to 4096.*64x128\. Received: "):
        images.parse_size(value)


@pytest.mark.parametrize("size", [(24, 48), "24x48"])
def test_digits_have_any_height_and_width(size):
    square = zoo.data.load("digits", image_size=48).samples
    crop = zoo.data.load("digits", image_size=size).samples
    assert crop.shape == (1618, 24, 48, 1)
    np.testing.assert_allclose(crop[:, 4:-4], square[:, 16:-16], atol=25)
    pad = zoo.data.load("digits", image_size=size, resize="pad").samples
    small = zoo.data.load("digits", image_size=24).samples
    np.testing.assert_array_equal(pad[:, :, 12:-12], small)
    assert not pad[:, :, :12].any() and not pad[:, :, -12:].any()


def test_with_four_channels_grey_is_repeated_and_opaque():
    grey = zoo.data.load("digits").samples
    four = zoo.data.load("digits", channels=4).samples
    np.testing.assert_array_equal(four[..., :3], np.repeat(grey, 3, axis=-1))
    assert (four[..., 3] == 255).all()


def test_a_source_tells_its_options():
    pictures = ("image_size", "channels", "resize", "data_dir", "strict")
    assert zoo.data.options_of("digits") == zoo.data.options_of("tfds:x") == pictures
    assert zoo.data.options_of("folder:x") == (*pictures, "pixel_range")
    assert zoo.data.options_of("pairs:x") == (*pictures, "pixel_range", "direction", "labels")
    assert "target" in zoo.data.options_of("gaussian")
    assert "target" not in zoo.data.options_of("sine")
    assert {"n", "seed", "phase"} <= set(zoo.data.options_of("sine"))
    with pytest.raises(UsageError, match="Did you mean 'mnist'"):
        zoo.data.options_of("mnst")


@pytest.mark.parametrize("name", ["digits", "folder:x", "domains:x", "sine"])
def test_a_direction_belongs_to_pairs(name):
    with pytest.raises(UsageError, match="no option 'direction'"):
        zoo.data.load(name, direction="a_to_b")


def test_a_fingerprint_sees_one_changed_pixel_label_or_class_name():
    from zoo.data.cache import fingerprint

    samples, labels = np.zeros((3, 2, 2, 1), "uint8"), np.zeros(3, "int32")
    changed = samples.copy()
    changed[2, 1, 1, 0] = 1
    prints = [
        fingerprint({"image": samples, "label": labels}, ("a", "b")),
        fingerprint({"image": changed, "label": labels}, ("a", "b")),
        fingerprint({"image": samples, "label": labels + 1}, ("a", "b")),
        fingerprint({"image": samples, "label": labels}, ("a", "c")),
        fingerprint({"image": samples}, ()),
        fingerprint({"image": samples.reshape(3, 1, 4, 1)}, ()),
        fingerprint({"a": samples, "b": changed}, ()),
        fingerprint({"a": changed, "b": samples}, ()),
        fingerprint({"input": samples, "target": changed}, ()),
        fingerprint({"a": samples, "b": changed}, ("a", "b")),
    ]
    assert len(set(prints)) == 10


def test_grey_becomes_colour_by_repeating_and_colour_grey_by_luma():
    grey = np.arange(48, dtype="uint8").reshape(3, 4, 4, 1)
    colour = next(images.prepare_all(grey, None, 3, "crop"))
    np.testing.assert_array_equal(colour, np.repeat(grey, 3, axis=-1))
    primaries = np.eye(3, dtype="uint8").reshape(3, 1, 1, 3) * 255
    luma = next(images.prepare_all(primaries, None, 1, "crop"))
    assert luma.ravel().tolist() == [76, 150, 29]  # 0.299, 0.587, 0.114 of 255


def test_batches_of_images_come_in_order_and_complete():
    samples = np.arange(10, dtype="uint8").repeat(4).reshape(10, 2, 2, 1)
    batches = list(images.prepare_all(samples, (3, 3), None, "crop", chunk=4))
    assert [len(batch) for batch in batches] == [4, 4, 2]
    assert np.concatenate(batches)[:, 1, 1, 0].tolist() == list(range(10))
