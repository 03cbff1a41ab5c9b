"""The runs of a sweep: training, scoring, and their records."""

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import re
import shlex
import signal

from zoo import seeds
from zoo.cli import programs
from zoo.errors import UsageError
from zoo.files import write_atomically
from zoo.installation import program, shown
from zoo.sweep import tables
from zoo.sweep.grid import combinations, label, parse_grid, validated
from zoo.sweep.picture import draw
from zoo.sweep.processes import call, sentence

# Epochs of a run that only its budget may end.
ENDLESS = 100_000


@dataclasses.dataclass
class Run:
    """One combination with one seed. `label` names it for a person, `entry` is kept in sweep.json.

    An entry has `state` (done, failed or interrupted; none before the run), `sentence` (why it is
    not done), `trained`, `scoring` (arguments of evaluate.py), `scores`, `floor` and `protocol` as
    evaluate.py wrote them, and `seconds`, `cpu_seconds`, `step` and `images` of the training.
    """

    settings: dict
    seed: int
    label: str = ""
    entry: dict = dataclasses.field(default_factory=dict)

    @property
    def name(self):
        """Name of the run directory. It depends only on settings and seed, so the grid may grow."""
        parts = [f"{key}-{value}" for key, value in self.settings.items()]
        text = "_".join([*parts, f"seed-{self.seed}"])
        plain = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-")
        if plain == text and len(plain) <= 80:
            return plain
        # Two runs may differ only in the characters that were cut or replaced.
        return f"{plain[:71]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


class Sweep:
    """The runs of a sweep and its folder."""

    def __init__(self, arguments):
        self.arguments = arguments
        self.grid = parse_grid(arguments.set)
        self.seeds = list(dict.fromkeys(seeds.parse(arguments.seeds)))
        source = re.sub(r"[^A-Za-z0-9.]+", "-", arguments.dataset).strip("-.")
        default = os.path.join("runs", f"sweep-{arguments.model}-{source}")
        self.folder = pathlib.Path(arguments.sweep or default)
        # All combinations run with the first seed before any runs with the second.
        combined = combinations(self.grid)
        self.runs = [
            Run(settings, seed, label(settings, self.grid))
            for seed in self.seeds
            for settings in combined
        ]
        begun = self.load()
        self.backend = programs.choose_backend(arguments.backend, begun.get("backend"))
        self.request = {
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
        """Reads the entries of the runs from sweep.json. Returns the earlier request, or {}.

        Raises:
            UsageError: the file is damaged, or the folder is not a sweep.
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
        """Raises UsageError if this command is not comparable with the one that began the sweep."""
        differing = [
            f"{name}={begun.get(name)} then, {value} now"
            for name, value in self.request.items()
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
        """The budget of a run as text, or None if only its epochs end it."""
        minutes, seconds = self.arguments.max_minutes, self.arguments.max_cpu_seconds
        parts = [] if minutes is None else [f"{minutes:g} minutes"]
        parts += [] if seconds is None else [f"{seconds:g} CPU seconds"]
        return " or ".join(parts) or None

    def todo(self):
        """Returns the runs that this command has to train or score."""
        return [run for run in self.runs if self.is_open(run.entry)]

    def is_open(self, entry):
        if entry.get("state") == "failed":
            return self.arguments.retry or (
                entry.get("trained", False) and entry["scoring"] != self.scoring
            )
        return entry.get("state") != "done" or entry["scoring"] != self.scoring

    def scored(self):
        """Returns the runs that have the requested scores."""
        return [
            run
            for run in self.runs
            if run.entry.get("state") == "done" and run.entry["scoring"] == self.scoring
        ]

    def train_command(self, run, used):
        """Returns the command that trains or resumes a run, or None if its budget is used up.

        Args:
            used: dict, the `meta` of the newest checkpoint, or None if there is none.
        """
        arguments = self.arguments
        command = [*program("train"), f"--runs_dir={self.folder}", f"--backend={self.backend}"]
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
        # The run began, but ended before its first checkpoint.
        if (self.folder / run.name).exists():
            command.append("--overwrite")
        return command

    def score_command(self, run):
        command = [*program("evaluate"), f"--runs_dir={self.folder}", f"--run={run.name}"]
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
        """Trains and scores a run unless that is done, and fills its entry."""
        path, entry = self.folder / run.name, run.entry
        log = self.folder / "logs" / f"{run.name}.txt"
        log.parent.mkdir(parents=True, exist_ok=True)
        if not entry.get("trained"):
            command = self.train_command(run, newest_meta(path / "checkpoints"))
            if command and "--resume" not in " ".join(command):
                entry["trained_by"] = shlex.join(shown(command))
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
        if stop.requested:
            entry |= {"state": "interrupted", "sentence": "The next start scores it."}
            return
        command = self.score_command(run)
        entry["scoring"] = self.scoring
        if self.call(run, command, log, stop, lock):
            record = self.record(path, command)
            entry |= {name: record[name] for name in ("protocol", "scores", "floor")}
            entry["state"] = "done"

    def call(self, run, command, log, stop, lock):
        """Runs a command. Returns whether it succeeded; if not, the entry says why."""
        entry = run.entry
        for name in ("state", "sentence"):
            entry.pop(name, None)
        entry["scoring"] = self.scoring
        code, output = call(command, log, stop, lock)
        if code == 0:
            return True
        if stop.requested or code in (130, 143, -signal.SIGINT, -signal.SIGTERM):
            entry |= {"state": "interrupted", "sentence": "The next start goes on with it."}
        else:
            entry |= {"state": "failed", "sentence": sentence(code, output)}
        return False

    def record(self, path, command):
        """Returns the record that evaluate.py wrote into the run when called by `command`."""
        content = json.loads((path / "evaluation.json").read_text(encoding="utf-8"))
        # Matched by command, because the run may also have been scored with other features.
        start = [part for part in command if part.startswith("--")]
        entries = [
            record
            for record in content["evaluations"].values()
            if shlex.split(record["protocol"]["command"])[2:] == start
        ]
        return entries[0]

    def write(self):
        """Writes sweep.json, sweep.csv, sweep.md and, if there is something to draw, sweep.png."""
        entries = {run.name: run.entry for run in self.runs if run.entry}
        content = {"asked": self.request, "runs": entries}
        texts = {
            "sweep.json": json.dumps(content, indent=2) + "\n",
            "sweep.csv": tables.as_csv(tables.rows(self)),
            "sweep.md": tables.report(self),
        }
        for name, text in texts.items():
            write_atomically(self.folder / name, text.encode())
        picture = draw(self.runs, self.scored(), self.folder)
        if picture is not None:
            write_atomically(self.folder / "sweep.png", picture)


def newest_meta(folder):
    """Returns the `meta` of the newest checkpoint that can be read, a dict, or None.

    It does the same as `zoo.runs.checkpoints.newest` without Keras and without reading the weights.
    """
    import numpy as np

    for path in sorted(folder.glob("step-*.npz"), key=lambda p: (len(p.name), p.name))[::-1]:
        with contextlib.suppress(Exception), np.load(path, allow_pickle=False) as file:
            return json.loads(file["meta"].tobytes())
    return None


@contextlib.contextmanager
def locked(folder):
    """Keeps other sweeps out of the folder. Yields the lock's file descriptor.

    Raises:
        UsageError: another sweep, or a run that it left behind, is at work there.
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
