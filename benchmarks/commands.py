"""How long each command takes, as a whole process: `python -m benchmarks --commands`.

The run that they make and use is a small DCGAN of scikit-learn's digits, so that what is measured
is the command and not a training, and nothing is downloaded. Each round begins with empty folders
and an empty cache.
"""

import importlib.util
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

from benchmarks import table

ROOT = pathlib.Path(__file__).resolve().parents[1]
TRAIN = ("train.py", "--model=dcgan", "--dataset=digits", "--name=run")
BRIEF = ("--max_minutes=0.0001",)  # ends after the first step


def commands(quick=False):
    """Returns what a round runs, in order: label -> arguments of `python`.

    Args:
        quick: bool, whether to leave out what takes more than some seconds.
    """
    listed = {
        "every flag": ("train.py", "--help"),
        "models and data": ("train.py", "--list"),
        "what would be trained": (*TRAIN, "--dry_run"),
        "train for one step, with its report": (*TRAIN, *BRIEF),
        "resume, and train for one step": ("train.py", "--resume=run", *BRIEF),
        "generate 1": ("generate.py", "--run=run", "--count=1", "--out=one.png"),
        "generate 64": ("generate.py", "--run=run", "--count=64", "--out=many.png"),
        "generate 10,000": (
            "generate.py",
            "--run=run",
            "--count=10000",
            "--format=npz",
            "--out=all.npz",
        ),
        "evaluate": ("evaluate.py", "--run=run"),
        "evaluate, reference cached": ("evaluate.py", "--run=run", "--seed=1"),
    }
    formats = ["keras", "h5", "savedmodel", "tflite"]
    if importlib.util.find_spec("tf2onnx"):
        formats.insert(3, "onnx")
    for chosen in (*formats, ",".join(formats)):
        asked = ("export.py", "--run=run", f"--format={chosen}")
        listed[f"export {chosen.replace(',', ', ')}"] = asked
    listed["look at the installation"] = ("-m", "zoo.doctor")
    if quick:
        kept = ("every flag", "train for one step, with its report", "generate 1")
        listed = {label: listed[label] for label in kept}
    return listed


def measure(backend, rounds, quick=False, tell=lambda text: None):
    """Runs all commands.

    Args:
        backend: str, the Keras backend.
        rounds: int.
        quick: bool, see `commands`.
        tell: called with a line about each command that has run.

    Returns:
        list of dicts of `label`, `command`, and `wall` and `cpu`, seconds in each round.

    Raises:
        RuntimeError: a command failed.
    """
    rows = {
        label: {"label": label, "command": command, "wall": [], "cpu": []}
        for label, command in commands(quick).items()
    }
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            own = {
                "KERAS_BACKEND": backend,
                "ZOO_CACHE_DIR": f"{folder}/cache",
                "PYTHONPATH": str(ROOT),
                "TF_CPP_MIN_LOG_LEVEL": "3",
            }
            for label, row in rows.items():
                first, *rest = row["command"]
                program = [first] if first.startswith("-") else [str(ROOT / first)]
                before, start = _cpu(), time.perf_counter()
                done = subprocess.run(
                    [sys.executable, *program, *rest],
                    cwd=folder,
                    env=os.environ | own,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                )
                row["wall"].append(time.perf_counter() - start)
                row["cpu"].append(_cpu() - before)
                if done.returncode:
                    said = done.stderr.strip().splitlines() or ["nothing"]
                    raise RuntimeError(f"{label}: exit code {done.returncode}, {said[-1]}")
                tell(f"round {number + 1} of {rounds}: {label}: {row['wall'][-1]:.1f} s")
    return list(rows.values())


def _cpu():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def markdown(rows):
    """Returns the table of `measure` as markdown: medians, and ranges where rounds differ."""
    lines = [["", "command", "seconds", "CPU seconds"], ["---"] * 4]
    for row in rows:
        times = [table.text("", table.spread(row[name])) for name in ("wall", "cpu")]
        lines.append([row["label"], f"`python {' '.join(row['command'])}`", *times])
    return table.table(lines)
