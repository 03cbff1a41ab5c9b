"""Network files of a run or a path."""

import os

import zoo
from zoo import config_file
from zoo.runs import directory
from zoo.tasks.task import task_of

# For files without the name of a direction.
GENERATOR = "generator"
DIRECTIONS = ("a_to_b", "b_to_a")


def names(config):
    """Returns the names of the networks that draw in a run, a tuple of str.

    Args:
        config: dict, the config of the run; for an unknown model the name is `generator`.
    """
    return zoo.get(config["model"]).averaged if _known(config) else (GENERATOR,)


def find(source):
    """Returns network name -> file path, for a run directory or a network file.

    A file counts as `generator` unless it is named after a direction, as in `a_to_b-best.keras`. A
    directory that is no run of a known model may hold one file for each direction.

    Raises:
        UsageError: one is missing.
    """
    if not os.path.isdir(source):
        path = directory.find_generator(source)
        stem = os.path.splitext(os.path.basename(path))[0].removesuffix("-best")
        return {stem if stem in DIRECTIONS else GENERATOR: path}
    config = config_file.read(source) or {}
    drawing = names(config)
    if not _known(config) and os.path.exists(os.path.join(source, f"{DIRECTIONS[0]}.keras")):
        drawing = DIRECTIONS
    return {name: directory.find_generator(source, name) for name in drawing}


def translates(config):
    """Returns whether the run of a config turns pictures into pictures."""
    return _known(config) and task_of(zoo.get(config["model"]).task).translates


def fills(config):
    """Returns whether the run of a config has learnt to fill holes in pictures."""
    return _known(config) and task_of(zoo.get(config["model"]).task).fills


def _known(config):
    return config.get("model") in zoo.names()
