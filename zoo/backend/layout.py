"""On which devices a process trains."""

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
    """What `backend.distribute(strategy, devices)` returns.

    Attributes:
        replicas: int, parts a batch is divided into, one for each device of all workers.
        making: function that gives the context in which a model is made, to be trained so.
        training: function that gives the context in which it is trained.
        workers: int, processes that train together, each with devices of its own.
        index: int, number of this one; 0 is the chief, which alone writes.
        gather: function from a list of numbers, of the same length on each worker, to those of
            all, a list for each worker in their order. It waits until all of them have called it.
        leave: function that waits until all workers have called it, to be called at the end: one
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
    """Returns part number `index` of the `count` equal parts that the arrays of a batch have."""

    def part(array):
        size = len(array) // count
        return array[index * size : (index + 1) * size]

    return keras.tree.map_structure(part, batch)


def chosen(strategy, devices, names, kind):
    """Returns the names of the devices to use, one name where it is one device.

    Args:
        strategy: "auto", "none" or "mirrored".
        devices: int or None, how many are asked for.
        names: the devices there are.
        kind: str, what they are, for a person.

    Raises:
        UsageError: there are not so many, or "none" is to use several.
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
