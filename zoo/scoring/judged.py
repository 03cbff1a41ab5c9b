"""Judged samples, their origin, and the part of it that records keep."""

import dataclasses
import datetime
import hashlib
import os
import shlex
import sys

import numpy as np

from zoo.installation import started_as
from zoo.runs import checkpoints, directory


@dataclasses.dataclass
class Judged:
    """Samples to judge, and their origin.

    Attributes:
        samples: uint8 NHWC, or float32 `(n, d)` if they are not pictures.
        labels: int32 `(n,)`, the requested classes, or None.
        name: str, name of the samples for people.
        config: dict, the config of the run; empty for a file.
        hash: str, SHA-256 in hex of the source file.
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
    """Returns `Judged` samples from the networks of a run directory or a file.

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
    """Returns the samples' part of a record: their origin and how they were judged, a dict."""
    return {
        "judged": judged.name,
        "step": judged.step,
        "samples": len(judged.samples),
        "seed": seed,
        "source_hash": judged.hash,
        "notes": notes,
        "date": datetime.date.today().isoformat(),
        "commit": directory.commit(),
        "command": shlex.join([*map(os.path.basename, started_as()), *sys.argv[1:]]),
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
