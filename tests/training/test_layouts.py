"""Runs on several devices: the number of devices may change and the run stays the same."""

import importlib
import json
import subprocess
import sys

import helpers
import keras
import numpy as np
import pytest
import running

from zoo import backend
from zoo.runs import checkpoints
from zoo.runs.csv_files import read_csv

pytestmark = pytest.mark.backend

ALONE = keras.config.backend() == "torch"
several = pytest.mark.skipif(ALONE, reason="a run is on one device under PyTorch")
BASIC = ["--model=vanilla", "--dataset=digits", "--set=hidden=8", "--set=score_every=none"]


def ask(folder, *arguments):
    """Runs train.py in a new process, where the backend has not looked for devices yet."""
    return subprocess.run(
        [sys.executable, running.ROOT / "train.py", *BASIC, *arguments],
        cwd=folder,
        env=helpers.environment(keras.config.backend()),
        capture_output=True,
        text=True,
    )


@pytest.mark.slow  # starts a process
@several
def test_a_run_on_two_devices_leaves_what_a_run_leaves(tmp_path):
    done = ask(
        tmp_path, "--devices=2", "--batch_size=200", "--epochs=1", "--set=warm_start_rounds=4"
    )
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr
    assert done.stdout.count("18 of 1,618 samples fill no batch") == 1
    run = tmp_path / "runs" / "vanilla-digits"
    assert json.loads((run / "environment.json").read_text())["replicas"] == 2
    assert (run / "report.html").exists() and len(list((run / "samples").iterdir())) == 2
    generator = keras.models.load_model(run / "generator.keras")
    assert np.isfinite(helpers.numpy(generator(np.zeros((1, 128), "float32")))).all()


@pytest.mark.slow  # starts a process
@several
def test_a_batch_that_does_not_divide_is_refused_before_anything_is_written(tmp_path):
    done = ask(tmp_path, "--strategy=mirrored", "--devices=2", "--batch_size=25")
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: A batch is shared out to 2 devices") and "such as 24" in line
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not ALONE, reason="other backends train on several devices")
@pytest.mark.parametrize("flag", ["--strategy=mirrored", "--strategy=multiworker", "--devices=2"])
@pytest.mark.slow  # starts a process
def test_torch_names_the_backends_that_do_it(tmp_path, flag):
    done = ask(tmp_path, flag)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert "--backend=tensorflow or --backend=jax" in line and flag in line
    assert not list(tmp_path.iterdir())


@pytest.mark.slow  # trains in a process with other devices
@several
def test_a_run_may_change_its_devices(tmp_path):
    """A run on two devices, then one, then two again equals a run on one device."""
    helpers.python(helpers.ROOT / "tests" / "replicas.py", "turns", tmp_path)
    paths = [tmp_path / name for name in ("1-1-1", "2-1-2")]
    alone, moved = (checkpoints.newest(path / "checkpoints") for path in paths)
    assert alone[0]["step"] == moved[0]["step"] == 12
    assert alone[1].keys() == moved[1].keys()
    for name, value in alone[1].items():
        np.testing.assert_allclose(moved[1][name], value, atol=2e-5, err_msg=name)
    rows = [read_csv(path / "metrics.csv") for path in paths]
    values = [[[float(x) for x in row.values()] for row in table] for table in rows]
    assert len(values[0]) == 3
    np.testing.assert_allclose(*values, atol=1e-4)


@pytest.mark.slow  # starts a process
@several
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_two_hundred_steps_in_16_bits_on_two_devices_stay_finite(tmp_path, precision):
    done = ask(
        tmp_path,
        *("--devices=2", "--batch_size=64", "--epochs=8", f"--precision={precision}"),
        *("--set=penalty=r1", "--set=ema_half_life=1000"),
    )
    assert done.returncode == 0, done.stderr
    meta, arrays = checkpoints.newest(tmp_path / "runs" / "vanilla-digits" / "checkpoints")
    assert meta["step"] == 200
    assert all(np.isfinite(array).all() for array in arrays.values() if array.dtype.kind == "f")


def test_tensorflow_takes_of_a_gpu_only_what_it_needs(monkeypatch):
    tf = pytest.importorskip("tensorflow")
    if keras.config.backend() != "tensorflow":
        pytest.skip("of TensorFlow")
    module = importlib.import_module("zoo.backend.tensorflow")
    growing = []

    def grow(gpu, wanted):
        growing.append((gpu, wanted))
        if gpu == "first":
            raise RuntimeError("Physical devices cannot be modified after being initialized")

    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", grow)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tf.config, "list_physical_devices", lambda kind: ["first", "second"])
        module._let_memory_grow()
    assert growing == [("first", True), ("second", True)]


def test_the_gpu_of_an_apple_is_named(monkeypatch):
    if keras.config.backend() != "torch":
        pytest.skip("of PyTorch")
    import torch

    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert backend.devices() == ["Apple GPU"]
