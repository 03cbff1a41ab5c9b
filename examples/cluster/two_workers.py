"""Trains with two workers on this machine, as two machines would together.

python examples/cluster/two_workers.py --model=gaussian --dataset=gaussian --epochs=1

All flags are those of train.py. Each line says which worker it comes from; Ctrl-C and SIGTERM are
passed on to both. The exit code is that of the worker that first ended with one, else 0.
"""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

WORKERS = 2
PATIENCE = 60  # seconds after which a worker is ended whose fellow has failed
TRAIN = pathlib.Path(__file__).resolve().parents[2] / "train.py"


def main(flags):
    addresses = [f"127.0.0.1:{port}" for port in free_ports(WORKERS)]
    # As at a shell, a second signal ends at once; the workers must not get the first one twice.
    running = [start(flags, addresses, index) for index in range(WORKERS)]
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: tell(running, number))
    readers = [
        threading.Thread(target=repeat, args=(stream, index, out))
        for index, worker in enumerate(running)
        for stream, out in ((worker.stdout, sys.stdout), (worker.stderr, sys.stderr))
    ]
    for reader in readers:
        reader.start()
    code = wait(running)
    for reader in readers:
        reader.join()
    return code


def free_ports(count):
    """Returns ports that nobody listens at now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def start(flags, addresses, index):
    """Starts worker number `index` of those at `addresses`."""
    task = {"type": "worker", "index": index}
    cluster = {"cluster": {"worker": addresses}, "task": task}
    return subprocess.Popen(
        [sys.executable, TRAIN, "--strategy=multiworker", *flags],
        env=os.environ | {"TF_CONFIG": json.dumps(cluster), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A terminal sends Ctrl-C to its whole group.
        start_new_session=True,
    )


def tell(running, number):
    for worker in running:
        if worker.poll() is None:
            worker.send_signal(number)


def repeat(stream, index, out):
    for line in stream:
        print(f"[worker {index}] {line}", end="", file=out, flush=True)


def wait(running):
    """Waits for all workers, of which none goes on long without the others.

    Returns:
        int, the first exit code that is not 0, or 0; 128 + N where signal N ended a worker.
    """
    first, until = 0, None
    while any(worker.poll() is None for worker in running):
        code = next((c for c in (w.returncode for w in running) if c), 0)
        if code and not first:
            first, until = code, time.monotonic() + PATIENCE
        if until and time.monotonic() > until:
            tell(running, signal.SIGKILL)
        time.sleep(0.1)
    first = first or next((w.returncode for w in running if w.returncode), 0)
    return 128 - first if first < 0 else first


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
