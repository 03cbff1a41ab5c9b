"""A Python whose processes start as copies of one that has imported Keras, which takes seconds.

`interpreter` writes a command that behaves like Python. Tests have it as `sys.executable`, so what
they start, and what that starts, is quick. Where a process could tell, the command is Python
itself: with options other than -c and -m, or if a variable that a library reads while it is
imported has another value than in the tests. Some things differ all the same: copies have imported
`PRELOADED`, hash strings alike and are children of a server. A test to which that, memory or limits
matter starts `PYTHON`.

A server for each backend imports Keras and forks. Its child watches the copy: it passes signals on,
and ends the copy if the command is killed. The servers end with the tests.
"""

import contextlib
import fcntl
import gc
import json
import os
import select
import shlex
import signal
import socket
import struct
import sys

# Python itself, whatever `sys.executable` is.
PYTHON = os.environ.setdefault("ZOO_TEST_PYTHON", sys.executable)
BACKENDS = ("tensorflow", "jax", "torch")
# What most programs import. None of these starts a thread of Python, which a copy would miss.
PRELOADED = ("keras", "numpy", "PIL.Image", "absl.app")
# Python or a library reads variables that start so when it starts.
READ_EARLY = ("HOME", "KERAS_", "LANG", "LC_", "MKL_", "OMP_", "OPENBLAS_", "PYTHON", "XDG_")
READ_EARLY_BY = {"tensorflow": ("TF_",), "jax": ("JAX_",), "torch": ("TORCH_",)}
# But not these, or a copy sees to them.
READ_LATE = ("JAX_PLATFORMS", "KERAS_BACKEND", "PYTHONPATH", "PYTHONUNBUFFERED", "TF_CONFIG")
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def keep_protocols():
    """Python 3.11 looks for the members of a protocol at each `isinstance`; later ones keep them.

    TensorFlow asks several times for each operation, a twentieth of the time of a test.
    """
    import functools
    import typing

    if sys.version_info < (3, 12):
        typing._get_protocol_attrs = functools.cache(typing._get_protocol_attrs)


def interpreter(folder, owner):
    """Writes the command to `folder`, where its servers will be, and returns its path.

    The servers have the environment of this call.

    Args:
        folder: an existing folder; its path must be short, as that of a socket.
        owner: the id of the process with which the servers end.
    """
    path = os.path.join(folder, "python")
    written = f"{path}-{os.getpid()}"
    code = f"import sys; sys.path.insert(0, {os.path.dirname(__file__)!r}); "
    code += f"import warm; warm.start({os.fspath(folder)!r}, {owner})"
    with open(written, "w") as file:
        # Not a #! line of Python's, which a space in its path would end.
        file.write(f'#!/bin/sh\nexec {shlex.quote(PYTHON)} -IS -c {shlex.quote(code)} "$@"\n')
    os.chmod(written, 0o755)
    os.replace(written, path)
    with open(written, "w") as file:
        json.dump(dict(os.environ), file)
    os.replace(written, os.path.join(folder, "environment.json"))
    return path


def start(folder, owner):
    """The command: a copy takes its arguments, or Python does."""
    backend = _backend(sys.argv[1:])
    if backend is None or not (connection := _connect(folder, backend, owner)):
        os.execv(PYTHON, [PYTHON, *sys.argv[1:]])
    request = {
        "arguments": sys.argv[1:],
        "folder": os.getcwd(),
        "environment": dict(os.environ),
        "mask": os.umask(0),
        "executable": os.path.join(folder, "python"),
    }
    for number in SIGNALS:
        signal.signal(number, lambda number, _: connection.send(bytes([number])))
    socket.send_fds(connection, [b"-"], [0, 1, 2])
    text = json.dumps(request).encode("utf-8", "surrogateescape")
    connection.sendall(struct.pack("Q", len(text)) + text)
    code = struct.unpack("i", _read(connection, 4))[0]
    if code < 0:
        with contextlib.suppress(OSError):  # SIGKILL has no handler
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def _backend(arguments):
    """The backend of whose server a copy could take the arguments, or None."""
    option, text, *_ = [*arguments, "", ""]
    if option == "-c":
        # Processes of `multiprocessing` share more than three files with the one that starts them.
        possible = "multiprocessing" not in text
    elif option == "-m":
        possible = text.startswith(("zoo", "benchmarks", "ipykernel"))
    else:
        possible = option.endswith(".py")
    if not possible:
        return None
    chosen = [a.partition("=")[2] for a in arguments if a.startswith("--backend=")]
    backend = (chosen or [os.environ.get("KERAS_BACKEND")])[-1]
    return backend if backend in BACKENDS else None


def _early(environment, backend):
    starts = READ_EARLY + READ_EARLY_BY[backend]
    names = [name for name in environment if name.startswith(starts) and name not in READ_LATE]
    return {name: environment[name] for name in names}


