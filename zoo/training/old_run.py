"""Another run, with which a new one begins: its config, its model, and the state of its parts."""

import dataclasses
import pathlib

import keras
import numpy as np

from zoo import backend
from zoo.errors import UsageError
from zoo.runs import assembly, checkpoints
from zoo.runs import config as configs

MOST = 8  # names in a line
# Entries of a config that are not settings, and explain no difference between networks.
NO_SETTINGS = ("samples", "class_names", "data_fingerprint", "backend", "rounds_before")


@dataclasses.dataclass
class Old:
    """Another run, as its newest checkpoint holds it.

    Attributes:
        path: pathlib.Path of the run directory.
        config: dict of its settings.
        gan: the model with its weights; with its optimizers if they were asked for.
        step: int, the step of the checkpoint.
    """

    path: pathlib.Path
    config: dict
    gan: keras.Model
    step: int

    @property
    def rounds(self):
        """Rounds that its optimizers have played, those of the runs before it among them."""
        first = next(p for p in self.gan.all_players if p.name == self.gan.optimizer.names[0])
        return int(backend.value_of(self.gan.optimizer.iterations)) // self.gan.moves_of(first)


def read(path, with_optimizers=False):
    """Returns the `Old` run in a run directory.

    Args:
        path: pathlib.Path.
        with_optimizers: bool, whether their states are read.

    Raises:
        UsageError: it cannot be read, or is of another version of the networks.
    """
    config = configs.read(path)
    checkpoint = checkpoints.newest(path / "checkpoints")
    if checkpoint is None:
        raise UsageError(f"{path} has no checkpoint that can be read.")
    # Weights are float32 in any precision, and not every machine trains in every one.
    precision = config["precision"] if with_optimizers else "float32"
    with backend.single(), assembly.enough_for_networks():
        gan = assembly.created({**config, "precision": precision})
        if with_optimizers:
            gan.compile()
    meta, arrays = checkpoint
    try:
        checkpoints.restore(gan, arrays, ("trainable", "other", "optimizer")[: 2 + with_optimizers])
    except UsageError:
        raise UsageError(
            f"The config.json of {path} describes other networks than its checkpoint holds: one of "
            "them was changed, or this version builds them differently. Expected the version that "
            "trained it; the networks that draw can still be taken from their files. Received: "
            f"{checkpoints.listing(path / 'checkpoints')[-1].name}."
        ) from None
    return Old(path, config, gan, meta["step"])


def take_state(gan, old, without=()):
    """Copies the state of each part whose variables are as many and as large as in the old game.

    A part's variables belong together, such as a pool and how far it is filled.

    Args:
        gan: the new game. old: the other one.
        without: names of settings that were changed; a variable that begins with the value of one
            of them stays as it is.
    """
    for name, variables in states(gan).items():
        others = states(old).get(name, [])
        if [v.shape for v in variables] == [v.shape for v in others]:
            for variable, other in zip(variables, others, strict=True):
                if variable.name not in without:
                    variable.assign(np.array(backend.value_of(other)))


def states(gan):
    """Returns name of a part -> its variables."""
    found = {
        name: [v for v in keras.tree.flatten(vars(part)) if isinstance(v, keras.Variable)]
        for name, part in gan.part.items()
    }
    return {name: variables for name, variables in found.items() if variables}
