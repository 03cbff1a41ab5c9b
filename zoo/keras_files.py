"""Writing network files, `.keras` and `.h5`, that older Keras versions load too.

Keras writes every argument of every layer, and refuses files with arguments that it does not know.
So an argument that Keras 3.15 added, and that nobody used, would keep a file from Keras 3.12. Here
the arguments that have their default value are left out. From Keras 3.12.0 to 3.15.1 no layer,
initializer or operation changed a default, so all of them read the same network.

Imports nothing from this package, so the processes that export networks can load it without `zoo`.
"""

import copy
import functools
import importlib
import inspect
import json
import os
import pathlib
import random
import zipfile

CONFIG = "config.json"
# Numbers, strings, booleans and None. Lists and nested objects are written in other forms than
# their defaults, and are left as they are.
PLAIN = (type(None), bool, int, float, str)


def save(model, path):
    """Writes a Keras model to `path`, `.keras` or `.h5`: complete, or not at all.

    The folder must exist. Returns `path` as a `pathlib.Path`. Raises OSError, and leaves an older
    file alone, if the disk is full or not writable.
    """
    path = pathlib.Path(path)
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        model.save(part)
        strip(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def strip(path):
    """Leaves default arguments out of the config in a file, `.keras` or `.h5`; weights stay.

    The file is changed in place, so it should have no reader yet.
    """
    if os.path.splitext(path)[1] == ".keras":
        _strip_keras(path)
    else:
        _strip_h5(path)


def without_defaults(config):
    """Returns a copy of a config in which objects of Keras lack arguments with default values.

    Ids of shared objects, which are memory addresses, become 1, 2, ..., so the same model has the
    same config in each process.

    Args:
        config: what `config.json` of a `.keras` file holds, or `model_config` of an `.h5` file.
    """
    ids, omissible = {}, {}

    def shortened(value):
        if isinstance(value, list):
            return [shortened(item) for item in value]
        if not isinstance(value, dict):
            return value
        value = {name: shortened(item) for name, item in value.items()}
        if "shared_object_id" in value:
            number = ids.setdefault(value["shared_object_id"], len(ids) + 1)
            value["shared_object_id"] = number
        if isinstance(value.get("class_name"), str) and isinstance(value.get("config"), dict):
            # An .h5 file names no module for layers.
            cls = _class_of_keras(value.get("module", "keras.layers"), value["class_name"])
            given, defaults = value["config"], _defaults(cls)
            for name in [n for n, item in given.items() if _is_default(n, item, defaults)]:
                if (cls, name) not in omissible:
                    omissible[cls, name] = _reads_without(cls, name, given)
                if omissible[cls, name]:
                    value["config"] = {n: x for n, x in value["config"].items() if n != name}
        return value

    return shortened(config)


@functools.cache
def _class_of_keras(module, name):
    """Returns a class of Keras that is no model, or None: a model reads its config itself."""
    if not isinstance(module, str) or module.partition(".")[0] != "keras":
        return None
    import keras

    try:
        cls = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        return None
    return cls if inspect.isclass(cls) and not issubclass(cls, keras.Model) else None


@functools.cache
def _defaults(cls):
    """Returns argument -> default value of a class, those of `PLAIN` types; {} of None."""
    if cls is None:
        return {}
    parameters = inspect.signature(cls.__init__).parameters.values()
    return {p.name: p.default for p in parameters if isinstance(p.default, PLAIN)}


def _is_default(name, value, defaults):
    # 1, 1.0 and True are equal, and an argument may tell them apart.
    same_type = name in defaults and type(value) is type(defaults[name])
    return same_type and value == defaults[name]


def _reads_without(cls, name, config):
    """Returns whether a class makes the same object if its config lacks an argument."""
    less = {key: value for key, value in config.items() if key != name}
    # An initializer without a seed draws one from Python's generator, which is the user's.
    state = random.getstate()
    try:
        objects = [cls.from_config(copy.deepcopy(given)) for given in (less, config)]
    except Exception:  # some read their config themselves: Rescaling misses its `offset`
        return False
    finally:
        random.setstate(state)
    return objects[0].get_config() == objects[1].get_config()


def _strip_keras(path):
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    members[CONFIG] = json.dumps(without_defaults(json.loads(members[CONFIG]))).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            # As Keras writes it: not compressed. An entry without a date is of 1980.
            archive.writestr(zipfile.ZipInfo(name), content)


def _strip_h5(path):
    import h5py

    with h5py.File(path, "r+") as file:
        config = without_defaults(json.loads(file.attrs["model_config"]))
        file.attrs["model_config"] = json.dumps(config)
