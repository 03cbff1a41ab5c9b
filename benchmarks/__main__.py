"""Training speed of the zoo, beside the same DCGAN in plain PyTorch and the official Keras idiom.

python -m benchmarks
python -m benchmarks --models=dcgan --backends=tensorflow,torch --rounds=5
python -m benchmarks --commands
python -m benchmarks --quick

Writes table.md, results.json and picture.png. docs/performance.md explains the method.
"""

__keras_later__ = True  # a flag chooses the backend first

import dataclasses
import datetime
import json
import os
import pathlib
import re
import runpy
import subprocess
import sys
import tempfile
import time

from absl import flags

from benchmarks import commands, table
from benchmarks.measure import BATCH, MATRIX
from zoo.cli import programs
from zoo.errors import UsageError

FLAGS = flags.FLAGS
ROOT = pathlib.Path(__file__).resolve().parents[1]
MARKERS = "<!-- benchmarks -->", "<!-- /benchmarks -->"

flags.DEFINE_list("models", None, "Which variants, separated by commas; by default all.")
flags.DEFINE_list("backends", None, "Which, separated by commas; by default all installed.")
flags.DEFINE_list("widths", None, "Of the compared DCGANs; by default 64,32.")
flags.DEFINE_list("batch_sizes", [], "Of the first model's recipe as well, such as 16,64,256.")
flags.DEFINE_integer("rounds", None, "How often each is measured; by default 3.", lower_bound=1)
flags.DEFINE_float("seconds", None, "Of a measurement; by default 5.", lower_bound=0.1)
flags.DEFINE_bool("commands", False, "Time every command as a whole process instead.")
flags.DEFINE_bool("quick", False, "Everything in tiny: one round, a second each.")
flags.DEFINE_bool("json", False, "Print results.json instead of the table.")
flags.DEFINE_string("out", "runs/benchmarks", "Folder to write to.")
flags.DEFINE_string("readme", None, f"A file whose part from {MARKERS[0]} on is to be the table.")

# Settings for recipes that would take too long otherwise, and small ones for --quick.
OVERRIDES = {"cats_and_dogs": {"image_size": 64, "width": 8}}
TINY = {
    "cats_and_dogs": {"image_size": 32, "width": 2, "discriminator_features": "random"},
    "conditional": {"width": 4},
    "dcgan": {"width": 4},
}
EXAMPLES = {"cats_and_dogs": 4000}  # other models have as many as MNIST


@dataclasses.dataclass
class Candidate:
    """Something that each round measures once, of a `kind` in `benchmarks.measure.KINDS`.

    `backend` is the Keras backend of its process. `label` and `implementation` name it for a
    person; `spec` holds the rest of the spec for `benchmarks.measure`.
    """

    kind: str
    backend: str
    label: str
    implementation: str = ""
    spec: dict = dataclasses.field(default_factory=dict)

    @property
    def name(self):
        return ", ".join(filter(None, [self.label, self.implementation, self.backend]))


def candidates(models, backends, widths, batch_sizes=(), quick=False):
    """Returns the candidates in the order of a round.

    Args:
        models: names of variants. With dcgan come the references.
        backends: names of backends. A reference is measured if its own is among them.
        widths: ints, of the compared networks.
        batch_sizes: ints, with which the recipe of the first model is measured too.
        quick: bool, whether everything is tiny.
    """
    side = 512 if quick else MATRIX
    listed = [Candidate("product", b, table.PRODUCT, spec={"side": side}) for b in backends]
    for width in widths if "dcgan" in models else ():
        label = f"dcgan, width {width}, no penalty"
        same = {"width": width, "penalty": None, "batch_size": BATCH}
        compared = {"model": "dcgan", "overrides": same}
        compared["examples"] = 1000 if quick else 60_000
        listed += [Candidate("zoo", b, label, table.OURS, compared) for b in backends]
        halved = compared | {"overrides": compared["overrides"] | {"precision": "mixed_bfloat16"}}
        listed += [Candidate("zoo", b, f"{label}, bfloat16", table.OURS, halved) for b in backends]
        for kind, backend, name, precision in (
            ("keras", "tensorflow", "Keras idiom", ""),
            ("pytorch", "torch", "PyTorch", ""),
            ("pytorch_compiled", "torch", "PyTorch, compiled", ""),
            ("pytorch_bfloat16", "torch", "PyTorch", ", bfloat16"),
        ):
            if backend in backends:
                listed.append(Candidate(kind, backend, label + precision, name, compared))
    sizes = [(models[0], {"batch_size": size}) for size in batch_sizes]
    for model, batch in [*((model, {}) for model in models), *sizes]:
        overrides = (TINY if quick else OVERRIDES).get(model, {}) | batch
        changed = "".join(f", {k.replace('_', ' ')} {v}" for k, v in overrides.items())
        spec = {"model": model, "overrides": overrides}
        spec["examples"] = 1000 if quick else EXAMPLES.get(model, 60_000)
        label = f"{model}, its recipe{changed}"
        listed += [Candidate("zoo", b, label, table.OURS, spec) for b in backends]
    return listed


