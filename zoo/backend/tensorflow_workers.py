"""TensorFlow: several processes that train together. See `zoo/backend/cluster.py`."""

import contextlib
import os
import subprocess
import sys

import numpy as np
import tensorflow as tf

from zoo.backend import cluster
from zoo.backend.layout import Layout
from zoo.errors import UsageError
from zoo.progress import say


def join(devices):
    """Waits for all workers of the cluster to connect and returns the layout of this one.

    Returns None if the cluster has only one process.
    """
    addresses, index = cluster.described() or _slurm()
    workers = len(addresses)
    if workers == 1:
        return None
    gpus = tf.config.list_physical_devices("GPU")
    if devices is not None and not 1 <= devices <= max(len(gpus), 1):
        raise UsageError(
            f"This worker cannot use {devices} devices. Each worker uses its GPUs, or its CPU as "
            f"one device. Expected --devices between 1 and {max(len(gpus), 1)}, or leave the flag "
            f"out. Received: --devices={devices}."
        )
    # This comes before the strategy, which uses all devices that it can see.
    tf.config.set_visible_devices(gpus[:devices], "GPU")
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": addresses}),
        task_type="worker",
        task_id=index,
        num_accelerators={"GPU": len(gpus)},
        rpc_layer="grpc",
    )
    if index == 0:
        say(f"waiting for all {workers} workers to connect")
    with _together(), cluster.interruptible(), _patiently():
        strategy = tf.distribute.MultiWorkerMirroredStrategy(resolver)

    @contextlib.contextmanager
    def making():
        with _together(), strategy.scope():
            yield

    def gather(values):
        rows = np.zeros((workers, len(values)))
        rows[index] = values
        with _together():
            return strategy.reduce("SUM", tf.constant(rows), axis=None).numpy().tolist()

    def leave():
        gather([0])

    replicas = strategy.num_replicas_in_sync
    return Layout(replicas, making, _together, workers, index, gather, leave)


# Kills process argv[1] after argv[2] seconds, unless stdin is closed first.
_WATCH = """
import os, sys, threading
def give_up():
    print("error:", sys.argv[3], file=sys.stderr, flush=True)
    os.kill(int(sys.argv[1]), 9)
clock = threading.Timer(float(sys.argv[2]), give_up)
clock.daemon = True
clock.start()
sys.stdin.read()
"""


@contextlib.contextmanager
def _patiently():
    """Ends the process with a message if a worker is still missing after `cluster.PATIENCE`.

    A second process does this, because no Python thread can run while TensorFlow waits.
    """
    arguments = [str(x) for x in (os.getpid(), cluster.PATIENCE, cluster.late())]
    with subprocess.Popen(
        [sys.executable, "-c", _WATCH, *arguments], stdin=subprocess.PIPE, start_new_session=True
    ) as watch:
        try:
            yield
        finally:
            watch.stdin.close()


def _slurm():
    """Reads SLURM's variables and returns addresses and index, as `cluster.described` does."""
    # Several jobs may have workers on one machine, so each job uses a different port.
    port = 10_000 + int(os.environ.get("SLURM_JOB_ID", 0)) % 20_000
    try:
        # The GPU arguments are placeholders: SLURM decides which GPUs a task has.
        slurm = tf.distribute.cluster_resolver.SlurmClusterResolver(
            port_base=port, gpus_per_node=1024, gpus_per_task=1, auto_set_gpu=False
        )
        addresses = slurm.cluster_spec().as_dict()["worker"]
    except (RuntimeError, ValueError) as error:
        raise cluster.unreadable(error) from None
    return addresses, slurm.get_task_info()[1]


# Errors that TensorFlow may raise when a worker is lost.
_GONE = (
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.InternalError,
    tf.errors.UnavailableError,
    tf.errors.UnknownError,
)


@contextlib.contextmanager
def _together():
    """Turns the errors that TensorFlow raises for a lost worker into a UsageError."""
    try:
        yield
    except _GONE as error:
        lines = [line.strip() for line in str(error.message).splitlines() if line.strip()]
        # The first lines only name the operation that failed.
        messages = [line for line in lines if "aborted" in line] or lines or [type(error).__name__]
        raise cluster.gone(messages[0]) from error
