"""A file of PyTorch's, read without it: the tensors as PyTorch reads them, and nothing else."""

import collections
import io
import os
import pickle
import struct

import numpy as np
import pytest

from zoo.errors import UsageError
from zoo.metrics import torch_file
from zoo.metrics.torch_file import read_tensors


class Global:
    """Pickled as the name of something that need not exist here."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class Writer(pickle._Pickler):
    """The pickler in Python: it can be told what names to write."""

    def save(self, thing, **options):
        if isinstance(thing, Global):
            self.write(pickle.GLOBAL + f"{thing.module}\n{thing.name}\n".encode())
        elif isinstance(thing, Call):
            self.save(thing.function)
            self.save(thing.arguments)
            self.write(pickle.REDUCE)
        elif isinstance(thing, Storage):
            self.save(("storage", Global("torch", thing.kind), thing.key, "cpu", 1, thing.view))
            self.write(pickle.BINPERSID)
        else:
            super().save(thing, **options)


Call = collections.namedtuple("Call", "function arguments")
Storage = collections.namedtuple("Storage", "kind key view", defaults=(None,))


def tensor(storage, start, shape, strides):
    arguments = (
        storage,
        start,
        shape,
        strides,
        False,
        Call(Global("collections", "OrderedDict"), ()),
    )
    return Call(Global("torch._utils", "_rebuild_tensor_v2"), arguments)


def written(tensors, storages, magic=torch_file.MAGIC, version=1001, little=True):
    """A file as PyTorch wrote it; `storages` is key -> array."""
    stream = io.BytesIO()
    for thing in (magic, version, {"little_endian": little}, tensors, list(storages)):
        Writer(stream, 2).dump(thing)
    for array in storages.values():
        stream.write(struct.pack("<q", array.size) + array.tobytes())
    return stream.getvalue()


FLOATS = np.arange(12, dtype="<f4")


def test_tensors_of_both_kinds_in_one_storage_transposed_and_of_no_dimension():
    content = written(
        {
            "whole": tensor(Storage("FloatStorage", "a"), 0, (3, 4), (4, 1)),
            "turned": tensor(Storage("FloatStorage", "a"), 4, (4, 2), (1, 4)),
            "count": tensor(Storage("LongStorage", "b"), 0, (), ()),
        },
        {"a": FLOATS, "b": np.array([2**40], "<i8")},
    )
    tensors = read_tensors(content)
    assert list(tensors) == ["whole", "turned", "count"]
    np.testing.assert_array_equal(tensors["whole"], FLOATS.reshape(3, 4))
    np.testing.assert_array_equal(tensors["turned"], FLOATS.reshape(3, 4)[1:].T)
    assert tensors["count"] == 2**40 and tensors["count"].shape == ()
    assert tensors["whole"].dtype == np.float32 and tensors["count"].dtype == np.int64


@pytest.mark.parametrize(
    ("module", "name"),
    [("os", "system"), ("builtins", "eval"), ("torch", "DoubleStorage"), ("numpy", "ndarray")],
)
def test_a_pickle_that_wants_anything_else_is_refused_before_it_gets_it(tmp_path, module, name):
    made = tmp_path / "made"
    content = written({"x": Call(Global(module, name), (f"touch {made}",))}, {})
    with pytest.raises(UsageError, match=f"it wants {module}.{name}"):
        read_tensors(content)
    assert not made.exists()


GOOD = {"x": tensor(Storage("FloatStorage", "a"), 0, (3, 4), (4, 1))}


@pytest.mark.parametrize(
    "tensors",
    [
        {"x": tensor(Storage("FloatStorage", "a"), 1, (3, 4), (4, 1))},
        {"x": tensor(Storage("FloatStorage", "a"), -1, (3, 4), (4, 1))},
        {"x": tensor(Storage("FloatStorage", "a"), 0, (3, 4), (5, 1))},
        {"x": tensor(Storage("FloatStorage", "a"), 11, (3, 4), (-4, 1))},
        {"x": tensor(Storage("FloatStorage", "a"), 0, (-3, -4), (4, 1))},
        {"x": tensor(Storage("FloatStorage", "a"), 0, (3,), (4, 1))},
        {"x": tensor(Storage("FloatStorage", "c"), 0, (3,), (1,))},
        {"x": tensor(Storage("FloatStorage", "a", ("b", 0, 3)), 0, (3,), (1,))},
        {"x": tensor(Storage("LongStorage", "a"), 0, (12,), (1,))},
        {"x": 3},
        [1, 2],
    ],
)
def test_tensors_that_do_not_lie_in_their_storage_are_refused(tensors):
    with pytest.raises(UsageError, match="Received: another one"):
        read_tensors(written(tensors, {"a": FLOATS}))


@pytest.mark.parametrize("other", [{"magic": 1}, {"version": 1002}, {"little": False}])
def test_another_format_is_refused(other):
    with pytest.raises(UsageError, match="another format"):
        read_tensors(written(GOOD, {"a": FLOATS}, **other))


def test_what_was_cut_off_anywhere_is_refused():
    content = written(GOOD, {"a": FLOATS})
    read_tensors(content)
    for length in range(len(content)):
        with pytest.raises(UsageError, match="another one"):
            read_tensors(content[:length])


@pytest.mark.backend
def test_torch_reads_the_same():
    torch = pytest.importorskip("torch")
    from zoo.metrics import efficientnet

    path = efficientnet._path(efficientnet.VERSIONS["lite0"])
    with open(path, "rb") as stream:
        tensors = read_tensors(stream.read())
    expected = torch.load(path, weights_only=True, map_location="cpu")
    assert list(tensors) == list(expected) and len(tensors) == 296
    for name, array in tensors.items():
        assert str(expected[name].dtype) == f"torch.{array.dtype}"
        np.testing.assert_array_equal(array, expected[name].numpy())


def test_files_of_todays_torch_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"before 1\.6"):
        read_tensors(b"PK\x03\x04" + os.urandom(100))
