"""A run that was interrupted and resumed equals one that never stopped, bit for bit."""

import csv
import functools
import random
import signal
import time

import helpers
import keras
import pytest
import running

from zoo.errors import UsageError
from zoo.game import keras_methods
from zoo.runs import assembly, checkpoints, config
from zoo.runs.csv_files import append_csv, read_csv
from zoo.training import callbacks, train
from zoo.training.session import Session

pytestmark = [pytest.mark.backend, pytest.mark.faults]


def steps_of(path):
    with (path / "timings.csv").open() as file:
        return [int(row["step"]) for row in csv.DictReader(file)]


def wait_for(ready, process):
    until = time.monotonic() + 120
    while not ready():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, "the run did not get there in time"
        time.sleep(0.002)


def test_two_epochs_resumed_to_four_equal_four(straight, tmp_path):
    first = running.start(tmp_path, "halves", epochs=2)
    assert first.step == 2 * running.STEPS
    # None means the default; the config of the run stores it as a number.
    second = running.resume(first.directory, epochs=4, learning_rate=None)
    assert (second.first_step, second.step) == (first.step, 4 * running.STEPS)
    running.assert_equal_runs(first.directory, straight[0].directory)
    assert steps_of(first.directory) == [16, 32, 48, 64]


@pytest.mark.slow  # three trainings
@pytest.mark.skipif(
    keras.config.backend() == "torch", reason="PyTorch has no float16 convolutions on a CPU"
)
def test_a_run_in_float16_goes_on_with_its_scales(tmp_path, monkeypatch):
    # So large that the first updates overflow, and each of them halves it.
    start = functools.partial(keras.optimizers.LossScaleOptimizer, initial_scale=2.0**30)
    monkeypatch.setattr(keras_methods, "scaling", start)
    whole, halves = (
        running.start(tmp_path, name, epochs=epochs, precision="mixed_float16").directory
        for name, epochs in (("whole", 2), ("halves", 1))
    )
    rows = read_csv(halves / "metrics.csv")
    assert float(rows[0]["loss_scale"]) < 2.0**30
    running.resume(halves, epochs=2)
    running.assert_equal_runs(halves, whole)


# Starts a process that writes a checkpoint after each step.
@pytest.mark.slow
def test_killed_in_mid_epoch_and_resumed_equals_straight(straight, tmp_path):
    moment = random.choice([s for s in range(3, 50) if s % running.STEPS])
    delay = random.uniform(0, 0.03)
    path = tmp_path / "killed"
    arguments = running.flags(checkpoint_minutes=0)
    process = running.launch([*arguments, f"--runs_dir={tmp_path}", "--name=killed"])
    wait_for(lambda: (path / f"checkpoints/step-{moment:07d}.npz").exists(), process)
    time.sleep(delay)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    session = running.resume(path, checkpoint_minutes=2.0)
    assert moment <= session.first_step < 4 * running.STEPS, "killed too late to tell anything"
    running.assert_equal_runs(path, straight[0].directory)


# Starts two processes: one to stop and one to resume.
@pytest.mark.slow
def test_sigterm_saves_and_says_how_to_go_on(straight, tmp_path):
    path = tmp_path / "stopped"
    # A picture at each step makes the run last long enough to be stopped.
    arguments = running.flags(sample_every=1)
    process = running.launch([*arguments, f"--runs_dir={tmp_path}", "--name=stopped"])
    moment = random.randint(2, 10)
    wait_for(lambda: (path / f"samples/step-{moment:07d}.png").exists(), process)
    process.terminate()
    out, err = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGTERM, err
    assert "Traceback" not in err
    saved = checkpoints.step_of(checkpoints.listing(path / "checkpoints")[-1])
    assert moment <= saved < 4 * running.STEPS
    assert f"stopped at step {saved}: interrupted" in out
    (how,) = [line for line in out.splitlines() if "go on with" in line]
    command = how.partition("train.py ")[2].split()
    assert command == [f"--resume={path}"]

    process = running.launch([*command, "--set=sample_every=250"])
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert f"at step {saved} of 64" in out and "go on with" not in out
    running.assert_equal_runs(path, straight[0].directory)


