"""The resolved settings of a run: defaults, then the recipe, then what was asked for."""

import dataclasses
import importlib
import json
import pathlib
import types
import typing

import zoo
from zoo import warm_start
from zoo.errors import LARGEST, UsageError, nearest

PRESETS = ("default", "paper")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
RESIZES = ("crop", "pad", "stretch")


@dataclasses.dataclass
class RunSettings:
    """What a run has beside its model's settings; annotations are the types of `--set`.

    Args:
        batch_size: samples per discriminator update.
        epochs: passes over the data.
        max_minutes: budget of training time from the first step on; a resumed run has it anew.
        max_cpu_seconds: budget of CPU time, user and system, of all cores, likewise.
        seed: of the initial weights, the noise and the order of the data.
        precision: float32, mixed_bfloat16 or mixed_float16.
        image_size: side of the pictures in pixels; none: as the data set has it.
        channels: 1 grey or 3 RGB; none: as the data set has it.
        resize: crop, pad or stretch, how pictures that are not square become so.
        warm_start: "vae:2" for two epochs as the decoder of an autoencoder before the game.
        target: density of the data set `gaussian`, as "0.5*normal(0, 1) + 0.5*uniform(2, 3)".
        sample_every: steps between two grids of samples.
        stop_on_collapse: whether samples that are all alike end the run.
        checkpoint_minutes: between two checkpoints; more where one takes seconds.
        score_every: thousand images between two scores of pictures; none for no scores.
        score_samples: pictures behind such a score.
        score_features: their features; none: classifier:DATASET where it has been trained before.
    """

    batch_size: int = 64
    epochs: int = 20
    max_minutes: float | None = None
    max_cpu_seconds: float | None = None
    seed: int = 0
    precision: str = "float32"
    image_size: int | None = None
    channels: int | None = None
    resize: str = "crop"
    warm_start: str | None = None
    target: str | None = None
    sample_every: int = 250
    stop_on_collapse: bool = False
    checkpoint_minutes: float = 2.0
    score_every: float | None = 50.0
    score_samples: int = 2048
    score_features: str | None = None


# Settings of a model that the run decides for it.
_DECIDED = ("image_shape", "num_classes", "seed", "name", "dtype")

# What may differ when a run is resumed: it changes when the run ends or what it writes, not what
# it computes.
RESUMABLE = (
    *("epochs", "max_minutes", "max_cpu_seconds", "sample_every", "checkpoint_minutes"),
    *("stop_on_collapse", "score_every", "score_samples", "score_features"),
)


def knobs(model):
    """Returns every setting of a run of `model`: name -> (type annotation, default).

    Args:
        model: str, name of a variant.

    Raises:
        UsageError: the model is unknown.
    """
    run = {field.name: (field.type, field.default) for field in dataclasses.fields(RunSettings)}
    own = zoo.get(model).settings()
    return run | {
        name: (parameter.annotation, parameter.default)
        for name, parameter in own.items()
        if name not in _DECIDED
    }


def resolve(model, dataset, preset="default", overrides=None):
    """Returns the flat config of a run: every setting with its value.

    Args:
        model: str, name of a variant.
        dataset: str, name of a data set as `zoo.data.load` takes it.
        preset: "default" or "paper".
        overrides: name -> value, or -> str as written after `--set`.

    Raises:
        UsageError: an unknown name, or a value of the wrong type.
    """
    known = knobs(model)
    if preset not in PRESETS:
        raise UsageError(f"There is no preset {preset!r}.{nearest(preset, PRESETS)}")
    recipe = importlib.import_module(f"configs.{model}").get_config(dataset, preset)
    config = {name: default for name, (_, default) in known.items()} | recipe
    for name, value in (overrides or {}).items():
        if name not in known:
            raise UsageError(f"{model} has no setting {name!r}.{nearest(name, known)}")
        config[name] = typed(name, value, known[name][0])
    check(config)
    for name, value in known.items():
        config[name] = float(config[name]) if _is_whole_float(config[name], value) else config[name]
    return {"model": model, "dataset": dataset, "preset": preset, **config}


