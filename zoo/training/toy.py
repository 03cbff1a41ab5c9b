"""The moment of training that `python -m zoo.doctor` looks at, in a process of its own.

The weights it begins with, the data and the noise are numpy's, so that they are the same on every
backend. Nothing in it has a kink, at which the last bit of a sum would decide between two slopes.
"""

import time

import keras
import numpy as np

from zoo import backend
from zoo.errors import UsageError
from zoo.models.gaussian import GaussianGAN

SETTINGS = {
    "hidden": 16,
    "depth": 1,
    "generator_activation": "tanh",
    "discriminator_activation": "tanh",
    "optimizer": "sgd",
    "learning_rate": 0.05,
}


def play(devices, steps, first):
    """Yields `(name, dict)`, each as soon as it is known.

    Args:
        devices: int, on how many it trains after it has on one.
        steps: int, how many each time.
        first: int, how many of them are not timed.

    Yields:
        "devices": `names`, and `kind`, "CPU" or "GPU". "training": `rate` in steps a second,
        `finite`, the steps whose losses were finite, `moved`, by how much at most a weight did, and
        `weights`, all of them in a list. "replicas": the same and their `count`, or `why` not.
    """
    several, why = None, "--devices=1"
    if devices > 1:
        # At first: a CPU can be divided only before anything is computed.
        try:
            several = backend.distribute("mirrored", devices)
        except UsageError as error:
            why = str(error).partition(". ")[0]
    names = sorted(set(backend.devices()))
    yield "devices", {"names": names, "kind": "CPU" if names == ["CPU"] else "GPU"}
    batch = 8 * devices
    yield "training", train(backend.Layout(), batch, steps, first)
    if several:
        result = train(several, batch, steps, first)
        yield "replicas", result | {"count": several.replicas}
    else:
        yield "replicas", {"why": why}


def train(layout, batch, steps, first):
    with layout.making():
        gan = GaussianGAN((2,), **SETTINGS)
        gan.compile()
    random = np.random.default_rng(0)
    before = [random.normal(0, 0.3, v.shape).astype("float32") for v in gan.trainable_variables]
    for variable, value in zip(gan.trainable_variables, before, strict=True):
        variable.assign(value)
    noise = random.normal(size=(steps, batch, gan.latent_dim)).astype("float32")
    noise = keras.ops.convert_to_tensor(noise)

    def draw(shape, seed):
        return keras.ops.take(noise, gan.optimizer.discriminator.iterations, axis=0)

    gan.normal = lambda shape: backend.drawn(draw, shape, None)
    samples = random.normal(size=(steps * batch, 2)).astype("float32")
    options = {"batch_size": batch, "shuffle": False, "verbose": 0}
    with layout.training():
        gan.fit(samples[: first * batch], **options)
        start = time.perf_counter()
        gan.fit(samples[first * batch :], **options)
        seconds = time.perf_counter() - start
    after = [keras.ops.convert_to_numpy(v) for v in gan.trainable_variables]
    return {
        "rate": (steps - first) / seconds,
        "finite": int(keras.ops.convert_to_numpy(gan.finite_steps)),
        "moved": float(max(np.abs(a - b).max() for a, b in zip(after, before, strict=True))),
        "weights": np.concatenate([value.ravel() for value in after]).tolist(),
    }
