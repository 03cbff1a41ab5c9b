"""The recipe of a variant: the numbers that stand in `configs/`, and nowhere else."""

import functools
import importlib
import inspect

PRESETS = ("default", "paper")
_FOLDER = "zoo.models."


@functools.cache
def recipe_of(cls, preset="default", dataset=""):
    """Returns the recipe of a variant, setting -> value, or function of what `at` gives it.

    Args:
        cls: a subclass of `zoo.game.Game`. A class that is not of this package has the recipe of
        the
            variant that it is derived from, or none.
        preset: "default" or "paper".
        dataset: str, name of the data set; by default the recipe is that of no one in particular.
    """
    for owner in cls.__mro__:
        if owner.__module__.startswith(_FOLDER):
            return read(owner.__module__.removeprefix(_FOLDER), preset, dataset)
    return {}


def at(value, shape, rounds=0):
    """Returns the value of a setting that a recipe leaves open.

    Args:
        value: function of the shape of a sample, or of that and the rounds of an epoch.
        shape: tuple.
        rounds: int, 0 where it is not known.
    """
    takes = len(inspect.signature(value).parameters)
    return value(*(tuple(shape), rounds)[:takes])


def read(model, preset="default", dataset=""):
    """Returns the recipe of the model of that name, the settings of its runs among them."""
    return importlib.import_module(f"configs.{model}").get_config(dataset, preset)
