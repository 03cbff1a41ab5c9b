"""Checkpoints: everything a run needs to continue as if it had never stopped.

One file per checkpoint, `checkpoints/step-0001250.npz`: a zip of plain arrays. Nothing in it is
ever executed. It holds the weights, moving averages and seeds of the model, the optimizers, the
running means of the metrics, and the number of steps, which determines the order of the data.
"""

import io
import json
import pathlib
import re
import sys
import zipfile
import zlib

import numpy as np

from zoo import backend
from zoo.errors import UsageError
from zoo.files import write_atomically

FORMAT = 1
KEPT = 3
ALL = ("trainable", "other", "optimizer")  # what a model goes on training from
BEST = "best.npz"  # lies beside the newest ones, and is neither counted nor listed
# Exceptions of reading a damaged zip; RuntimeError if a flag says it is encrypted or too new.
DAMAGED = (ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)


def save(folder, model, meta, name=None):
    """Writes a checkpoint, then removes all but the newest three.

    Args:
        folder: the `checkpoints` folder.
        model: a compiled GAN.
        meta: dict for JSON with at least `step`.
        name: str, a file name, such as `BEST`; by default derived from the step.

    Returns:
        The path, or None if a weight is not finite. Then nothing is written, and the last good
        checkpoint stays the newest.

    Raises:
        OSError: it cannot be written; the earlier checkpoints are untouched.
    """
    arrays = {
        f"{group}/{i:04d}": backend.value_of(variable)
        for group, variables in _groups(model).items()
        for i, variable in enumerate(variables)
    }
    if not all(np.isfinite(a).all() for a in arrays.values() if a.dtype.kind == "f"):
        return None
    text = json.dumps({**meta, "format": FORMAT, "arrays": len(arrays)}).encode()
    buffer = io.BytesIO()
    np.savez(buffer, meta=np.frombuffer(text, "uint8"), **arrays)
    path = pathlib.Path(folder) / (name or f"step-{meta['step']:07d}.npz")
    write_atomically(path, buffer.getvalue())
    for old in listing(folder)[:-KEPT]:
        old.unlink(missing_ok=True)
    return path


def tidy(folder):
    """Removes partial files of killed processes. No process may be writing there."""
    for part in pathlib.Path(folder).glob(".*.part"):
        part.unlink(missing_ok=True)


def listing(folder):
    """Returns the checkpoint files in `folder`, oldest first."""
    files = pathlib.Path(folder).glob("step-*.npz")
    return sorted(f for f in files if re.fullmatch(r"step-\d{7,}\.npz", f.name))


def step_of(path):
    """Returns the step of a checkpoint file."""
    return int(path.stem.removeprefix("step-"))


def newest(folder):
    """Returns `(meta, arrays)` of the newest readable checkpoint, or None.

    Damaged ones are skipped with a warning on stderr.
    """
    for path in reversed(listing(folder)):
        try:
            return read(path)
        except UsageError as error:
            print(f"warning: {error} Trying the one before.", file=sys.stderr)
    return None


def read_meta(path):
    """Returns the meta of a checkpoint file, or {} if it cannot be read."""
    try:
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
            return json.loads(file["meta"].tobytes())
    except (*DAMAGED, OSError):
        return {}


def read(path):
    """Returns `(meta, arrays)` of one checkpoint file. Raises UsageError if it is damaged."""
    try:
        # Reading an array verifies its checksum in the zip.
        # Opened here because np.load does not close files it cannot read.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        meta = json.loads(arrays.pop("meta").tobytes())
        if meta.get("arrays", len(arrays)) != len(arrays):
            raise ValueError(f"{len(arrays)} of {meta['arrays']} arrays")
    except (*DAMAGED, OSError) as e:
        raise UsageError(f"The checkpoint {path} is damaged ({e}).") from None
    if meta.get("format") != FORMAT:
        raise UsageError(
            f"The checkpoint {path} has another format. Expected {FORMAT}. "
            f"Received: {meta.get('format')}."
        )
    return meta, arrays


def restore(model, arrays, groups=ALL):
    """Assigns a checkpoint to a compiled model.

    Args:
        model: the GAN.
        arrays: as `read` returns them.
        groups: which of trainable, other, optimizer, metrics.

    Raises:
        UsageError: the variables of model and checkpoint differ.
    """
    plan = []
    for group in groups:
        variables = _groups(model)[group]
        values = [arrays[name] for name in sorted(arrays) if name.startswith(f"{group}/")]
        shapes = [tuple(v.shape) for v in variables]
        if shapes != [v.shape for v in values]:
            raise UsageError(
                "The checkpoint does not fit the model: the shapes of their variables differ. "
                f"Expected {len(shapes)} in the group {group}; use the settings of the run it "
                f"comes from. Received: {len(values)}."
            )
        plan += zip(variables, values, strict=True)
    for variable, value in plan:
        variable.assign(value)


def _groups(model):
    return {
        "trainable": model.trainable_variables,
        "other": model.non_trainable_variables,
        "optimizer": model.optimizer.variables if getattr(model, "optimizer", None) else [],
        "metrics": model.metrics_variables,
    }