def _connect(folder, backend, owner):
    """Returns a connection to a server, started if need be, or None if its environment differs."""
    with open(os.path.join(folder, "environment.json")) as file:
        environment = json.load(file)
    if _early(environment, backend) != _early(os.environ, backend):
        return None
    path = os.path.join(folder, backend)
    with open(f"{path}.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not os.path.exists(path):
            _serve_apart(path, backend, owner, environment)
    connection = socket.socket(socket.AF_UNIX)
    with contextlib.suppress(OSError):  # Keras cannot be imported: Python will say so
        connection.connect(path)
        return connection


def _serve_apart(path, backend, owner, environment):
    import subprocess

    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    code = f"import warm; warm.serve({listener.fileno()}, {owner})()"
    subprocess.Popen(
        [PYTHON, "-c", code],
        cwd=os.path.dirname(__file__),
        env=environment | {"KERAS_BACKEND": backend, "PYTHONPATH": os.path.dirname(__file__)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=[listener.fileno()],
        start_new_session=True,
    )


def serve(descriptor, owner):
    """Serves until the owner has ended. Returns, in each copy, a function that runs its program."""
    import importlib

    for name in PRELOADED:
        importlib.import_module(name)
    keep_protocols()
    listener = socket.socket(fileno=descriptor)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.collect()
    gc.freeze()
    while os.path.exists(f"/proc/{owner}"):
        if not select.select([listener], [], [], 1)[0]:
            continue
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            return _copy(connection)
        connection.close()
    os._exit(0)


def _copy(connection):
    """Forks once more. Returns a function in the copy; the other process watches it and exits."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, descriptors, _, _ = socket.recv_fds(connection, 1, 3)
    (length,) = struct.unpack("Q", _read(connection, 8))
    request = json.loads(_read(connection, length).decode("utf-8", "surrogateescape"))
    process = os.fork()
    if process == 0:
        connection.close()
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number)
            os.close(descriptor)
        return lambda: _run(**request)
    for descriptor in descriptors:
        os.close(descriptor)
    ended = os.pidfd_open(process)
    while ended not in (ready := select.select([ended, connection], [], [])[0]):
        number = connection.recv(1)
        os.kill(process, number[0] if number else signal.SIGKILL)
        if not number:
            break
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    if ended in ready:
        connection.send(struct.pack("i", code))
    os._exit(0)


def _run(arguments, folder, environment, mask, executable):
    """Runs a program as Python would, in this process."""
    import importlib
    import random
    import runpy
    import types

    import numpy as np

    backend = os.environ["KERAS_BACKEND"]
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    os.umask(mask)
    os.environ.__class__ = _environment(backend, [PYTHON, *arguments], environment)
    random.seed()
    np.random.seed()
    sys.executable = executable
    sys.orig_argv = [executable, *arguments]
    paths = [os.path.abspath(p) for p in environment.get("PYTHONPATH", "").split(os.pathsep) if p]
    here = os.path.dirname(__file__)
    sys.path[:] = paths + [p for p in sys.path if p not in ("", here)]
    # The streams remember that the files of the server can be sought.
    sys.stdin = sys.__stdin__ = os.fdopen(0, closefd=False)
    sys.stdout = sys.__stdout__ = os.fdopen(1, "w", 1 if os.isatty(1) else -1, closefd=False)
    if environment.get("PYTHONUNBUFFERED"):
        sys.stdout.reconfigure(write_through=True)
    sys.stderr = sys.__stderr__ = os.fdopen(2, "w", 1, errors="backslashreplace", closefd=False)
    if backend == "jax" and "JAX_PLATFORMS" in environment:
        sys.modules["jax"].config.update("jax_platforms", environment["JAX_PLATFORMS"])
    if any(os.path.exists(os.path.join(path, "sitecustomize.py")) for path in paths):
        sys.modules.pop("sitecustomize", None)
        importlib.import_module("sitecustomize")
    option, *rest = arguments
    sys.path.insert(0, os.path.dirname(os.path.abspath(option)))
    if option == "-m":
        sys.path[0] = folder
        sys.argv = ["-m", *rest[1:]]
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
        return
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    if option == "-c":
        sys.path[0] = ""
        sys.argv = ["-c", *rest[1:]]
        code = compile(rest[0], "<string>", "exec")
    else:
        sys.argv = arguments
        main.__file__ = option
        with open(option, "rb") as file:
            code = compile(file.read(), option, "exec")
    exec(code, main.__dict__)


def _environment(backend, command, started_with):
    """Returns a class for `os.environ`: a program that chooses another backend starts anew."""

    class Environment(type(os.environ)):
        def __setitem__(self, name, value):
            if name == "KERAS_BACKEND" and value != backend:
                for stream in (sys.stdout, sys.stderr):
                    stream.flush()
                os.chdir(folder)
                os.execve(PYTHON, command, started_with)
            super().__setitem__(name, value)

    folder = os.getcwd()
    return Environment


def _read(connection, count):
    data = bytearray()
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise EOFError(f"{count - len(data)} bytes are missing")
        data += part
    return bytes(data)
