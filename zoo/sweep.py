"""Trains and scores every combination of some settings, for every seed, and compares them.

python -m zoo.sweep --model=dcgan --dataset=mnist --set loss=hinge,least_squares \\
    --set penalty=none,r1 --seeds=0,1,2 --max_cpu_seconds=300

Each run is a process of train.py and one of evaluate.py, so that what one of them breaks costs that
run only. Ctrl-C ends after the current run's own clean stop; the same command goes on from there.

Exit codes: 0 all runs have scores; 1 some failed; 2 a person can mend it; 130 interrupted.
"""

# At the top only what starts at once: this process waits for hours beside those that need the
# memory, so Keras is never imported here.
import argparse
import collections
import contextlib
import csv
import dataclasses
import hashlib
import io
import itertools
import json
import math
import os
import pathlib
import re
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
if __name__ == "__main__":
    # Python puts this file's folder there, whose names could hide other packages'.
    sys.path[0] = str(ROOT)

import programs  # noqa: E402
from programs import UsageError  # noqa: E402

# Under a budget of time or work nothing else may end a run.
ENDLESS = 100_000
# Higher is better; of others lower is, or what stands in NEAR.
HIGHER = (
    *("precision", "recall", "density", "coverage", "classifier_score", "classes"),
    *("label_accuracy", "modes", "high_quality"),
)
NEAR = {"diversity_within_class": 1.0, "memorisation": 0.5, "generated_distance": None}
# Columns of a run's scores.csv that are not scores.
NO_SCORES = ("step", "images", "floor", "samples", "features", "features_hash")
# What evaluate.py's record says of how a score was measured.
PROTOCOL = (
    *("samples", "floor_samples", "features", "features_hash", "reference_split"),
    *("reference_count", "resizer", "date", "commit", "command"),
)


