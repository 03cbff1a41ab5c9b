"""TFDS sets: conversion in another process, cache without TensorFlow, and no network."""

import importlib.util
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from zoo.data import load, tfds
from zoo.errors import UsageError, lacks_split

SHARED = os.environ.get("ZOO_DATA_DIR")
MAKE_SETS = """
import sys
import numpy as np
import tensorflow_datasets as tfds

def make(name, shape, sizes):
    examples = [
        {"image": np.full((*size, shape[-1]), 20 * i, "uint8"), "label": i % 2}
        for i, size in enumerate(sizes)
    ]
    tfds.dataset_builders.store_as_tfds_dataset(
        name=name, version="1.0.0", data_dir=sys.argv[1], disable_shuffling=True,
        split_datasets={"train": list(enumerate(examples))},
        features=tfds.features.FeaturesDict({
            "image": tfds.features.Image(shape=shape),
            "label": tfds.features.ClassLabel(names=["even", "odd"]),
        }),
    )

make("of_one_size", (8, 8, 1), [(8, 8)] * 10)
make("of_many_sizes", (None, None, 3), [(8 + i, 30 - i) for i in range(10)])
"""
needs_tensorflow = pytest.mark.skipif(
    not (
        importlib.util.find_spec("tensorflow") and importlib.util.find_spec("tensorflow_datasets")
    ),
    reason="needs tensorflow and tensorflow-datasets to prepare a set",
)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared")
    command = [sys.executable, "-c", MAKE_SETS, str(folder)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:]
    return str(folder)


def forbid_tensorflow(monkeypatch):
    """Makes importing TensorFlow and starting a process fail from here on."""
    for name in ("tensorflow", "tensorflow_datasets"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("started a process"))


@needs_tensorflow
@pytest.mark.slow  # starts TensorFlow in two processes
def test_a_set_of_one_size_is_converted_once_and_needs_no_tensorflow_later(prepared, monkeypatch):
    before = set(sys.modules)
    data = load("tfds:of_one_size", data_dir=prepared)
    assert "tensorflow_datasets" not in set(sys.modules) - before
    assert data.samples.shape == (10, 8, 8, 1)
    assert data.samples.dtype == np.uint8
    assert data.samples[:, 0, 0, 0].tolist() == [20 * i for i in range(10)]
    assert data.labels.tolist() == [0, 1] * 5
    assert data.labels.dtype == np.int32
    assert data.class_names == ("even", "odd")

    forbid_tensorflow(monkeypatch)
    assert load("tfds:of_one_size", data_dir=prepared).fingerprint == data.fingerprint
    assert load("tfds:of_one_size").fingerprint == data.fingerprint
    assert load("tfds:of_one_size:1.0.0").fingerprint == data.fingerprint
    for _ in ("derived", "cached"):
        large = load("tfds:of_one_size", image_size=16, channels=3)
        assert large.samples.shape == (10, 16, 16, 3)
        assert large.samples[:, 7, 7, 2].tolist() == [20 * i for i in range(10)]
        assert large.labels.tolist() == data.labels.tolist()
    assert load("tfds:of_one_size", image_size=8, channels=1).fingerprint == data.fingerprint
    wide = load("tfds:of_one_size", image_size="8x16", channels=4)
    assert wide.samples.shape == (10, 8, 16, 4) and (wide.samples[..., 3] == 255).all()


@needs_tensorflow
@pytest.mark.slow  # starts TensorFlow in a process
def test_a_set_of_many_sizes_is_resized(prepared, monkeypatch):
    tall = load("tfds:of_many_sizes", image_size=(40, 12), data_dir=prepared)
    assert tall.samples.shape == (10, 40, 12, 3)
    data = load("tfds:of_many_sizes", image_size=12, resize="pad", data_dir=prepared)
    assert data.samples.shape == (10, 12, 12, 3)
    assert data.samples[:, 6, 6, 0].tolist() == [20 * i for i in range(10)]
    assert (data.samples[:, 0] == 0).all()
    forbid_tensorflow(monkeypatch)
    with pytest.raises(pytest.fail.Exception, match="started a process"):
        load("tfds:of_many_sizes", image_size="12x14", resize="pad")
    again = load("tfds:of_many_sizes", image_size=12, resize="pad")
    assert again.fingerprint == data.fingerprint


@needs_tensorflow
@pytest.mark.slow  # starts TensorFlow in a process
def test_an_unknown_split_lists_the_valid_ones(prepared):
    with pytest.raises(UsageError, match=r"no split 'trian'.*Did you mean 'train'") as caught:
        load("tfds:of_one_size", split="trian", data_dir=prepared)
    assert lacks_split(caught.value)


