"""The same step on one, two and four devices, and on two workers: same global batch, same noise."""

import json
import runpy
import subprocess
import sys

import helpers
import keras
import numpy as np
import pytest
import replicas

pytestmark = [
    pytest.mark.backend,
    pytest.mark.slow,  # plays every case in a process for each number of devices
    pytest.mark.skipif(keras.config.backend() == "torch", reason="PyTorch trains on one device"),
]

# Every case on one and on two devices. Four tell no more but where a batch is cut into pieces.
# No name means all.
ON_FOUR = [] if helpers.ALL_FAULTS else ["compiled", "minibatch_std", "packing", *helpers.SHAPES]
# JAX divides one program among the devices, so losses and optimizers cannot tell how many there
# are. What draws, counts, compares samples or splits them could, most with four.
ON_JAX = [
    *("accumulate", "adaptive", "augment", "compiled", "instance_noise", "loss_scale"),
    *("minibatch_std", "n_critic", "normalised", "packing", "projected", "spectral", "warm_start"),
    *helpers.SHAPES,
]
EACH = [] if helpers.ALL_FAULTS or keras.config.backend() != "jax" else ON_JAX
# JAX fuses these as for users: as in other tests, it rounds them otherwise on several devices.
AS_FOR_USERS = ["cyclegan"] if EACH else []
ON_DEVICES = {1: EACH, 2: EACH, 4: ON_FOUR}
if keras.config.backend() == "jax" and not helpers.ALL_FAULTS:
    ON_DEVICES = {1: EACH, 4: EACH}
assert {*ON_FOUR, *ON_JAX} <= set(replicas.cases())
# With batch normalisation second derivatives are sums of large terms that nearly cancel, of which
# the weights here move by 0.5.
WIDER = {"normalised": 2e-6}


# Two workers are slower than two devices.
ON_WORKERS = list(replicas.cases()) if helpers.ALL_FAULTS else ["loss_scale", "n_critic"]
PAIR = runpy.run_path(str(helpers.ROOT / "examples" / "cluster" / "two_workers.py"))


def start(count, out, *cases, cluster=None, as_for_users=helpers.ALL_FAULTS):
    return subprocess.Popen(
        [sys.executable, helpers.ROOT / "tests" / "replicas.py", "steps", str(count), out, *cases],
        env=helpers.environment(keras.config.backend())
        | ({"XLA_FLAGS": ""} if as_for_users else {})
        | ({"TF_CONFIG": json.dumps(cluster)} if cluster else {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(processes):
    outputs = [process.communicate()[0] for process in processes]
    for process, text in zip(processes, outputs, strict=True):
        assert process.returncode == 0, text


def assert_same(alone, several, case):
    alone = {key: value for key, value in alone.items() if key.split("|")[0] == case}
    moved = [key for key, value in alone.items() if np.abs(value).max() > 1e-6]
    assert len(moved) > len(alone) / 2, "weights that stay where they are prove nothing"
    for key, value in alone.items():
        # Losses are of the order of 1 or 10, an autoencoder's of 50, and summed in another order.
        losses = key.endswith("|losses")
        rtol, atol = (5e-7, 5e-6) if losses else (0, WIDER.get(case, 1e-6))
        np.testing.assert_allclose(several[key], value, rtol=rtol, atol=atol, err_msg=key)


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    folder = tmp_path_factory.mktemp("played")
    running = []
    for n, cases in ON_DEVICES.items():
        others = [case for case in cases if case not in AS_FOR_USERS]
        running.append(start(n, folder / f"{n}.npz", *others))
        if AS_FOR_USERS:
            path = folder / f"{n}-as_for_users.npz"
            running.append(start(n, path, *AS_FOR_USERS, as_for_users=True))
    finish(running)
    files = {n: folder.glob(f"{n}*.npz") for n in ON_DEVICES}
    return {n: {k: v for f in files[n] for k, v in np.load(f).items()} for n in ON_DEVICES}


@pytest.mark.faults
@pytest.mark.parametrize("case", EACH or replicas.cases())
def test_the_step_is_the_same_on_any_number_of_devices(played, case):
    for number, cases in ON_DEVICES.items():
        if number > 1 and case in (cases or [case]):
            assert_same(played[1], played[number], case)


@pytest.mark.faults
def test_the_step_is_the_same_on_two_workers(tmp_path):
    addresses = [f"127.0.0.1:{port}" for port in PAIR["free_ports"](2)]
    cluster = {"cluster": {"worker": addresses}}
    tasks = [cluster | {"task": {"type": "worker", "index": index}} for index in range(2)]
    one, two = tmp_path / "1.npz", tmp_path / "2.npz"
    workers = [start(2, two, *ON_WORKERS, cluster=task) for task in tasks]
    finish([start(1, one, *ON_WORKERS), *workers])
    alone, both = np.load(one), np.load(two)
    for case in ON_WORKERS:
        assert_same(alone, both, case)
