"""Checks an installation, and says what is wrong and how to fix it.

python -m zoo.doctor
python -m zoo.doctor --backend=jax --devices=4 --json

It trains a toy briefly with each installed backend, in a separate process. This takes about a
minute. It downloads nothing and leaves no files.

Exit codes: 0 no check fails, with or without warnings; 1 a check fails; 2 a bad flag; 130
interrupted.
"""

# Only the standard library at the top: anything else may be broken.
import argparse
import contextlib
import dataclasses
import importlib.metadata
import importlib.util
import itertools
import json
import math
import operator
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import traceback

from zoo import installation
from zoo.cli import exits
from zoo.errors import UsageError
from zoo.installation import ROOT, as_typed
from zoo.machine import gpus, memory

# Backend -> the extra that brings it.
BACKENDS = {"tensorflow": "", "jax": "jax", "torch": "torch"}
WITH_CUDA = {"tensorflow": "tensorflow[and-cuda]", "jax": "jax[cuda12]"}
COMPARE = {">=": operator.ge, "<": operator.lt, "==": operator.eq}
LITTLE = 2 * 2**30  # bytes; a run with TensorFlow takes up to this much memory
STEPS, FIRST = 50, 10  # the first ones compile, so they are not timed
PATIENCE = 180  # seconds that a backend's process may take
# Stages that this process reports, in this order -> what it does before it reports each.
STAGES = {"devices": "importing it", "training": "one device", "replicas": "several devices"}
# Largest allowed difference of a weight. On CPUs the weights moved by 0.2 and differed by 1.2e-7,
# the last bit of a weight, between one, two and four devices and between the backends. Averaging
# the gradients over two devices instead of adding them up made the difference 0.07. On GPUs nothing
# was measured: their products may have only ten bits, which is 5e-4 of what the weights move.
LIMIT = {"CPU": 1e-5, "GPU": 1e-3}


@dataclasses.dataclass
class Line:
    """A line of the table. `state` is ok, warn or fail; if not ok, `mend` says what to do."""

    state: str
    check: str
    text: str
    mend: str = ""

    def __str__(self):
        mend = f"\n{'':6}mend: {self.mend}" if self.mend else ""
        return f"{self.state:6}{self.check:22}{self.text}{mend}"


def line(ok, check, text, mend, otherwise="fail"):
    return Line("ok", check, text) if ok else Line(otherwise, check, text, mend)


def versions(flags):
    """Yields a line for Python, each requirement, each backend, and the backend Keras uses."""
    wanted = installation.python()
    python = ".".join(map(str, sys.version_info[:3]))
    text = f"{python} ({wanted}), {sys.executable}"
    yield line(within(python, wanted), "Python", text, f"make a venv with Python {wanted}")
    for name in requirements():
        if name not in BACKENDS:
            yield version(name, "", installed_version(name))
    for name in chosen(flags):
        there = (installed_version(name) or "unknown version") if is_installed(name) else None
        # One backend is enough.
        missing = "warn" if any(map(is_installed, chosen(flags))) else "fail"
        yield version(name, BACKENDS[name], there, missing)
    name, source, file = "tensorflow", "Keras's default", keras_settings()
    if file.is_file():
        name, source = json.loads(file.read_text()).get("backend", name), str(file)
    if os.environ.get("KERAS_BACKEND"):
        name, source = os.environ["KERAS_BACKEND"], "KERAS_BACKEND"
    if others := list(filter(is_installed, BACKENDS)):
        text = f"{name} ({source}){'' if name in others else ', which is not there'}"
        mend = f"set KERAS_BACKEND={others[0]}"
        yield line(name in others, "Keras's backend", text, mend, "warn")


def version(name, extra, there, missing="fail"):
    """Returns the line of a package. `there` is its version, None if it is not installed."""
    wanted, mend = requirements(extra)[name], installation.install(extra)
    if there is None:
        return Line(missing, name, f"not installed ({wanted})", mend)
    return line(within(there, wanted), name, f"{there} (tested with {wanted})", mend, "warn")


