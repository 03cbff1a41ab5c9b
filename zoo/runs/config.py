"""The resolved settings of a run: neutral values, then the recipe, then overrides."""

import zoo
from zoo import config_file
from zoo.data.deep import parse_range, range_text
from zoo.data.images import RESIZES, parse_size
from zoo.errors import UsageError, nearest
from zoo.game import recipes
from zoo.settings import REQUIRED, Setting

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


def _size(value):
    """Returns a size as stored in configs: an int for squares, else "HEIGHTxWIDTH"."""
    height, width = parse_size(value)
    return height if height == width else f"{height}x{width}"


def _range(value):
    """Returns a pixel range as stored in configs: "LOW,HIGH"."""
    return range_text(parse_range(value))


def size_of(shape):
    """Returns the size of an image of shape (height, width, channels), as stored in configs."""
    return _size(f"{shape[0]}x{shape[1]}")


class RunSettings:
    """The settings of a run, in addition to those of its model.

    Args:
        batch_size: samples per discriminator update.
        epochs: passes over the data.
        max_minutes: budget of training time from the first step; a resumed run gets it again.
        max_cpu_seconds: budget of CPU time, user and system, of all cores; likewise.
        seed: seed of the initial weights, the noise and the order of the data.
        precision: float32, mixed_bfloat16 or mixed_float16.
        image_size: side of the pictures in pixels, or HEIGHTxWIDTH; none: the data set's own.
        channels: 1 grey, 3 RGB or 4 RGB and alpha; none: the data set's own.
        resize: crop, pad or stretch, how to fit pictures of other proportions.
        pixel_range: LOW,HIGH, the values that are black and white in pictures of 16 bits or of
            floating-point numbers; none: 0,65535, and no floating-point numbers.
        target: density of the data set `gaussian`, as "0.5*normal(0, 1) + 0.5*uniform(2, 3)".
        direction: a_to_b or b_to_a, which side of `pairs:` is the input; none: a_to_b.
        labels: most labels that the inputs of `pairs:` show as flat colours or as numbers; 0: they
            are pictures, not label maps.
        even_classes: whether to draw each class equally often, however many samples it has.
        sample_every: steps between grids of samples.
        stop_on_collapse: whether to end the run when all samples are alike.
        checkpoint_minutes: minutes between checkpoints; more if writing one takes seconds.
        score_every: thousand images between scores of pictures; none for no scores.
        score_samples: pictures per score.
        score_features: features of the scores; none: classifier:DATASET if it is already trained.
    """

    settings = {
        "batch_size": Setting(int, 64, least=1),
        "epochs": Setting(int, 20, least=1),
        "max_minutes": Setting(float, None, least=0.0, optional=True),
        "max_cpu_seconds": Setting(float, None, least=0.0, optional=True),
        "seed": Setting(int, 0, least=0),
        "precision": Setting(str, "float32", choices=PRECISIONS),
        "image_size": Setting(int, None, optional=True, read=_size),
        "channels": Setting(int, None, optional=True),
        "resize": Setting(str, "crop", choices=RESIZES),
        "pixel_range": Setting(str, None, optional=True, read=_range),
        "target": Setting(str, None, optional=True),
        "direction": Setting(str, None, choices=("a_to_b", "b_to_a"), optional=True),
        "labels": Setting(int, 0, least=0, most=256),
        "even_classes": Setting(bool, False),
        "sample_every": Setting(int, 250, least=1),
        "stop_on_collapse": Setting(bool, False),
        "checkpoint_minutes": Setting(float, 2.0, least=0.0),
        "score_every": Setting(float, 50.0, least=0.0, optional=True),
        "score_samples": Setting(int, 2048, least=2),
        "score_features": Setting(str, None, optional=True),
    }


# Model settings that the run decides.
DECIDED = ("image_shape", "sample_shape", "num_classes", "colours", "seed", "rounds_before")

# Settings that may change on resuming: they affect the end and the files of a run, not what it
# computes.
RESUMABLE = (
    *("epochs", "max_minutes", "max_cpu_seconds", "sample_every", "checkpoint_minutes"),
    *("stop_on_collapse", "score_every", "score_samples", "score_features"),
)


def known_settings(model):
    """Returns every setting of a run of `model`: name -> `zoo.settings.Setting`.

    Args:
        model: str, name of a variant.

    Raises:
        UsageError: the model is unknown.
    """
    own = zoo.get(model).settings()
    return RunSettings.settings | {n: own[n] for n in own if n not in DECIDED}


def resolve(model, dataset, preset="default", overrides=None):
    """Returns the flat config of a run: every setting with its value.

    A value that depends on the shape of a sample is None until `sized` fills it in.

    Args:
        model: str, name of a variant.
        dataset: str, name of a data set as `zoo.data.load` takes it.
        preset: str, such as "default" or "paper".
        overrides: name -> value, or -> str as written after `--set`.

    Raises:
        UsageError: an unknown name, or a value of the wrong type.
    """
    settings = known_settings(model)
    presets = recipes.presets(model)
    if preset not in presets:
        raise UsageError(f"{model} has no preset {preset!r}.{nearest(preset, presets)}")
    recipe = recipes.read(model, preset, dataset)
    overrides = asked(model, dataset, preset, overrides or {})
    config = {name: recipe.get(name, setting.default) for name, setting in settings.items()}
    open_ones = {name for name, value in config.items() if callable(value)}
    config = {n: None if n in open_ones or v is REQUIRED else v for n, v in config.items()}
    unknown = set(recipe) - set(settings)
    assert not unknown, f"configs/{model}.py sets {unknown}, which {model} does not have"
    config |= overrides
    for name, setting in settings.items():
        if setting.kind is float and type(config[name]) is int:
            config[name] = float(config[name])
    check(config)
    return {"model": model, "dataset": dataset, "preset": preset, **config}


