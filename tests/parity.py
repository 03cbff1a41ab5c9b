"""A program that test_parity.py and test_loading.py run under each backend.

python parity.py steps OUT.npz       three steps of each case, from weights and noise of numpy
python parity.py write FOLDER        an inference generator of each variant, in both formats
python parity.py read FOLDER OUT.npz what the generators in a folder draw; needs Keras alone
"""

import pathlib
import sys

import numpy as np

STEPS = 3
BATCH = 8


def cases():
    """Returns name -> (variant, settings)."""
    import zoo
    from zoo.parts.losses import LOSSES
    from zoo.parts.penalties import PENALTIES

    found = {name: (name, {}) for name in zoo.names()}
    found |= {f"loss {loss}": ("vanilla", {"loss": loss}) for loss in LOSSES}
    found |= {f"penalty {name}": ("vanilla", {"penalty": name}) for name in PENALTIES}
    # Second derivatives of convolutions. A penalty is per sample without batch normalisation only.
    found["unnormalised"] = ("dcgan", {"penalty": "r1_r2", "discriminator_norm": "none"})
    found["n_critic"] = ("dcgan", {"n_critic": 2, "loss": "hinge"})
    found["weight_clip"] = ("dcgan", {"weight_clip": 0.05, "loss": "wasserstein"})
    found["discriminators"] = ("dcgan", {"discriminators": 2, "combination": "softmax"})
    found["accumulate"] = ("conditional", {"accumulate": 2})
    found["packing"] = ("dcgan", {"packing": 2, "discriminator_norm": "spectral"})
    found["decay"] = ("vanilla", {"decay_steps": 2, "decay": "cosine"})
    found["adam"] = ("dcgan", {"optimizer": "adam"})
    found["compiled"] = ("dcgan", {})
    return found


def injected(owner):
    """A subclass that takes what it draws from numpy, the same on every backend.

    The numbers drawn depend on the discriminator's updates so far, not on the calls, so that they
    are the same whether the step is compiled or not.
    """
    import keras

    class Injected(owner):
        def drawn(self, shape, table):
            number = self.optimizer.discriminator.iterations
            size = int(np.prod([int(n) for n in shape]))
            flat = keras.ops.take(keras.ops.convert_to_tensor(table[:, :size]), number, axis=0)
            return keras.ops.reshape(flat, shape)

        def normal(self, shape):
            return self.drawn(shape, NORMAL)

        def uniform(self, shape):
            return self.drawn(shape, UNIFORM)

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
    # bit of a gradient near zero into a whole step: its case has an epsilon that stops that.
    settings = {"optimizer": "sgd", "learning_rate": 0.05} | settings
    gan = helpers.small(variant, make=lambda name, **s: injected(zoo.get(name))(**s), **settings)
    eager = {"run_eagerly": name != "compiled"}
    if name == "adam":
        gan.compile(keras.optimizers.Adam(0.01, epsilon=0.01), **eager)
    else:
        gan.compile(**eager)
    random = np.random.default_rng(0)
    for variable in gan.trainable_variables:
        value = random.normal(0, 0.1, variable.shape).astype("float32")
        variable.assign(value + (1 if "gamma" in variable.path else 0))
    gan.ema_generator.set_weights(gan.generator.get_weights())
    before = [helpers.numpy(v) for v in gan.weights]
    x, y = helpers.data(gan, BATCH * gan.n_critic * STEPS)
    steps = []
    for i in range(STEPS):
        part = slice(i * BATCH * gan.n_critic, (i + 1) * BATCH * gan.n_critic)
        losses = helpers.step(gan, x[part], None if y is None else y[part])
        steps.append([losses[key] for key in sorted(losses)])
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

    import zoo

    for name in zoo.names():
        gan = helpers.small(name)
        # Moving averages that say something.
        for variable in gan.ema_generator.weights:
            random = np.random.default_rng(len(variable.path))
            variable.assign(random.uniform(0.1, 1, variable.shape).astype("float32"))
        generator = gan.inference_generator()
        for format in ("keras", "h5"):
            generator.save(folder / f"{name}.{format}")
        np.save(folder / f"{name}.npy", draw(generator))


def read(folder, out):
    sys.modules["zoo"] = None  # an import of it fails
    import keras

    results = {}
    for path in sorted(pathlib.Path(folder).glob("*/*.*")):
        if path.suffix in (".keras", ".h5"):
            generator = keras.models.load_model(path, compile=False)
            results[f"{path.parent.name}/{path.name}"] = draw(generator)
    np.savez(out, **results)


def draw(generator):
    import keras

    random = np.random.default_rng(0)
    inputs = [random.normal(size=(5, generator.inputs[0].shape[1])).astype("float32")]
    if len(generator.inputs) > 1:
        inputs.append(np.array([0, 1, 2, 0, 1], "int32"))
    outputs = generator(inputs if len(inputs) > 1 else inputs[0], training=False)
    return np.array(keras.ops.convert_to_numpy(keras.ops.stop_gradient(outputs)))


if __name__ == "__main__":
    {"make": make, "read": read}[sys.argv[1]](*sys.argv[2:])
