"""SIGKILL at random moments, and every run that goes on equals the one that was never killed."""

import random
import signal
import time

import pytest
import running
from helpers import ALL_FAULTS as ALL

from zoo.runs import checkpoints

pytestmark = [pytest.mark.backend, pytest.mark.usefixtures("optimised")]

KILLS = 20 if ALL else 2


# Each kill costs the start of a process.
@pytest.mark.slow
def test_a_run_killed_again_and_again_equals_one_that_was_not(tmp_path):
    epochs = 4 if ALL else 1
    expected = running.start(tmp_path, "expected", epochs=epochs)
    path = tmp_path / "killed"
    # Checkpoints follow every step, so about half of the kills hit the writing of one.
    arguments = [*running.flags(checkpoint_minutes=0, epochs=epochs), f"--runs_dir={tmp_path}"]
    arguments.append("--name=killed")
    torn = 0
    for _ in range(KILLS):
        moment = step_of(path) + random.randint(1, epochs * running.STEPS // (KILLS + 2))
        delay = random.uniform(0, 0.05)
        process = running.launch(arguments)
        until = time.monotonic() + 300
        while step_of(path) < moment:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < until, f"no checkpoint of step {moment}"
            time.sleep(0.001)
        time.sleep(delay)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        torn += len(list((path / "checkpoints").glob(".*")))
        arguments = [f"--resume={path}"]
    assert step_of(path) < expected.step, "killed too late to tell anything"
    print(f"{KILLS} kills, {torn} of them left a part of a checkpoint")
    running.resume(path, checkpoint_minutes=2.0)
    running.assert_equal_runs(path, expected.directory)
    assert not list((path / "checkpoints").glob(".*"))


def step_of(path):
    files = checkpoints.listing(path / "checkpoints")
    return checkpoints.step_of(files[-1]) if files else 0
