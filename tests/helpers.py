"""Small models and small data for any variant, and what tests look at."""

import importlib.util
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops
from PIL import Image

import zoo

ROOT = pathlib.Path(__file__).parents[1]
PARITY = ROOT / "tests" / "parity.py"
BACKENDS = [name for name in ("tensorflow", "jax", "torch") if importlib.util.find_spec(name)]

# Each fault as often as it says, instead of a few times.
ALL_FAULTS = os.environ.get("ZOO_FAULTS") == "all"

# Taken where a variant has a setting of that name, so that a new variant is small by itself.
SMALL = {
    "latent_dim": 4,
    "width": 4,
    "hidden": 8,
    "units": 8,
    "depth": 1,
    "num_classes": 3,
}
IMAGE_SHAPE = (16, 16, 1)
BATCH = 8

each_variant = pytest.mark.parametrize("variant", zoo.names(), indirect=True)


def small(name, make=zoo.create, **settings):
    """Returns a small model of the variant `name`, made by `make(name, **settings)`."""
    own = zoo.get(name).settings()
    chosen = {key: value for key, value in SMALL.items() if key in own}
    if len(own["image_shape"].default) == 3:
        chosen["image_shape"] = IMAGE_SHAPE
    return make(name, **chosen | settings)


def data(gan, count=2 * BATCH, seed=0):
    """Returns `(samples, labels)` that `gan` can learn from; labels are None without classes."""
    random = np.random.default_rng(seed)
    if len(gan.image_shape) == 3:
        samples = random.integers(0, 256, (count, *gan.image_shape)).astype("uint8")
    else:
        samples = random.normal(size=(count, *gan.image_shape)).astype("float32")
    labels = random.integers(0, gan.num_classes, count).astype("int32") if gan.num_classes else None
    return samples, labels


def train(gan, epochs=1, count=2 * BATCH, **options):
    """Trains for `epochs` of two steps; the same data in the same order each time."""
    x, y = data(gan, count)
    return gan.fit(x, y, batch_size=BATCH, epochs=epochs, shuffle=False, verbose=0, **options)


def step(gan, x, y=None):
    """Takes one step and returns its losses, those of this step alone."""
    # Not `train_on_batch`, for which JAX would compile the step a second time.
    size = len(x) // gan.n_critic
    history = gan.fit(x, y, batch_size=size, shuffle=False, verbose=0).history
    return {name: value for name, (value,) in history.items()}


def state(gan):
    """Every variable that a step may change, in an order that is the same for equal models."""
    return [*gan.variables, *gan.optimizer.variables]


def snapshot(gan):
    return [numpy(v) for v in state(gan)]


def restore(gan, values):
    gan.reset_metrics()
    for variable, value in zip(state(gan), values, strict=True):
        variable.assign(value)


def numpy(x):
    # A copy: on the CPU torch's arrays look into the tensor.
    return np.array(ops.convert_to_numpy(ops.stop_gradient(ops.convert_to_tensor(x))))


def moments(optimizer):
    """The slots of an optimizer: all of its variables but the two scalars."""
    scalars = ("iteration", "learning_rate")
    return [numpy(v) for v in optimizer.variables if v.name not in scalars]


def idle(gan, player):
    """Paths of the trainable weights of a player that its loss cannot move."""
    # A loss of differences of logits does not see what is added to all of them.
    differences = gan.loss in ("wasserstein", "relativistic", "relativistic_average")
    if player != "discriminator" or not differences:
        return []
    weights = gan.discriminator.trainable_variables
    return [v.path for v in weights if v.name == "bias" and tuple(v.shape) == (1,)]


def reals(x):
    """Samples as the step sees them."""
    return x.astype("float32") / 127.5 - 1 if x.dtype == np.uint8 else x


def environment(backend, *, with_zoo=True, quick=True):
    """Variables for a process of its own; `quick` as `quick_compilation` in conftest.py."""
    return os.environ | {
        "KERAS_BACKEND": backend,
        "OMP_NUM_THREADS": "1",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": str(int(quick)),
        "PYTHONPATH": str(ROOT) if with_zoo else "",
    }


def python(*arguments, backend=None, cwd=ROOT, **options):
    """Runs Python in a process of its own and returns what it printed."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env=environment(backend or keras.config.backend(), **options),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def on_each_backend(arguments, **options):
    """Runs Python under each installed backend at once; `arguments(backend)` gives what it runs."""
    running = [
        subprocess.Popen(
            [sys.executable, *map(str, arguments(backend))],
            env=environment(backend, **options),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for backend in BACKENDS
    ]
    said = [process.communicate()[0] for process in running]
    for process, backend, text in zip(running, BACKENDS, said, strict=True):
        assert process.returncode == 0, f"{backend}: {text}"


def picture_folder(folder, count, classes=("",)):
    """Fills `folder` with `count` pictures of each class, no two alike; returns it as data set."""
    for name in classes:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            picture = np.full((8, 8, 3), i + 100 * classes.index(name), "uint8")
            Image.fromarray(picture).save(folder / name / f"{i:03}.png")
    return f"folder:{folder}"
