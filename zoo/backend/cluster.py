"""Several processes that train together: how they find each other, and errors if one is lost.

All backends share this file. Each has its own code to connect the processes.
"""

import contextlib
import json
import os
import signal
import threading

from zoo.errors import UsageError

PATIENCE = 600  # seconds that a worker waits for the others to connect


def described():
    """Returns the addresses of all workers in TF_CONFIG, and the number of this worker.

    Returns:
        `(["host:port", ...], index)`, the chief first. None if TF_CONFIG is not set and SLURM
        started this process.

    Raises:
        UsageError: neither TF_CONFIG nor SLURM's variables are set, or TF_CONFIG does not describe
            this worker.
    """
    text = os.environ.get("TF_CONFIG")
    if text is None and "SLURM_PROCID" in os.environ:
        return None
    if text is None:
        raise UsageError(
            "The workers cannot find each other. Expected TF_CONFIG in the environment, or SLURM's "
            "variables, which srun sets. examples/cluster shows how to set TF_CONFIG. Received: "
            "--strategy=multiworker without either of them."
        )
    try:
        content = json.loads(text)
        cluster, task = content["cluster"], content["task"]
        kind, index = task["type"], int(task["index"])
        cluster[kind][index]
        good = {*cluster} <= {"chief", "worker"} and index >= 0
    except (ValueError, KeyError, TypeError, IndexError):
        good = False
    if not good:
        raise UsageError(
            'TF_CONFIG does not describe this worker. Expected {"cluster": {"worker": '
            '["HOST:PORT", ...]}, "task": {"type": "worker", "index": N}}, the same on all '
            f"workers except N, which counts from 0. Received: {text}"
        )
    chief = list(cluster.get("chief", ()))
    if kind == "worker":
        index += len(chief)
    return [*chief, *cluster.get("worker", ())], index


def unreadable(error):
    """Returns the UsageError for SLURM variables that do not describe the workers."""
    return UsageError(
        "SLURM's variables do not describe the workers. Expected a process that was started by "
        f"srun. Start it as in examples/cluster/slurm.sbatch. Received: {error}"
    )


def late():
    """Returns the UsageError for workers that did not connect within `PATIENCE`."""
    return UsageError(
        f"The other workers did not connect within {PATIENCE / 60:g} minutes. Expected all workers "
        "to use the same addresses. Start them all, and open the port of the first one."
    )


def gone(received):
    """Returns the UsageError for a worker that ended or cannot be reached."""
    return UsageError(
        "Another worker has ended or cannot be reached, so this one stops too. Start all workers "
        f"again with --resume to continue from the last checkpoint. Received: {received[:300]}"
    )


@contextlib.contextmanager
def interruptible():
    """Lets Ctrl-C end the process while a library waits and Python cannot react.

    Restores the earlier handlers of SIGINT and SIGTERM afterwards, because TensorFlow takes over
    SIGTERM and then ignores it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
