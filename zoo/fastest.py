"""Measures which backend and precision train a model fastest on this machine.

python -m zoo.fastest --model=dcgan
python -m zoo.fastest --model=dcgan --dataset=mnist --set width=64 --backends=tensorflow,jax

`train.py --backend=auto --precision=auto` uses it. Each backend trains some steps in a separate
process, which takes about half a minute. The result is kept for the model, its settings and all
versions, so it is measured once. mixed_bfloat16 rounds to eight bits, so it is chosen only if it is
clearly faster.

Exit codes: 0 done; 2 the user can fix it; 130 interrupted.
"""

# No imports of Keras at the top: its backend is not chosen yet.
import contextlib
import importlib.metadata
import json
import os
import pathlib
import signal
import subprocess
import sys

from zoo.installation import PACKAGE, ROOT, folder

if __name__ == "__main__":
    # Python puts the working directory first; its file names could hide other packages.
    sys.path[0] = str(ROOT)

from zoo.cli import exits, programs
from zoo.data import cache
from zoo.errors import UsageError
from zoo.files import write_atomically

PRECISIONS = ("float32", "mixed_bfloat16")
ALL_PRECISIONS = (*PRECISIONS, "mixed_float16")  # the last only on request
SECONDS = 3.0  # of measurement for each precision
GAIN = 1.1  # how many times as fast mixed_bfloat16 must be to be chosen
PATIENCE = 300  # seconds that a backend's process may take once its data are ready
# Settings that do not change how fast a step is.
OTHERS = (
    *("seed", "epochs", "max_minutes", "max_cpu_seconds", "sample_every", "checkpoint_minutes"),
    *("stop_on_collapse", "score_every", "score_samples", "score_features"),
)


def measure(what, backends, precisions, again=False, data_dir=None):
    """Returns backend -> precision -> images per second, measured now or before.

    Args:
        what: dict of `model`, `dataset`, `preset` and `overrides`.
        backends: names of installed backends.
        precisions: names, some of `ALL_PRECISIONS`.
        again: bool, whether to measure again what was measured before.
        data_dir: str or None, folder of prepared data sets.

    Raises:
        UsageError: a setting is unknown or out of range, or no backend could be measured.
    """
    overrides = {k: v for k, v in what["overrides"].items() if k not in (*OTHERS, "precision")}
    what, file = {**what, "overrides": overrides}, pathlib.Path(cache.folder()) / "fastest.json"
    cached, results, failures = {} if again else read(file), {}, []
    for backend in backends:
        key = cache.stamp_of(what, backend, machine(backend))
        rates = cached.get(key, {})
        if not set(precisions) <= set(rates):
            print(f"measuring {what['model']} on {backend}", end=" ", file=sys.stderr, flush=True)
            rates, failure = ask({**what, "precisions": precisions, "data_dir": data_dir}, backend)
            print(failure or listed(rates), file=sys.stderr, flush=True)
            if failure:
                failures.append(f"{backend}: {failure}")
                continue
            keep(file, key, rates)
        results[backend] = {precision: rates[precision] for precision in precisions}
    if not results:
        raise UsageError(f"Nothing could be measured. {'; '.join(failures)}")
    return results