def measure(candidate, seconds, cache):
    """Measures a candidate once, in a separate process.

    Returns:
        dict that `benchmarks.measure` printed, or `{"failed": sentence}`.
    """
    spec = {"kind": candidate.kind, "seconds": seconds, **candidate.spec, "started": time.time()}
    environment = os.environ | {
        "KERAS_BACKEND": candidate.backend,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TORCHINDUCTOR_CACHE_DIR": cache,
    }
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.measure", json.dumps(spec)],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        return {"failed": lines[-1] if lines else f"it ended with exit code {done.returncode}"}
    return json.loads(done.stdout.splitlines()[-1])


def measure_all(entries, rounds, seconds, measurements, notes):
    """Measures all candidates in rounds. Fills the last two lists. Returns how many failed."""
    took, left_out, failed = {}, set(), 0
    with tempfile.TemporaryDirectory() as cache:
        for i in range(rounds):
            for j, candidate in enumerate(entries):
                if candidate.name in left_out:
                    continue
                where = f"round {i + 1} of {rounds}, {j + 1} of {len(entries)}: {candidate.name}"
                print(where, end=" ", file=sys.stderr, flush=True)
                start = time.monotonic()
                got = measure(candidate, seconds, cache)
                took[candidate.name] = time.monotonic() - start
                for name in ("skipped", "failed"):
                    if name in got:
                        left_out.add(candidate.name)
                        notes.append(f"{candidate.name}: {name}: {got[name]}")
                        failed += name == "failed"
                        message = f"{name}: {got[name]}"
                        break
                else:
                    measurements.append({"round": i, **labels(candidate), **got})
                    message = shown(got)
                # A candidate without a measurement counts with the mean time of the others.
                usual = sum(took.values()) / len(took)
                rest = [c for c in entries if c.name not in left_out]
                per_round = sum(took.get(c.name, usual) for c in rest)
                left = per_round * (rounds - i - 1)
                left += sum(took.get(c.name, usual) for c in entries[j + 1 :] if c in rest)
                print(f"{message}  (about {clock(left)} left)", file=sys.stderr, flush=True)
    return failed


def labels(candidate):
    return {name: getattr(candidate, name) for name in ("label", "implementation", "backend")}


def shown(got):
    if "images_per_second" in got:
        return f"{table.number(got['images_per_second'])} images/s"
    return f"{table.number(got['operations_per_second'] / 1e9)} GFLOP/s"


def clock(seconds):
    minutes, seconds = divmod(int(seconds), 60)
    return f"{minutes}:{seconds:02d}"


def run():
    start = time.monotonic()
    quick = FLAGS.quick
    models, backends = chosen_models(), chosen_backends()
    widths = numbers("widths", [4] if quick else [64, 32])
    batch_sizes = numbers("batch_sizes", [])
    rounds = FLAGS.rounds or (1 if quick else 3)
    seconds = FLAGS.seconds or (1.0 if quick else 5.0)
    readme = FLAGS.readme and pathlib.Path(FLAGS.readme)
    if readme:
        filled(readme, "")
    entries = candidates(models, backends, widths, batch_sizes, quick)
    measurements, notes, failed = [], other_work(), 0
    for note in notes:
        print(f"warning: {note}", file=sys.stderr)
    if FLAGS.commands:
        return time_commands(backends[0], rounds, quick, notes)
    interrupted = False
    try:
        failed = measure_all(entries, rounds, seconds, measurements, notes)
    except KeyboardInterrupt:
        interrupted = True
        notes.append("interrupted: the rounds are not complete")
        print("interrupted", file=sys.stderr)
    if measurements:
        minutes = (time.monotonic() - start) / 60
        results = report(measurements, notes, rounds, seconds, minutes, backends[0])
        write(results, pathlib.Path(FLAGS.out), readme)
    return 130 if interrupted else int(failed > 0)


def time_commands(backend, rounds, quick, notes):
    """Measures every command, prints the table and writes commands.md and commands.json."""
    try:
        rows = commands.measure(backend, rounds, quick, lambda text: print(text, file=sys.stderr))
    except RuntimeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    programs.choose_backend(backend)
    from zoo.files import write_atomically
    from zoo.runs import directory

    environment = directory.environment() | {"command": own_command()}
    commit = (environment["commit"] or "unknown")[:7]
    about = (
        f"{backend}, {environment['cpus']} CPUs ({programs.processor()}), {datetime.date.today()}, "
        f"commit {commit}: {rounds} rounds; median, and in brackets the range."
    )
    text = "\n\n".join([commands.markdown(rows), about, *(f"- {note}" for note in notes)])
    folder = pathlib.Path(FLAGS.out)
    content = {"environment": environment, "about": about, "notes": notes, "rows": rows}
    directory.write_json(folder / "commands.json", content)
    write_atomically(folder / "commands.md", f"{text}\n".encode())
    print(json.dumps(content, indent=2) if FLAGS.json else text)
    print(f"\nwritten to {folder}", file=sys.stderr)
    return 0


