"""Several workers on this machine, one process each, give the same run as a single process."""

import json
import os
import re
import runpy
import signal
import subprocess
import sys
import threading
import time

import keras
import numpy as np
import pytest
import running

from zoo import backend
from zoo.backend import cluster
from zoo.errors import UsageError
from zoo.runs import assembly, checkpoints, config
from zoo.runs.csv_files import read_csv
from zoo.training import train
from zoo.training.session import Clock, Session

pytestmark = [
    pytest.mark.backend,
    pytest.mark.faults,
    pytest.mark.skipif(keras.config.backend() == "torch", reason="PyTorch trains on one device"),
]

CLUSTER = running.ROOT / "examples" / "cluster"
PAIR = runpy.run_path(str(CLUSTER / "two_workers.py"))

ONLY = {
    name: pytest.mark.skipif(keras.config.backend() != name, reason=f"how {name} finds workers")
    for name in ("tensorflow", "jax")
}

# 4 steps an epoch. No kinks, where the last bit of a sum would decide between two slopes.
SETTINGS = {"hidden": 8, "batch_size": 200, "epochs": 10, "optimizer": "sgd", "n_critic": 2}
SETTINGS |= {"learning_rate": 0.01, "slope": 1.0, "score_every": None}
STEPS = 40


def flags(folder, **changes):
    settings = [f"--set={name}={value}" for name, value in (SETTINGS | changes).items()]
    return ["--model=vanilla", "--dataset=digits", *settings, f"--runs_dir={folder}"]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The folder of the run `straight`, which one process trained without interruption."""
    folder = tmp_path_factory.mktemp("alone")
    resolved = config.resolve("vanilla", "digits", overrides=SETTINGS)
    train.start(resolved, source=assembly.Source(), runs_dir=folder, name="straight")
    return folder


@pytest.fixture
def pair():
    """Returns a function that starts two workers with these flags of train.py.

    All of them end with the test.
    """
    workers = []

    def start(arguments):
        addresses = [f"127.0.0.1:{port}" for port in PAIR["free_ports"](2)]
        begun = [PAIR["start"](arguments, addresses, index) for index in range(2)]
        workers.extend(begun)
        return begun

    yield start
    for worker in workers:
        worker.kill()
        worker.communicate()


def wait_for(ready, workers):
    until = time.monotonic() + 300
    while not ready():
        ended = [worker.poll() for worker in workers]
        assert ended == [None, None], [worker.communicate() for worker in workers]
        assert time.monotonic() < until, "the run did not get there in time"
        time.sleep(0.01)


def last_step(run):
    return max(map(checkpoints.step_of, checkpoints.listing(run / "checkpoints")), default=0)


def assert_same_run(run, other):
    meta, arrays = checkpoints.newest(run / "checkpoints")
    expected_meta, expected = checkpoints.newest(other / "checkpoints")
    assert meta["step"] == expected_meta["step"] == STEPS
    assert arrays.keys() == expected.keys()
    begun = checkpoints.read(other / "checkpoints" / "step-0000000.npz")[1]
    moved = [n for n in arrays if np.abs(1.0 * expected[n] - begun[n]).max() > 1e-3]
    assert len(moved) > len(arrays) / 2, "weights that stay where they are prove nothing"
    for name, value in expected.items():
        # Metrics hold sums over an epoch, so they may differ more.
        atol = 5e-6 if name.startswith("metrics/") else 1e-6
        np.testing.assert_allclose(arrays[name], value, rtol=0, atol=atol, err_msg=name)


@pytest.mark.slow  # starts two workers
def test_the_example_trains_as_one_process_would_and_one_worker_writes(alone, tmp_path):
    done = subprocess.run(
        [sys.executable, CLUSTER / "two_workers.py", *flags("runs"), "--name=two"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,  # a chief that computes alone on shared values would wait for ever
    )
    assert done.returncode == 0, done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["runs"]
    assert [p.name for p in (tmp_path / "runs").iterdir()] == ["two"]
    run = tmp_path / "runs" / "two"
    assert {p.name for p in run.iterdir()} == {p.name for p in (alone / "straight").iterdir()}
    assert len(list((run / "events").iterdir())) == 1
    environment = json.loads((run / "environment.json").read_text())
    assert (environment["workers"], environment["replicas"]) == (2, 2)
    assert_same_run(run, alone / "straight")
    rows = [read_csv(path / "metrics.csv") for path in (run, alone / "straight")]
    values = [[[float(x) for x in row.values()] for row in table] for table in rows]
    assert len(values[0]) == SETTINGS["epochs"]
    np.testing.assert_allclose(*values, atol=5e-6)
    lines = (done.stdout + done.stderr).splitlines()
    assert "[worker 0] generator  runs/two/generator.keras" in lines
    assert all(line.startswith("[worker 0] ") for line in lines), "the others have nothing to say"


@pytest.mark.slow  # starts two workers
def test_a_signal_to_one_stops_both_and_any_number_of_workers_goes_on(alone, pair, tmp_path):
    resolved = config.resolve("vanilla", "digits", overrides=SETTINGS | {"max_minutes": 1e-9})
    begun = train.start(resolved, source=assembly.Source(), runs_dir=tmp_path, name="run")
    run = begun.directory
    assert begun.step == 1
    # A checkpoint and a picture after each step make it last long enough to be stopped.
    slow = {"checkpoint_minutes": 0, "sample_every": 1, "max_minutes": "none"}
    workers = pair([f"--resume={run}", *(f"--set={n}={v}" for n, v in slow.items())])
    wait_for(lambda: last_step(run) >= 3, workers)
    workers[1].send_signal(signal.SIGTERM)
    outputs = [worker.communicate(timeout=120) for worker in workers]
    assert [worker.returncode for worker in workers] == [128 + signal.SIGTERM] * 2, outputs
    (out, _), other = outputs
    saved = last_step(run)
    assert 3 <= saved < STEPS and f"stopped at step {saved}: interrupted" in out
    assert other == ("", "")
    session = train.resume(run, source=assembly.Source(), changes={"sample_every": 250})
    assert (session.first_step, session.step) == (saved, STEPS)
    assert_same_run(run, alone / "straight")


@pytest.mark.slow  # starts two workers, waits for one to miss the other, and starts two again
@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_worker_ends_the_other_and_the_run_goes_on(pair, tmp_path, victim):
    run = tmp_path / "run"
    workers = pair([*flags(tmp_path, epochs=10_000, checkpoint_minutes=0), "--name=run"])
    wait_for(lambda: last_step(run) >= 3, workers)
    workers[victim].kill()
    killed, other = time.monotonic(), workers[1 - victim]
    _, err = other.communicate(timeout=120)
    assert time.monotonic() - killed < 60
    assert other.returncode == 2, err
    lines = [line for line in err.splitlines() if not line.startswith("epoch ")]
    (line,) = [line for line in lines if line.startswith("error: ")]
    assert "Another worker has ended" in line and "--resume" in line
    # JAX also reports the loss of the first worker, before or after: its own thread, in C++, which
    # cannot be turned off.
    assert lines == [line] or (keras.config.backend() == "jax" and victim == 0), err
    saved = last_step(run)
    epochs = saved // 4 + 2
    workers = pair([f"--resume={run}", f"--epochs={epochs}", "--set=checkpoint_minutes=2"])
    outputs = [worker.communicate(timeout=300) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], outputs
    assert f"at step {saved} of {4 * epochs}" in outputs[0][0]
    assert last_step(run) == 4 * epochs


@pytest.mark.parametrize(
    ("chosen", "attribute", "value", "expected"),
    [
        (1, "signal", signal.SIGTERM, ["interrupted"] * 2),
        (0, "stop_request", "enough", ["enough", "the first worker says why"]),
    ],
)
def test_workers_that_look_at_different_moments_stop_at_the_same_step(
    chosen, attribute, value, expected
):
    """Runs a slow and a fast clock in two threads and gives one of them a reason to stop."""
    barrier, rows = threading.Barrier(2, timeout=30), [None, None]

    def gather(index, values):
        barrier.wait()
        rows[index] = list(values)
        barrier.wait()
        return list(rows)

    def layout(index):
        return backend.Layout(workers=2, index=index, gather=lambda values: gather(index, values))

    settings = {"max_minutes": None, "max_cpu_seconds": None, "epochs": 1}
    sessions = [Session(None, settings, 10**6, layout=layout(i)) for i in range(2)]
    models = [type("Model", (), {"stop_training": False})() for _ in sessions]

    def work(session, model, pause):
        clock = Clock(session)
        clock.set_model(model)
        while not model.stop_training and session.step < 20_000:
            time.sleep(pause)
            clock.on_train_batch_end(0)
            if session is sessions[chosen] and session.step == 321:
                setattr(session, attribute, value)

    parts = zip(sessions, models, (1e-3, 2e-4), strict=True)
    threads = [threading.Thread(target=work, args=part) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sessions[0].step == sessions[1].step
    assert 321 < sessions[0].step < 20_000
    assert [session.stop for session in sessions] == expected
    stop_signal = value if attribute == "signal" else None
    assert [session.signal for session in sessions] == [stop_signal] * 2


@pytest.mark.slow  # waits for a worker that does not come
@pytest.mark.parametrize("index", [0, 1])
def test_a_worker_that_never_starts_is_not_waited_for_for_ever(index):
    first, second = (f"127.0.0.1:{port}" for port in PAIR["free_ports"](2))
    task = {"type": "worker", "index": index}
    cluster = json.dumps({"cluster": {"worker": [first, second]}, "task": task})
    say = "from zoo import backend; from zoo.backend import cluster; cluster.PATIENCE = 3; "
    done = subprocess.run(
        [sys.executable, "-c", say + "backend.distribute('multiworker', None)"],
        cwd=running.ROOT,
        env=os.environ | {"TF_CONFIG": cluster},
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
    )
    # While TensorFlow waits it can only be killed.
    code = {"jax": 2, "tensorflow": -signal.SIGKILL}[keras.config.backend()]
    assert done.returncode == code, done.stderr
    line = done.stderr.splitlines()[-1]
    assert line.startswith("error: The other workers did not connect within")


def test_workers_that_differ_are_refused():
    def layout(*rows):
        return backend.Layout(workers=2, gather=lambda values: [list(values), *rows])

    same = []
    train.check_workers(
        backend.Layout(workers=2, gather=lambda values: [same.append(values) or values] * 2), {}
    )
    digest, step = same[0]
    with pytest.raises(UsageError, match="settings or their data differ"):
        train.check_workers(layout([digest + 1, step]), {})
    with pytest.raises(UsageError, match=r"same checkpoint .*: the steps 8, 4\."):
        train.check_workers(layout([digest, 4]), {}, ({"step": 8}, {}))


TWO = {"worker": ["a:1", "b:1"]}


@pytest.mark.parametrize(
    "text",
    [
        None,
        "{",
        "[]",
        "{}",
        json.dumps({"cluster": TWO}),
        json.dumps({"cluster": TWO, "task": {"type": "worker", "index": 2}}),
        json.dumps({"cluster": TWO, "task": {"type": "worker", "index": -1}}),
        json.dumps({"cluster": TWO | {"ps": ["c:1"]}, "task": {"type": "ps", "index": 0}}),
    ],
)
def test_a_cluster_that_is_not_described_is_refused(monkeypatch, text):
    monkeypatch.delenv("SLURM_PROCID", raising=False)
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if text is not None:
        monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UsageError, match=r"TF_CONFIG.* Received: "):
        backend.distribute("multiworker", None)


@pytest.mark.parametrize(("kind", "index", "number"), [("chief", 0, 0), ("worker", 1, 2)])
def test_a_chief_is_the_first_of_the_workers(monkeypatch, kind, index, number):
    task = {"type": kind, "index": index}
    content = {"cluster": TWO | {"chief": ["c:1"]}, "task": task}
    monkeypatch.setenv("TF_CONFIG", json.dumps(content))
    assert cluster.described() == (["c:1", "a:1", "b:1"], number)


@pytest.fixture
def slurm(monkeypatch):
    """Makes this process look like the last of three that SLURM has started on two machines."""
    monkeypatch.delenv("TF_CONFIG", raising=False)
    for name, value in {
        "PROCID": "2",
        "JOB_ID": "20007",
        "STEP_NUM_TASKS": "3",
        "STEP_NODELIST": "node[1-2]",
        "STEP_TASKS_PER_NODE": "2,1",
        "NTASKS": "3",
        "LOCALID": "0",
    }.items():
        monkeypatch.setenv(f"SLURM_{name}", value)


@ONLY["tensorflow"]
def test_slurm_names_the_workers_of_tensorflow(slurm, monkeypatch):
    from zoo.backend.tensorflow_workers import _slurm

    assert _slurm() == (["node1:10007", "node1:10008", "node2:10007"], 2)
    monkeypatch.delenv("SLURM_STEP_NODELIST")
    with pytest.raises(UsageError, match="started by srun"):
        backend.distribute("multiworker", None)


@ONLY["jax"]
def test_under_slurm_jax_takes_all_the_devices_that_a_task_was_given(slurm, monkeypatch):
    import jax

    calls = []

    def initialize(**settings):
        calls.append(settings)
        raise ValueError("no further")

    monkeypatch.setattr(jax.distributed, "initialize", initialize)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,3")
    with pytest.raises(UsageError, match=r"started by srun.* Received: no further"):
        backend.distribute("multiworker", None)
    assert calls[0]["cluster_detection_method"] == "slurm"
    assert calls[0]["local_device_ids"] == [0, 1]


@ONLY["jax"]
@pytest.mark.slow  # starts two workers
def test_workers_of_jax_find_each_other_under_slurm():
    (port,) = PAIR["free_ports"](1)
    common = {"SLURM_JOB_ID": "1", "SLURM_STEP_NODELIST": "localhost", "SLURM_NTASKS": "2"}
    common["JAX_COORDINATOR_PORT"] = str(port)
    flags = ["--strategy=multiworker", "--dry_run", "--model=gaussian", "--dataset=gaussian"]
    workers = [
        subprocess.Popen(
            [sys.executable, running.ROOT / "train.py", *flags],
            env=os.environ | common | {"SLURM_PROCID": str(i), "SLURM_LOCALID": str(i)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for i in range(2)
    ]
    outputs = [worker.communicate(timeout=300)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    assert re.search(r"^devices +2$", outputs[0], re.M)


def test_a_cluster_of_one_is_this_machine(monkeypatch):
    cluster = {"cluster": {"worker": ["localhost:1"]}, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(cluster))
    assert backend.distribute("multiworker", None).workers == 1


def test_the_scripts_for_clusters_start_this_program():
    for name in ("slurm.sbatch", "kubernetes.yaml", "two_workers.py"):
        text = (CLUSTER / name).read_text()
        assert re.search(r"\btrain\.py\b", text) and "--strategy=multiworker" in text
    subprocess.run(["bash", "-n", CLUSTER / "slurm.sbatch"], check=True)


def test_the_job_for_kubernetes_names_its_workers(tmp_path):
    yaml = pytest.importorskip("yaml")
    service, job = yaml.safe_load_all((CLUSTER / "kubernetes.yaml").read_text())
    assert (service["kind"], job["kind"]) == ("Service", "Job")
    assert service["spec"]["clusterIP"] == "None"
    pod = job["spec"]["template"]["spec"]
    assert pod["subdomain"] == service["metadata"]["name"]
    (container,) = pod["containers"]
    environment = {entry["name"]: entry["value"] for entry in container["env"]}
    assert job["spec"]["completions"] == job["spec"]["parallelism"] == int(environment["WORKERS"])
    (script,) = container["args"]
    # With a stub as Python, the script prints what it would start.
    (tmp_path / "python").write_text('#!/bin/sh\necho "$TF_CONFIG" "$@"\n')
    (tmp_path / "python").chmod(0o755)
    environment |= {"PATH": f"{tmp_path}:/usr/bin:/bin", "JOB_COMPLETION_INDEX": "1"}
    output = subprocess.run(
        [*container["command"], script], env=environment, capture_output=True, text=True, check=True
    ).stdout
    cluster, _, arguments = output.partition(" train.py ")
    assert json.loads(cluster) == {
        "cluster": {"worker": ["gan-0.gan:2222", "gan-1.gan:2222"]},
        "task": {"type": "worker", "index": 1},
    }
    assert "--strategy=multiworker" in arguments
