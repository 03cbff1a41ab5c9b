"""Atomic writes: files are complete whatever happens."""

import os
from pathlib import Path


def write_atomically(path, data):
    """Writes bytes to `path` so that a reader sees the old file or the new one, never a part.

    The folder is created if missing. Returns `path` as a `pathlib.Path`. Raises OSError, and
    leaves the old file alone, if the disk is full or not writable.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            # Without this, a power cut after the rename could leave an empty file.
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path
