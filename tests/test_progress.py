"""The lines of progress: few in a log, often on a terminal, none with --quiet."""

import io
import itertools
import math
import types

import pytest

from zoo import progress
from zoo.progress import Pace, Progress
from zoo.training.progress import TrainingProgress


class Clock:
    def __init__(self, monkeypatch):
        self.now = 1000.0
        monkeypatch.setattr(progress.time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def due_at(pace, seconds, step=0.25):
    times = (i * step for i in range(int(seconds / step) + 1))
    return [now for now in times if pace.due(now)]


def test_in_a_log_the_pauses_grow_and_an_hour_or_a_week_stays_short():
    assert due_at(Pace(False, 1), 130) == [1, 2, 4, 8, 16, 32, 62, 92, 122]
    assert 60 < len(due_at(Pace(False, 1), 3600)) < 130
    assert len(due_at(Pace(False, 1), 86400, step=5)) < 350
    week = due_at(Pace(False, 1), 7 * 86400, step=60)
    assert len(week) < 500
    assert max(b - a for a, b in itertools.pairwise(week)) <= 3660


def test_on_a_terminal_the_line_follows():
    assert due_at(Pace(True, 0.5), 3) == [0.5, 1, 1.5, 2, 2.5, 3]


def trained(out, clock, seconds, rate=4):
    """Returns what the callback prints of a training of so many seconds, at `rate` steps in one."""
    session = types.SimpleNamespace(
        step=0,
        total_steps=seconds * rate,
        steps_per_epoch=100,
        images_per_step=8,
        scored="",
        elapsed=0.0,
        cpu_elapsed=0.0,
        config={
            "epochs": math.ceil(seconds * rate / 100),
            "max_minutes": None,
            "max_cpu_seconds": None,
        },
    )
    callback = TrainingProgress(session, out)
    callback.set_model(types.SimpleNamespace(stop_training=False))
    for _ in range(session.total_steps):
        clock.now += 1 / rate
        session.step += 1
        callback.on_train_batch_end(0, {"d_loss": 1.0})
    callback.on_train_end()
    return out.getvalue()


def test_an_hour_of_training_in_a_log_has_few_lines_and_the_last_step(clock):
    lines = trained(io.StringIO(), clock, 3600).splitlines()
    assert 60 < len(lines) < 130
    assert "step 14,400/14,400" in lines[-1] and "32 images/s  0:00 left" in lines[-1]


def test_a_terminal_shows_one_line_that_changes(clock):
    text = trained(Terminal(), clock, 10)
    assert text.count("\r") >= 15 and text.count("\n") == 1


def test_quiet_shows_neither_notes_nor_progress(clock, monkeypatch, capsys):
    monkeypatch.setattr(progress, "quiet", True)
    progress.say("a note")
    assert trained(io.StringIO(), clock, 100) == ""
    assert operation(clock, 100) == ""
    assert capsys.readouterr().out == ""


def operation(clock, seconds):
    """Returns what an operation of so many seconds prints."""
    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(progress.sys, "stderr", out)
        with Progress("pictures", seconds * 10) as advance:
            for done in range(1, seconds * 10 + 1):
                clock.now += 0.1
                advance(done)
    return out.getvalue()


def test_an_operation_says_nothing_at_first_and_then_less_and_less(clock):
    assert operation(clock, 9) == ""
    lines = operation(clock, 3600).splitlines()
    assert 60 < len(lines) < 130
    assert lines[0].startswith("pictures: 10") and "of 36,000" in lines[0]
