"""The progress line: position, speed and time left of the training."""

import sys
import time

from zoo import progress
from zoo.progress import Pace
from zoo.training.session import SessionCallback


class TrainingProgress(SessionCallback):
    """One line with the position, the speed and the time left of the training."""

    def __init__(self, session, out=None):
        super().__init__(session)
        self.out = out or sys.stderr
        self.live = self.out.isatty()
        self.pace = Pace(self.live, often=0.5)
        self.marks = []
        self.width = 0

    def on_train_batch_end(self, batch, logs=None):
        now = time.monotonic()
        if not self.marks:
            # The first step compiles, so the speed is measured after it.
            self.marks = [(now, self.session.step)]
        last = self.session.step >= self.session.total_steps or self.model.stop_training
        if (self.pace.due(now) or last) and not progress.quiet:
            self.marks = [*self.marks[-20:], (now, self.session.step)]
            self.show(self.line(logs))

    def line(self, logs):
        session = self.session
        (start, first), (now, step) = self.marks[0], self.marks[-1]
        text = (
            f"epoch {min((step - 1) // session.steps_per_epoch + 1, session.config['epochs'])}"
            f"/{session.config['epochs']}  step {step:,}/{session.total_steps:,}"
        )
        losses = {name: x for name, x in logs.items() if name.endswith("_loss")}
        text += "".join(f"  {name} {float(x):.3f}" for name, x in losses.items())
        text += session.scored
        if now > start and step > first:
            rate = (step - first) / (now - start)
            left = (session.total_steps - step) / rate
            if session.config["max_minutes"] is not None:
                left = min(left, session.config["max_minutes"] * 60 - session.elapsed)
            if session.config["max_cpu_seconds"] is not None:
                used = session.cpu_elapsed / max(session.elapsed, 1e-9)
                budget = session.config["max_cpu_seconds"] - session.cpu_elapsed
                left = min(left, budget / max(used, 1e-9))
            text += f"  {rate * session.images_per_step:,.0f} images/s  {clock(left)} left"
        return text

    def show(self, text):
        if self.live:
            print("\r" + text.ljust(self.width), end="", file=self.out, flush=True)
            self.width = len(text)
        else:
            print(text, file=self.out, flush=True)

    def on_train_end(self, logs=None):
        if self.live and self.width:
            print(file=self.out)


def clock(seconds):
    """Returns a time as "h:mm:ss", or "mm:ss" below an hour."""
    minutes, seconds = divmod(max(int(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