def requirements(extra=""):
    """Returns package name -> version range of what suits this Python, as `installation` has it."""
    named = {}
    for text in installation.requirements(extra):
        package, _, marker = text.partition(";")
        parts = re.fullmatch(r"([\w-]+)([<>=].*)", package.strip())
        python = ".".join(map(str, sys.version_info[:2]))
        if parts and within(python, marker.replace('"', "").replace(" ", "")):
            named[parts[1]] = parts[2]
    return named


def within(there, wanted):
    """Returns whether a version such as 2.13.0+cpu lies in a range such as >=2.1,<3."""

    def numbers(text):
        parts = [int(n) for n in re.match(r"[\d.]*", text)[0].split(".") if n]
        return parts + [0] * (6 - len(parts))

    bounds = re.findall(r"(>=|<|==)([\d.]+)", wanted)
    return all(COMPARE[how](numbers(there), numbers(bound)) for how, bound in bounds)


def installed_version(name):
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(name)


def is_installed(backend):
    return importlib.util.find_spec(backend) is not None


def chosen(flags):
    return [flags.backend] if flags.backend else list(BACKENDS)


def keras_settings():
    return pathlib.Path(os.path.expanduser(os.environ.get("KERAS_HOME", "~/.keras")), "keras.json")


def pip(backend, option="", extra=None):
    wanted = requirements(BACKENDS[backend])[backend]
    return f'python -m pip install {option}"{extra or backend}{wanted}"'


def machine(flags):
    """Yields a line for the GPUs, one for the memory and one for the disk for runs."""
    yield graphics()
    total, free = memory()
    if total is None:
        yield Line("ok", "memory", "unknown, for this system does not tell")
    else:
        text = f"{gib(total)}, of which {gib(free) if free is not None else 'unknown'} free"
        mend = "end other programs, or take a smaller --batch_size"
        yield line((free or total) >= LITTLE, "memory", text, mend, "warn")
    problem, folder = unwritable(flags.runs_dir)
    mend = "name another with --runs_dir, or change its owner or permissions"
    if problem:
        yield Line("fail", "runs_dir", problem, mend)
    else:
        free = shutil.disk_usage(folder).free
        text = f"{flags.runs_dir} can be written, {gib(free)} free"
        yield line(free >= LITTLE, "runs_dir", text, "make room, or name another disk", "warn")


def graphics():
    found = gpus()
    names = [gpu.name + (f" with {gib(gpu.memory)}" if gpu.memory else "") for gpu in found]
    if not all(gpu.driver for gpu in found):
        mend = "install NVIDIA's driver, until nvidia-smi shows the GPU; then see docs/install.md"
        return Line("warn", "GPU", f"{', '.join(names)}, and no driver of NVIDIA answers", mend)
    return Line("ok", "GPU", ", ".join(names) or "none of NVIDIA")


def unwritable(path):
    """Returns `(reason why a folder cannot be made or written, or None, the folder tried)`."""
    folder = os.path.abspath(os.path.expanduser(path))
    while not os.path.exists(folder):
        folder = os.path.dirname(folder)
    try:
        with tempfile.TemporaryFile(dir=folder):
            return None, folder
    except OSError as error:
        return f"{path} cannot be written: {error.strerror} ({folder})", folder


def gib(size):
    return f"{size / 2**30:,.1f} GiB"


def data(flags):
    """Yields a line for each folder of prepared data sets, the cache, and a data set it loads."""
    place = os.environ.get("ZOO_DATA_DIR")
    if place and not os.path.isdir(os.path.expanduser(place)):
        mend = "make it, set ZOO_DATA_DIR to another, or unset it"
        yield Line("fail", "ZOO_DATA_DIR", f"there is no folder {place}", mend)
    from zoo.data import cache, load, tfds

    for folder, names in tfds.prepared().items():
        yield Line("ok", "prepared data", f"{folder}: {', '.join(names) or 'none'}")
    problem, _ = unwritable(cache.folder())
    text = (
        f"{cache.folder()}: {len(list(pathlib.Path(cache.folder()).rglob('about.json')))} entries"
    )
    mend = "name another in ZOO_CACHE_DIR; until then data are prepared again for each run"
    yield line(not problem, "data cache", problem or text, mend, "warn")
    shape = load("digits").samples.shape
    yield Line("ok", "digits", f"{shape[0]:,} pictures of {shape[1]}x{shape[2]}")