def asked(model, dataset, preset, overrides):
    """Returns overrides as name -> value, each converted to the type of its setting.

    Args:
        model, dataset, preset, overrides: as in `resolve`.

    Raises:
        UsageError: an unknown name, or a value of the wrong type.
    """
    settings, recipe = known_settings(model), recipes.read(model, preset, dataset)
    for name in overrides:
        if name not in settings:
            raise UsageError(f"{model} has no setting {name!r}.{nearest(name, settings)}")
    return {
        name: typed(name, value, settings[name], optional=callable(recipe.get(name)))
        for name, value in overrides.items()
    }


def sized(config, sample_shape, rounds=0):
    """Returns a config with the values that depend on the data.

    Args:
        config: as `resolve` returns it.
        sample_shape: tuple, the shape of a sample.
        rounds: int, rounds of an epoch.
    """
    if not sample_shape:
        return config
    recipe = recipes.read(config["model"], config["preset"], config["dataset"])
    functions = {name: value for name, value in recipe.items() if callable(value)}
    return config | {
        name: recipes.at(value, sample_shape, rounds)
        for name, value in functions.items()
        if config[name] is None
    }


def check(config):
    """Raises UsageError if a setting of the run, not of its model, is out of range."""
    for name, setting in RunSettings.settings.items():
        setting.checked(name, config[name])
    # Each part of an accumulated gradient judges `packing` samples at once.
    together = config.get("accumulate", 1) * config.get("packing", 1)
    if together > 0 and config["batch_size"] % together:
        raise UsageError(
            f"The batch does not divide. Expected a batch_size divisible by accumulate * packing = "
            f"{together}. Received: batch_size={config['batch_size']}."
        )


def model_settings(config):
    """Returns the part of a config that the model's constructor takes."""
    own = zoo.get(config["model"]).settings()
    return {name: config[name] for name in own if name in config and name not in DECIDED}


def parse_assignments(assignments):
    """Turns `["width=64", ...]` into a dict. Raises UsageError if `=` is missing."""
    values = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"Expected --set key=value. Received: --set {text!r}.")
        values[name.strip()] = value.strip()
    return values


def typed(name, value, setting, optional=False):
    """Returns `value` in the type of its setting. Raises UsageError if it cannot be read.

    Args:
        name: str. value: anything, or str as written after `--set`.
        setting: `zoo.settings.Setting`.
        optional: bool, whether "none" is allowed even if the setting has no None; the value then
            depends on the shape of a sample.
    """
    kind, optional = setting.kind, optional or setting.optional
    if value is None or (isinstance(value, str) and value.lower() == "none"):
        if optional:
            return None
    elif setting.read is not None:
        return setting.read(value)
    elif not isinstance(value, str):
        return value
    try:
        if kind is bool:
            return {"true": True, "1": True, "false": False, "0": False}[value.lower()]
        number = kind(value)
        if kind is float and number != number:
            raise ValueError("not a number")
        return number
    except (KeyError, ValueError, AttributeError, TypeError):
        none = " or none" if optional else ""
        raise UsageError(
            f"`{name}` has the wrong type. Expected {kind.__name__}{none}, as in "
            f"--set {name}={_example(kind)}. Received: {name}={value!r}."
        ) from None


def continued(path, changes):
    """Returns the config of a new run that goes on from another one with other settings.

    Args:
        path: of the run directory.
        changes: dict, the settings that differ, with the types of the run.

    Raises:
        UsageError: the model or the preset is another, or a setting is out of range.
    """
    config = read(path)
    fixed = {n: changes[n] for n in ("model", "preset") if n in changes}
    if other := differences(config, fixed):
        raise UsageError(
            f"--continue_from={path} goes on with the model and the settings of that run. Expected "
            "single settings, such as --set learning_rate=0.0001; another model or preset begins "
            f"with the weights that fit by --init_from={path}. Received: {'; '.join(other)}."
        )
    config |= changes
    check(config)
    return config


def differences(config, other, ignored=()):
    """Returns the lines in which two configs differ, "key: 64 in the run, 32 asked for"."""
    return [
        f"{name}: {config.get(name)!r} in the run, {value!r} asked for"
        for name, value in other.items()
        if name not in ignored and config.get(name) != value
    ]


def _example(kind):
    return {int: "64", float: "0.5", bool: "true"}.get(kind, "name")


def read(path):
    """Returns the config of a run. Settings newer than the run get their defaults.

    Raises:
        UsageError: it cannot be read, or a required entry is missing.
    """
    config = config_file.read(path)
    if config is None:
        raise UsageError(
            f"{path} is not a run: it has no config.json. Expected a directory that train.py has "
            "written."
        )
    missing = {"model", "dataset", "preset", "data_fingerprint", "sample_shape"} - set(config)
    if missing:
        raise UsageError(
            f"The config.json of {path} is damaged: it lacks {', '.join(sorted(missing))}."
        )
    settings = known_settings(config["model"])
    defaults = {n: s.default for n, s in settings.items() if s.default is not REQUIRED}
    return defaults | config
