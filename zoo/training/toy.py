"""A short training that `python -m zoo.doctor` runs in a separate process.

numpy draws the initial weights, the data and the noise, so they are the same on every backend. All
functions are smooth: at a kink, rounding would decide between two slopes.
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
    """Yields `(name, dict)`, each as soon as it is available.

    Args:
        devices: int, number of devices for the second training, after one on a single device.
        steps: int, steps of each training.
        first: int, first steps that are not timed.

    Yields:
        "devices": `names`, and `kind`, "CPU" or "GPU". "training": `rate` in steps a second,
        `finite`, the steps with finite losses, `moved`, the largest change of a weight, and
        `weights`, a list of all. "replicas": the same and their `count`, or `why` there are none.
    """
    several, why = None, "--devices=1"
    if devices > 1:
        # First of all: a CPU can be divided only before anything is computed.
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
