"""Builds the data set and the model from the config of a run."""

import contextlib
import dataclasses
import os

import keras
import numpy as np

import zoo
from zoo import backend, data
from zoo.backend import ALONE
from zoo.data import batches
from zoo.data.catalog import located
from zoo.errors import UsageError
from zoo.game import feeding
from zoo.runs import checkpoints
from zoo.runs import config as configs


@dataclasses.dataclass
class Source:
    """Location of the data on this machine. It does not change what a run computes."""

    data_dir: str | None = None
    strict: bool = False


def load_data(config, source, split="train"):
    return data.load(config["dataset"], split=split, **data_options(config, source))


def data_options(config, source):
    """Returns the options of `zoo.data.load`, other than name and split, from a config."""
    return {
        "image_size": config["image_size"],
        "channels": config["channels"],
        "resize": config["resize"],
        "pixel_range": config.get("pixel_range"),
        "data_dir": source.data_dir,
        "strict": source.strict,
        **{name: config[name] for name in ("target", "direction", "labels") if config.get(name)},
    }


def complete(config, dataset):
    """Returns the config with the values that depend on the data and the process."""
    samples = dataset.samples
    shape, images = samples.shape[1:], {}
    if samples.dtype == np.uint8:
        images = {"image_size": configs.size_of(shape), "channels": shape[-1]}
    return {
        **configs.sized(config, shape, dataset.count // batch_size(config)),
        **images,
        **dependencies(config),
        # A run may go on from another working folder.
        "dataset": located(config["dataset"]),
        "sample_shape": list(shape),
        "samples": dataset.count,
        "class_names": list(dataset.class_names),
        "data_fingerprint": dataset.fingerprint,
        "backend": keras.config.backend(),
    }


def dependencies(config):
    """Returns what the run of a config depends on beside its settings and data, name -> str."""
    parts = zoo.get(config["model"]).parts
    return {n: value for part in parts for n, value in part.dependencies(config).items()}


def build(config, layout=ALONE):
    """Returns the compiled model of a completed config, for training on the devices of `layout`.

    Raises:
        UsageError: the model has classes and the data set has none, a batch does not divide among
            the devices, or the networks do not fit into memory.
    """
    with layout.making(), enough_for_networks():
        gan = created(config)
        feeding.check_batch(gan, config["batch_size"])
        gan.compile()
    return gan


def created(config):
    """Returns the model of a completed config without optimizers."""
    model = zoo.get(config["model"])
    decided = {model.shape_setting: config["sample_shape"], "seed": config["seed"]}
    if config.get("rounds_before"):
        decided["rounds_before"] = config["rounds_before"]
    if "num_classes" in model.settings():
        decided["num_classes"] = len(config["class_names"]) or None
    if "colours" in model.settings():
        decided["colours"] = tuple(config["class_names"]) if config.get("labels") else ()
    return zoo.create(
        config["model"], dtype=config["precision"], **decided, **configs.model_settings(config)
    )


def batch_size(config):
    """Returns the samples per step: one minibatch for each move of the busiest player."""
    return config["batch_size"] * moves(config)


def steps_per_epoch(config, dataset):
    """Returns the steps in an epoch. Raises UsageError if the data set fills none."""
    return batches.steps_per_epoch(dataset, batch_size(config), moves(config))


def moves(config):
    """Returns the moves of the busiest player in a step."""
    counts = [player.moves for player in zoo.get(config["model"]).players]
    return max(n if isinstance(n, int) else config.get(n, 1) for n in counts)


def trained(source, groups=("trainable", "other")):
    """Returns the model of a run with the weights of its newest checkpoint.

    Args:
        source: path of a run directory.
        groups: what is restored, as for `checkpoints.restore`.

    Raises:
        UsageError: `source` is not a run, or has no readable checkpoint.
    """
    if not os.path.isdir(source):
        raise UsageError(
            "A generator file holds no discriminator. Expected a run directory, --run=NAME, beside "
            f"--discriminator. Received: {source}."
        )
    config = configs.read(source)
    checkpoint = checkpoints.newest(os.path.join(source, "checkpoints"))
    if checkpoint is None:
        raise UsageError(
            f"The run {source} has no checkpoint that can be read, and only a checkpoint holds the "
            "whole model, its discriminator too. Train on, or use the networks that draw: they "
            "have files of their own."
        )
    gan = build(config)
    checkpoints.restore(gan, checkpoint[1], groups)
    return gan


@contextlib.contextmanager
def enough_for_networks():
    """Turns lack of memory for a new model's weights into a UsageError."""
    try:
        yield
    except Exception as error:
        if not backend.out_of_memory(error):
            raise
        raise UsageError(
            "The memory is not enough for the weights of the networks. Expected a narrower model, "
            "--set width=N, smaller kernels or fewer values in a layer. "
            f"Received: {' '.join(str(error).split())[:200]}"
        ) from error
