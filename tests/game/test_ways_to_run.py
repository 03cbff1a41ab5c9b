"""`compile(run_eagerly, jit_compile, steps_per_execution)`: other ways to take the same steps."""

import functools

import keras
import numpy as np
import pytest
from fitting import GREY, fit, images
from helpers import BATCH, data, not_on_jax, numpy, small

from zoo import backend

pytestmark = pytest.mark.backend

BACKEND = keras.config.backend()
WAYS = [{"run_eagerly": True}]
if BACKEND != "torch":  # see the last test; and `torch.compile` needs a C++ compiler
    WAYS += [{"steps_per_execution": 8}, {"jit_compile": BACKEND == "tensorflow"}]


def weights_after(name, rounds, way, **settings):
    """Returns all weights after some rounds taken in the given way, and the losses of the epoch."""
    gan = small(name, **settings)
    gan.compile(**way)
    x, y = data(gan, rounds * BATCH * gan.minibatches)
    history = gan.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0).history
    return [numpy(v) for v in gan.weights], history


# Every random number of a round: noise, penalty, augmentation, moves of pictures, a pool.
DRAWING = {
    "vanilla": {"augment": "color,scaling,translation", "penalty": "dragan"},
    "gaussian": {},
}


@functools.cache
def plainly(name):
    plain = {"jit_compile": False} if BACKEND == "tensorflow" else {}
    return weights_after(name, 8, plain, **DRAWING.get(name, {}))


@pytest.mark.parametrize("way", WAYS, ids=lambda way: next(iter(way)))
@pytest.mark.parametrize(
    # XLA compiles the first for ten seconds.
    "name",
    [pytest.param("vanilla", marks=pytest.mark.slow), "gaussian"],
)
def test_any_way_to_run_takes_the_same_steps(name, way):
    expected, logged = plainly(name)
    weights, history = weights_after(name, 8, way, **DRAWING.get(name, {}))
    for a, b in zip(weights, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    for loss, (value,) in logged.items():
        assert history[loss][0] == pytest.approx(value, abs=1e-4), loss


# XLA compiles convolutions for half a minute.
@pytest.mark.slow
@not_on_jax
@pytest.mark.parametrize("way", WAYS, ids=lambda way: next(iter(way)))
def test_any_way_to_run_convolutions_takes_the_same_steps(way):
    test_any_way_to_run_takes_the_same_steps("dcgan", way)


on_tensorflow = pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow's own generators")


@on_tensorflow
def test_xla_draws_what_tensorflow_draws():
    import tensorflow as tf

    seed = keras.random.SeedGenerator(7)
    layer = keras.layers.Dropout(0.5, seed=3)
    network = keras.Sequential([keras.Input((6,)), layer])
    backend.prepare(network)

    def draw(compiled=False):
        return (
            backend.normal((3, 5), seed, compiled),
            backend.normal((3,), seed, compiled),
            backend.uniform((5,), seed),
            network(tf.ones((4, 6)), training=True),
        )

    drawn = []
    compiled = tf.function(lambda: draw(True), jit_compile=True)
    for run in (draw, tf.function(draw), compiled):
        seed.state.assign([7, 0])
        layer.seed_generator.state.assign([3, 0])
        drawn.append([numpy(x) for x in run()])
    for others in drawn[1:]:
        for a, b in zip(others, drawn[0], strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)
    assert len(np.unique(drawn[0][3])) == 2


def test_draws_are_those_of_keras_which_old_runs_resume_with():
    ours, theirs = (keras.random.SeedGenerator(2**31 - 1) for _ in range(2))
    for draw, kind in ((backend.normal, "normal"), (backend.uniform, "uniform")):
        drawn = numpy(draw((3, 4), ours))
        np.testing.assert_array_equal(
            drawn, numpy(getattr(keras.random, kind)((3, 4), seed=theirs))
        )


@pytest.mark.parametrize("noise_shape", [None, (None, 1)])
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_dropout_is_that_of_keras(noise_shape, dtype):
    layers = [
        keras.layers.Dropout(0.25, noise_shape=noise_shape, seed=3, dtype=dtype) for _ in range(2)
    ]
    ours, theirs = (keras.Sequential([keras.Input((6,)), layer]) for layer in layers)
    backend.prepare(ours)
    x = np.random.default_rng(0).normal(size=(8, 6)).astype("float32")
    for training in (True, False, True):
        np.testing.assert_array_equal(
            numpy(ours(x, training=training)), numpy(theirs(x, training=training))
        )


@pytest.mark.skipif(BACKEND != "torch", reason="Keras's limit under PyTorch")
def test_torch_refuses_several_steps_at_once():
    gan = small("dcgan", image_shape=GREY)
    with pytest.raises(ValueError, match="steps_per_execution"):
        gan.compile(steps_per_execution=2)
        fit(gan, images())
