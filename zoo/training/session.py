"""One process's part of a run: where it stands, how time passes in it, and what ends it early.

All callbacks of a run share one `Session`. Only `Clock` writes to its step; it comes first in the
list.
"""

import dataclasses
import math
import pathlib
import signal
import time

import keras

from zoo import backend
from zoo.errors import UsageError
from zoo.runs import assembly, checkpoints
from zoo.scoring.judge import Judge

LEAST_SCALE = 2**-10  # of a loss: a gradient that overflows even so is not one of a game
LOOK = 0.5  # seconds between two looks at what need not be looked at after every step
ASKED = "asked"
BUDGETS = {"max_minutes": "minutes", "max_cpu_seconds": "CPU seconds"}


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
    stop_request: str | None = None  # why a callback of the chief wants it to
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
        return assembly.batch_size(self.config)

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
    """A Keras callback that knows its run as `session`."""

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
            session.stop = session.stop or session.stop_request or "the first worker says why"
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
        reason = names.index(ASKED if session.stop_request else self.used_up())
        answers = session.layout.gather([session.signal or 0, reason, wanted])
        _, budget, wanted = answers[0]
        self.following = session.step + max(int(wanted), 1)
        learn_signal(session, answers)
        return names[int(budget)]


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


def learn_signal(session, answers):
    """Takes over the signal of another worker, from lists of which each begins with its own."""
    session.signal = session.signal or int(max(first for first, *_ in answers)) or None


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
            if logs.get("loss_scale", 1) < LEAST_SCALE:
                raise UsageError(
                    "The gradients have overflowed in one step after the other, and the run was "
                    "stopped: no step was left to learn from. Expected a precision of "
                    "mixed_bfloat16 or float32, or a smaller learning rate. Received: "
                    "mixed_float16."
                )
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
