"""The run directory: its name, its lock, its origin."""

import contextlib
import datetime
import importlib.metadata
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys

import keras

from zoo import backend
from zoo.data.catalog import short
from zoo.errors import UsageError
from zoo.files import write_atomically
from zoo.installation import started_as

VERSIONS = ("keras", "tensorflow", "jax", "torch", "numpy", "tensorflow-datasets")


def create(runs_dir, name, model, dataset, overwrite=False, kept=None):
    """Makes a new run directory and returns its path.

    Args:
        runs_dir: where runs are kept.
        name: of the run, or None for `<model>-<dataset>`, with a number where that is taken.
        model: str. dataset: str.
        overwrite: bool, whether a run of this name is deleted.
        kept: path that is not deleted even so, of the run that the new one begins with or of a
            file in it; or None.

    Raises:
        UsageError: the directory exists or has to be kept, or the name cannot be one.
    """
    runs_dir = pathlib.Path(runs_dir)
    if name is None:
        # For a folder or a `tfds:` source its own name is enough.
        plain = f"{model}-{_plain(short(dataset).split('/')[-1].split(':')[-1]) or 'data'}"
        numbered = (f"{plain}-{i}" for i in range(2, 10**6))
        name = plain
        while (runs_dir / name).exists() and not overwrite:
            name = next(numbered)
    elif not name or name != _plain(name) or name in (".", ".."):
        raise UsageError(
            "A run is named with letters, digits, '.', '-' and '_'. Expected for example "
            f"--name={_plain(name) or 'first'}. Received: --name={name!r}."
        )
    path = runs_dir / name
    if path.exists() and not overwrite:
        raise UsageError(
            f"The run directory {path} exists. Choose another --name, go on with "
            f"--resume={name}, or delete it with --overwrite."
        )
    if path.exists() and not path.is_dir():
        raise UsageError(f"{path} is a file, not a run. Choose another --name.")
    if kept is not None and path.resolve() in (
        where := pathlib.Path(kept).resolve(),
        *where.parents,
    ):
        raise UsageError(
            f"--overwrite would delete {path}, with which the new run begins. Expected another "
            f"--name, or no --overwrite. Received: {kept}."
        )
    if path.exists():
        # Delete only directories that look like a run, whatever the flags say.
        if not (path / "config.json").exists() and any(path.iterdir()):
            raise UsageError(
                f"{path} is not a run (it has no config.json), so --overwrite leaves it alone. "
                "Choose another --name."
            )
        # Delete after leaving the lock: Windows cannot delete open files.
        with locked(path):
            pass
        shutil.rmtree(path)
    try:
        path.mkdir(parents=True)
    except (FileExistsError, NotADirectoryError):
        raise UsageError(f"--runs_dir={runs_dir} is not a folder. Choose another.") from None
    return path


@contextlib.contextmanager
def locked(path):
    """Keeps other processes from training in the run directory `path`.

    The system releases the lock when a process ends, however it ends.

    Raises:
        UsageError: another process trains in it.
    """
    import filelock

    lock = filelock.FileLock(pathlib.Path(path) / ".lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise UsageError(
            f"Another process trains in {path}. Wait until it has ended, or start another run with "
            "another --name."
        ) from None
    try:
        yield
    finally:
        lock.release()


def find_generator(source, name="generator"):
    """Returns the path of a generator file, given that path or a run directory.

    Args:
        source: str.
        name: str, name of the network in a run directory.

    Raises:
        UsageError: there is none.
    """
    if os.path.isdir(source):
        path = os.path.join(source, f"{name}.keras")
        if not os.path.isfile(path):
            raise UsageError(
                f"The run {source} has no {name}.keras yet. Expected one, which training writes "
                "with its first checkpoint; wait for that, or use another run."
            )
        return path
    if not os.path.isfile(source):
        raise UsageError(
            f"There is no generator file {source}. Expected a run directory or the path of a "
            ".keras or .h5 file."
        )
    if os.path.splitext(source)[1] not in (".keras", ".h5"):
        raise UsageError(
            f"A generator file is a .keras or .h5 file. Received: {source}, which is neither."
        )
    return source


def write_json(path, content):
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    # File names may hold bytes that are no text. JSON reads their escapes back as they were.
    write_atomically(path, text.encode(errors="backslashreplace"))


def environment():
    """Returns what a run's numbers depend on besides its config, for `environment.json`."""
    return {
        "command": " ".join([*started_as(), *sys.argv[1:]]),
        "commit": commit(),
        "backend": keras.config.backend(),
        "devices": backend.devices(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "versions": {name: v for name in VERSIONS if (v := _version(name))},
        "started": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }


def commit():
    """Returns the commit of this source tree, with "+" where it has changes, or None.

    Rows of results added since are no change.
    """
    here = pathlib.Path(__file__).parent

    def git(*arguments):
        return subprocess.run(
            ["git", *arguments], cwd=here, capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        if not (here.parent.parent / ".git").exists():
            return None
        source = (":(top)", ":(top,exclude)results")
        changed = git("status", "--porcelain", "-uno", "--", *source)
        return git("rev-parse", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _plain(text):
    kept = "".join(c if c.isalnum() or c in ".-_" else "-" for c in str(text)).strip("-")
    # File systems count bytes, of which most scripts need several for a letter.
    return kept[:80].encode(errors="ignore")[:200].decode(errors="ignore")
