"""JAX: several processes that train together. See `zoo/backend/cluster.py`."""

import atexit
import contextlib
import ctypes
import os
import re
import signal
import sys
import threading

import jax
import keras
import numpy as np
from jax.experimental import multihost_utils

from zoo.backend import cluster
from zoo.backend.layout import Layout
from zoo.errors import UsageError
from zoo.progress import say

HEARTBEAT = 30  # seconds without an answer after which a worker counts as lost


def join(devices):
    """Waits for all workers of the cluster to connect and returns the layout of this one.

    Returns None if the cluster has only one process.
    """
    addresses, index = cluster.described() or (None, None)
    if addresses and len(addresses) == 1:
        return None
    # JAX's service would catch SIGTERM, but that signal must save a checkpoint and end the run.
    jax.config.update("jax_enable_preemption_service", False)
    if addresses:
        arguments = {"coordinator_address": addresses[0], "num_processes": len(addresses)}
        arguments |= {"process_id": index, "cluster_detection_method": "deactivate"}
        if index == 0:
            say(f"waiting for all {len(addresses)} workers to connect")
    else:
        arguments = {"cluster_detection_method": "slurm"}
        # JAX would use one GPU for each task, even if SLURM gave the task several.
        if gpus := os.environ.get("CUDA_VISIBLE_DEVICES"):
            arguments["local_device_ids"] = list(range(len(gpus.split(","))))
    if devices:
        arguments["local_device_ids"] = list(range(devices))
    atexit.register(_end)
    _put_off_aborting()
    try:
        with cluster.interruptible(), _together(), _patiently():
            # Keras would notice a lost machine only after 100 seconds.
            jax.distributed.initialize(
                heartbeat_timeout_seconds=HEARTBEAT,
                # Longer than our own timeout, because JAX aborts at this one.
                initialization_timeout=2 * cluster.PATIENCE,
                **arguments,
            )
    except ValueError as error:
        if addresses or isinstance(error, UsageError):
            raise
        raise cluster.unreadable(error) from None
    if devices and jax.local_device_count() != devices:
        raise UsageError(
            f"This worker cannot use {devices} devices: it has {jax.local_device_count()}. "
            f"Expected --devices of at most {jax.local_device_count()}, or leave the flag out. "
            f"Received: --devices={devices}."
        )
    workers = jax.process_count()
    data_parallel = keras.distribution.DataParallel(auto_shard_dataset=False)

    @contextlib.contextmanager
    def scope():
        with _together(), data_parallel.scope():
            yield

    def gather(values):
        # Sent as bytes, because JAX would round the numbers to 32 bits.
        sent = np.asarray(values, "float64").view("uint8")
        with _together():
            received = np.asarray(multihost_utils.process_allgather(sent))
        return received.reshape(workers, -1).view("float64").tolist()

    def leave():
        gather([0])
        jax.distributed.shutdown()

    with _silent():
        gather([0])
    return Layout(jax.device_count(), scope, scope, workers, jax.process_index(), gather, leave)


@contextlib.contextmanager
def _together():
    """Turns the errors that JAX raises for a lost worker into a UsageError."""
    try:
        yield
    except (ValueError, jax.errors.JaxRuntimeError) as error:
        message = str(error).strip().splitlines() or [""]
        if not re.search("Gloo|NCCL|DEADLINE_EXCEEDED|UNAVAILABLE|CANCELLED|ABORTED", message[0]):
            raise
        raise cluster.gone(message[0]) from error


@contextlib.contextmanager
def _patiently():
    """Ends the process with a message if a worker is still missing after `cluster.PATIENCE`."""
    clock = threading.Timer(cluster.PATIENCE, _give_up)
    clock.daemon = True
    clock.start()
    try:
        yield
    finally:
        clock.cancel()


def _give_up():
    print(f"error: {cluster.late()}", file=sys.stderr, flush=True)
    os._exit(2)


def _put_off_aborting():
    """Gives a step that fails because of a lost worker the time to report it.

    JAX aborts the process from a separate thread as soon as it loses the first worker. This makes
    C's `sleep` the handler of that signal. Then only that thread sleeps. It sleeps for 6 seconds,
    because the handler's argument is the number of the signal, 6.
    """
    if os.name == "posix":
        c = ctypes.CDLL(None)
        c.signal(int(signal.SIGABRT), c.sleep)


def _end():
    """Ends a process that failed. JAX would wait for the other workers, which wait for this one."""
    if jax.distributed.is_initialized():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(2)


@contextlib.contextmanager
def _silent():
    """Hides what C++ prints to stdout about connections between workers."""
    sys.stdout.flush()
    kept = os.dup(1)
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(devnull)