def own_command():
    """Returns the command that was typed, without the paths of this machine."""
    from zoo.scoring import results

    return results.shared(" ".join(["python -m benchmarks", *sys.argv[1:]]))


def report(measurements, notes, rounds, seconds, minutes, backend):
    """Returns the content of results.json, which `table.markdown` takes."""
    programs.choose_backend(backend)
    # Imported only now, so that this process is small and idle while it measures others.
    from zoo.runs import directory

    results = table.summary(measurements)
    environment = directory.environment()
    for name in ("backend", "devices"):
        del environment[name]
    environment |= {"command": own_command(), "processor": programs.processor()}
    environment["minutes"] = round(minutes, 2)
    limit, commit = results["limit"], environment["commit"] or "unknown"
    times = f"{rounds} rounds" if rounds > 1 else "one round"
    about = (
        f"{environment['cpus']} CPUs ({environment['processor']}), {datetime.date.today()}, commit "
        f"{commit[:7]}{'+' if commit.endswith('+') else ''}: {times} of {seconds:g} s a "
        "measurement; median, and in brackets the range."
    )
    if limit:
        about += (
            f" The limit is the fastest float32 matrix product of this run, "
            f"{limit['operations_per_second'] / 1e9:,.0f} GFLOP/s by {limit['backend']} on "
            f"{', '.join(limit['devices'])}."
        )
    settings = {"rounds": rounds, "seconds": seconds, "quick": FLAGS.quick}
    return {
        **{"asked": settings, "environment": environment, "about": about, "notes": notes},
        **results,
        "measurements": measurements,
    }


def write(results, folder, readme):
    """Writes all files and prints the table, or the JSON."""
    from zoo.drawing import pictures
    from zoo.files import write_atomically
    from zoo.runs import directory

    text = table.markdown(results)
    directory.write_json(folder / "results.json", results)
    write_atomically(folder / "table.md", f"{text}\n".encode())
    if results["rows"]:
        pictures.save_png(folder / "picture.png", table.picture(results))
    if readme:
        write_atomically(readme, filled(readme, text).encode())
    print(json.dumps(results, indent=2) if FLAGS.json else text)
    print(f"\nwritten to {folder}", file=sys.stderr)


def filled(path, content):
    """Returns the text of a file with `content` between its markers.

    Raises:
        UsageError: the file cannot be read, or does not have each marker once and in order.
    """
    begin, end = MARKERS
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--readme={path} cannot be read ({error}).") from None
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise UsageError(
            f"The table has no place in {path}. Expected the lines {begin} and {end}, each once, "
            f"in this order. Received: --readme={path}."
        )
    before, rest = text.split(begin)
    return f"{before}{begin}\n{content}\n{end}{rest.split(end)[1]}"


def chosen_models():
    names = sorted(runpy.run_path(str(ROOT / "zoo" / "registry.py"))["MODELS"])
    return chosen("models", names, names)


def chosen_backends():
    installed = [b for b in programs.BACKENDS if programs._installed(b)]
    if not installed:
        programs.choose_backend()
    return chosen("backends", installed, installed)


def chosen(flag, valid, default):
    """Returns the values of a flag. Raises UsageError for an unknown one."""
    values = FLAGS[flag].value
    if values is None:
        return default
    if not values or not set(values) <= set(valid):
        raise UsageError(
            f"Expected --{flag} to name some of what is there: {', '.join(valid)}. "
            f"Received: --{flag}={','.join(values)}."
        )
    return list(dict.fromkeys(values))


def numbers(flag, default):
    """Returns the numbers of a flag. Raises UsageError unless all are from 1 to 9999."""
    values = FLAGS[flag].value
    if not FLAGS[flag].present:
        return default
    if not values or not all(re.fullmatch(r"[1-9]\d{0,3}", number) for number in values):
        raise UsageError(
            f"Expected --{flag} to be numbers from 1 to 9999, separated by commas, as in "
            f"--{flag}=64,32. Received: --{flag}={','.join(values)}."
        )
    return list(dict.fromkeys(map(int, values)))


def other_work():
    """Returns a list with a sentence about other work on the machine, empty if there is none."""
    try:
        load = os.getloadavg()[0]
    except OSError:
        return []
    if load < 0.5:
        return []
    return [
        f"other work ran on the machine (load average {load:.1f} before the start), which makes "
        "these times worse than they are, and not all of them alike"
    ]


if __name__ == "__main__":
    programs.main(run)