@dataclasses.dataclass
class Run:
    """One combination with one seed; `label` is it for a person, `entry` what sweep.json keeps.

    An entry has `state` (done, failed or interrupted; none before it ran), `sentence` (why not
    done), `trained`, `scoring` (arguments of evaluate.py), `scores`, `floor` and `protocol` as
    evaluate.py wrote them, `seconds`, `cpu_seconds`, `step` and `images` of its training.
    """

    settings: dict
    seed: int
    label: str = ""
    entry: dict = dataclasses.field(default_factory=dict)

    @property
    def name(self):
        """Of the run directory. It follows from the settings alone, so the grid may grow."""
        parts = [f"{key}-{value}" for key, value in self.settings.items()]
        text = "_".join([*parts, f"seed-{self.seed}"])
        plain = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-")
        if plain == text and len(plain) <= 80:
            return plain
        # What was cut or replaced may have told two runs apart.
        return f"{plain[:71]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def parse(argv):
    """Returns the arguments of the command line. Raises UsageError."""
    parser = argparse.ArgumentParser(
        prog="python -m zoo.sweep",
        description=__doc__.split("\n\nExit")[0],
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
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
    add("--seeds", default="0", help="Separated by commas. Every combination has each of them.")
    add("--max_minutes", type=float, help="Budget of a run's training: time.")
    add(
        "--max_cpu_seconds",
        type=float,
        help="Budget of a run's training: CPU time of all cores, fair where the machine is busy.",
    )
    add("--epochs", type=int, help="Passes over the data. With a budget, by default without end.")
    add("--preset", default="default", help="default or paper: what --set changes.")
    add("--backend", choices=programs.BACKENDS, help="What Keras computes with.")
    add("--sweep", help="Folder of the sweep; by default runs/sweep-MODEL-DATASET.")
    add("--data_dir", help="Where TFDS finds prepared data sets.")
    add("--samples", type=int, help="How many evaluate.py draws.")
    add("--metrics", help="Of evaluate.py. The first decides the order of the table.")
    add("--features", help="Of evaluate.py.")
    add("--results", help="A CSV file such as results/results.csv that evaluate.py adds rows to.")
    add("--retry", action="store_true", help="Run again what failed before.")

    def refuse(message):
        raise UsageError(f"{message[:1].upper()}{message[1:]}. See python -m zoo.sweep --help.")

    parser.error = refuse
    arguments = parser.parse_args(argv)
    if arguments.samples is not None and not 1 <= arguments.samples <= 1_000_000:
        raise UsageError(f"Expected 1 to 1000000 samples. Received: --samples={arguments.samples}.")
    return arguments


def parse_grid(texts):
    """Returns the values of each setting, name -> list of str, from what stands behind --set.

    Raises:
        UsageError: no `=`, or a setting that has a flag of its own because all runs share it.
    """
    grid = {}
    for text in texts:
        name, equals, value = text.partition("=")
        whole = name.rstrip().endswith(":")
        name = name.rstrip().removesuffix(":").strip()
        if not equals or not name:
            raise UsageError(
                "Expected --set KEY=A,B, or --set KEY:=VALUE for one value with commas in it. "
                f"Received: --set {text!r}."
            )
        if name in ("seed", "max_minutes", "max_cpu_seconds"):
            flag = "seeds" if name == "seed" else name
            raise UsageError(
                f"All combinations of a sweep have the same {flag.replace('_', ' ')}. Expected "
                f"--{flag}={value or '...'}. Received: --set {text!r}."
            )
        values = grid.setdefault(name, [])
        for part in [value] if whole else value.split(","):
            if part.strip() not in values:
                values.append(part.strip())
    return grid


def parse_seeds(text):
    """Returns the seeds as a list of int. Raises UsageError."""
    try:
        seeds = list(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError:
        seeds = []
    if not seeds or min(seeds) < 0:
        raise UsageError(
            "Expected seeds from 0 up, separated by commas, as in --seeds=0,1,2. "
            f"Received: --seeds={text}."
        )
    return seeds


def combinations(grid):
    """Returns every combination of the values as a list of dicts name -> value."""
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def label(settings, grid):
    """Returns a combination for a person: the settings that have several values, if any has."""
    varied = {name: value for name, value in settings.items() if len(grid[name]) > 1}
    return " ".join(f"{k}={v}" for k, v in (varied or settings).items()) or "as the recipe"


def answer():
    """Reads a request for `resolve` as JSON from stdin, and prints its answer as JSON."""
    from zoo.errors import UsageError as ZooError

    try:
        reply = {"configs": resolve(json.load(sys.stdin))}
    except ZooError as error:
        reply = {"error": str(error)}
    print(json.dumps(reply))


def resolve(request):
    """Returns the config of every combination. Imports Keras, so it has a process of its own.

    Args:
        request: dict of `model`, `dataset`, `preset`, `metrics` (list of str or None), `features`,
            `results` and `overrides`, a list of dicts name -> str.

    Raises:
        zoo.errors.UsageError: something of it is unknown or out of range.
    """
    from zoo import data, errors
    from zoo.runs import config, results, scoring

    dataset = request["dataset"]
    source = dataset.partition(":")[0]
    if source not in data.SOURCES:
        raise errors.UsageError(
            f"There is no data set {dataset!r}.{errors.nearest(dataset, data.SOURCES)}"
        )
    if data.SOURCES[source] == "synthetic" and (request["metrics"] or request["features"]):
        raise errors.UsageError(
            f"The scores of {dataset} follow from its known distribution: leave out --metrics and "
            "--features."
        )
    for name in request["metrics"] or ():
        errors.one_of("metric", name, scoring.METRICS)
    if request["features"]:
        errors.one_of(
            "feature extractor",
            request["features"].partition(":")[0],
            ("classifier", "inception", "raw"),
        )
    configs = [
        config.resolve(request["model"], dataset, request["preset"], overrides)
        for overrides in request["overrides"]
    ]
    if request["results"]:
        # Refuses a file that is not such a table.
        results.append_rows(request["results"], [])
    return configs


def validated(request, backend):
    """`resolve` in a process of its own. Raises UsageError."""
    code = f"import sys; sys.path[:0] = [{str(ROOT)!r}]; from zoo import sweep; sweep.answer()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(request),
        env=os.environ | {"KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"The settings could not be checked:\n{done.stderr}")
    reply = json.loads(done.stdout.splitlines()[-1])
    if "error" in reply:
        raise UsageError(reply["error"])
    return reply["configs"]


class Sweep:
    """The runs of a sweep and its folder."""

    def __init__(self, arguments):
        self.arguments = arguments
        self.grid, self.seeds = parse_grid(arguments.set), parse_seeds(arguments.seeds)
        source = re.sub(r"[^A-Za-z0-9.]+", "-", arguments.dataset).strip("-.")
        default = os.path.join("runs", f"sweep-{arguments.model}-{source}")
        self.folder = pathlib.Path(arguments.sweep or default)
        # Each combination has its first seed before any has its second.
        combined = combinations(self.grid)
        self.runs = [
            Run(settings, seed, label(settings, self.grid))
            for seed in self.seeds
            for settings in combined
        ]
        begun = self.load()
        self.backend = programs.choose_backend(arguments.backend, begun.get("backend"))
        self.asked = {
            "model": arguments.model,
            "dataset": arguments.dataset,
            "preset": arguments.preset,
            "backend": self.backend,
            "max_minutes": arguments.max_minutes,
            "max_cpu_seconds": arguments.max_cpu_seconds,
            "epochs": arguments.epochs,
            "settings": self.grid,
            "seeds": self.seeds,
        }
        if begun:
            self.check_same(begun)
        self.scoring = [
            f"--{name}={value}"
            for name in ("samples", "metrics", "features")
            if (value := getattr(arguments, name)) is not None
        ]
        self.configs = []

    def load(self):
        """Takes the entries of the runs from sweep.json. Returns what was asked for then, or {}.

        Raises:
            UsageError: it is damaged, or the folder is something else.
        """
        path = self.folder / "sweep.json"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if not {"asked", "runs"} <= set(content):
                raise ValueError("it lacks what it began with")
        except FileNotFoundError:
            if any(not path.name.startswith(".") for path in self.folder.glob("*")):
                raise UsageError(
                    f"{self.folder} is not a sweep: it has files, but no sweep.json. Choose "
                    "another folder with --sweep."
                ) from None
            return {}
        except (OSError, ValueError, TypeError) as error:
            raise UsageError(
                f"{path} cannot be read ({error}). Restore it, or choose another --sweep."
            ) from None
        for run in self.runs:
            run.entry = content["runs"].get(run.name, {})
        return content["asked"]

    def check_same(self, begun):
        """Raises UsageError where this command would not be comparable with how it was begun."""
        differing = [
            f"{name}={begun.get(name)} then, {value} now"
            for name, value in self.asked.items()
            if name not in ("settings", "seeds") and begun.get(name) != value
        ]
        if list(begun["settings"]) != list(self.grid):
            names = [" and ".join(grid) or "nothing" for grid in (begun["settings"], self.grid)]
            differing.append(f"--set of {names[0]} then, of {names[1]} now")
        else:
            wanted = {**self.grid, "seeds": self.seeds}
            for name, values in {**begun["settings"], "seeds": begun["seeds"]}.items():
                missing = [str(value) for value in values if value not in wanted[name]]
                if missing:
                    differing.append(f"{name} had {', '.join(map(repr, missing))} too")
        if differing:
            raise UsageError(
                f"{self.folder} was begun with another grid or budget. Expected the same, to which "
                "seeds and values may be added, or another folder with --sweep. "
                f"Received: {'; '.join(differing)}."
            )

    def validate(self):
        """Resolves every combination before the first run. Raises UsageError."""
        arguments = self.arguments
        budgets = {
            name: value
            for name in ("max_minutes", "max_cpu_seconds", "epochs")
            if (value := getattr(arguments, name)) is not None
        }
        if {"epochs"} & set(budgets) & set(self.grid):
            raise UsageError("`epochs` is given twice. Expected --epochs or --set epochs=....")
        combined = combinations(self.grid)
        self.configs = validated(
            {
                "model": arguments.model,
                "dataset": arguments.dataset,
                "preset": arguments.preset,
                "metrics": arguments.metrics.split(",") if arguments.metrics is not None else None,
                "features": arguments.features,
                "results": arguments.results,
                "overrides": [{**settings, **budgets} for settings in combined],
            },
            self.backend,
        )

    @property
    def budget(self):
        """The budget of a run for a person, or None where only the recipe's epochs end it."""
        minutes, seconds = self.arguments.max_minutes, self.arguments.max_cpu_seconds
        parts = [] if minutes is None else [f"{minutes:g} minutes"]
        parts += [] if seconds is None else [f"{seconds:g} CPU seconds"]
        return " or ".join(parts) or None

    def todo(self):
        """Returns the runs that this start has to train or to score."""
        return [run for run in self.runs if self.is_open(run.entry)]

    def is_open(self, entry):
        if entry.get("state") == "failed":
            return self.arguments.retry or (
                entry.get("trained", False) and entry["scoring"] != self.scoring
            )
        return entry.get("state") != "done" or entry["scoring"] != self.scoring

    def scored(self):
        """Returns the runs that have the scores asked for."""
        return [
            run
            for run in self.runs
            if run.entry.get("state") == "done" and run.entry["scoring"] == self.scoring
        ]

    def train_command(self, run, used):
        """Returns the command that trains a run, or goes on with it, or None where nothing is left.

        Args:
            used: what the newest checkpoint says of it, or None where there is none.
        """
        arguments = self.arguments
        command = [*_program("train.py"), f"--runs_dir={self.folder}", f"--backend={self.backend}"]
        if arguments.data_dir:
            command.append(f"--data_dir={arguments.data_dir}")
        if used is not None:
            # train.py counts the budget of each session anew.
            rest = {
                name: budget - used.get(spent, 0.0) / unit
                for name, spent, unit in (
                    ("max_minutes", "seconds", 60),
                    ("max_cpu_seconds", "cpu_seconds", 1),
                )
                if (budget := getattr(arguments, name)) is not None
            }
            if any(value <= 0 for value in rest.values()):
                return None
            command.append(f"--resume={run.name}")
            return command + [f"--set={name}={value:.6g}" for name, value in rest.items()]
        command += [
            f"--model={arguments.model}",
            f"--dataset={arguments.dataset}",
            f"--preset={arguments.preset}",
            f"--name={run.name}",
            f"--seed={run.seed}",
            *(f"--set={name}={value}" for name, value in run.settings.items()),
        ]
        for name in ("max_minutes", "max_cpu_seconds"):
            if (value := getattr(arguments, name)) is not None:
                command.append(f"--set={name}={value:g}")
        if arguments.epochs is not None:
            command.append(f"--epochs={arguments.epochs}")
        elif self.budget and "epochs" not in run.settings:
            command.append(f"--epochs={ENDLESS}")
        # It was made, but ended before its first checkpoint.
        if (self.folder / run.name).exists():
            command.append("--overwrite")
        return command

    def score_command(self, run):
        command = [*_program("evaluate.py"), f"--runs_dir={self.folder}", f"--run={run.name}"]
        command += [f"--backend={self.backend}", *self.scoring]
        arguments = self.arguments
        if arguments.data_dir:
            command.append(f"--data_dir={arguments.data_dir}")
        if arguments.results:
            epochs = self.configs[combinations(self.grid).index(run.settings)]["epochs"]
            command += [f"--budget={self.budget or f'{epochs} epochs'}"]
            command += [f"--results={arguments.results}"]
        return command

    def run(self, run, stop, lock=None):
        """Trains and scores a run, as far as it is not, and fills its entry."""
        path, entry = self.folder / run.name, run.entry
        log = self.folder / "logs" / f"{run.name}.txt"
        log.parent.mkdir(parents=True, exist_ok=True)
        if not entry.get("trained"):
            command = self.train_command(run, newest_meta(path / "checkpoints"))
            if command and "--resume" not in " ".join(command):
                entry["trained_by"] = shlex.join(["python", *command[1:]])
            if command and not self.call(run, command, log, stop, lock):
                return
            meta = newest_meta(path / "checkpoints") or {}
            config = json.loads((path / "config.json").read_text(encoding="utf-8"))
            step = meta.get("step", 0)
            entry |= {
                "trained": True,
                "step": step,
                "images": step * config["batch_size"] * config.get("n_critic", 1),
                **{name: meta.get(name) for name in ("seconds", "cpu_seconds")},
            }
            self.write()
        if stop.asked:
            entry |= {"state": "interrupted", "sentence": "The next start scores it."}
            return
        command = self.score_command(run)
        entry["scoring"] = self.scoring
        if self.call(run, command, log, stop, lock):
            record = self.record(path, command)
            entry |= {name: record[name] for name in ("protocol", "scores", "floor")}
            entry["state"] = "done"

    def call(self, run, command, log, stop, lock):
        """Runs a command. Returns whether it did its work; else the entry says why not."""
        entry = run.entry
        for name in ("state", "sentence"):
            entry.pop(name, None)
        entry["scoring"] = self.scoring
        code, output = call(command, log, stop, lock)
        if code == 0:
            return True
        if stop.asked or code in (130, 143, -signal.SIGINT, -signal.SIGTERM):
            entry |= {"state": "interrupted", "sentence": "The next start goes on with it."}
        else:
            entry |= {"state": "failed", "sentence": sentence(code, output)}
        return False

    def record(self, path, command):
        """Returns what evaluate.py wrote into the run when it was called by `command`."""
        content = json.loads((path / "evaluation.json").read_text(encoding="utf-8"))
        # By its command: somebody may have scored the run by other features as well.
        start = [part for part in command if part.startswith("--")]
        found = [
            record
            for record in content["evaluations"].values()
            if shlex.split(record["protocol"]["command"])[2:] == start
        ]
        return found[0]

    def write(self):
        """Writes sweep.json, and from it sweep.csv, sweep.md and sweep.png."""
        entries = {run.name: run.entry for run in self.runs if run.entry}
        content = {"asked": self.asked, "runs": entries}
        write(self.folder / "sweep.json", json.dumps(content, indent=2) + "\n")
        write(self.folder / "sweep.csv", as_csv(self.rows()))
        write(self.folder / "sweep.md", self.report())
        picture = draw(self.runs, self.scored(), self.folder)
        if picture is not None:
            write(self.folder / "sweep.png", picture)

    def rows(self):
        """Returns a dict for each run and score, and for each run that has none."""
        rows = []
        for run in self.runs:
            entry = run.entry
            protocol = entry.get("protocol", {})
            row = {
                **{name: self.asked[name] for name in ("model", "dataset", "preset", "backend")},
                **run.settings,
                "seed": run.seed,
                "run": run.name,
                "state": entry.get("state", "not begun"),
                "sentence": entry.get("sentence", ""),
                "budget": self.budget or "",
                **{name: entry.get(name) for name in ("step", "images", "seconds", "cpu_seconds")},
            }
            tail = {name: protocol.get(name, "") for name in PROTOCOL}
            tail["trained_by"] = entry.get("trained_by", "")
            tail["sample_seed"] = protocol.get("seed", "")
            tail["metric_versions"] = json.dumps(protocol.get("metrics", {}))
            is_scored = entry.get("state") == "done" and entry["scoring"] == self.scoring
            values = entry["scores"] if is_scored else {}
            for name in names_of(values) or [""]:
                found = {
                    "score": name,
                    "value": values.get(name, ""),
                    "deviation": values.get(f"{name}_deviation", ""),
                    "floor": entry["floor"].get(name, "") if name else "",
                }
                rows.append(row | found | tail)
        return rows

    def cells(self):
        """Returns the table as rows of str: titles, combinations from the best on, the floor."""
        groups = collections.defaultdict(list)
        for run in self.scored():
            groups[run.label].append(run.entry)
        order = {}
        for entries in groups.values():
            for entry in entries:
                order |= dict.fromkeys(names_of(entry["scores"]))
        names, lines = list(order), []
        for settings in combinations(self.grid):
            text = label(settings, self.grid)
            entries = groups[text]
            means, shown = [], []
            for name in names:
                values = [e["scores"][name] for e in entries if name in e["scores"]]
                means.append(statistics.fmean(values) if values else math.nan)
                shown.append(spread(values))
            count = f"{len(entries)} of {len(self.seeds)}"
            key = badness(names[0], means[0], entries) if names else 0.0
            lines.append((key, [text, count, *shown]))
        lines = [line for _, line in sorted(lines, key=lambda pair: pair[0])]
        floors = [[run.entry["floor"].get(name) for run in self.scored()] for name in names]
        floor = [spread([x for x in found if x is not None], alone=True) for found in floors]
        last = [["floor: real data", "", *floor]] if names else []
        return [["settings", "seeds", *names], *lines, *last]

    def failures(self):
        """Returns a line for each run that has failed or was interrupted."""
        return [
            f"{run.entry['state']}: {run.label} seed={run.seed}: {run.entry['sentence']}"
            for run in self.runs
            if run.entry.get("state") in ("failed", "interrupted")
        ]

    def report(self):
        """Returns sweep.md."""
        asked = self.asked
        about = self.budget or "the epochs of the recipe"
        if asked["epochs"] is not None:
            about = " or ".join(filter(None, [self.budget, f"{asked['epochs']} epochs"]))
        fixed = "".join(f", {k}={v[0]}" for k, v in self.grid.items() if len(v) == 1)
        head, *lines = [[cell.replace("|", "\\|") for cell in line] for line in self.cells()]
        text = [
            f"# {asked['model']} on {asked['dataset']}",
            "",
            f"{len(self.scored())} of {len(self.runs)} runs have scores. Each has {about}, backend "
            f"{asked['backend']}, preset {asked['preset']}{fixed}. Mean ± standard deviation "
            "over seeds, sorted by the first score.",
            "",
            *(f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *lines]),
            *(["", *(f"- {line}" for line in self.failures())] if self.failures() else []),
        ]
        return "\n".join(text) + "\n"


def names_of(scores):
    """Returns the names of scores without those of their deviations."""
    return [name for name in scores if not name.endswith("_deviation")]


def spread(values, alone=False):
    """Returns mean and standard deviation as text; `alone` leaves the deviation out."""
    if not values:
        return "-"
    text = f"{statistics.fmean(values):.4g}"
    if len(values) > 1 and not alone:
        text += f" ± {statistics.stdev(values):.2g}"
    return text


def badness(name, value, entries=()):
    """Returns what the table is sorted by: lower is better, and what has no number comes last."""
    if math.isnan(value):
        return math.inf
    if name in NEAR:
        held_out = [e["scores"].get("held_out_distance", 0.0) for e in entries]
        near = NEAR[name] if NEAR[name] is not None else statistics.fmean(held_out)
        return abs(value - near)
    return -value if name in HIGHER else value


def aligned(cells, width):
    """Returns a table for a terminal, with as many columns as fit."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    fitting = [i for i in range(len(widths)) if i < 3 or sum(widths[: i + 1]) + 2 * i <= width]
    lines = ["  ".join(line[i].ljust(widths[i]) for i in fitting).rstrip() for line in cells]
    hidden = cells[0][len(fitting) :]
    return "\n".join(lines), hidden


def as_csv(rows):
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def draw(runs, scored, folder):
    """Draws the sweep: curves where runs have a scores.csv, else bars.

    Returns:
        bytes of a PNG file, or None where there is nothing to draw yet.
    """
    curves = {run.name: curve for run in runs if (curve := read_curve(folder / run.name))}
    names = names_of(scored[0].entry["scores"]) if scored else []
    if not curves and not names:
        return None
    # Not pyplot: it keeps every figure alive and picks a backend for the whole process.
    from matplotlib import colormaps
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    labels = list(dict.fromkeys(run.label for run in runs))
    colors = dict(zip(labels, itertools.cycle(colormaps["tab10"].colors), strict=False))
    height = 5 if curves else 1.5 + 0.4 * len(labels)
    figure = Figure(figsize=(9, height), dpi=100, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    if curves:
        columns = [name for name in next(iter(curves.values())) if name not in NO_SCORES]
        name = next((n for n in names if n in columns), columns[0])
        lowest, highest = math.inf, 0.0
        for run in runs:
            if name not in curves.get(run.name, {}):
                continue
            x, y = curves[run.name]["images"], curves[run.name][name]
            # The second ten combinations repeat the colours of the first.
            style = ("-", "--", ":", "-.")[labels.index(run.label) // 10 % 4]
            axes.plot(x, y, color=colors[run.label], linestyle=style, marker=".", alpha=0.8)
            lowest, highest = min(lowest, *y), max(highest, *y)
        if 0 < lowest < highest / 20:
            axes.set_yscale("log")
        for i, text in enumerate(labels):
            style = ("-", "--", ":", "-.")[i // 10 % 4]
            axes.plot([], [], color=colors[text], linestyle=style, label=text)
        axes.set(xlabel="images seen in training", ylabel=name, title="a line for each seed")
        line = axes.axhline
    else:
        name = names[0]
        values = {
            text: [r.entry["scores"][name] for r in scored if r.label == text] for text in labels
        }
        means = {text: statistics.fmean(found) for text, found in values.items() if found}
        order = sorted(means, key=lambda text: badness(name, means[text], [scored[0].entry]))
        for text in order:
            found = values[text]
            deviation = statistics.stdev(found) if len(found) > 1 else None
            axes.barh(text, means[text], xerr=deviation, color=colors[text], alpha=0.6, capsize=4)
            axes.plot(found, [text] * len(found), "o", color="black", markersize=3)
        axes.invert_yaxis()
        axes.set(xlabel=name, title="mean and deviation over seeds; a dot for each seed")
        line = axes.axvline
    if "floor" in next(iter(curves.values()), {}):
        # That of the curves: evaluate.py takes more samples, for which it is lower.
        floors = [curve["floor"][-1] for curve in curves.values()]
    else:
        floors = [run.entry["floor"][name] for run in scored if name in run.entry["floor"]]
    if floors:
        floor = statistics.fmean(floors)
        text = f"floor: real data, {floor:.3g}"
        line(floor, color="black", linewidth=0.9, linestyle=(0, (5, 3)), label=text)
    if axes.get_legend_handles_labels()[0]:
        figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def read_curve(path):
    """Returns the columns of a run's scores.csv with `images` among them, or None."""
    try:
        with (path / "scores.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
        numbers = [name for name in rows[0] if name not in ("samples", "features", "features_hash")]
        columns = {name: [float(row[name]) for row in rows] for name in numbers}
        images = config["batch_size"] * config.get("n_critic", 1)
        return {"images": [step * images for step in columns["step"]]} | columns
    except (OSError, ValueError, TypeError, IndexError, KeyError):
        return None


def newest_meta(folder):
    """Returns what the newest checkpoint that can be read says of itself, or None.

    `zoo.runs.checkpoints.newest` for use without Keras, and without reading the weights.
    """
    import numpy as np

    for path in sorted(folder.glob("step-*.npz"), key=lambda p: (len(p.name), p.name))[::-1]:
        with contextlib.suppress(Exception), np.load(path, allow_pickle=False) as file:
            return json.loads(file["meta"].tobytes())
    return None


def sentence(code, output):
    """Returns why a process failed: its own sentence, or the last line of its traceback."""
    lines = [line.strip() for line in re.split(r"[\r\n]+", output) if line.strip()]
    if code < 0:
        with contextlib.suppress(ValueError):
            code = signal.Signals(-code).name
        why = ", as the system does where memory runs out" if code == "SIGKILL" else ""
        return f"It was ended by signal {code}{why}."
    for pattern in (r"error: (.*)", r"([\w.]+(?:Error|Exception)\b.*)"):
        for line in reversed(lines):
            if found := re.fullmatch(pattern, line):
                return found[1]
    return lines[-1] if lines else f"It ended with exit code {code}."


class Stop:
    """While entered, the first signal stops the process that is running, and no other starts.

    That process gets every signal from here only: it has a session of its own, for at Ctrl-C the
    terminal would send it one as well, and train.py takes a second for impatience.
    """

    def __init__(self):
        self.number = self.process = None
        self.count = 0

    @property
    def asked(self):
        return self.number is not None

    def __enter__(self):
        numbers = (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM))
        self.before = {number: signal.signal(number, self.stop) for number in numbers}
        return self

    def __exit__(self, *_):
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def stop(self, number, frame):
        self.number, self.count = number, self.count + 1
        if self.process is None:
            return
        if self.count == 1:
            print("\nstopping: the current run ends cleanly", file=sys.stderr)
        # SIGTERM, because what a shell starts in the background ignores SIGINT.
        self.process.terminate() if self.count < 3 else self.process.kill()


def call(command, log, stop, lock=None):
    """Runs a command with its output added to a file, and shows the last line on a terminal.

    Returns:
        `(exit code, output)`.
    """
    live = sys.stderr.isatty()
    with log.open("a+b") as file:
        file.write(f"$ {shlex.join(command)}\n".encode())
        file.flush()
        start = file.tell()

        def output(start):
            file.seek(start)
            return file.read().decode(errors="replace")

        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            start_new_session=True,
            # It holds the lock as well, should this process be killed.
            pass_fds=() if lock is None else (lock,),
        )
        stop.process = process
        if stop.asked:
            process.terminate()
        while True:
            try:
                process.wait(0.5)
                break
            except subprocess.TimeoutExpired:
                if live:
                    width = shutil.get_terminal_size().columns - 3
                    lines = output(max(start, file.seek(0, os.SEEK_END) - 1000)).split("\n")
                    line = next((text for text in reversed(lines) if text.strip()), "").strip()
                    text = f"\r  {line[:width].ljust(width)}"
                    print(text, end="", file=sys.stderr, flush=True)
        stop.process = None
        if live:
            width = shutil.get_terminal_size().columns - 1
            print(f"\r{' ' * width}\r", end="", file=sys.stderr, flush=True)
        return process.returncode, output(start)


@contextlib.contextmanager
def locked(folder):
    """While entered, no other sweep works in the folder. Gives the lock's file descriptor.

    Raises:
        UsageError: one does, or a run that an ended one left behind.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ImportError:  # Windows
        yield None
        return
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"Another sweep, or a run that it left behind, is at work in {folder}. Expected "
                "one at a time: wait for it, or choose another folder with --sweep."
            ) from None
        yield file.fileno()


def write(path, content):
    """Writes str or bytes so that a reader sees the old file or the new one."""
    content = content.encode() if isinstance(content, str) else content
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def clock(seconds):
    minutes, seconds = divmod(max(int(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def main(argv):
    """Runs the sweep of a command line. Returns the exit code."""
    arguments = parse(argv)
    sweep = Sweep(arguments)
    sweep.validate()
    with locked(sweep.folder) as lock, Stop() as stop:
        sweep.load()  # Another may have ended since.
        todo, took = sweep.todo(), []
        count = len(combinations(sweep.grid)) * len(sweep.seeds)
        known = count - len(todo)
        before = f", {known} of them done or failed before" if known else ""
        print(f"{count} runs{before}; in {sweep.folder}")
        sweep.write()
        for i, run in enumerate(todo):
            # Until one is over, what is known is the budget.
            guess = statistics.fmean(took) if took else (arguments.max_minutes or 0) * 60
            left = f"  (about {clock(guess * (len(todo) - i))} left)" if guess else ""
            print(f"run {known + i + 1} of {count}: {run.label} seed={run.seed}{left}", flush=True)
            start, is_whole = time.monotonic(), not run.entry.get("trained")
            sweep.run(run, stop, lock)
            sweep.write()
            if run.entry["state"] == "done":
                name = names_of(run.entry["scores"])[0]
                value, floor = (run.entry[part].get(name) for part in ("scores", "floor"))
                real = "" if floor is None else f", floor {floor:.4g}"
                print(f"  {name} {value:.4g}{real}; {clock(time.monotonic() - start)}", flush=True)
                if is_whole:
                    took.append(time.monotonic() - start)
            elif not stop.asked:
                print(f"  {run.entry['state']}: {run.entry['sentence']}", flush=True)
            if stop.asked:
                break
    text, hidden = aligned(sweep.cells(), shutil.get_terminal_size((100, 24)).columns)
    print(f"\n{text}")
    if hidden:
        print(f"({len(hidden)} more scores are in sweep.md)")
    print("".join(f"\n{line}" for line in sweep.failures()))
    for name in ("sweep.md", "sweep.csv", "sweep.png"):
        if (sweep.folder / name).exists():
            print(f"{name.split('.')[1]:4} {sweep.folder / name}")
    if stop.asked:
        print("go on with the same command", file=sys.stderr)
        return 130
    return 0 if len(sweep.scored()) == len(sweep.runs) else 1


def start():
    """The program: `main` with its errors told as those of the other programs."""
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except (UsageError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in programs.MENDABLE:
            raise
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)


def _program(name):
    """Returns how a program of this source tree is called, the shorter way where there is one."""
    path = ROOT / name
    return [sys.executable, name if pathlib.Path.cwd() == ROOT else str(path)]


if __name__ == "__main__":
    start()
