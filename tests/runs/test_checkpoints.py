"""Checkpoints: complete or absent, checked when read, and only the newest three."""

import contextlib
import errno
import os
import pathlib
import shutil
import subprocess
import types
import zipfile

import keras
import numpy as np
import pytest
import running
import warm

from zoo.errors import UsageError
from zoo.runs import checkpoints
from zoo.training import callbacks
from zoo.training.session import Session

pytestmark = [pytest.mark.backend, pytest.mark.faults]


@pytest.fixture(scope="module")
def gan():
    return running.build()[0]


def weights(model):
    return {
        f"{group}/{i:04d}": np.array(v)
        for group, variables in checkpoints._groups(model).items()
        for i, v in enumerate(variables)
    }


def randomise(model):
    generator = np.random.default_rng(1)
    for variables in checkpoints._groups(model).values():
        for variable in variables:
            value = np.asarray(variable)
            variable.assign(generator.integers(1, 100, value.shape).astype(value.dtype))


def save(folder, model, *steps):
    return [checkpoints.save(folder, model, {"step": step, "seconds": 1.5}) for step in steps]


def test_a_checkpoint_holds_every_variable(tmp_path, gan):
    randomise(gan)
    (path,) = save(tmp_path, gan, 12)
    assert path.name == "step-0000012.npz" and checkpoints.step_of(path) == 12
    meta, arrays = checkpoints.newest(tmp_path)
    assert (meta["step"], meta["seconds"]) == (12, 1.5)
    before = weights(gan)
    assert arrays.keys() == before.keys()
    fresh, _ = running.build()
    checkpoints.restore(fresh, arrays, groups=("trainable", "other", "optimizer", "metrics"))
    after = weights(fresh)
    assert all(np.array_equal(after[name], before[name]) for name in before)
    # Every variable of a model is in one of the groups.
    known = {id(v) for variables in checkpoints._groups(gan).values() for v in variables}
    assert {id(v) for v in [*gan.variables, *gan.optimizer.variables]} <= known
    assert id(gan.noise.state) in known


def test_only_the_newest_three_are_kept_and_nothing_else_is_touched(tmp_path, gan):
    for name in ("best.npz", "step-1.npz.bak", "notes.txt"):
        (tmp_path / name).write_bytes(b"mine")
    save(tmp_path, gan, 0, 5, 10, 123456789, 15)
    steps = [checkpoints.step_of(path) for path in checkpoints.listing(tmp_path)]
    assert steps == [10, 15, 123456789]
    others = {p.name for p in tmp_path.iterdir()} - {p.name for p in checkpoints.listing(tmp_path)}
    assert others == {"best.npz", "step-1.npz.bak", "notes.txt"}


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path):
    """Changes one bit of a weight: the file is still a zip with arrays, but one number differs."""
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as file:
        last = file.infolist()[-2]
    content[last.header_offset + 200] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [truncate, flip, lambda path: path.write_bytes(b"")])
def test_a_damaged_newest_falls_back_to_the_one_before(tmp_path, gan, capsys, damage):
    paths = save(tmp_path, gan, 1, 2, 3)
    damage(paths[2])
    assert checkpoints.newest(tmp_path)[0]["step"] == 2
    err = capsys.readouterr().err
    assert err.startswith(f"warning: The checkpoint {paths[2]} is damaged")
    assert err.count("\n") == 1
    damage(paths[1])
    assert checkpoints.newest(tmp_path)[0]["step"] == 1
    damage(paths[0])
    assert checkpoints.newest(tmp_path) is None


class Two:
    """The smallest model that can be saved in a checkpoint."""

    trainable_variables = (keras.Variable(np.arange(3, dtype="float32")),)
    non_trainable_variables = (keras.Variable(7, dtype="int32", trainable=False),)
    metrics_variables = ()
    variables = ()
    optimizer = property(lambda self: self)


def test_no_flipped_byte_goes_unnoticed(tmp_path):
    """With any one byte wrong, reading gives a UsageError or the arrays that were saved."""
    (path,) = save(tmp_path, Two(), 1)
    original = path.read_bytes()
    _, saved = checkpoints.read(path)
    assert len(saved) == 2
    wrong = []
    for i in range(len(original)):
        content = bytearray(original)
        content[i] ^= 0xFF
        path.write_bytes(content)
        try:
            meta, arrays = checkpoints.read(path)
        except UsageError:
            continue
        except Exception as error:
            wrong.append((i, repr(error)))
            continue
        if meta["step"] != 1 or arrays.keys() != saved.keys():
            wrong.append((i, "another step or other arrays"))
        elif any(arrays[name].tobytes() != saved[name].tobytes() for name in saved):
            wrong.append((i, "another value"))
    assert not wrong


def test_a_run_with_only_damaged_checkpoints_is_refused(straight, tmp_path, capsys):
    path = tmp_path / "damaged"
    shutil.copytree(straight[0].directory, path)
    good, newest = checkpoints.listing(path / "checkpoints")
    assert checkpoints.step_of(good) == 0
    truncate(newest)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zoo.training.train.train", lambda gan, dataset, session: session)
        assert running.resume(path).step == 0
    assert capsys.readouterr().err.startswith("warning: ")
    truncate(good)
    with pytest.raises(UsageError, match=r"no checkpoint that can be read.*--overwrite"):
        running.resume(path)


