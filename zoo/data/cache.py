"""Data sets as numpy files, written once and memory-mapped from then on.

An entry is a folder `GROUP/STAMP` under $ZOO_CACHE_DIR (default ~/.cache/keras-gan-zoo) with
samples.npy, labels.npy and about.json. The group names what is cached, the stamp the state of its
source; a new state replaces the old one. Entries appear complete or not at all, hold no paths of
the cache, and can be copied between machines.
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

FORMAT = 1


def folder():
    """Returns the cache folder, whether it exists or not."""
    default = os.path.join(os.path.expanduser("~"), ".cache", "keras-gan-zoo")
    return os.path.abspath(os.environ.get("ZOO_CACHE_DIR") or default)


def writable_folder():
    """Returns `folder()`, or a temporary folder for this process where that cannot be written."""
    root = folder()
    try:
        os.makedirs(root, exist_ok=True)
        with tempfile.TemporaryFile(dir=root):
            return root
    except OSError as error:
        return _temporary_folder(root, error.strerror)


def find(group, stamp=None):
    """Returns the entry as a dict of Dataset's fields without `name`, or None.

    Args:
        group: sequence of str, folder names.
        stamp: str, or None for whatever there is.
    """
    for root in (folder, writable_folder):
        parent = os.path.join(root(), *group)
        names = [stamp] if stamp else [name for name in _list(parent) if name[0] != "."]
        entries = [entry for name in names if (entry := read(os.path.join(parent, name)))]
        if entries:
            return entries[0]
    return None


def read(path):
    """Returns the entry in the folder `path`, or None if it is missing or damaged."""
    try:
        with open(os.path.join(path, "about.json"), encoding="utf-8") as file:
            about = json.load(file)
        samples = np.load(os.path.join(path, "samples.npy"), mmap_mode="r")
        labels = np.load(os.path.join(path, "labels.npy")) if about["class_names"] else None
        whole = list(samples.shape) == about["shape"] and (
            labels is None or labels.shape == samples.shape[:1]
        )
        if about["format"] != FORMAT or not whole:
            return None
        return {
            # np.asarray: a plain array that maps the file, so that nobody needs to know.
            "samples": np.asarray(samples),
            "labels": labels,
            "class_names": tuple(about["class_names"]),
            "fingerprint": about["fingerprint"],
            "skipped": tuple(map(tuple, about["skipped"])),
        }
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write(group, stamp, batches, describe, total, what="pictures"):
    """Stores an entry and returns its folder.

    Args:
        group: sequence of str, folder names.
        stamp: str.
        batches: iterable of uint8 arrays `(k, h, w, c)`, written as they come.
        describe: called after the last batch, returns (labels or None, class_names, skipped).
        total: int, about how many samples come, for the progress line on stderr.
        what: str, what the samples are called there.

    Raises:
        UsageError: the disk is full.
    """
    parent = os.path.join(writable_folder(), *group)
    final = os.path.join(parent, stamp)
    scratch = os.path.join(parent, f".part-{secrets.token_hex(8)}")
    try:
        os.makedirs(scratch)
        samples = os.path.join(scratch, "samples.npy")
        _write_samples(samples, _watched(batches, total, what))
        labels, class_names, skipped = describe()
        if labels is not None:
            np.save(os.path.join(scratch, "labels.npy"), labels.astype("int32"))
        array = np.load(samples, mmap_mode="r")
        about = {
            "format": FORMAT,
            "shape": array.shape,
            "class_names": class_names,
            "skipped": skipped,
            "fingerprint": fingerprint(array, labels, class_names),
        }
        with open(os.path.join(scratch, "about.json"), "w", encoding="utf-8") as file:
            json.dump(about, file)
        if read(final) is None:
            shutil.rmtree(final, ignore_errors=True)
            # Another process may have been faster; then its entry stays and this one goes.
            with contextlib.suppress(OSError):
                os.replace(scratch, final)
    except OSError as error:
        raise UsageError(
            f"The prepared data could not be written to {parent} ({error.strerror or error}): make "
            "room there, or name another folder in the environment variable ZOO_CACHE_DIR."
        ) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    _sweep(parent, keep=stamp)
    return final


def fingerprint(samples, labels, class_names):
    """Returns the SHA-256 in hex of the arrays, their shapes and the class names."""
    digest = hashlib.sha256()
    for start in range(0, len(samples), 4096):
        digest.update(np.ascontiguousarray(samples[start : start + 4096]).data.cast("B"))
    if labels is not None:
        digest.update(np.ascontiguousarray(labels, "<i4").data.cast("B"))
    about = [list(samples.shape), str(samples.dtype), labels is not None, list(class_names)]
    digest.update(json.dumps(about).encode())
    return digest.hexdigest()


def stamp_of(*parts):
    """Returns a short name for anything that json can write."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:20]


def _write_samples(path, batches):
    # Plain writes and not a memory map: on a full disk a map kills the process, a write raises.
    count, shape, header = 0, None, b""
    with open(path, "wb") as file:
        for batch in batches:
            if not len(batch):
                continue
            if shape is None:
                shape, header = batch.shape[1:], _header(0, batch.shape[1:])
                file.write(header)
            file.write(np.ascontiguousarray(batch, "uint8"))
            count += len(batch)
        if not count:
            return
        file.seek(0)
        final = _header(count, shape)
        assert len(final) == len(header), "numpy leaves room in the header for a growing axis"
        file.write(final)
        file.flush()
        os.fsync(file.fileno())


def _header(count, shape):
    header = io.BytesIO()
    about = {"descr": "|u1", "fortran_order": False, "shape": (count, *shape)}
    np.lib.format.write_array_header_1_0(header, about)
    return header.getvalue()


def _watched(batches, total, what):
    start = time.monotonic()
    live = sys.stderr.isatty()
    count, following, shown = 0, start + 2, False
    for batch in batches:
        yield batch
        count += len(batch)
        now = time.monotonic()
        if now >= following:
            text = f"Preparing {what}: {count:,} of {total:,}, {now - start:.0f} s"
            print(text, end="\r" if live else "\n", file=sys.stderr, flush=True)
            following, shown = now + (1 if live else 20), True
    if shown:
        seconds = time.monotonic() - start
        print(f"Prepared {count:,} {what} in {seconds:.0f} s.      ", file=sys.stderr, flush=True)


def _list(path):
    try:
        return sorted(os.listdir(path))
    except OSError:
        return []


def _sweep(parent, keep):
    """Removes earlier states of the same data, and what processes that were killed left."""
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
