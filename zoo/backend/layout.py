"""The devices that a process trains on."""

import contextlib
from collections.abc import Callable
from typing import NamedTuple

import keras

from zoo.errors import UsageError

MOST_DEVICES = 256
STRATEGIES = ("auto", "none", "mirrored", "multiworker")


def _alone(values):
    return [list(values)]


def _leave():
    pass


class Layout(NamedTuple):
    """The devices and workers of a run, as `backend.distribute(strategy, devices)` returns them.

    Attributes:
        replicas: int, number of parts of a batch, one for each device of all workers.
        making: function that returns the context in which to make a model for this training.
        training: function that returns the context in which to train it.
        workers: int, number of processes that train together, each with its own devices.
        index: int, number of this worker; 0 is the chief, the only one that writes.
        gather: function that takes a list of numbers, of the same length on each worker, and
            returns the lists of all workers, in their order. It waits until all workers have called
            it.
        leave: function that waits until all workers have called it. Call it at the end: a worker
            that ends without it ends the others.
    """

    replicas: int = 1
    making: Callable = contextlib.nullcontext
    training: Callable = contextlib.nullcontext
    workers: int = 1
    index: int = 0
    gather: Callable = _alone
    leave: Callable = _leave

    @property
    def chief(self):
        return self.index == 0


ALONE = Layout()


def check_devices(devices):
    """Raises UsageError for a number of devices that no machine has, before a library is asked."""
    if devices is not None and not 1 <= devices <= MOST_DEVICES:
        raise UsageError(
            f"Expected --devices between 1 and {MOST_DEVICES}: how many GPUs, or without any, into "
            f"how many parts the CPU is divided. Received: --devices={devices}."
        )


def part_of(batch, index, count):
    """Returns part `index` of a batch whose arrays are cut into `count` equal parts."""

    def part(array):
        size = len(array) // count
        return array[index * size : (index + 1) * size]

    return keras.tree.map_structure(part, batch)


def chosen(strategy, devices, names, kind):
    """Returns the names of the devices to use: a list, also for a single device.

    Args:
        strategy: "auto", "none" or "mirrored".
        devices: int or None, how many are asked for.
        names: list of str, the devices of this process.
        kind: str, the kind of these devices, for messages.

    Raises:
        UsageError: `devices` is not between 1 and the number of names, or "none" is asked for
            several.
    """
    if devices is not None and not 1 <= devices <= len(names):
        raise UsageError(
            f"There are not so many devices. Expected --devices between 1 and {len(names)}, for "
            f"this process has {len(names)} {kind}. Received: --devices={devices}."
        )
    if strategy == "none" and (devices or 1) > 1:
        raise UsageError(
            "--strategy=none is one device. Leave out --devices, or take --strategy=mirrored. "
            f"Received: --strategy=none --devices={devices}."
        )
    return names[:1] if strategy == "none" else names[:devices]
