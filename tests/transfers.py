"""Run directories without a training, for tests of runs that begin with others."""

import json

import helpers
import keras
import numpy as np

import zoo
from zoo.game import matching
from zoo.runs import assembly, checkpoints, config

STEP = 40


def completed(model, shape, classes=(), **changes):
    """Returns the completed config of a small run on data of this shape, which nobody has."""
    small = helpers.SMALL | {"latent_dim": 8, "batch_size": 8}
    known = zoo.get(model).settings().keys() - {"num_classes"}  # the data say it
    overrides = {name: value for name, value in small.items() if name in known} | changes
    resolved = config.sized(config.resolve(model, "digits", overrides=overrides), shape)
    return resolved | {
        "sample_shape": list(shape),
        "class_names": list(classes),
        "data_fingerprint": "0" * 64,
        "backend": keras.config.backend(),
    }


def written(path, settings):
    """Writes a run of random weights and moments to `path` and returns its model."""
    gan = assembly.build(settings)
    random = np.random.default_rng(1)
    for variable in (*gan.variables, *gan.optimizer.variables):
        value = np.asarray(keras.ops.convert_to_numpy(variable))
        if value.dtype.kind == "f" and variable.name != "learning_rate":
            variable.assign(random.uniform(0.1, 1.0, value.shape).astype(value.dtype))
    for optimizer in gan.optimizer.optimizers:
        optimizer.iterations.assign(STEP)
    gan.finite_steps.assign(STEP)
    gan.noise.state.assign([3, 4])
    (path / "checkpoints").mkdir(parents=True)
    (path / "config.json").write_text(json.dumps(settings))
    assert checkpoints.save(path / "checkpoints", gan, {"step": STEP, "seconds": 1.0})
    return gan


def numpy(variable):
    return np.array(keras.ops.convert_to_numpy(variable))


def weights(network):
    """Returns name -> array of all variables of a network."""
    return {name: numpy(weight.variable) for name, weight in matching.named(network).items()}


def equal(network, other):
    """Returns the names of the variables that are equal in two networks."""
    values, others = weights(network), weights(other)
    return {n for n in values if n in others and np.array_equal(values[n], others[n])}
