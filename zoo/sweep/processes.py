"""Programs in separate processes: calling, stopping, and reasons for failure."""

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys


def call(command, log, stop, lock=None):
    """Runs a command, adds its output to a file, and shows the last line on a terminal.

    Returns:
        `(exit code, output)`.
    """
    live = sys.stderr.isatty()
    with log.open("a+b") as file:
        file.write(f"$ {shlex.join(command)}\n".encode())
        file.flush()
        start = file.tell()

        def output(start):
            file.seek(start)
            return file.read().decode(errors="replace")

        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            start_new_session=True,
            # The child holds the lock as well, in case this process is killed.
            pass_fds=() if lock is None else (lock,),
        )
        stop.process = process
        if stop.requested:
            process.terminate()
        while True:
            try:
                process.wait(0.5)
                break
            except subprocess.TimeoutExpired:
                if live:
                    width = shutil.get_terminal_size().columns - 3
                    lines = output(max(start, file.seek(0, os.SEEK_END) - 1000)).split("\n")
                    line = next((text for text in reversed(lines) if text.strip()), "").strip()
                    text = f"\r  {line[:width].ljust(width)}"
                    print(text, end="", file=sys.stderr, flush=True)
        stop.process = None
        if live:
            width = shutil.get_terminal_size().columns - 1
            print(f"\r{' ' * width}\r", end="", file=sys.stderr, flush=True)
        return process.returncode, output(start)


class Stop:
    """Context in which the first signal stops the running process, and no other starts.

    The process has its own session, so it receives signals only from here. Otherwise the terminal
    would send it Ctrl-C as well, and train.py ends at once on a second signal.
    """

    def __init__(self):
        self.number = self.process = None
        self.count = 0

    @property
    def requested(self):
        return self.number is not None

    def __enter__(self):
        numbers = (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM))
        self.before = {number: signal.signal(number, self.stop) for number in numbers}
        return self

    def __exit__(self, *_):
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def stop(self, number, frame):
        self.number, self.count = number, self.count + 1
        if self.process is None:
            return
        if self.count == 1:
            print("\nstopping: the current run ends cleanly", file=sys.stderr)
        # SIGTERM, because processes that a shell starts in the background ignore SIGINT.
        self.process.terminate() if self.count < 3 else self.process.kill()


def sentence(code, output):
    """Returns why a process failed: its own sentence, or the last line of its traceback."""
    lines = [line.strip() for line in re.split(r"[\r\n]+", output) if line.strip()]
    if code < 0:
        with contextlib.suppress(ValueError):
            code = signal.Signals(-code).name
        why = ", as the system does where memory runs out" if code == "SIGKILL" else ""
        return f"It was ended by signal {code}{why}."
    for pattern in (r"error: (.*)", r"([\w.]+(?:Error|Exception)\b.*)"):
        for line in reversed(lines):
            if match := re.fullmatch(pattern, line):
                return match[1]
    return lines[-1] if lines else f"It ended with exit code {code}."
