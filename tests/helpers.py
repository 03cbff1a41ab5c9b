"""Small models and small data for any variant, and what tests look at."""

import importlib.util
import os
import pathlib
import subprocess
import sys
import tempfile

import keras
import numpy as np
import pytest
import warm
from keras import ops
from PIL import Image

import zoo
from zoo.game import GAN, inputs, networks
from zoo.tasks.task import task_of

ROOT = pathlib.Path(__file__).parents[1]
PARITY = ROOT / "tests" / "parity.py"
BACKENDS = [name for name in ("tensorflow", "jax", "torch") if importlib.util.find_spec(name)]

# Runs each fault test as often as it says, instead of a few times.
ALL_FAULTS = os.environ.get("ZOO_FAULTS") == "all"

# Used if a variant has a setting of that name, so a new variant is small without further work.
SMALL = {
    "latent_dim": 4,
    "width": 4,
    "discriminator_width": 4,
    "hidden": 8,
    "units": 8,
    "depth": 1,
    "num_classes": 3,
    "blocks": 1,
    "patch_halvings": 1,
    "group_size": 4,
    "pool_size": 3,
    "discriminator_features": "random",
    "feature_size": 32,
    # The game from the first step, and features that need no package.
    "error_rounds": 0,
    "perceptual_features": "random",
    "global_rounds": 0,
    "enhancer_rounds": 0,
    "halvings": 2,
    "enhancer_blocks": 1,
}
IMAGE_SHAPE = (16, 16, 1)
# Where a network halves its images more often.
LARGER = {"pix2pix": (32, 32, 1), "discogan": (32, 32, 1)}
BATCH = 8

# Games of noise: `generate` draws from a seed. The others turn pictures into pictures.
OF_NOISE = [name for name in zoo.names() if issubclass(zoo.get(name), GAN)]

# A variant of each shape of game, and settings with which two computations of some steps can be
# compared: dropout draws from the backend's own generator, on each device for itself, and absolute
# differences have a kink at each value, so that large steps of them magnify the last bit.
SHAPES = {
    "dcgan": {},
    "conditional": {},
    "gaussian": {},
    "pix2pix": {"dropout": 0.0, "l1_weight": 2.0},
    "cyclegan": {"learning_rate": 0.005, "cycle_weight": 2.0},
}

# For tests that take JAX long to compile, where other tests cover the same code.
not_on_jax = pytest.mark.skipif(
    keras.config.backend() == "jax", reason="compiles for long what other tests of JAX cover"
)

each_variant = pytest.mark.parametrize("variant", zoo.names(), indirect=True)
each_of_noise = pytest.mark.parametrize("variant", OF_NOISE, indirect=True)
# What every game shares is tried with every variant once; the other backends try one of each shape.
tried = zoo.names() if keras.config.backend() == "tensorflow" else list(SHAPES)
each_game = pytest.mark.parametrize("variant", tried, indirect=True)
each_game_of_noise = pytest.mark.parametrize(
    "variant", [name for name in tried if name in OF_NOISE], indirect=True
)


def small(name, make=zoo.create, **settings):
    """Returns a small model of the variant `name`, made by `make(name, **settings)`."""
    accepted = zoo.get(name).settings()
    chosen = {key: value for key, value in SMALL.items() if key in accepted}
    if "image_shape" in accepted:
        chosen["image_shape"] = LARGER.get(name, IMAGE_SHAPE)
    return make(name, **chosen | settings)


def data(gan, count=None, seed=0):
    """Returns `(x, y)` that `gan.fit` learns from, by default for two steps.

    `x` are samples, or a dict of pictures by field where pictures become pictures; `y` are labels,
    None without classes.
    """
    random = np.random.default_rng(seed)
    count = 2 * BATCH * gan.minibatches if count is None else count

    def drawn():
        if len(gan.sample_shape) == 3:
            return random.integers(0, 256, (count, *gan.sample_shape)).astype("uint8")
        return random.normal(size=(count, *gan.sample_shape)).astype("float32")

    task = task_of(gan.task)
    x = {name: drawn() for name in task.fields} if task.translates else drawn()
    labels = random.integers(0, gan.num_classes, count).astype("int32") if gan.num_classes else None
    return x, labels


def size(x):
    """Returns how many samples `x` of `data` holds."""
    return len(next(iter(x.values())) if isinstance(x, dict) else x)


def part(x, selection):
    """Returns the part of `x` (or labels) that a slice selects."""
    if isinstance(x, dict):
        return {name: values[selection] for name, values in x.items()}
    return None if x is None else x[selection]


def fields(gan, x, y=None):
    """The fields of a batch as the step has them, tensors."""
    return inputs.prepared(gan, inputs.fields(gan, (x,) if y is None else (x, y)))


