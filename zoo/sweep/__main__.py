"""Trains and scores every combination of some settings, for every seed, and compares them.

python -m zoo.sweep --model=dcgan --dataset=mnist --set loss=hinge,least_squares \\
    --set penalty=none,r1 --seeds=0,1,2 --max_cpu_seconds=300

Each run is a process of train.py and one of evaluate.py, so a failure affects only that run. After
Ctrl-C the current run stops cleanly; the same command continues from there.

Exit codes: 0 all runs have scores; 1 some failed; 2 the user can fix it; 130 interrupted.
"""

# This process waits for hours beside others that need the memory. So it never imports Keras, and
# the modules of this package import at the top only what loads at once.
import pathlib
import shutil
import statistics
import sys
import time

if __name__ == "__main__":
    # Python puts the working directory first; its file names could hide other packages.
    sys.path[0] = str(pathlib.Path(__file__).resolve().parents[2])

from zoo.cli import exits, programs
from zoo.errors import UsageError
from zoo.sweep import tables
from zoo.sweep.grid import combinations
from zoo.sweep.processes import Stop
from zoo.sweep.runs import Sweep, locked


def parse(argv):
    """Returns the arguments of the command line. Raises UsageError."""
    parser = exits.Parser("python -m zoo.sweep", __doc__)
    add = parser.add_argument
    add("--model", required=True, help="Which variant; train.py --list shows them.")
    add("--dataset", required=True, help="Which data; train.py --list shows them.")
    add(
        *("--set", "-s"),
        action="append",
        default=[],
        metavar="KEY=A,B",
        help="A setting and its values, separated by commas; repeatable. KEY:=VALUE is one value "
        "as it stands, commas and all. The same key again adds values: "
        "--set augment=,color --set augment:=flip,color has three.",
    )
    add("--seeds", default="0", help="Such as 0,1,2 or 0-2. Every combination has each of them.")
    add("--max_minutes", type=float, help="Budget of a run's training: time.")
    add(
        "--max_cpu_seconds",
        type=float,
        help="Budget of a run's training: CPU time of all cores, fair where the machine is busy.",
    )
    add("--epochs", type=int, help="Passes over the data. With a budget, by default without end.")
    add(
        "--preset",
        default="default",
        help="default, paper or another of the model: what --set changes.",
    )
    add("--backend", choices=programs.BACKENDS, help="What Keras computes with.")
    add("--sweep", help="Folder of the sweep; by default runs/sweep-MODEL-DATASET.")
    add("--data_dir", help="Where TFDS finds prepared data sets.")
    add("--samples", type=int, help="How many evaluate.py draws.")
    add("--metrics", help="Of evaluate.py. The first decides the order of the table.")
    add("--features", help="Of evaluate.py.")
    add("--results", help="A CSV file such as results/results.csv that evaluate.py adds rows to.")
    add("--retry", action="store_true", help="Run again what failed before.")
    arguments = parser.parse_args(argv)
    if arguments.samples is not None and not 1 <= arguments.samples <= 1_000_000:
        raise UsageError(f"Expected 1 to 1000000 samples. Received: --samples={arguments.samples}.")
    return arguments


def main(argv):
    """Runs the sweep of a command line. Returns the exit code."""
    arguments = parse(argv)
    sweep = Sweep(arguments)
    sweep.validate()
    with locked(sweep.folder) as lock, Stop() as stop:
        sweep.load()  # Another sweep may have ended since.
        todo, took = sweep.todo(), []
        count = len(combinations(sweep.grid)) * len(sweep.seeds)
        done = count - len(todo)
        before = f", {done} of them done or failed before" if done else ""
        print(f"{count} runs{before}; in {sweep.folder}")
        sweep.write()
        for i, run in enumerate(todo):
            # Until one run is over, the budget is the only estimate.
            guess = statistics.fmean(took) if took else (arguments.max_minutes or 0) * 60
            left = f"  (about {clock(guess * (len(todo) - i))} left)" if guess else ""
            print(f"run {done + i + 1} of {count}: {run.label} seed={run.seed}{left}", flush=True)
            start, is_whole = time.monotonic(), not run.entry.get("trained")
            sweep.run(run, stop, lock)
            sweep.write()
            if run.entry["state"] == "done":
                name = tables.names_of(run.entry["scores"])[0]
                value, floor = (run.entry[part].get(name) for part in ("scores", "floor"))
                real = "" if floor is None else f", floor {floor:.4g}"
                print(f"  {name} {value:.4g}{real}; {clock(time.monotonic() - start)}", flush=True)
                if is_whole:
                    took.append(time.monotonic() - start)
            elif not stop.requested:
                print(f"  {run.entry['state']}: {run.entry['sentence']}", flush=True)
            if stop.requested:
                break
    text, hidden = tables.aligned(tables.cells(sweep), shutil.get_terminal_size((100, 24)).columns)
    print(f"\n{text}")
    if hidden:
        print(f"({len(hidden)} more scores are in sweep.md)")
    print("".join(f"\n{line}" for line in tables.failures(sweep)))
    for name in ("sweep.md", "sweep.csv", "sweep.png"):
        if (sweep.folder / name).exists():
            print(f"{name.split('.')[1]:4} {sweep.folder / name}")
    if stop.requested:
        print("go on with the same command", file=sys.stderr)
        return 130
    return 0 if len(sweep.scored()) == len(sweep.runs) else 1


def clock(seconds):
    """Returns a time as "h:mm:ss", or "mm:ss" below an hour."""
    minutes, seconds = divmod(max(int(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def start():
    """Runs the program and exits the process."""
    with exits.one_line():
        sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    start()
