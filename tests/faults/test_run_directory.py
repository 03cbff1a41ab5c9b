"""What happens to the directory of a run, or to the clock, while it is trained."""

import json
import pathlib
import shutil
import subprocess
import sys
import time

import keras
import pytest
import running
from helpers import overrides_permissions

from zoo.errors import UsageError
from zoo.runs import assembly, checkpoints, directory
from zoo.runs.csv_files import read_csv
from zoo.training import train
from zoo.training.session import Clock

HOLDS = """
import sys, time
from zoo.runs import directory
with directory.locked(sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)
"""


def at_step(monkeypatch, step, do):
    """Calls `do()` after the given step of any training."""
    before = Clock.on_train_batch_end

    def then(self, batch, logs=None):
        before(self, batch, logs)
        if self.session.step == step:
            do()

    monkeypatch.setattr(Clock, "on_train_batch_end", then)


@pytest.fixture
def untrained(monkeypatch):
    monkeypatch.setattr(train, "train", lambda gan, dataset, session: session)


# Starts a process that imports Keras.
@pytest.mark.slow
def test_of_two_processes_in_one_run_the_second_is_refused(tmp_path, untrained):
    session = running.start(tmp_path, "one")
    path = session.directory
    before = {p: p.stat().st_mtime_ns for p in path.rglob("*")}
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDS, path], cwd=running.ROOT, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "held\n"
    try:
        with pytest.raises(UsageError, match=r"Another process trains in .*one") as caught:
            running.resume(path)
        assert "\n" not in str(caught.value)
        # The flag that deletes a run spares one that is being trained.
        config = running.resolve()
        with pytest.raises(UsageError, match="Another process trains"):
            train.start(
                config, source=assembly.Source(), runs_dir=tmp_path, name="one", overwrite=True
            )
        assert {p: p.stat().st_mtime_ns for p in path.rglob("*")} == before
    finally:
        holder.kill()
        holder.communicate()
    # A dead process holds no lock.
    with directory.locked(path):
        pass


def test_a_run_is_locked_only_while_it_is_trained(tmp_path, monkeypatch):
    run = tmp_path / "one"

    def look(gan, dataset, session):
        with pytest.raises(UsageError, match="Another process"), directory.locked(run):
            pass
        return session

    monkeypatch.setattr(train, "train", look)
    running.start(tmp_path, "one")
    with directory.locked(run):
        pass


def test_a_directory_deleted_under_way_ends_the_run_with_a_sentence(tmp_path, monkeypatch):
    at_step(monkeypatch, 5, lambda: shutil.rmtree(tmp_path / "gone"))
    with pytest.raises(UsageError, match=r"gone has been moved or deleted.*step 1?\d\b") as caught:
        running.start(tmp_path, "gone", epochs=1, sample_every=1)
    assert "\n" not in str(caught.value)
    # No new run was started in its place.
    assert not (tmp_path / "gone" / "config.json").exists()


def test_a_directory_moved_under_way_can_be_resumed_where_it_is(tmp_path, monkeypatch):
    moved = tmp_path / "elsewhere"
    with monkeypatch.context() as patch:
        at_step(patch, 5, lambda: (tmp_path / "here").rename(moved))
        with pytest.raises(UsageError, match="go on with --resume"):
            running.start(tmp_path, "here", epochs=1, checkpoint_minutes=0)
    session = running.resume(moved)
    assert 0 < session.first_step <= 5 and session.step == running.STEPS


@pytest.mark.skipif(overrides_permissions(), reason="root may write anywhere")
def test_a_directory_that_becomes_read_only_ends_the_run(tmp_path, monkeypatch):
    folder = tmp_path / "one" / "checkpoints"
    at_step(monkeypatch, 5, lambda: folder.chmod(0o500))
    with pytest.raises(UsageError, match="could not be written"):
        running.start(tmp_path, "one", epochs=1, checkpoint_minutes=0)
    folder.chmod(0o700)
    assert checkpoints.step_of(checkpoints.listing(folder)[-1]) >= 4


@pytest.mark.parametrize("refusal", [OSError(30, "Read-only file system"), OSError(28, "No space")])
def test_a_disk_that_refuses_under_way_ends_the_run_and_keeps_the_checkpoints(
    tmp_path, monkeypatch, refusal
):
    write = checkpoints.write_atomically

    def refuse(path, data):
        if "step-0000005" in str(path):
            raise refusal
        return write(path, data)

    monkeypatch.setattr(checkpoints, "write_atomically", refuse)
    with pytest.raises(UsageError, match=f"step 5 could not be written .{refusal.strerror}"):
        running.start(tmp_path, "one", epochs=1, checkpoint_minutes=0)
    monkeypatch.undo()
    session = running.resume(tmp_path / "one")
    assert (session.first_step, session.step) == (4, running.STEPS)


def test_a_clock_that_jumps_changes_nothing(tmp_path, monkeypatch):
    expected = running.start(tmp_path, "expected", epochs=1)
    # Jumps of years in both directions, within the years that a zip file can store.
    real, jumps = time.time, iter([0, 1e6, -1e9, 2e9, -5e8] * 10_000)
    monkeypatch.setattr(time, "time", lambda: real() + next(jumps))
    session = running.start(tmp_path, "jumping", epochs=1, max_minutes=60, checkpoint_minutes=1)
    monkeypatch.undo()
    assert session.stop is None
    running.assert_equal_runs(session.directory, expected.directory)
    (row,) = read_csv(session.directory / "timings.csv")
    assert 0 < float(row["seconds"]) < 600


def test_a_config_swapped_between_runs_is_noticed(tmp_path):
    one = running.start(tmp_path, "one", epochs=1)
    file = one.directory / "config.json"
    config = json.loads(file.read_text())
    file.write_text(json.dumps(config | {"width": 8, "epochs": 2}))
    with pytest.raises(UsageError, match="shapes of their variables differ"):
        running.resume(one.directory)
    assert pathlib.Path(one.directory / "generator.keras").exists()
    keras.models.load_model(one.directory / "generator.keras")