def backends(flags):
    """Yields the lines of each backend, and one that compares them."""
    weights, limit = {}, LIMIT["CPU"]
    usable = [gpu.name for gpu in gpus() if gpu.driver]
    for name in filter(is_installed, chosen(flags)):
        answer, error = probe(name, flags.devices)
        yield from judged(name, answer, usable)
        if error:
            stage = next((stage for stage in STAGES if stage not in answer), "exit")
            mend = as_typed(f"python -m zoo.doctor --probe={name} shows the whole error; ")
            mend += f"to install it anew: {pip(name, '--force-reinstall ')}"
            yield Line("fail", f"{name} {stage}", error, mend)
        if "training" in answer:
            weights[name] = answer["training"]["weights"]
            limit = max(limit, LIMIT[answer["devices"]["kind"]])
    if len(weights) > 1:
        worst = max(difference(*pair) for pair in itertools.combinations(weights.values(), 2))
        text = (
            f"{', '.join(weights)} differ by {worst:.1e} after {STEPS} steps ({limit:.0e} allowed)"
        )
        mend = "run `make test`, and train with one that passes"
        yield line(worst <= limit, "all backends", text, mend)


def judged(name, answer, usable):
    """Yields a line for each stage that a backend's process reported, see `zoo.training.toy`."""
    if "devices" in answer:
        names, kind = answer["devices"]["names"], answer["devices"]["kind"]
        hiding = [v for v in ("CUDA_VISIBLE_DEVICES", "JAX_PLATFORMS") if v in os.environ]
        mend = pip(name, "--force-reinstall ", WITH_CUDA.get(name))
        mend = f"unset {' and '.join(hiding)}; or {mend}" if hiding else mend
        seen = kind == "GPU" or not usable
        text = ", ".join(names)
        text += "" if seen else f"; but this machine has {', '.join(usable)}, which it does not use"
        yield line(seen, f"{name} devices", text, mend, "warn")
    if "training" in answer:
        one, limit = answer["training"], LIMIT[kind]
        text = f"{STEPS} steps, {one['rate']:,.0f} a second, {one['finite']} with finite losses"
        text += f", weights moved by {one['moved']:.1g}"
        mend = f"{pip(name, '--force-reinstall ')}; on a GPU, compare with CUDA_VISIBLE_DEVICES=-1"
        yield line(one["finite"] == STEPS and one["moved"] > 1e-3, f"{name} training", text, mend)
    if "replicas" in answer:
        several = answer["replicas"]
        if "why" in several:
            yield Line("ok", f"{name} replicas", f"one device only: {several['why']}")
            return
        worst = difference(one["weights"], several["weights"])
        text = f"on {several['count']} devices {several['rate']:,.0f} a second, "
        text += f"weights differ by {worst:.1e} ({limit:.0e} allowed)"
        mend = "train with --strategy=none, and report what --json prints"
        ok = worst <= limit and several["finite"] == STEPS
        yield line(ok, f"{name} replicas", text, mend)


def difference(one, other):
    """Returns the largest difference between two lists, infinity if a number is not finite."""
    differences = [abs(a - b) for a, b in zip(one, other, strict=True)]
    return max(differences) if all(map(math.isfinite, differences)) else math.inf


