"""Reads weights files in PyTorch's format from before version 1.6, without PyTorch."""

import collections
import io
import pickle
import struct
import typing

import numpy as np

from zoo.errors import UsageError

# The first two pickles in a file: a magic number and the version of the format.
MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
# Kinds of storage as the file names them -> numpy's names for their numbers.
STORAGES = {"FloatStorage": "<f4", "LongStorage": "<i8"}


def read_tensors(content):
    """Returns the tensors of a file that `torch.save(model.state_dict(), file)` wrote, by name.

    The file has the legacy format, from before PyTorch 1.6: four pickles (a magic number, the
    version, the sizes of C's types, the dict of tensors), a list of storages, and the bytes of
    each. A pickle may call any function; here it can call only two, which make a dict and describe
    a tensor.

    Args:
        content: bytes, the whole file.

    Returns:
        Dict from str to array, float32 or int64, in the order of the file.

    Raises:
        UsageError: for another format, tensors of another kind, a file that was cut off, or a
            pickle that asks for anything else.
    """
    stream = io.BytesIO(content)
    try:
        magic, version, system = (_Unpickler(stream).load() for _ in range(3))
        if (magic, version) != (MAGIC, PROTOCOL) or system["little_endian"] is not True:
            raise ValueError("another format")
        tensors = _Unpickler(stream).load()
        storages = {}
        for key in _Unpickler(stream).load():
            (count,) = struct.unpack("<q", stream.read(8))
            storages[key] = stream.tell(), count
            # The tensors give the size of a number: all tensors of a storage must agree.
            kinds = {t.kind for t in tensors.values() if t.key == key}
            (kind,) = kinds
            stream.seek(_bytes(count, kind), io.SEEK_CUR)
        return {str(name): _array(content, t, *storages[t.key]) for name, t in tensors.items()}
    # Errors that unpickling, or data of the wrong kind, may raise.
    except (
        *(pickle.UnpicklingError, struct.error, ValueError, TypeError, KeyError, IndexError),
        *(AttributeError, EOFError, ImportError, OverflowError, MemoryError, RecursionError),
    ) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise UsageError(
            "Expected a file of float32 and int64 tensors as PyTorch wrote it before 1.6. "
            f"Received: another one ({reason})."
        ) from error


class _Tensor(typing.NamedTuple):
    """The place of a tensor: its storage, and the position of its numbers there."""

    key: str
    kind: str
    start: int
    shape: tuple
    strides: tuple


class _Dict(collections.OrderedDict):
    def __setstate__(self, state):
        """Does nothing: PyTorch keeps the versions of its modules here."""


def _tensor(storage, start, shape, strides, *_):
    """Replaces `torch._utils._rebuild_tensor_v2`."""
    key, kind = storage
    return _Tensor(key, kind, start, tuple(shape), tuple(strides))


class _Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return _Dict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        raise pickle.UnpicklingError(f"it wants {module}.{name}")

    def persistent_load(self, what):
        word, kind, key, _, _, view = what
        if word != "storage" or view is not None or kind not in STORAGES.values():
            raise pickle.UnpicklingError("it wants more than storages")
        return key, kind


def _bytes(count, kind):
    if count < 0:
        raise ValueError("a storage of negative size")
    return count * np.dtype(kind).itemsize


def _array(content, tensor, place, count):
    sizes = list(zip(tensor.shape, tensor.strides, strict=True))
    if tensor.start < 0 or any(size < 1 or stride < 0 for size, stride in sizes):
        raise ValueError("a tensor of no or negative size")
    # numpy would read beyond the end without an error.
    if tensor.start + sum((size - 1) * stride for size, stride in sizes) >= count:
        raise ValueError("a tensor beyond its storage")
    storage = np.frombuffer(content, tensor.kind, count, place)[tensor.start :]
    strides = [stride * storage.itemsize for stride in tensor.strides]
    return np.lib.stride_tricks.as_strided(storage, tensor.shape, strides, writeable=False)
