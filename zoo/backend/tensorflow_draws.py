"""TensorFlow's random numbers: the same in eager mode, in a graph and compiled by XLA.

Unless one is named, XLA draws by another algorithm than TensorFlow does. Philox is TensorFlow's
own, so uncompiled draws equal those of `keras.random`.
"""

import functools

import keras
import tensorflow as tf

_ALGORITHM = "philox"


def normal(shape, seed):
    return tf.random.stateless_normal(shape, _next(seed), alg=_ALGORITHM)


def uniform(shape, seed):
    return tf.random.stateless_uniform(shape, _next(seed), alg=_ALGORITHM)


def prepare(network):
    """Makes each dropout of a network draw as `uniform` does."""
    for layer in network.layers:
        if type(layer) is keras.layers.Dropout and 0 < layer.rate < 1:
            layer.call = functools.partial(_dropout, layer)


def _dropout(layer, inputs, training=False):
    if not training:
        return inputs
    shape = tf.shape(inputs)
    noise_shape = [shape[i] if n is None else n for i, n in enumerate(layer.noise_shape or shape)]
    return tf.nn.experimental.stateless_dropout(
        inputs, layer.rate, _next(layer.seed_generator), _ALGORITHM, noise_shape
    )


def _next(seed):
    # As Keras does it: TensorFlow draws from seeds of 32 bits, and a generator holds 64.
    return tf.cast(tf.math.floormod(tf.cast(seed.next(), "int64"), tf.int32.max - 1), "int32")