def test_another_model_s_checkpoint_changes_nothing(tmp_path, gan):
    save(tmp_path, gan, 1)
    wider, _ = running.build(width=5)
    before = weights(wider)
    with pytest.raises(UsageError, match="does not fit the model"):
        checkpoints.restore(wider, checkpoints.newest(tmp_path)[1])
    assert all(np.array_equal(value, before[name]) for name, value in weights(wider).items())


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_never_written(tmp_path, bad):
    gan, _ = running.build()
    save(tmp_path, gan, 1)
    for variable in (gan.generator.weights[0], gan.optimizer.variables[-1]):
        value = np.array(variable)
        variable.assign(np.full_like(value, bad))
        assert save(tmp_path, gan, 2) == [None]
        variable.assign(value)
    assert [p.name for p in tmp_path.iterdir()] == ["step-0000001.npz"]


def watcher(folder, gan):
    """Returns the callback of a run that is about to save step 20."""
    session = Session(folder, {}, steps_per_epoch=10, step=20)
    callback = callbacks.Checkpoints(session)
    callback.set_model(gan)
    return callback


def fail(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("function", ["os.fsync", "os.replace"])
def test_a_write_that_fails_leaves_the_earlier_ones_and_is_a_sentence(
    tmp_path, gan, monkeypatch, function
):
    save(tmp_path / "checkpoints", gan, 0, 5, 10)
    before = {p.name: p.read_bytes() for p in tmp_path.rglob("*.*")}
    with monkeypatch.context() as patch:
        patch.setattr(function, fail)
        with pytest.raises(UsageError, match=r"step 20 could not be written \(No space left") as e:
            watcher(tmp_path, gan).save()
    assert f"--resume={tmp_path}" in str(e.value)
    assert {p.name: p.read_bytes() for p in tmp_path.rglob("*.*")} == before


def test_a_generator_that_cannot_be_written_leaves_the_one_before(tmp_path, gan, monkeypatch):
    target = tmp_path / "generator.keras"
    target.write_bytes(b"the one before")
    with monkeypatch.context() as patch:
        patch.setattr("keras.Model.save", fail)
        with pytest.raises(UsageError, match="could not be written"):
            watcher(tmp_path, gan).save()
    assert target.read_bytes() == b"the one before"
    assert {p.name for p in tmp_path.iterdir()} == {"generator.keras", "checkpoints"}


# Starts a process with a separate small disk, which imports Keras.
@pytest.mark.slow
@pytest.mark.skipif(
    keras.config.backend() != "tensorflow", reason="every backend writes its files alike"
)
def test_a_disk_that_is_really_full(tmp_path):
    """Saves on a file system that fills up: each failure gives the error message."""
    mount = "mount -t tmpfs -o size=4m tmpfs"
    isolated = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    try:
        subprocess.run([*isolated, f"{mount} '{tmp_path}'"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no small file system can be mounted here")
    code = f'{mount} "$1" && cd "$1" && exec "$2" "$3" full'
    done = subprocess.run(
        [*isolated, code, "sh", str(tmp_path), warm.PYTHON, running.__file__],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "refused often, never damaged"


def test_what_a_kill_left_of_a_checkpoint_goes_when_the_run_goes_on(tmp_path):
    session = running.start(tmp_path, "killed", epochs=1)
    folder = session.directory / "checkpoints"
    part = folder / ".step-0000017.npz.123.part"
    part.write_bytes(b"half of it")
    running.resume(session.directory, epochs=2)
    assert not part.exists() and checkpoints.newest(folder)[0]["step"] == 2 * running.STEPS


@pytest.mark.parametrize(
    ("minutes", "cost", "pause"), [(2.0, 0.1, 120.0), (2.0, 3.5, 175.0), (0.0, 3.5, 0.0)]
)
def test_checkpoints_take_their_share_of_the_time_and_no_more(monkeypatch, minutes, cost, pause):
    now, saved = [1000.0], []
    monkeypatch.setattr(callbacks.time, "monotonic", lambda: now[0])
    session = Session(None, {"checkpoint_minutes": minutes, "epochs": 1}, 100)
    writer = callbacks.Checkpoints(session)
    writer.set_model(types.SimpleNamespace(stop_training=False))
    monkeypatch.setattr(callbacks, "saving", contextlib.nullcontext)
    session.directory = pathlib.Path("unused")

    def save(*_):
        now[0] += cost
        saved.append(now[0])

    monkeypatch.setattr(checkpoints, "save", save)
    writer.save()
    begun = now[0]
    session.step += 1
    if pause:
        now[0] = begun + pause - 1
        writer.save_if_due()
        assert len(saved) == 1
    now[0] = begun + pause + 1e-3
    writer.save_if_due()
    assert len(saved) == 2
