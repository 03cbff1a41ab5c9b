"""What is judged, where it comes from, and what of that a record keeps."""

import dataclasses
import datetime
import hashlib
import os
import shlex
import sys

import numpy as np

from zoo.runs import checkpoints, directory


@dataclasses.dataclass
class Judged:
    """Samples that are judged, and where they come from.

    Attributes:
        samples: uint8 NHWC, or float32 `(n, d)` of data that are not pictures.
        labels: int32 `(n,)`, the classes asked for, or None.
        name: str, what is judged, for a person.
        config: dict, the config of the run; empty for a file.
        hash: str, SHA-256 in hex of the file that the samples come from.
        step, seconds, cpu_seconds: of the run's newest checkpoint, or None.
    """

    samples: np.ndarray
    labels: np.ndarray | None
    name: str
    config: dict
    hash: str
    step: int | None = None
    seconds: float | None = None
    cpu_seconds: float | None = None


def of_networks(samples, labels, source, config, paths):
    """Returns the `Judged` samples that the networks of a run directory, or a file, have made.

    Args:
        samples, labels, config: as in `Judged`.
        source: str, the run directory or the file.
        paths: list of str, the files of the networks.
    """
    meta = _newest_meta(source) if os.path.isdir(source) else {}
    return Judged(
        samples,
        labels,
        os.path.basename(os.path.abspath(source)),
        config,
        hash_of(*paths),
        *(meta.get(key) for key in ("step", "seconds", "cpu_seconds")),
    )


def protocol(judged, seed, notes):
    """Returns what any record says of its samples and of how it came about, a dict."""
    return {
        "judged": judged.name,
        "step": judged.step,
        "samples": len(judged.samples),
        "seed": seed,
        "source_hash": judged.hash,
        "notes": notes,
        "date": datetime.date.today().isoformat(),
        "commit": directory.commit(),
        "command": shlex.join(["python", os.path.basename(sys.argv[0]), *sys.argv[1:]]),
    }


def hash_of(*paths):
    """Returns the SHA-256 in hex of a file, or of several one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def _newest_meta(run):
    for path in reversed(checkpoints.listing(os.path.join(run, "checkpoints"))):
        if meta := checkpoints.read_meta(path):
            return meta
    return {}
