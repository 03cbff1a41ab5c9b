"""Too little memory, and memory that must not grow."""

import functools
import os
import pathlib
import subprocess

import keras
import pytest
import running
import warm
from helpers import ALL_FAULTS, environment, picture_folder
from keras import ops

import zoo
from zoo import backend, machine
from zoo.errors import UsageError
from zoo.training import memory
from zoo.training.session import Clock

STEPS = 5000 if ALL_FAULTS else 1000
LEVEL = f"""
import keras
import numpy as np
import zoo

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 2**20

class Watch(keras.callbacks.Callback):
    step, marks = 0, []

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        if self.step % ({STEPS} // 10) == 0:
            self.marks.append(resident())

gan = zoo.create("gaussian")
gan.compile()
x = np.random.default_rng(0).normal(4, 1.25, (64 * {STEPS} // 10, 1)).astype("float32")
gan.fit(x, batch_size=64, epochs=10, verbose=0, callbacks=[Watch()])
print(*Watch.marks)
"""


# Takes thousands of steps.
@pytest.mark.slow
@pytest.mark.backend
@pytest.mark.skipif(
    not pathlib.Path("/proc/self/statm").exists(), reason="Linux counts pages there"
)
def test_thousands_of_steps_take_no_more_memory_than_the_first():
    done = subprocess.run(
        [warm.PYTHON, "-c", LEVEL],
        cwd=running.ROOT,
        env=environment(keras.config.backend(), quick=False),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    marks = [float(word) for word in done.stdout.splitlines()[-1].split()]
    # The first fifth is warm-up: caches and arenas fill.
    assert max(marks[2:]) < 1.05 * marks[1], marks


# Prints, for each folder, the anonymous memory after all of its pictures were prepared, split and
# drawn, and their size, in MiB.
PICTURES = """
import re, sys
from zoo.data.batches import batches
from zoo.metrics.splits import splits

kept = []
for name in sys.argv[1:]:
    parts = splits(name, image_size=128)
    kept.append((parts, parts.train, parts.held_out))
    drawn = batches(parts.loaded, 50)
    for _ in range(parts.loaded.count // 50):
        next(drawn)
    with open("/proc/self/status") as file:
        anonymous = int(re.search(r"RssAnon:\\s+(\\d+)", file.read())[1]) / 2**10
    print(anonymous, parts.loaded.nbytes / 2**20, parts.loaded.bytes_in_memory)
"""


@pytest.mark.skipif(
    not pathlib.Path("/proc/self/status").exists(), reason="Linux counts memory there"
)
@pytest.mark.slow  # reads thousands of pictures
def test_pictures_take_no_memory_however_many_there_are(tmp_path):
    # As many at first as fill every buffer.
    counts = (2304, 9216)
    names = [picture_folder(tmp_path / str(count), 50) for count in counts]
    for name, count in zip(names, counts, strict=True):
        folder = pathlib.Path(name.removeprefix("folder:"))
        for i in range(50, count):
            os.link(folder / f"{i % 50:03}.png", folder / f"more{i}.png")
    done = subprocess.run(
        [warm.PYTHON, "-c", PICTURES, *names],
        cwd=running.ROOT,
        env=environment(keras.config.backend()) | {"ZOO_CACHE_DIR": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    few, many = ([float(word) for word in line.split()] for line in done.stdout.splitlines())
    assert few[1] == 108 and many[1] == 432
    assert few[2] == many[2] == 0
    # Names and times of the files take some. A copy of a fifth of the pictures would take 65 MiB.
    assert many[0] - few[0] < 30, (few, many)


@functools.cache
def too_little():
    """Returns what the backend raises without memory; TensorFlow tries again for ten seconds."""
    with pytest.raises(Exception) as caught:
        ops.zeros((10**13,))
    return caught.value


@pytest.mark.backend
def test_what_each_library_raises_without_memory_is_known():
    assert backend.out_of_memory(too_little())
    assert backend.out_of_memory(MemoryError())
    assert not backend.out_of_memory(ValueError("RESOURCE_EXHAUSTED"))


@pytest.fixture
def exhausted(monkeypatch):
    """Returns a function that starts a run which runs out of memory in its third step."""

    def no_memory(self, batch, logs=None):
        if self.session.step == 2:
            raise too_little()

    monkeypatch.setattr(Clock, "on_train_batch_begin", no_memory)
    return lambda folder, **changes: running.start(folder, "one", epochs=1, **changes)


def test_memory_that_ends_under_way_is_a_sentence_with_the_batch_that_fits(tmp_path, exhausted):
    with pytest.raises(UsageError, match="The memory was not enough at step 3") as caught:
        exhausted(tmp_path, batch_size=100)
    message = str(caught.value)
    assert "\n" not in message and "for the step" in message
    assert "--batch_size=50 or smaller, or --set accumulate=2" in message
    assert f"--continue_from={tmp_path / 'one'}" in message and "batch_size=100" in message
    assert (tmp_path / "one" / "generator.keras").exists()


def test_networks_that_memory_does_not_hold_are_a_sentence(monkeypatch):
    def create(*_, **__):
        raise MemoryError("Unable to allocate 1.00 PiB")

    monkeypatch.setattr(zoo, "create", create)
    with pytest.raises(UsageError, match=r"not enough for the weights.* Received: .*PiB"):
        running.build()


def test_the_largest_batch_fits_into_the_machine_by_the_estimate(monkeypatch):
    gan, config = running.build(batch_size=96, accumulate=3, packing=2)
    monkeypatch.setattr(memory, "computes_on_cpu", lambda: True)
    needed = memory.estimate(gan, config)
    for share, data in ((1.0, 0), (0.5, 0), (0.5, 10**6)):
        available = int(needed * share)
        monkeypatch.setattr(machine, "memory", lambda there=available + data: (there, None))
        batch_size = memory.largest_batch(gan, config, data)
        assert batch_size % 6 == 0 and batch_size <= 48
        assert (
            batch_size == 0
            or memory.estimate(gan, {**config, "batch_size": batch_size}) <= available
        )
    monkeypatch.setattr(machine, "memory", lambda: (1, None))
    assert memory.largest_batch(gan, config, 0) == 0
    monkeypatch.setattr(memory, "computes_on_cpu", lambda: False)
    monkeypatch.setattr(machine, "gpu_memory", lambda: needed // 2)
    assert 0 < memory.largest_batch(gan, config, 10**9) < 48
    # If the memory of the GPU is unknown, the answer is half of what did not fit.
    monkeypatch.setattr(machine, "gpu_memory", lambda: None)
    assert memory.largest_batch(gan, config, 0) == 48


def test_pictures_and_a_checkpoint_are_made_before_the_first_step(tmp_path, monkeypatch):
    # Anything else that needs memory must fail in the first minute or not at all.
    made = []
    begin = Clock.on_train_batch_begin

    def look(self, batch, logs=None):
        if self.session.step == 0:
            made.extend(sorted(os.listdir(self.session.directory / "checkpoints")))
            made.extend(sorted(os.listdir(self.session.directory / "samples")))
        begin(self, batch, logs)

    monkeypatch.setattr(Clock, "on_train_batch_begin", look)
    running.start(tmp_path, "one", epochs=1)
    assert made == ["step-0000000.npz", "step-0000000.png"]
