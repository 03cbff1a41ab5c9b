"""A zoo of generative adversarial networks for Keras 3.

    gan = zoo.create("dcgan", image_shape=(32, 32, 1))
    gan.compile()
    gan.fit(images, epochs=10)
    pictures = gan.generate(16, seed=0)

The same code runs on TensorFlow, JAX and PyTorch, chosen as always with Keras by the environment
variable KERAS_BACKEND. All variants are imported here, because `keras.models.load_model` finds a
saved one only once its class is registered.
"""

import importlib
import pathlib
import sys

import __main__
from zoo.errors import UsageError, nearest, one_of
from zoo.installation import trained
from zoo.registry import MODELS

__version__ = "0.2.0"

# Programs import Keras later or never: those that choose its backend say so in their file; the
# doctor is for where its import may fail, a sweep waits beside runs that need the memory, `fastest`
# finds out with what to import Keras, and `recipes` imports it quietly. While Python looks for the
# module that it is to run, "-m" stands in the place of its file. What pip makes of the entry point
# `ganzoo` is a file that says nothing.
_KERAS_LATER = ("zoo", "zoo.doctor", "zoo.fastest", "zoo.recipes", "zoo.sweep")
_later = (
    getattr(__main__, "__keras_later__", False)
    or (sys.argv[:1] == ["-m"] and sys.orig_argv[-len(sys.argv)] in _KERAS_LATER)
    or pathlib.PurePath(sys.argv[0]).name in ("ganzoo", "ganzoo.exe", "ganzoo-script.py")
)

for _module, _class, _ in () if _later else MODELS.values():
    globals()[_class] = getattr(importlib.import_module(_module), _class)


def names():
    """Returns the names of all variants, sorted."""
    return sorted(MODELS)


def get(name):
    """Returns the class of the variant `name`. Raises UsageError for an unknown one."""
    if name not in MODELS:
        raise UsageError(f"There is no model named {name!r}.{nearest(name, MODELS)}")
    module, variant, _ = MODELS[name]
    return getattr(importlib.import_module(module), variant)


def create(name, **settings):
    """Creates the variant `name`, a `keras.Model`, untrained and not compiled.

    Args:
        name: str, one of `names()`.
        **settings: constructor arguments of the variant, for example `image_shape=(32, 32, 1)`.

    Raises:
        UsageError: the name or a setting is unknown or out of range.
    """
    model = get(name)
    valid = model.settings()
    for setting in settings:
        if setting not in (*valid, "name", "dtype"):
            raise UsageError(f"{name} has no setting {setting!r}.{nearest(setting, valid)}")
    return model(**settings)


def load(source):
    """Loads a whole model, which draws, shows and goes on training.

    Args:
        source: str or path: a `.keras` file that `gan.save` wrote, a folder of
            `gan.save_to_preset`, a run directory, whose newest checkpoint is taken, or
            "hf://USER/NAME" for a preset at the Hugging Face Hub.

    Returns:
        The model, compiled, in safe mode: of a file or a preset what Keras saved, whatever it is.

    Raises:
        UsageError: there is none, it cannot be loaded, or the package for the hub is missing.
    """
    from zoo.runs import loading

    return loading.load(source)


def pretrained(name):
    """Loads a trained generator that ships with this package.

    Args:
        name: str, of a file in `pretrained/`, such as "dcgan_mnist". Its card lies beside it.

    Returns:
        A functional `keras.Model` from `z`, float32 `(n, latent_dim)`, or `[z, label]`, to samples,
        images in [-1, 1].

    Raises:
        UsageError: there is none of that name.
    """
    import keras

    there = trained()
    return keras.models.load_model(there[one_of("pretrained", name, there)], compile=False)