# Trains three times and compiles a step each time.
@pytest.mark.slow
def test_two_discriminator_updates_and_a_budget_of_time(tmp_path):
    expected = running.start(tmp_path, "expected", n_critic=2, epochs=2)
    assert expected.step == 2 * (running.STEPS // 2)
    part = running.start(tmp_path, "part", n_critic=2, epochs=2, max_minutes=1e-9)
    assert part.step == 1 and "budget" in part.stop and part.signal is None
    assert (part.directory / "generator.keras").exists()
    assert (part.directory / "report.html").exists()
    part = running.resume(part.directory, max_minutes=None, max_cpu_seconds=1e-9)
    assert (part.step, part.stop) == (2, "the budget of 1e-09 CPU seconds is used up")
    rest = running.resume(part.directory, max_cpu_seconds=None)
    assert (rest.first_step, rest.step) == (2, expected.step) and rest.stop is None
    seconds = [float(row["cpu_seconds"]) for row in read_csv(rest.directory / "timings.csv")]
    assert 0 < seconds[0] < seconds[1]
    running.assert_equal_runs(part.directory, expected.directory)


# Trains four times and compiles two phases each time.
@pytest.mark.slow
def test_interrupted_in_the_warm_start_and_after_it_equals_straight(tmp_path):
    settings = {"warm_start_rounds": 20, "epochs": 2, "sample_every": 8}
    straight = running.start(tmp_path, "straight", **settings)
    assert straight.step == 2 * running.STEPS
    part = running.start(tmp_path, "part", **settings, max_minutes=1e-9)
    assert (part.step, part.stop) == (1, "the budget of 1e-09 minutes is used up")
    files = [file.name for file in checkpoints.listing(part.directory / "checkpoints")]
    assert files == ["step-0000000.npz", "step-0000001.npz"]
    assert (part.directory / "generator.keras").exists()
    assert (part.directory / "report.html").exists()
    # In the middle of the warm start, at its last step, and after it.
    for end in (9, 20, 25):
        part = running.stopped_at(part.directory, end)
        assert part.step == end
    rest = running.resume(part.directory, max_minutes=None)
    assert (rest.first_step, rest.step) == (25, straight.step)
    running.assert_equal_runs(part.directory, straight.directory)
    rows = read_csv(straight.directory / "metrics.csv")
    # The first epoch is all warm start; the second has the end of it and then the game.
    assert [[bool(row[f"{name}_loss"]) for name in "adg"] for row in rows] == [
        [True, False, False],
        [True, True, True],
    ]


def test_rows_after_the_checkpoint_and_of_a_part_of_an_epoch_are_dropped(tmp_path):
    path = tmp_path / "metrics.csv"
    rows = [{"epoch": e, "step": s} for e, s in ((1, 16), (2, 32), (3, 40), (3, 48))]
    for row in rows:
        append_csv(path, row)
    before = path.read_bytes()
    session = Session(tmp_path, {"epochs": 4}, steps_per_epoch=16, step=48)
    callbacks.Tables(session, None)
    assert [r["step"] for r in read_csv(path)] == ["16", "32", "48"]
    session.step = 32
    callbacks.Tables(session, None)
    assert path.read_bytes() == b"".join(before.splitlines(keepends=True)[:3])


def test_a_run_goes_on_from_another_folder_and_with_data_in_another_place(tmp_path, monkeypatch):
    helpers.picture_folder(tmp_path / "\u732b 1", 20)
    helpers.picture_folder(tmp_path / "others", 21)
    monkeypatch.chdir(tmp_path)
    settings = running.SETTINGS | {"batch_size": 10, "epochs": 1}
    recipe = config.resolve("dcgan", "folder:\u732b 1", overrides=settings)
    session = train.start(recipe, source=assembly.Source(), runs_dir=tmp_path / "runs")
    assert session.directory.name == "dcgan-\u732b-1"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert running.resume(session.directory, epochs=2).step == 4
    (tmp_path / "\u732b 1").rename(elsewhere / "moved")
    with pytest.raises(UsageError, match=r"does not exist.*--dataset=folder:PATH"):
        running.resume(session.directory, epochs=3)
    moved = f"folder:{elsewhere / 'moved'}"
    assert running.resume(session.directory, epochs=3, dataset=moved).step == 6
    assert config.read(session.directory)["dataset"] == moved
    other = f"folder:{tmp_path / 'others'}"
    with pytest.raises(UsageError, match="has changed"):
        running.resume(session.directory, epochs=4, dataset=other)
    with pytest.raises(UsageError, match="other settings"):
        running.resume(session.directory, epochs=4, dataset="digits")
    assert config.read(session.directory)["dataset"] == moved