@needs_tensorflow
@pytest.mark.slow  # starts TensorFlow in a process
@pytest.mark.parametrize(
    ("name", "parts"),
    [
        (
            "fashion_mnist",
            ["`tfds build fashion_mnist", "http://fashion-mnist.", "downloads/manual"],
        ),
        ("tfds:cats_vs_dogs", ["`tfds build cats_vs_dogs"]),
        ("tfds:fashon_mnist", ["Did you mean 'fashion_mnist'"]),
    ],
)
def test_without_network_one_message_says_what_to_put_where(name, parts, tmp_path, monkeypatch):
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    start = time.monotonic()
    with pytest.raises(UsageError) as error:
        load(name, data_dir=str(tmp_path / "sets"))
    assert time.monotonic() - start < 60
    for part in [*parts, str(tmp_path / "sets")]:
        assert part in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.slow  # starts Keras in a process
def test_without_tensorflow_the_message_says_how_to_get_the_cache(
    tmp_path, monkeypatch, cache_folder
):
    backend = next((b for b in ("jax", "torch") if importlib.util.find_spec(b)), None)
    if not backend:
        pytest.skip("needs a Keras backend that is not TensorFlow")
    for name in ("tensorflow", "tensorflow_datasets"):
        (tmp_path / "stubs" / name).mkdir(parents=True)
        (tmp_path / "stubs" / name / "__init__.py").write_text("raise ImportError('not here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "stubs"))
    monkeypatch.setenv("KERAS_BACKEND", backend)
    with pytest.raises(UsageError, match="pip install tensorflow") as error:
        load("mnist", data_dir=str(tmp_path))
    assert "`python -m zoo.data.tfds mnist`" in str(error.value)
    assert str(cache_folder / "tfds" / "mnist") in str(error.value)


@needs_tensorflow
@pytest.mark.slow  # starts TensorFlow in a process and reads 10,000 images
@pytest.mark.skipif(not SHARED, reason="needs mnist prepared in $ZOO_DATA_DIR/tfds")
def test_mnist_is_found_converted_and_then_loaded_without_tensorflow(monkeypatch):
    monkeypatch.setenv("ZOO_DATA_DIR", SHARED)
    data = load("mnist", split="test")
    assert data.samples.shape == (10000, 28, 28, 1)
    # From the original test files: the mean of all pixels, and the count of each digit.
    assert abs(data.samples.mean() / 255 - 0.1325) < 1e-4
    counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert np.bincount(data.labels).tolist() == counts
    assert data.class_names == tuple("0123456789")
    forbid_tensorflow(monkeypatch)
    monkeypatch.delenv("ZOO_DATA_DIR")
    assert load("mnist", split="test").fingerprint == data.fingerprint


@pytest.mark.parametrize("name", ["tfds:../x", "tfds:a b", "tfds:a/b/c", "tfds:mnist:3", "tfds:/"])
def test_a_name_that_tfds_cannot_have_is_refused_at_once(name, monkeypatch):
    forbid_tensorflow(monkeypatch)
    with pytest.raises(UsageError, match="tfds:NAME"):
        load(name)


def prepare(path, splits="[]"):
    path.mkdir(parents=True)
    (path / "dataset_info.json").write_text(f'{{"splits": {splits}}}')
    (path / "features.json").write_text("{}")


def find(name, *folders):
    return tfds._find_prepared(tfds._NAME.fullmatch(name), [str(folder) for folder in folders])


def test_the_newest_prepared_version_counts_by_number(tmp_path):
    for version in ("2.0.0", "10.0.0", "9.1.0"):
        prepare(tmp_path / "mnist" / version)
    (tmp_path / "mnist" / "11.0.0").mkdir()
    assert find("mnist", tmp_path) == str(tmp_path / "mnist" / "10.0.0")
    assert find("mnist:2.0.0", tmp_path) == str(tmp_path / "mnist" / "2.0.0")
    assert find("mnist:3.0.0", tmp_path) is None


def test_a_configuration_must_be_named_when_there_are_several(tmp_path):
    prepare(tmp_path / "cycle_gan" / "horse2zebra" / "3.0.0")
    assert find("cycle_gan", tmp_path).endswith("horse2zebra/3.0.0".replace("/", os.sep))
    prepare(tmp_path / "cycle_gan" / "maps" / "3.0.0")
    assert find("cycle_gan/maps", tmp_path).endswith("maps/3.0.0".replace("/", os.sep))
    with pytest.raises(UsageError, match="Valid: horse2zebra, maps"):
        find("cycle_gan", tmp_path)


def test_folders_are_searched_in_the_promised_order(tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_DATA_DIR", str(tmp_path / "zoo"))
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    assert tfds._folders(None) == [
        str(tmp_path / "zoo" / "tfds"),
        str(tmp_path / "tfds"),
        os.path.expanduser(os.path.join("~", "tensorflow_datasets")),
    ]
    assert tfds._folders(str(tmp_path))[0] == str(tmp_path)


def test_a_damaged_prepared_set_is_named(tmp_path):
    prepare(tmp_path / "mnist" / "3.0.1")
    (tmp_path / "mnist" / "3.0.1" / "dataset_info.json").write_text("{")
    with pytest.raises(UsageError, match="damaged"):
        load("mnist", data_dir=str(tmp_path))
