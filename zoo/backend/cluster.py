"""Several processes that train together: how they find each other, and the errors about lost ones.

All backends share this file. Each has its own code to connect the processes.
"""

import contextlib
import json
import os
import signal
import threading

from zoo.errors import UsageError

PATIENCE = 600  # seconds within which all workers must have connected


def described():
    """Returns the addresses of all workers that TF_CONFIG names, and the number of this one.

    Returns:
        `(["host:port", ...], index)`, the chief first; None if TF_CONFIG is not set and SLURM has
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
            "Several workers find each other by TF_CONFIG, or by SLURM's variables under srun. "
            "Expected one of them in the environment; examples/cluster shows how to set them. "
            "Received: --strategy=multiworker without either."
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
            f"workers but for N, which counts from 0. Received: {text}"
        )
    chief = list(cluster.get("chief", ()))
    if kind == "worker":
        index += len(chief)
    return [*chief, *cluster.get("worker", ())], index


def unreadable(error):
    """Returns the UsageError for SLURM's variables that do not describe the workers."""
    return UsageError(
        "SLURM's variables do not describe the workers. Expected this process to have been "
        f"started by srun, as in examples/cluster/slurm.sbatch. Received: {error}"
    )


def late():
    """Returns the UsageError for workers that have not all connected within `PATIENCE`."""
    return UsageError(
        f"The other workers did not come within {PATIENCE / 60:g} minutes. Expected all of them to "
        "be started with the same addresses, and the first one's port to be open."
    )


def gone(received):
    """Returns the UsageError for a worker that has ended or cannot be reached."""
    return UsageError(
        "Another worker has ended or cannot be reached, so this one ends too. Start all of "
        f"them again, with --resume to go on from the last checkpoint. Received: {received[:300]}"
    )


@contextlib.contextmanager
def interruptible():
    """Lets Ctrl-C end the process while a library waits and Python cannot react.

    TensorFlow takes over SIGTERM but does nothing on it, so the earlier handlers of both signals
    are restored afterwards.
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
