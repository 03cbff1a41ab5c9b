"""What happens around the steps of a run: counting, logging, scores, pictures, checkpoints.

All of them share one `Session`. Only `Clock` writes to its step; it comes first in the list.
"""

import contextlib
import csv
import dataclasses
import io
import json
import math
import pathlib
import signal
import sys
import time

import keras

from zoo import backend
from zoo.errors import UsageError
from zoo.runs import checkpoints, directory, pictures, views
from zoo.runs.events import EventWriter
from zoo.runs.judge import Judge

LOOK = 0.5  # seconds between two looks at what need not be looked at after every step
ASKED = "asked"
BUDGETS = {"max_minutes": "minutes", "max_cpu_seconds": "CPU seconds"}
SCORING = 0.05  # of the training time: what scores of pictures may take at most
CHECKPOINTING = 0.02  # share of the time that writing checkpoints may take
ALIKE = 0.1  # of the spread of real samples: below it generated ones have become one
PATIENCE = 1000  # steps that a generator may take until its samples begin to differ


@dataclasses.dataclass
class Session:
    """One process's part of a run.

    `step` counts generator updates since the run began, over all sessions; an epoch is
    `steps_per_epoch` of them.
    """

    directory: pathlib.Path | None  # None of a new run that another worker writes
    config: dict
    steps_per_epoch: int
    step: int = 0
    stop: str | None = None  # why training is to end early, for a person
    asked: str | None = None  # why a callback of the chief wants it to
    signal: int | None = None  # the signal that is to end it
    layout: backend.Layout = backend.ALONE
    due: bool = False  # whether at this step all workers look, about every LOOK seconds
    metrics: list | None = None  # running means of a resumed epoch
    seconds: float = 0.0  # of training, over the sessions before
    cpu_seconds: float = 0.0  # user and system, of all cores, likewise
    started: float | None = None  # monotonic clock at the first step of this session
    cpu_started: float | None = None  # the process's CPU time then
    first_step: int = 0
    judge: Judge | None = None  # of pictures, or None: then they are not scored
    scored: str = ""  # the latest score, for the line of progress

    def __post_init__(self):
        self.first_step = self.step

    @property
    def total_steps(self):
        return self.config["epochs"] * self.steps_per_epoch

    @property
    def images_per_step(self):
        return self.config["batch_size"] * self.config.get("n_critic", 1)

    @property
    def images(self):
        return self.step * self.images_per_step

    @property
    def elapsed(self):
        """Seconds since the first step of this session."""
        return 0.0 if self.started is None else time.monotonic() - self.started

    @property
    def cpu_elapsed(self):
        """CPU seconds since the first step of this session."""
        return 0.0 if self.cpu_started is None else time.process_time() - self.cpu_started

    def meta(self):
        """Returns what a checkpoint says of itself."""
        return {
            "step": self.step,
            "seconds": self.seconds + self.elapsed,
            "cpu_seconds": self.cpu_seconds + self.cpu_elapsed,
        }


class SessionCallback(keras.callbacks.Callback):
    def __init__(self, session):
        super().__init__()
        self.session = session


class Clock(SessionCallback):
    """Counts steps, ends the run when its time is up, and puts resumed means back in place.

    Several workers must end at the same step: one that took a step more would wait for the others
    for ever. So they look at signals and budgets at certain steps only, and tell each other what
    they see. Which step is the next of these is said by the chief, from how fast it is. A signal
    to any of them counts for all, and the time is that of the chief.
    """

    def __init__(self, session):
        super().__init__(session)
        self.looked = (0.0, session.step)  # when, and at which step
        self.following = session.step + 1

    def on_epoch_begin(self, epoch, logs=None):
        if self.session.metrics:
            for variable, value in zip(
                self.model.metrics_variables, self.session.metrics, strict=True
            ):
                variable.assign(value)
            self.session.metrics = None

    def on_train_batch_begin(self, batch, logs=None):
        if self.session.started is None:
            self.session.started = time.monotonic()
            self.session.cpu_started = time.process_time()

    def on_train_batch_end(self, batch, logs=None):
        session, now = self.session, time.monotonic()
        session.step += 1
        if session.layout.workers == 1:
            session.due = now - self.looked[0] > LOOK
            used_up = self.used_up()
        else:
            session.due = session.step >= self.following
            used_up = self.agree(now) if session.due else None
            if not session.due:
                return
        if session.due:
            self.looked = (now, session.step)
        if session.signal:
            session.stop = session.stop or "interrupted"
        elif used_up == ASKED:
            session.stop = session.stop or session.asked or "the first worker says why"
        elif used_up:
            budget = f"{session.config[used_up]:g} {BUDGETS[used_up]}"
            session.stop = session.stop or f"the budget of {budget} is used up"
        if session.stop:
            self.model.stop_training = True

    def used_up(self):
        """Returns the name of the setting whose budget is used up, or None."""
        config = self.session.config
        minutes, cpu_seconds = config["max_minutes"], config["max_cpu_seconds"]
        if minutes is not None and self.session.elapsed >= minutes * 60:
            return "max_minutes"
        if cpu_seconds is not None and self.session.cpu_elapsed >= cpu_seconds:
            return "max_cpu_seconds"
        return None

    def agree(self, now):
        """Learns what all workers see: their signals, and the chief's time.

        Returns:
            As `used_up`, or ASKED, the same on all workers.
        """
        session, (before, step) = self.session, self.looked
        taken = session.step - step
        # Steps may be compiled or followed by pictures, so the first guesses are small.
        wanted = min(LOOK * taken / max(now - before, 1e-9), 4 * taken)
        names = [None, *BUDGETS, ASKED]
        reason = names.index(ASKED if session.asked else self.used_up())
        said = session.layout.gather([session.signal or 0, reason, wanted])
        _, budget, wanted = said[0]
        self.following = session.step + max(int(wanted), 1)
        learn_signal(session, said)
        return names[int(budget)]


