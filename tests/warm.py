"""Runs programs in new processes that need not import TensorFlow, which takes seconds.

A server imports once what every program imports. Each program then starts as a copy of it.
"""

import atexit
import multiprocessing
import os
import pathlib
import runpy
import subprocess
import sys
import tempfile

# What a program imports in any case. None of these starts a thread, so that copies are sound.
PRELOADED = ["keras", "numpy", "PIL.Image", "absl.app"]


def run(arguments, *, cwd, timeout):
    """Returns what `subprocess.run` would of `python *arguments`: exit code, stdout and stderr.

    Args:
        arguments: a program's path and its flags, without --backend.
        cwd: the working directory.
        timeout: seconds. A program that takes longer is ended, and the test fails.
    """
    given = [f for f in map(str, arguments) if f.startswith("--backend")]
    assert not given, f"a copy has the backend of the tests, whatever {given} says"
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    arguments = [str(argument) for argument in arguments]
    with tempfile.TemporaryDirectory() as folder:
        outputs = [pathlib.Path(folder, name) for name in ("out", "err")]
        process = context.Process(target=_main, args=(arguments, str(cwd), *map(str, outputs)))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(arguments, timeout)
        texts = [path.read_text() for path in outputs]
    return subprocess.CompletedProcess(arguments, process.exitcode, *texts)


def _main(arguments, cwd, *outputs):
    for number, path in enumerate(outputs, 1):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(cwd)
    program = os.path.abspath(arguments[0])
    sys.argv = [program, *arguments[1:]]
    sys.path[0] = os.path.dirname(program)
    try:
        runpy.run_path(program, run_name="__main__")
    finally:
        # A copy would leave them to the server.
        atexit._run_exitfuncs()