def probe(name, devices):
    """Runs `zoo.training.toy` in a separate process.

    Returns:
        `(answer, error)`: reported stage -> dict, and a line on what failed, or None.
    """
    paths = [str(ROOT), os.environ.get("PYTHONPATH")]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "KERAS_BACKEND": name,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        # Otherwise they take all memory of a GPU, where something else may be training.
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        # PyTorch is many times slower with threads that must share the cores.
        "OMP_NUM_THREADS": "1",
    }
    answer, late = {}, threading.Event()
    with tempfile.TemporaryDirectory(prefix="zoo-doctor-") as folder:
        environment["TMPDIR"] = folder
        # Keras, and Matplotlib, which it imports, write their own files if they are missing.
        if not keras_settings().exists():
            environment["KERAS_HOME"] = folder
        if not os.path.exists(os.path.expanduser("~/.cache/matplotlib")):
            environment.setdefault("MPLCONFIGDIR", folder)
        with subprocess.Popen(
            [sys.executable, "-m", "zoo.doctor", f"--probe={name}", f"--devices={devices}"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process:
            timer = threading.Timer(PATIENCE, lambda: (late.set(), process.kill()))
            timer.start()
            try:
                progress(f"{name}: {STAGES['devices']}")
                for text in process.stdout:
                    with contextlib.suppress(ValueError, TypeError):
                        answer |= json.loads(text)
                    following = next((stage for stage in STAGES if stage not in answer), "replicas")
                    progress(f"{name}: {STEPS} steps on {STAGES[following]}")
                code = process.wait()
            finally:
                timer.cancel()
                process.kill()
    error = answer.pop("error", None)
    if late.is_set():
        error = f"no answer within {PATIENCE} s"
    elif code and not error:
        error = f"ended by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    return answer, error


def examine(flags):
    """Yields the lines of all checks. A check that crashes yields a line that says so."""
    for check in (versions, machine, data, backends):
        progress(f"looking at {check.__name__}")
        try:
            yield from check(flags)
        except Exception as error:
            mend = f"{installation.install()}; report it if that changes nothing"
            yield Line("fail", check.__name__, sentence(error), mend)


def sentence(error):
    """Returns an exception as one line."""
    return " ".join(traceback.format_exception_only(error)[-1].split())[:300]


def progress(text):
    """Shows the current activity on a terminal, in a line that the next one overwrites."""
    if sys.stderr.isatty():
        print(f"\r{text[:78]:79}\r", end="", file=sys.stderr, flush=True)


def parse(argv):
    """Returns the flags. Raises UsageError if they are wrong."""
    parser = exits.Parser("python -m zoo.doctor", __doc__)
    add = parser.add_argument
    add("--backend", choices=BACKENDS, help="Look at this one only.")
    add("--devices", type=int, default=2, help="Compared with one; GPUs, or parts of the CPU.")
    add(
        "--runs_dir",
        default="runs",
        type=os.path.expanduser,
        help="Where run directories are kept.",
    )
    add("--json", action="store_true", help="Print one JSON object instead of a table.")
    add("--probe", choices=BACKENDS, help=argparse.SUPPRESS)
    flags = parser.parse_args(argv)
    if not 1 <= flags.devices <= 64:
        raise UsageError(f"Expected 1 to 64 devices. Received: --devices={flags.devices}.")
    return flags


def main(argv):
    """Runs the checks of a command line. Returns the exit code."""
    flags = parse(argv)
    if flags.probe:
        os.environ["KERAS_BACKEND"] = flags.probe
        try:
            from zoo.training import toy

            for stage, answer in toy.play(flags.devices, STEPS, FIRST):
                print(json.dumps({stage: answer}), flush=True)
        except Exception as error:
            print(json.dumps({"error": sentence(error)}), flush=True)
            raise
        return 0
    lines = []
    for found_line in examine(flags):
        lines.append(found_line)
        if not flags.json:
            progress("")
            print(found_line, flush=True)
    progress("")
    failed, warned = (sum(one.state == state for one in lines) for state in ("fail", "warn"))
    if flags.json:
        print(json.dumps({"ok": not failed, "checks": [vars(one) for one in lines]}, indent=2))
    else:
        print(f"\n{len(lines)} checks: {failed} fail, {warned} warn")
    return 1 if failed else 0


def start():
    """Runs the program and exits the process."""
    with exits.one_line():
        sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    start()