def learn_signal(session, said):
    """Takes over the signal of another worker, from lists of which each begins with its own."""
    session.signal = session.signal or int(max(first for first, *_ in said)) or None


class FiniteLosses(SessionCallback):
    """Stops the run when a loss is no longer finite, before anything else is written."""

    def on_train_batch_end(self, batch, logs=None):
        # The running means stay NaN once one step was, so a look now and then finds it.
        drawn = self.session.step % self.session.config["sample_every"] == 0
        if self.session.due or drawn or self.model.stop_training:
            self.check(logs)

    def on_epoch_end(self, epoch, logs=None):
        self.check(logs)

    def check(self, logs):
        if math.isfinite(float(logs["loss"])):
            return
        count = int(keras.ops.convert_to_numpy(self.model.finite_steps))
        if not self.session.layout.chief:
            raise UsageError(
                f"The losses were no longer finite at step {count + 1}, and the run was stopped. "
                "The first worker, which writes it, says more."
            )
        folder = self.session.directory / "checkpoints"
        good = [checkpoints.step_of(path) for path in checkpoints.listing(folder)]
        raise UsageError(
            f"The losses were no longer finite at step {count + 1}, and "
            "the run was stopped. Try a smaller learning rate, --set learning_rate="
            f"{self.session.config['learning_rate'] / 4:g}, in a new run. The last good checkpoint "
            f"is step {good[-1] if good else 0} of {self.session.directory}."
        )


class DirectoryThere(SessionCallback):
    """Stops the run when its directory has gone, instead of beginning another one there."""

    def on_train_batch_end(self, batch, logs=None):
        if self.session.due:
            self.check()

    def on_epoch_end(self, epoch, logs=None):
        self.check()

    def on_train_end(self, logs=None):
        self.check()

    def check(self):
        path = self.session.directory
        if not (path / "config.json").exists():
            raise UsageError(
                f"The run directory {path} has been moved or deleted, and the run was stopped at "
                f"step {self.session.step:,}. Where it still is, go on with --resume=PATH."
            )


class Progress(SessionCallback):
    """One line that tells where training is, how fast it goes and how long it will take."""

    def __init__(self, session, out=None):
        super().__init__(session)
        self.out = out or sys.stderr
        self.live = self.out.isatty()
        self.interval = 0.5 if self.live else 15.0
        self.marks = []
        self.width = 0

    def on_train_batch_end(self, batch, logs=None):
        now = time.monotonic()
        if not self.marks:
            # The first step compiles; the clock for the speed starts behind it.
            self.marks = [(now, self.session.step)]
        last = self.session.step >= self.session.total_steps or self.model.stop_training
        if now - self.marks[-1][0] >= self.interval or last:
            self.marks = [*self.marks[-20:], (now, self.session.step)]
            self.show(logs)

    def show(self, logs):
        session = self.session
        (start, first), (now, step) = self.marks[0], self.marks[-1]
        text = (
            f"epoch {min((step - 1) // session.steps_per_epoch + 1, session.config['epochs'])}"
            f"/{session.config['epochs']}  step {step:,}/{session.total_steps:,}"
            f"  d_loss {float(logs['d_loss']):.3f}  g_loss {float(logs['g_loss']):.3f}"
            f"{session.scored}"
        )
        if now > start and step > first:
            rate = (step - first) / (now - start)
            left = (session.total_steps - step) / rate
            if session.config["max_minutes"] is not None:
                left = min(left, session.config["max_minutes"] * 60 - session.elapsed)
            if session.config["max_cpu_seconds"] is not None:
                used = session.cpu_elapsed / max(session.elapsed, 1e-9)
                budget = session.config["max_cpu_seconds"] - session.cpu_elapsed
                left = min(left, budget / max(used, 1e-9))
            text += f"  {rate * session.images_per_step:,.0f} images/s  {_clock(left)} left"
        if self.live:
            print("\r" + text.ljust(self.width), end="", file=self.out, flush=True)
            self.width = len(text)
        else:
            print(text, file=self.out, flush=True)

    def on_train_end(self, logs=None):
        if self.live and self.width:
            print(file=self.out)


