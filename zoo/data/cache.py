"""Data sets as numpy files, written once and memory-mapped from then on.

An entry is a folder `GROUP/STAMP` under $ZOO_CACHE_DIR (default ~/.cache/keras-gan-zoo) with one
file for each field, such as image.npy and label.npy, and about.json. The group names what is
cached, the stamp the state of its source; a new state replaces the old one. Entries appear complete
or not at all, hold no paths of the cache, and can be copied between machines.
"""

import atexit
import contextlib
import functools
import hashlib
import io
import json
import os
import secrets
import shutil
import sys
import tempfile
import time

import numpy as np

from zoo.errors import UsageError
from zoo.files import cache_folder as folder
from zoo.files import unwritable
from zoo.progress import Progress

FORMAT = 2
CHUNK = 2**24  # bytes that are copied at once


def writable_folder():
    """Returns the cache folder, or a temporary folder of this process if that is not writable."""
    root = folder()
    reason = unwritable(root)
    return _temporary_folder(root, reason) if reason else root


def find(group, stamp=None, names=None):
    """Returns the entry as a dict of Dataset's fields without `name`, or None.

    Args:
        group: sequence of str, folder names.
        stamp: str, or None for any stamp.
        names: as for `read`.
    """
    for root in (folder, writable_folder):
        parent = os.path.join(root(), *group)
        stamps = [stamp] if stamp else [name for name in _list(parent) if name[0] != "."]
        entries = [entry for name in stamps if (entry := read(os.path.join(parent, name), names))]
        if entries:
            return entries[0]
    return None


def read(path, names=None):
    """Returns the entry in the folder `path`, or None if it is missing or damaged.

    Args:
        path: str.
        names: dict stored field -> name to return it under, or None to keep the stored names.
    """
    names = names or {}
    try:
        with open(os.path.join(path, "about.json"), encoding="utf-8") as file:
            about = json.load(file)
        if about["format"] != FORMAT:
            return None
        fields, digests = {}, {}
        for field, shape in about["shapes"].items():
            array = np.load(os.path.join(path, f"{field}.npy"), mmap_mode="r")
            if list(array.shape) != shape:
                return None
            name = names.get(field, field)
            # np.asarray makes a plain array that still maps the file, so callers see no map.
            fields[name] = np.array(array) if field == "label" else np.asarray(array)
            digests[name] = about["digests"].get(field)
        if "label" in fields and len({len(array) for array in fields.values()}) > 1:
            return None
        class_names = tuple(about["class_names"])
        return {
            "fields": dict(sorted(fields.items())),
            "class_names": class_names,
            "fingerprint": _joined(digests, class_names) if names else about["fingerprint"],
            "skipped": tuple(map(tuple, about["skipped"])),
            "notes": tuple(about.get("notes", ())),  # older entries have none
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError):
        return None


def write(group, stamp, batches, describe, total, what="pictures"):
    """Stores an entry and returns its folder.

    Args:
        group: sequence of str, folder names.
        stamp: str.
        batches: iterable of dicts field name -> uint8 array `(k, h, w, c)`, written as they come.
            Fields may differ in length, and a batch may lack some of them.
        describe: function called after the last batch; it returns (labels or None, class_names,
            skipped, notes).
        total: int, approximate number of images, for the progress line on stderr.
        what: str, name of the images in that line.

    Raises:
        UsageError: the entry cannot be written, for example because the disk is full.
    """
    parent = os.path.join(writable_folder(), *group)
    final = os.path.join(parent, stamp)
    scratch = os.path.join(parent, f".part-{secrets.token_hex(8)}")
    try:
        os.makedirs(scratch)
        names = _write_arrays(scratch, _watched(batches, total, what))
        labels, class_names, skipped, notes = describe()
        fields = {name: np.load(os.path.join(scratch, f"{name}.npy"), "r") for name in names}
        if labels is not None:
            fields["label"] = labels.astype("int32")
            np.save(os.path.join(scratch, "label.npy"), fields["label"])
        # The fingerprint of one array and its labels needs no digests.
        several = len(names) > 1
        digests = {name: _digest(array) for name, array in fields.items() if several}
        about = {
            "format": FORMAT,
            "shapes": {name: array.shape for name, array in fields.items()},
            "class_names": class_names,
            "skipped": skipped,
            "notes": notes,
            "digests": digests,
            "fingerprint": (
                _joined(digests, class_names) if several else fingerprint(fields, class_names)
            ),
        }
        with open(os.path.join(scratch, "about.json"), "w", encoding="utf-8") as file:
            json.dump(about, file)
        fields = None  # Windows moves no folder whose files are mapped
        if read(final) is None:
            shutil.rmtree(final, ignore_errors=True)
            # Another process may have been faster; then its entry stays and this one goes.
            with contextlib.suppress(OSError):
                os.replace(scratch, final)
    except OSError as error:
        raise _unwritten(parent, error) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    _sweep(parent, keep=stamp)
    return final


def maps_file(array):
    """Whether an array, or `Crops`, is on the disk and takes no memory that others could need."""
    array = getattr(array, "pixels", array)
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap):
            return True
        array = array.base
    return False


