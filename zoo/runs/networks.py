"""Which network files a run or a path stands for."""

import os

import zoo
from zoo.runs import config_file, directory
from zoo.tasks.task import task_of

# Of a file whose name does not say more.
GENERATOR = "generator"
DIRECTIONS = ("a_to_b", "b_to_a")


def names(config):
    """Returns the names of the networks that the model of a run draws with, a tuple of str.

    Args:
        config: dict, its config; of a run of no known model it is `generator`.
    """
    return zoo.get(config["model"]).averaged if _known(config) else (GENERATOR,)


def find(source):
    """Returns name of the network -> path of its file, given a run directory or such a path.

    A file is the `generator`, unless its name is that of a direction, as in `a_to_b-best.keras`.

    Raises:
        UsageError: one is missing.
    """
    if not os.path.isdir(source):
        path = directory.find_generator(source)
        stem = os.path.splitext(os.path.basename(path))[0].removesuffix("-best")
        return {stem if stem in DIRECTIONS else GENERATOR: path}
    config = config_file.read(source) or {}
    return {name: directory.find_generator(source, name) for name in names(config)}


def translates(config):
    """Returns whether the run of a config makes pictures of pictures."""
    return _known(config) and task_of(zoo.get(config["model"]).task).translates


def _known(config):
    return config.get("model") in zoo.names()