class Tables(SessionCallback):
    """metrics.csv, timings.csv and TensorBoard scalars, a row for each epoch.

    metrics.csv holds what the seed determines, so two runs of one config can be compared with
    `cmp`; what differs between machines is in timings.csv.
    """

    def __init__(self, session, events):
        super().__init__(session)
        self.events = events
        self.metrics = session.directory / "metrics.csv"
        self.timings = session.directory / "timings.csv"
        for path in (self.metrics, self.timings):
            keep_whole_epochs(path, session)
        self.mark = None

    def on_train_batch_end(self, batch, logs=None):
        if self.mark is None:
            self.mark = (time.monotonic(), self.session.step)

    def on_epoch_end(self, epoch, logs=None):
        session = self.session
        row = {
            "epoch": epoch + 1,
            "step": session.step,
            "images": session.images,
            **{name: float(logs[name]) for name in self.model.trackers if name != "loss"},
        }
        for player, optimizer in zip(
            ("generator", "discriminator"), self.model.optimizer.optimizers, strict=True
        ):
            rate = keras.ops.convert_to_numpy(optimizer.learning_rate)
            row[f"{player}_learning_rate"] = float(rate)
        append_csv(self.metrics, row)
        (before, first), now = self.mark, time.monotonic()
        speed = (session.step - first) * session.images_per_step / max(now - before, 1e-9)
        self.mark = (now, session.step)
        append_csv(
            self.timings,
            {
                "epoch": epoch + 1,
                "step": session.step,
                "seconds": round(session.seconds + session.elapsed, 3),
                "cpu_seconds": round(session.cpu_seconds + session.cpu_elapsed, 3),
                "images_per_second": round(speed, 1),
            },
        )
        scalars = {name: row[name] for name in row if name not in ("epoch", "step", "images")}
        self.events.scalars(session.step, scalars | {"images_per_second": speed})


class Samples(SessionCallback):
    """Pictures of the averaged generator's samples, of the same latent points each time.

    Where the samples of two pictures in a row are all alike, a warning says so: on stderr, in
    TensorBoard, and in `warnings.csv`, which the report shows. `stop_on_collapse` ends the run. The
    first samples of some networks hardly differ, which is no collapse before `PATIENCE` steps.
    """

    def __init__(self, session, events, dataset):
        super().__init__(session)
        self.events = events
        self.dataset = dataset
        self.alike = []  # steps of the latest pictures in a row whose samples are
        self.differed = False
        self.path = session.directory / "warnings.csv"
        keep_scores(self.path, session.step, None)

    def on_train_begin(self, logs=None):
        if self.session.step == 0:
            self.draw()

    def on_train_batch_end(self, batch, logs=None):
        if self.session.step % self.session.config["sample_every"] == 0:
            self.draw()

    def on_train_end(self, logs=None):
        self.draw()

    def draw(self):
        session = self.session
        drawn = views.draw(self.model, self.dataset, session.config)
        path = session.directory / "samples" / f"step-{session.step:07d}.png"
        pictures.save_png(path, drawn.picture)
        self.events.image(session.step, "real and generated", drawn.comparison)
        self.events.scalars(session.step, {"sample_diversity": drawn.diversity})
        self.watch(drawn.diversity)

    def watch(self, diversity):
        session = self.session
        if not diversity < ALIKE:
            self.alike, self.differed = [], True
        elif (self.differed or session.step >= PATIENCE) and session.step not in self.alike:
            self.alike.append(session.step)
            if len(self.alike) == 2:
                self.warn(diversity)

    def warn(self, diversity):
        session = self.session
        text = (
            f"The samples are all alike since step {self.alike[0]:,}: they differ from one another "
            f"by {diversity:.1%} of what real ones do. The generator has collapsed; README.md, "
            '"When training goes wrong", says what helps.'
        )
        append_csv(self.path, {"step": session.step, "warning": text})
        self.events.text(session.step, "warning", text)
        print(f"\nwarning: {text}", file=sys.stderr)
        if session.config["stop_on_collapse"]:
            session.asked = "the samples are all alike"
            # Where several workers train, its `Clock` tells the others first.
            if session.layout.workers == 1:
                session.stop = session.stop or session.asked
                self.model.stop_training = True


