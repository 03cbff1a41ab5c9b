"""The session of one process in a run: its step, its clock, and reasons to end early.

All callbacks of a run share one `Session`. Only `Clock`, the first callback, changes its step.
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

LEAST_SCALE = 2**-10  # of a loss; if gradients overflow even so, the training has failed
LOOK = 0.5  # seconds between checks that are not needed after every step
ASKED = "asked"
BUDGETS = {"max_minutes": "minutes", "max_cpu_seconds": "CPU seconds"}


@dataclasses.dataclass
class Session:
    """One process's part of a run.

    `step` counts generator updates since the run began, over all sessions; an epoch is
    `steps_per_epoch` of them.
    """

    directory: pathlib.Path | None  # None in a new run that another worker writes
    config: dict
    steps_per_epoch: int
    step: int = 0
    stop: str | None = None  # why training should end early, for people
    stop_request: str | None = None  # why a callback of the chief wants it to end
    signal: int | None = None  # the signal that should end it
    layout: backend.Layout = backend.ALONE
    due: bool = False  # whether all workers check at this step, about every LOOK seconds
    metrics: list | None = None  # running means of a resumed epoch
    seconds: float = 0.0  # of training, in earlier sessions
    cpu_seconds: float = 0.0  # user and system, of all cores, likewise
    started: float | None = None  # monotonic clock at the first step of this session
    cpu_started: float | None = None  # the process's CPU time then
    first_step: int = 0
    judge: Judge | None = None  # of pictures, or None for no scores
    scored: str = ""  # the latest score, for the progress line

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
        """Returns the metadata of a checkpoint."""
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
    """Counts steps, ends the run when its time is up, and restores the means of a resumed run.

    Several workers must end at the same step: a worker that took one more step would wait for the
    others forever. So they check signals and budgets at agreed steps only, and share the results.
    The chief chooses the next such step from its speed. A signal to any worker counts for all, and
    the chief's time is used.
    """

    def __init__(self, session):
        super().__init__(session)
        self.looked = (0.0, session.step)  # time and step of the last check
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
        """Collects the observations of all workers: their signals, and the chief's time.

        Returns:
            The result of `used_up`, or ASKED, equal on all workers.
        """
        session, (before, step) = self.session, self.looked
        taken = session.step - step
        # Some steps compile or draw pictures, so the first guesses are small.
        wanted = min(LOOK * taken / max(now - before, 1e-9), 4 * taken)
        names = [None, *BUDGETS, ASKED]
        reason = names.index(ASKED if session.stop_request else self.used_up())
        answers = session.layout.gather([session.signal or 0, reason, wanted])
        _, budget, wanted = answers[0]
        self.following = session.step + max(int(wanted), 1)
        learn_signal(session, answers)
        return names[int(budget)]


class StopSignals:
    """Context in which Ctrl-C or SIGTERM ends training after the current step, a second at once.

    All workers leave it together, and a signal to one counts for all.
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
    """Takes over the signal of any worker. Each answer is a list that starts with a signal."""
    session.signal = session.signal or int(max(first for first, *_ in answers)) or None


class FiniteLosses(SessionCallback):
    """Stops the run when a loss is no longer finite, before anything else is written."""

    def on_train_batch_end(self, batch, logs=None):
        # After one NaN the running means stay NaN, so checking now and then is enough.
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
            "the run was stopped. Try a smaller learning rate in a new run, with "
            f"--continue_from={self.session.directory} --set learning_rate="
            f"{self.session.config['learning_rate'] / 4:g}. The last good checkpoint, from which "
            f"it goes on, is step {good[-1] if good else 0}."
        )


class DirectoryThere(SessionCallback):
    """Stops the run if its directory is gone, instead of starting a new one there."""

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