def train(gan, epochs=1, count=None, **options):
    """Trains for `epochs` of two steps; the same data in the same order each time."""
    x, y = data(gan, count)
    return gan.fit(x, y, batch_size=BATCH, epochs=epochs, shuffle=False, verbose=0, **options)


def seen(gan, images):
    """Returns the list of what the discriminator sees of images, without augmentation."""
    projected = gan.part.get("Projected")
    if not projected or not projected.on:
        return [ops.convert_to_tensor(images)]
    return projected.network(ops.convert_to_tensor(images))


def step(gan, x, y=None):
    """Takes one step and returns its losses, those of this step alone."""
    # Not `train_on_batch`, for which JAX would compile the step a second time.
    each = size(x) // gan.minibatches
    history = gan.fit(x, y, batch_size=each, shuffle=False, verbose=0).history
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


def average_anew(gan):
    """Makes the averaged networks equal to those that they are averages of."""
    for average, weight in gan.averaged_weights():
        average.assign(numpy(weight))  # JAX donates no buffer twice


def numpy(x):
    # A copy: on the CPU torch's arrays look into the tensor.
    return np.array(ops.convert_to_numpy(ops.stop_gradient(ops.convert_to_tensor(x))))


def moments(optimizer):
    """The slots of an optimizer: all of its variables but the two scalars."""
    scalars = ("iteration", "learning_rate")
    return [numpy(v) for v in optimizer.variables if v.name not in scalars]


def players(gan):
    return [player.name for player in gan.all_players]


def moved_by(gan, player):
    """The variables that a player moves, by the player's name."""
    (match,) = (p for p in gan.all_players if p.name == player)
    return networks.moved_by(gan, match)


def idle(gan, player):
    """Paths of the weights of a player that its loss cannot move."""
    paths = []
    # A loss of differences of logits does not see what is added to all of them.
    # Nor does the hinge of as many real as generated ones, while all are within its margin.
    differences = gan.loss in ("wasserstein", "relativistic", "relativistic_average", "hinge")
    for variable in moved_by(gan, player):
        last = variable.name == "bias" and tuple(variable.shape) == (1,)
        if differences and last and "logit" in variable.path:
            paths.append(variable.path)
    # Nor does a normalisation of each picture see what is added to a whole channel.
    for name in gan.network_names:
        for layer in gan.network(name).layers:
            norms = {f"{layer.name}_norm"} & {other.name for other in gan.network(name).layers}
            if norms and getattr(gan.network(name).get_layer(*norms), "groups", 0) == -1:
                paths += [v.path for v in layer.trainable_variables if v.name == "bias"]
    return paths


def plain_gradient(variables, loss):
    """The gradient of `loss()` with respect to `variables`, by the backend's own autodiff."""
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            value = loss()
        return tape.gradient(value, [v.value for v in variables])
    if keras.config.backend() == "torch":
        import torch

        return torch.autograd.grad(loss(), [v.value for v in variables])
    import jax

    def pure(values):
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return loss()

    return jax.jit(jax.grad(pure))([v.value for v in variables])


def reals(x):
    """Samples as the step sees them."""
    return x.astype("float32") / 127.5 - 1 if x.dtype == np.uint8 else x


def environment(backend, *, with_zoo=True, quick=True):
    """Returns the environment of a new process; `quick` if JAX need not optimise, as in tests."""
    return os.environ | {
        "KERAS_BACKEND": backend,
        "OMP_NUM_THREADS": "1",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": str(int(quick)),
        "PYTHONPATH": str(ROOT) if with_zoo else "",
    }


def python(*arguments, backend=None, cwd=ROOT, copied=True, **options):
    """Runs Python in a new process, `copied` or not, and returns what it printed."""
    done = subprocess.run(
        [sys.executable if copied else warm.PYTHON, *map(str, arguments)],
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
    outputs = [process.communicate()[0] for process in running]
    for process, backend, text in zip(running, BACKENDS, outputs, strict=True):
        assert process.returncode == 0, f"{backend}: {text}"


def overrides_permissions():
    """Whether this process may read and write what permissions forbid, as root usually may."""
    with tempfile.NamedTemporaryFile() as file:
        os.chmod(file.name, 0)
        return os.access(file.name, os.R_OK)


def picture_folder(folder, count, classes=("",)):
    """Fills `folder` with `count` pictures of each class, no two alike; returns it as data set."""
    for name in classes:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            picture = np.full((8, 8, 3), i + 100 * classes.index(name), "uint8")
            Image.fromarray(picture).save(folder / name / f"{i:03}.png")
    return f"folder:{folder}"