def ask(spec, backend):
    """Measures one backend. Returns `(rates, None)` or `({}, sentence)`. Raises UsageError."""
    spec = {**spec, "seconds": SECONDS, "patience": PATIENCE}
    done = subprocess.run(
        [sys.executable, "-m", "zoo.training.speed", json.dumps(spec)],
        cwd=ROOT,
        env=os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if hasattr(signal, "SIGALRM") and done.returncode == -signal.SIGALRM:
        return {}, f"not done after {PATIENCE} seconds"
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    if done.returncode == 2 and lines:
        message = lines[-1].removeprefix("error: ")
        if "mixed_float16" in spec["precisions"]:  # not every backend has it
            return {}, message
        raise UsageError(message)
    if done.returncode:
        return {}, lines[-1] if lines else f"it ended with exit code {done.returncode}"
    return json.loads(done.stdout.splitlines()[-1]), None


def choose(results):
    """Returns the fastest `(backend, precision)` of the results of `measure`."""
    best = {}
    for backend, rates in results.items():
        precision = max(rates, key=rates.get)
        if precision == "mixed_bfloat16" and "float32" in rates:
            clearly = rates[precision] >= GAIN * rates["float32"]
            precision = precision if clearly else "float32"
        best[backend] = (rates[precision], precision)
    backend = max(best, key=best.get)
    return backend, best[backend][1]


def machine(backend):
    """Returns what a rate depends on besides the model: processor, devices, versions, our code."""
    versions = {}
    for name in (backend, "keras", "numpy"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    devices = {name: os.environ.get(name) for name in ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS")}
    gpus = sorted(map(str, pathlib.Path("/proc/driver/nvidia/gpus").glob("*")))
    files = [path for place in (PACKAGE, folder("configs")) for path in place.rglob("*.py")]
    code = max(path.stat().st_mtime for path in files)
    return [programs.processor(), count, devices, gpus, versions, code]


def read(file):
    """Returns the content of the cache file, or {} if it cannot be read."""
    with contextlib.suppress(OSError, ValueError):
        kept = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(kept, dict):
            return kept
    return {}


def keep(file, key, rates):
    """Adds rates to the cache file if it can be written."""
    with contextlib.suppress(OSError):
        kept = read(file)
        kept[key] = {**kept.get(key, {}), **rates}
        write_atomically(file, json.dumps(kept).encode())


def listed(rates):
    return ", ".join(f"{name} {rate:,.0f} images/s" for name, rate in rates.items())


def parse(argv):
    """Returns the arguments of the command line. Raises UsageError."""
    parser = exits.Parser("python -m zoo.fastest", __doc__)
    add = parser.add_argument
    add("--model", required=True, help="Which variant; train.py --list shows them.")
    add("--dataset", help="Whose recipe and samples; by default random ones.")
    add("--data_dir", help="Where TFDS finds prepared data sets.")
    add("--preset", default="default", help="default, paper or another of the model.")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="As of train.py.")
    add("--backends", help="Separated by commas; by default all that are installed.")
    add("--precisions", default=",".join(PRECISIONS), help="Separated by commas.")
    add("--again", action="store_true", help="Measure what was measured before, too.")
    add("--json", action="store_true", help="Print one JSON object instead of the table.")
    arguments = parser.parse_args(argv)
    installed = programs.installed_backends()
    arguments.backends = arguments.backends.split(",") if arguments.backends else installed
    arguments.precisions = arguments.precisions.split(",")
    for name, valid in (("backends", installed), ("precisions", ALL_PRECISIONS)):
        given = getattr(arguments, name)
        if not given or not set(given) <= set(valid):
            raise UsageError(
                f"Expected of --{name} some of {', '.join(valid)}. Received: {','.join(given)}."
            )
    return arguments


def main(argv):
    """Measures what a command line asks for and prints the rates."""
    arguments = parse(argv)
    overrides = {}
    for text in arguments.set:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"Expected --set key=value. Received: --set {text!r}.")
        overrides[name.strip()] = value.strip()
    what = {name: getattr(arguments, name) for name in ("model", "dataset", "preset")}
    what["overrides"] = overrides
    how = ("backends", "precisions", "again", "data_dir")
    results = measure(what, **{name: getattr(arguments, name) for name in how})
    backend, precision = choose(results)
    if arguments.json:
        answer = {"backend": backend, "precision": precision, "images_per_second": results}
        print(json.dumps(answer))
        return
    for name, rates in results.items():
        print(f"{name:12}{listed(rates)}")
    print(f"fastest: --backend={backend} --precision={precision}")


def start():
    """Runs the program and exits the process."""
    with exits.one_line():
        main(sys.argv[1:])


if __name__ == "__main__":
    start()