class Scores(SessionCallback):
    """Scores against a known distribution: scores.csv, TensorBoard, and evaluation.json."""

    def __init__(self, session, events, dataset):
        super().__init__(session)
        self.events = events
        self.dataset = dataset
        self.path = session.directory / "scores.csv"
        keep_whole_epochs(self.path, session)

    def on_epoch_end(self, epoch, logs=None):
        session = self.session
        scores = views.score(self.model, self.dataset, session.config)
        if not scores:
            return
        scores = {name: float(value) for name, value in scores.items()}
        append_csv(self.path, {"step": session.step, **scores})
        path = session.directory / "evaluation.json"
        content = {"step": session.step, "samples": views.SCORED, **scores}
        # What evaluate.py found is of a checkpoint it names, and stays.
        directory.write_json(path, content | _evaluations(path))
        self.events.scalars(session.step, scores)

    def say_best(self):
        """Nothing: no generator but the latest is kept."""


class ImageScores(SessionCallback):
    """Scores of pictures while they are learned, and the best generator so far.

    Every `score_every` thousand images the session's judge scores the averaged generator: a row of
    scores.csv and TensorBoard scalars. A score that would make all of them together take more than
    5 % of the training time so far is put off until it no longer does. Training is the same with
    and without scores, bit for bit: samples are named by seeds of their own.

    A score better than all before, of this session and of those that it resumes, is that of
    `checkpoints/best.npz` and `generator-best.keras`. Scores of other features or another number of
    samples cannot be compared: where a resumed run changes these, the best begins anew.
    """

    def __init__(self, session, events):
        super().__init__(session)
        self.events = events
        self.judge = session.judge
        self.path = session.directory / "scores.csv"
        self.spent = 0.0
        self.cost = self.judge.seconds if self.judge else 0.0
        self.generator = None
        # The file itself tells its score, so what it holds and what is known of it cannot differ.
        self.best = checkpoints.read_meta(session.directory / "checkpoints" / checkpoints.BEST)
        rows = keep_scores(self.path, session.step, self.best.get("step"))
        self.plan(int(rows[-1]["images"]) if rows else 0)

    def plan(self, images):
        """Finds the next multiple of `score_every`, so that resuming does not shift them."""
        every = max(1000 * (self.session.config["score_every"] or 0), 1)
        self.following = (images // every + 1) * every

    def on_train_batch_end(self, batch, logs=None):
        session = self.session
        if self.judge is None or session.images < self.following:
            return
        if self.spent + self.cost <= SCORING * session.elapsed:
            self.plan(session.images)
            start = time.monotonic()
            self.score()
            self.cost = time.monotonic() - start
            self.spent += self.cost

    def score(self):
        session = self.session
        with backend.single():
            value = self.judge.score(self.model)
        if value is None:
            return  # `FiniteLosses` is about to say why
        if not self.comparable() or value < self.best["frechet"]:
            self.save(value)
        row = {
            "step": session.step,
            "images": session.images,
            "frechet": value,
            "floor": self.judge.floor,
            **self.judge.protocol,
        }
        others = [row for row in read_csv(self.path) if int(row["step"]) != session.step]
        write_csv(self.path, sorted([*others, row], key=lambda row: int(row["step"])), list(row))
        self.events.scalars(session.step, {"frechet": value, "frechet_floor": self.judge.floor})
        session.scored = f"  frechet {value:.4g}"

    def comparable(self):
        """Returns whether there is a best one, found by the same protocol."""
        return self.judge.protocol.items() <= self.best.items()

    def save(self, value):
        session = self.session
        meta = {**session.meta(), "frechet": value, **self.judge.protocol}
        if self.generator is None:
            self.generator = self.model.inference_generator()
        # The checkpoint last: after a crash between them the same score is found and saved again.
        with saving(session):
            save_generator(self.model, self.generator, session.directory / "generator-best.keras")
            folder = session.directory / "checkpoints"
            if checkpoints.save(folder, self.model, meta, name=checkpoints.BEST):
                self.best = meta

    def say_best(self):
        """Prints the best score and what the scores took, if there are any."""
        if not self.best:
            return
        best, session = self.best, self.session
        text = (
            f"best score: frechet {best['frechet']:.4g} at step {best['step']:,} "
            f"({best['samples']:,} samples, {best['features']}"
        )
        if self.judge and self.comparable():
            text += f", floor {self.judge.floor:.4g}"
        text += f"), {session.directory / 'generator-best.keras'}"
        if self.spent:
            share = self.spent / max(session.elapsed, 1e-9)
            text += f"; scores took {self.spent:.1f} s, {share:.1%} of the time"
        print(text)


class Checkpoints(SessionCallback):
    """Checkpoints and the exported generator, every few minutes and at the end.

    Where writing them takes long, less often, so that it takes no more than its share of the time.
    """

    def __init__(self, session):
        super().__init__(session)
        self.generator = None
        self.cost = 0.0  # seconds that the last one took
        self.saved_at = time.monotonic()
        self.saved_step = None

    def on_train_begin(self, logs=None):
        if self.session.step == 0:
            self.save()

    def on_train_batch_end(self, batch, logs=None):
        # The last step of an epoch waits until the epoch's row has been written.
        if self.session.step % self.session.steps_per_epoch:
            self.save_if_due()

    def on_epoch_end(self, epoch, logs=None):
        self.save_if_due()

    def on_train_end(self, logs=None):
        self.save()

    def save_if_due(self):
        wanted = 60 * self.session.config["checkpoint_minutes"]
        # At 0 somebody wants one after each step, whatever it costs.
        pause = max(wanted, self.cost / CHECKPOINTING) if wanted else 0.0
        if self.model.stop_training or time.monotonic() - self.saved_at >= pause:
            self.save()

    def save(self):
        session = self.session
        if session.step == self.saved_step:
            return
        start = time.monotonic()
        with saving(session):
            folder = session.directory / "checkpoints"
            if checkpoints.save(folder, self.model, session.meta()) is not None:
                if self.generator is None:
                    self.generator = self.model.inference_generator()
                save_generator(self.model, self.generator, session.directory / "generator.keras")
        self.saved_at, self.saved_step = time.monotonic(), session.step
        self.cost = self.saved_at - start


class StopSignals:
    """While entered, Ctrl-C and SIGTERM end training after the current step; a second at once.

    All workers leave it together, each with the signal of any.
    """

    def __init__(self, session):
        self.session = session
        self.number = None

    def __enter__(self):
        self.before = {s: signal.signal(s, self.stop) for s in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, kind, *_):
        session = self.session
        if kind is None:
            learn_signal(session, session.layout.gather([session.signal or 0]))
            if session.signal:
                session.stop = session.stop or "interrupted"
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def stop(self, number, frame):
        if self.number is not None:
            raise KeyboardInterrupt
        self.number = self.session.signal = number


@contextlib.contextmanager
def saving(session):
    """Turns what the disk refuses into a sentence."""
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"The checkpoint of step {session.step} could not be written ({error.strerror}). "
            "The earlier ones are good: make room, then go on with "
            f"python train.py --resume={session.directory}."
        ) from error


