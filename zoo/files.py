"""Atomic writes, which leave files complete whatever happens, and the folder for what is kept."""

import os
import tempfile
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


def cache_folder():
    """Returns the folder of what can be made again, whether it exists or not.

    $ZOO_CACHE_DIR, or one in the home. A process without a home, as in some containers, has one
    beside the temporary files.
    """
    home = os.path.expanduser("~")
    if not os.path.isabs(home):
        # Joined to another path, it would name a folder called ~ in the working folder.
        user = os.getuid() if hasattr(os, "getuid") else "user"
        default = os.path.join(tempfile.gettempdir(), f"keras-gan-zoo-{user}")
    else:
        default = os.path.join(home, ".cache", "keras-gan-zoo")
    return os.path.abspath(os.path.expanduser(os.environ.get("ZOO_CACHE_DIR") or default))


def unwritable(folder):
    """Returns why a folder cannot be made or written, or None. Makes those that can."""
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return error.strerror
