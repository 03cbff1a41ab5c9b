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
        gather: function that takes a list of numbers, equally long on each worker, and returns the
            lists of all workers in order. It waits until all workers have called it.
        leave: function to call at the end. It waits until all workers have called it. A worker that
            ends without this call also ends the others.
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
    """Raises UsageError for a number of devices that no machine has, before any library sees it."""
    if devices is not None and not 1 <= devices <= MOST_DEVICES:
        raise UsageError(
            f"Expected --devices between 1 and {MOST_DEVICES}. It sets how many GPUs to use or, "
            "on a machine without GPUs, how many parts to split the CPU into. Received: "
            f"--devices={devices}."
        )


def part_of(batch, index, count):
    """Cuts the arrays of a batch into `count` equal parts and returns part `index`."""

    def part(array):
        size = len(array) // count
        return array[index * size : (index + 1) * size]

    return keras.tree.map_structure(part, batch)


def chosen(strategy, devices, names, kind):
    """Returns a list with the names of the devices to use, even if there is only one.

    Args:
        strategy: "auto", "none" or "mirrored".
        devices: int or None, the number of devices that the user asked for.
        names: list of str, the devices of this process.
        kind: str, the kind of these devices, for messages.

    Raises:
        UsageError: `devices` is not between 1 and the number of names, or it is more than 1 with
            the strategy "none".
    """
    if devices is not None and not 1 <= devices <= len(names):
        raise UsageError(
            f"This process cannot use {devices} devices: it has {len(names)} {kind}. Expected "
            f"--devices between 1 and {len(names)}. Received: --devices={devices}."
        )
    if strategy == "none" and (devices or 1) > 1:
        raise UsageError(
            "--strategy=none uses only one device. Leave out --devices, or use "
            f"--strategy=mirrored. Received: --strategy=none --devices={devices}."
        )
    return names[:1] if strategy == "none" else names[:devices]