def save_generator(model, generator, path):
    """Writes a GAN's averaged weights as the plain `generator` that it gave."""
    generator.set_weights(model.ema_generator.get_weights())
    save_model(generator, path)


def save_model(model, path):
    """Writes a Keras model file atomically."""
    part = path.with_name(f".{path.stem}.part.keras")
    try:
        model.save(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def read_csv(path):
    """Returns the rows of a CSV file as dicts of str; none where there is no file."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def write_csv(path, rows, names):
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    pictures.write_atomically(path, buffer.getvalue().encode())


def keep_whole_epochs(path, session):
    """Drops the rows beyond the step a run goes on from, and that of a part of an epoch."""
    rows = read_csv(path)
    kept = [
        row
        for row in rows
        if int(row["step"]) <= session.step and int(row["step"]) % session.steps_per_epoch == 0
    ]
    if kept != rows:
        write_csv(path, kept, list(rows[0]))


def keep_scores(path, step, best):
    """Drops the rows of scores beyond the step a run goes on from, and returns the others.

    That of the best generator stays, because its files do.
    """
    rows = read_csv(path)
    kept = [row for row in rows if int(row["step"]) <= step or int(row["step"]) == best]
    if kept != rows:
        write_csv(path, kept, list(rows[0]))
    return kept


def append_csv(path, row):
    write_csv(path, [*read_csv(path), row], list(row))


def new_events(session):
    return EventWriter(session.directory / "events", resumed_at=session.step)


def _evaluations(path):
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    found = content.get("evaluations") if isinstance(content, dict) else None
    return {"evaluations": found} if isinstance(found, dict) else {}


def _clock(seconds):
    minutes, seconds = divmod(max(int(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
