"""A program that test_parity.py and test_loading.py run under each backend.

python parity.py steps OUT.npz       three steps of each case, from weights and noise of numpy
python parity.py write FOLDER        a network of each shape of game, in both formats
python parity.py read FOLDER OUT.npz what the networks in a folder draw; needs Keras alone
"""

import pathlib
import sys
import unittest.mock

import numpy as np

STEPS = 3
BATCH = 8


def cases():
    """Returns name -> (variant, settings): each shape of game, loss, penalty and ingredient."""
    import itertools

    import helpers

    from zoo.parts.augmentation import TRANSFORMATIONS
    from zoo.parts.losses import LOSSES
    from zoo.parts.penalties import PENALTIES

    result = {name: (name, settings) for name, settings in helpers.SHAPES.items()}
    # Every loss and every penalty, in as few cases as possible.
    pairs = itertools.zip_longest(LOSSES, PENALTIES)
    for loss, penalty in pairs:
        result[f"{loss} {penalty}"] = ("vanilla", {"loss": loss, "penalty": penalty})
    # Second derivatives of convolutions. A penalty is per sample without batch normalisation only.
    result["unnormalised"] = ("dcgan", {"penalty": "r1_r2", "discriminator_norm": "none"})
    result["augment"] = ("vanilla", {"augment": ",".join(TRANSFORMATIONS), "augment_target": 0.6})
    result["n_critic"] = ("dcgan", {"n_critic": 2, "loss": "hinge"})
    result["weight_clip"] = ("vanilla", {"weight_clip": 0.05, "loss": "wasserstein"})
    result["discriminators"] = ("vanilla", {"discriminators": 2, "combination": "softmax"})
    result["accumulate"] = ("conditional", {"accumulate": 2})
    result["packing"] = ("dcgan", {"packing": 2, "discriminator_norm": "spectral"})
    result["decay"] = ("vanilla", {"decay_steps": 2, "decay": "cosine"})
    result["warm_start"] = ("vanilla", {"warm_start_rounds": 2})
    result["adam"] = ("dcgan", {"optimizer": "adam"})
    result["projected"] = ("cats_and_dogs", {"augment": ""})
    result["compiled"] = ("dcgan", {})
    return result


def injected(owner):
    """Returns a subclass that draws from numpy tables, the same on every backend.

    Which numbers it draws depends on how often the judges have moved, not on the number of calls.
    So a compiled step draws the same numbers as an eager one.
    """
    import keras

    from zoo import backend

    class Injected(owner):
        def drawn(self, shape, table):
            # The first one is the maker's; in a warm start there is no other but its own.
            judges = self.optimizer.optimizers[1:]
            number = sum(keras.ops.convert_to_tensor(o.iterations) for o in judges)
            size = int(np.prod([int(n) for n in shape]))
            flat = keras.ops.take(keras.ops.convert_to_tensor(table[:, :size]), number, axis=0)
            return keras.ops.reshape(flat, shape)

        def normal(self, shape):
            return self.drawn(shape, NORMAL)

        def uniform(self, shape):
            return self.drawn(shape, UNIFORM)

        def train_step(self, *arguments):
            # A pool draws for all replicas at once, so not by `uniform`.
            with unittest.mock.patch.object(
                backend, "uniform", lambda shape, seed: self.uniform(shape)
            ):
                return super().train_step(*arguments)

    return Injected


NORMAL = (
    np.random.default_rng(1).standard_normal((2 * STEPS + 1, BATCH * 16 * 16)).astype("float32")
)
UNIFORM = np.random.default_rng(2).random((2 * STEPS + 1, BATCH * 16 * 16)).astype("float32")


def play(name, variant, settings):
    """Returns how far each variable moved in three steps, and the losses of each."""
    import helpers
    import keras

    import zoo

    # SGD moves by the gradient itself. Adam's first steps are nearly its sign, which turns the last
    # bit of a gradient near zero into a full step. The epsilon of its case stops that.
    settings = {"optimizer": "sgd", "learning_rate": 0.05} | settings
    gan = helpers.small(variant, make=lambda name, **s: injected(zoo.get(name))(**s), **settings)
    # TensorFlow takes a few steps faster than it traces one. JAX would compile each operation.
    quick = keras.config.backend() != "jax" or name == "dcgan"
    eager = {"run_eagerly": quick and name != "compiled"}
    if name == "adam":
        gan.compile(keras.optimizers.Adam(0.01, epsilon=0.01), **eager)
    else:
        gan.compile(**eager)
    random = np.random.default_rng(0)
    for variable in gan.trainable_variables:
        value = random.normal(0, 0.1, variable.shape).astype("float32")
        variable.assign(value + (1 if "gamma" in variable.path else 0))
    helpers.average_anew(gan)
    before = [helpers.numpy(v) for v in gan.weights]
    size = BATCH * gan.minibatches
    x, y = helpers.data(gan, size * STEPS)
    steps = []
    for i in range(STEPS):
        where = slice(i * size, (i + 1) * size)
        losses = helpers.step(gan, helpers.part(x, where), helpers.part(y, where))
        # Each phase reports different losses.
        steps += [losses[key] for key in sorted(losses)]
    yield "losses", np.array(steps)
    for i, (variable, value) in enumerate(zip(gan.weights, before, strict=True)):
        yield f"{i:03d} {variable.name}", helpers.numpy(variable) - value


def make(folder):
    folder = pathlib.Path(folder)
    folder.mkdir()
    write(folder)
    results = {}
    for name, case in cases().items():
        for key, value in play(name, *case):
            results[f"{name}|{key}"] = value
    np.savez(folder / "steps.npz", **results)


def write(folder):
    import helpers

    for name in helpers.SHAPES:
        gan = helpers.small(name)
        drawing = gan.averaged[0]
        # Moving averages that make a difference, and kernels that do not saturate.
        for i, variable in enumerate(gan.network(f"ema_{drawing}").weights):
            value = np.random.default_rng(i).uniform(0.1, 1, variable.shape)
            if len(variable.shape) > 1:
                inputs = np.prod(variable.shape) / variable.shape[-1]
                value = np.random.default_rng(i).normal(0, 1, variable.shape) / np.sqrt(inputs)
            variable.assign(value.astype("float32"))
        network = gan.inference_network(drawing)
        for format in ("keras", "h5"):
            network.save(folder / f"{name}.{format}")
        np.save(folder / f"{name}.npy", draw(network))


def read(folder, out):
    sys.modules["zoo"] = None  # makes `import zoo` fail
    import keras

    results = {}
    for path in sorted(pathlib.Path(folder).glob("*/*.*")):
        if path.suffix in (".keras", ".h5"):
            network = keras.models.load_model(path, compile=False)
            results[f"{path.parent.name}/{path.name}"] = draw(network)
    np.savez(out, **results)


def draw(network):
    import keras

    random = np.random.default_rng(0)
    # If any size is allowed, use one that every network takes.
    shape = [32 if side is None else side for side in network.inputs[0].shape[1:]]
    inputs = [random.normal(size=(5, *shape)).astype("float32")]
    if len(network.inputs) > 1:
        inputs.append(np.array([0, 1, 2, 0, 1], "int32"))
    outputs = network(inputs if len(inputs) > 1 else inputs[0], training=False)
    return np.array(keras.ops.convert_to_numpy(keras.ops.stop_gradient(outputs)))


if __name__ == "__main__":
    {"make": make, "read": read}[sys.argv[1]](*sys.argv[2:])
