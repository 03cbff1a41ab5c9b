"""The recipe of a variant: the numbers in `configs/`, the only place that holds them."""

import functools
import importlib.util
import inspect

from zoo.installation import folder

# Those of every model; a recipe may list more under the same name.
PRESETS = ("default", "paper")
_FOLDER = "zoo.models."


@functools.cache
def recipe_of(cls, preset="default", dataset=""):
    """Returns the recipe of a variant: setting -> value, or a function for `at` to evaluate.

    Args:
        cls: a subclass of `zoo.game.Game`. A class from outside this package has the
            recipe of the variant it derives from, or none.
        preset: str, one of `presets`.
        dataset: str, name of the data set; by default the recipe for no particular one.
    """
    for owner in cls.__mro__:
        if owner.__module__.startswith(_FOLDER):
            return read(owner.__module__.removeprefix(_FOLDER), preset, dataset)
    return {}


def at(value, shape, rounds=0):
    """Returns the value of a setting that a recipe gives as a function.

    Args:
        value: function of the shape of a sample, or of that and the rounds of an epoch.
        shape: tuple.
        rounds: int, rounds of an epoch; 0 if unknown.
    """
    takes = len(inspect.signature(value).parameters)
    return value(*(tuple(shape), rounds)[:takes])


def read(model, preset="default", dataset=""):
    """Returns the recipe of a model by name, including the settings of its runs."""
    return _module(model).get_config(dataset, preset)


def presets(model):
    """Returns the names of a model's presets, `default` first."""
    return getattr(_module(model), "PRESETS", PRESETS)


@functools.cache
def _module(model):
    # By path, because the folder is in the package only where a wheel has been installed.
    path = folder("configs") / f"{model}.py"
    spec = importlib.util.spec_from_file_location(f"configs.{model}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