def sized(config, sample_shape):
    """Returns a whole config with the defaults that depend on the shape of a sample, a tuple."""
    if not sample_shape:
        return config
    found = zoo.get(config["model"]).defaults_at(tuple(sample_shape))
    return config | {name: value for name, value in found.items() if config[name] is None}


def check(config):
    """Raises UsageError where a setting of the run, not of its model, is out of range."""
    for name, valid in (("precision", PRECISIONS), ("resize", RESIZES)):
        if config[name] not in valid:
            raise UsageError(f"{name}={config[name]!r} is unknown.{nearest(config[name], valid)}")
    for name in ("batch_size", "epochs", "sample_every"):
        _at_least(name, config[name], 1)
    _at_least("score_samples", config["score_samples"], 2)
    for name in ("seed", "max_minutes", "max_cpu_seconds", "checkpoint_minutes", "score_every"):
        _at_least(name, config[name], 0)
    # Several samples are judged at once, in each of the parts a gradient is computed in.
    whole = config.get("accumulate", 1) * config.get("packing", 1)
    if whole > 0 and config["batch_size"] % whole:
        raise UsageError(
            f"The batch does not divide. Expected a batch_size divisible by accumulate * packing = "
            f"{whole}. Received: batch_size={config['batch_size']}."
        )
    if config["warm_start"] is not None:
        warm_start.parse(config["warm_start"])


def model_settings(config):
    """Returns the part of a config that the model's constructor takes."""
    own = zoo.get(config["model"]).settings()
    return {name: config[name] for name in own if name in config and name not in _DECIDED}


def parse_assignments(assignments):
    """Turns `["width=64", ...]` into a dict. Raises UsageError where there is no `=`."""
    values = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"Expected --set key=value. Received: --set {text!r}.")
        values[name.strip()] = value.strip()
    return values


def typed(name, value, annotation):
    """Returns `value` as its annotation asks. Raises UsageError if it cannot be read so."""
    options = typing.get_args(annotation) or (annotation,)
    if value is None or (isinstance(value, str) and value.lower() == "none"):
        if types.NoneType in options:
            return None
    elif not isinstance(value, str):
        return value
    kind = next(option for option in options if option is not types.NoneType)
    try:
        if kind is bool:
            return {"true": True, "1": True, "false": False, "0": False}[value.lower()]
        number = kind(value)
        if kind is float and number != number:
            raise ValueError("not a number")
        return number
    except (KeyError, ValueError, AttributeError):
        none = " or none" if types.NoneType in options else ""
        raise UsageError(
            f"`{name}` has the wrong type. Expected {kind.__name__}{none}, as in "
            f"--set {name}={_example(kind)}. Received: {name}={value!r}."
        ) from None


def differences(config, other, ignored=()):
    """Returns the lines in which two configs differ, "key: 64 in the run, 32 asked for"."""
    return [
        f"{name}: {config.get(name)!r} in the run, {value!r} asked for"
        for name, value in other.items()
        if name not in ignored and config.get(name) != value
    ]


def _example(kind):
    return {int: "64", float: "0.5", bool: "true"}.get(kind, "name")


def _at_least(name, value, least):
    if value is not None and value < least:
        raise UsageError(
            f"`{name}` is out of range. Expected at least {least}. Received: {name}={value}."
        )
    if isinstance(value, int) and value > LARGEST:
        raise UsageError(
            f"`{name}` is out of range. Expected at most {LARGEST}. Received: {name}={value}."
        )


def _is_whole_float(value, knob):
    options = typing.get_args(knob[0]) or (knob[0],)
    return float in options and isinstance(value, int) and not isinstance(value, bool)


def read(path):
    """Returns the config of a run; a setting that is newer than the run has its default.

    Raises:
        UsageError: it cannot be read, or lacks what every run has.
    """
    file = pathlib.Path(path) / "config.json"
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
        missing = {"model", "dataset", "data_fingerprint", "sample_shape"} - set(config)
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} cannot be read ({error}).") from None
    if missing:
        raise UsageError(f"{file} is damaged: it lacks {', '.join(sorted(missing))}.")
    defaults = {name: default for name, (_, default) in knobs(config["model"]).items()}
    return defaults | config