def rows(array, chosen):
    """Returns `array[chosen]`, likewise in a file if the array maps one.

    The file has no name and ends with the process.

    Args:
        array: numpy array.
        chosen: int `(n,)`, at least one index.

    Raises:
        UsageError: the file cannot be written.
    """
    if not maps_file(array):
        return array[chosen]
    parent = writable_folder()
    try:
        with tempfile.TemporaryFile(dir=parent) as file:
            several = max(1, CHUNK // max(1, array[:1].nbytes))
            for start in range(0, len(chosen), several):
                file.write(np.ascontiguousarray(array[chosen[start : start + several]]).data)
            file.flush()
            shape = (len(chosen), *array.shape[1:])
            return np.asarray(np.memmap(file, array.dtype, "r", shape=shape))
    except OSError as error:
        raise _unwritten(parent, error) from error


def fingerprint(fields, class_names):
    """Returns the SHA-256 in hex of the arrays, their shapes and the class names.

    Args:
        fields: dict field name -> array, as in a `zoo.data.Dataset`.
        class_names: sequence of str.
    """
    arrays = [array for name, array in fields.items() if name != "label"]
    if len(arrays) > 1:
        return _joined({name: _digest(array) for name, array in fields.items()}, class_names)
    # Runs compare this with fingerprints that they stored long ago, so it must not change.
    (samples,), labels = arrays, fields.get("label")
    digest = hashlib.sha256()
    _update(digest, samples)
    if labels is not None:
        digest.update(np.ascontiguousarray(labels, "<i4").data.cast("B"))
    about = [list(samples.shape), str(samples.dtype), labels is not None, list(class_names)]
    digest.update(json.dumps(about).encode())
    return digest.hexdigest()


def _unwritten(parent, error):
    return UsageError(
        f"The prepared data could not be written to {parent} ({error.strerror or error}): make "
        "room there, or name another folder in the environment variable ZOO_CACHE_DIR."
    )


def _joined(digests, class_names):
    """Returns the fingerprint of several arrays from their digests, a dict by field name."""
    about = [sorted(digests.items()), list(class_names)]
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()


def _digest(array):
    digest = hashlib.sha256(json.dumps([list(array.shape), str(array.dtype)]).encode())
    _update(digest, array)
    return digest.hexdigest()


def _update(digest, array):
    for start in range(0, len(array), 4096):
        digest.update(np.ascontiguousarray(array[start : start + 4096]).data.cast("B"))


def stamp_of(*parts):
    """Returns a short name for anything that json can write."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:20]


def _write_arrays(folder, batches):
    """Writes `folder/FIELD.npy` for each field in the batches; returns their sorted names."""
    with contextlib.ExitStack() as stack:
        arrays = {}
        for batch in batches:
            for name, part in batch.items():
                if name not in arrays:
                    file = open(os.path.join(folder, f"{name}.npy"), "wb")  # noqa: SIM115
                    arrays[name] = _Growing(stack.enter_context(file), part.shape[1:])
                arrays[name].append(part)
        for array in arrays.values():
            array.finish()
    return sorted(arrays)


class _Growing:
    """A .npy file of uint8 whose first axis grows.

    It uses plain writes, not a memory map: on a full disk a map kills the process, a write raises.
    """

    def __init__(self, file, shape):
        self.file, self.shape, self.count = file, shape, 0
        self.header = _header(0, shape)
        file.write(self.header)

    def append(self, part):
        self.file.write(np.ascontiguousarray(part, "uint8"))
        self.count += len(part)

    def finish(self):
        header = _header(self.count, self.shape)
        assert len(header) == len(self.header), "numpy leaves room for a growing axis"
        self.file.seek(0)
        self.file.write(header)
        self.file.flush()
        os.fsync(self.file.fileno())


def _header(count, shape):
    header = io.BytesIO()
    about = {"descr": "|u1", "fortran_order": False, "shape": (count, *shape)}
    np.lib.format.write_array_header_1_0(header, about)
    return header.getvalue()


def _watched(batches, total, what):
    count = 0
    with Progress(f"preparing {what}", total) as progress:
        for batch in batches:
            yield batch
            # `pixels` of pictures of any size come row by row, beside a row per picture.
            count += sum(len(part) for name, part in batch.items() if name != "pixels")
            progress(count)


def _list(path):
    try:
        return sorted(os.listdir(path))
    except OSError:
        return []


def _sweep(parent, keep):
    """Removes earlier states of the same data, and the remains of killed processes."""
    for name in _list(parent):
        path = os.path.join(parent, name)
        with contextlib.suppress(OSError):
            abandoned = time.time() - os.path.getmtime(path) > 86400
            if name != keep and (abandoned or not name.startswith(".part-")):
                shutil.rmtree(path, ignore_errors=True)


@functools.cache
def _temporary_folder(root, reason):
    path = tempfile.mkdtemp(prefix="keras-gan-zoo-")
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    print(
        f"The cache folder {root} cannot be written ({reason}), so the data is prepared again next "
        "time; name another folder in the environment variable ZOO_CACHE_DIR.",
        file=sys.stderr,
    )
    return path
