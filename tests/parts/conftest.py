import types

import keras
import pytest

from zoo import backend


class Random:
    """Draws in the way that penalties and augmentation expect, without a state that jit forgets."""

    def __init__(self):
        self.seed = 0

    def uniform(self, shape):
        self.seed += 1
        return keras.random.uniform(shape, seed=self.seed)

    def normal(self, shape):
        self.seed += 1
        return keras.random.normal(shape, seed=self.seed)


class Constant:
    """Draws the same value everywhere, so that what is drawn is known."""

    def __init__(self, uniform=0.0, normal=0.0):
        self.values = uniform, normal

    def uniform(self, shape):
        return keras.ops.full(shape, self.values[0], dtype="float32")

    def normal(self, shape):
        return keras.ops.full(shape, self.values[1], dtype="float32")


@pytest.fixture
def random():
    return Random()


@pytest.fixture
def constant():
    return Constant


@pytest.fixture
def compiled():
    """Compiles `fn(x, *rest)` as training does, with a batch size unknown to TensorFlow."""

    def compile(fn):
        if keras.config.backend() == "tensorflow":
            import tensorflow as tf

            def signature(x, first):
                shape = tf.TensorShape(x.shape)
                return tf.TensorSpec([None, *shape[1:]] if first else shape, "float32")

            def call(*args):
                args = [tf.convert_to_tensor(x, "float32") for x in args]
                specs = [signature(x, i == 0) for i, x in enumerate(args)]
                return tf.function(fn, input_signature=specs)(*args)

            return call
        if keras.config.backend() == "jax":
            import jax

            return jax.jit(fn)
        return lambda *args: fn(*(keras.ops.convert_to_tensor(x, "float32") for x in args))

    return compile


@pytest.fixture
def gradients():
    """Differentiates `fn() -> scalar` inside of a training step.

    Returns a function that gives `(loss, gradients)` as numpy at the variables' present values.
    """

    def prepare(fn, variables):
        model = types.SimpleNamespace(
            trainable_variables=variables,
            non_trainable_variables=[],
            optimizer=types.SimpleNamespace(variables=[]),
            metrics_variables=[],
        )

        @backend.train_step
        def step(self, data):
            loss, _, grads = backend.value_and_grad(lambda: (fn(), ()), variables)
            return loss, grads

        if keras.config.backend() == "jax":
            import jax

            compiled = jax.jit(lambda values: step(model, (values, [], [], []), None)[0])

            def run():
                return compiled([v.value for v in variables])
        else:

            def run():
                return step(model, None)

        def compute():
            loss, grads = run()
            to_numpy = keras.ops.convert_to_numpy
            return float(to_numpy(loss)), [to_numpy(g) for g in grads]

        return compute

    return prepare
