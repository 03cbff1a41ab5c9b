"""TensorFlow's random numbers, the same in eager mode, in a graph and compiled by XLA.

Unless an algorithm is named, XLA takes another one than TensorFlow, whose own is Philox. From equal
random bits XLA then makes other floating-point numbers than TensorFlow. So they are made here, as
TensorFlow's kernels do, and equal those of `keras.random` that is not compiled.
"""

import functools

import keras
import tensorflow as tf

_PHILOX = 1  # TensorFlow's number of the algorithm


def uniform(shape, seed):
    return _fractions(_bits(shape, seed))


def normal(shape, seed, compiled=False):
    if not compiled:
        # Its last bit is that of the C library, which operations do not give.
        return tf.raw_ops.StatelessRandomNormalV2(**_philox(shape, seed), dtype=tf.float32)
    shape = tf.convert_to_tensor(shape, tf.int32)
    count = tf.reduce_prod(shape)
    fractions = _fractions(_bits([(count + 1) // 2, 2], seed))
    # Box and Muller 1958: two from two.
    radius = tf.sqrt(-2 * tf.math.log(tf.maximum(fractions[:, 0], 1e-7)))
    angle = 2 * 3.14159265358979 * fractions[:, 1]
    pairs = tf.stack([radius * tf.sin(angle), radius * tf.cos(angle)], axis=1)
    return tf.reshape(tf.reshape(pairs, [-1])[:count], shape)


def prepare(network):
    """Makes each dropout of a network draw as `uniform` does."""
    for layer in network.layers:
        if type(layer) is keras.layers.Dropout and 0 < layer.rate < 1:
            layer.call = functools.partial(_dropout, layer)


def _dropout(layer, inputs, training=False):
    if not training or inputs.dtype != tf.float32:
        return type(layer).call(layer, inputs, training=training)
    shape = tf.shape(inputs)
    own = layer.noise_shape or [None] * len(inputs.shape)
    drawn = uniform([shape[i] if n is None else n for i, n in enumerate(own)], layer.seed_generator)
    kept = tf.where(drawn >= layer.rate, inputs * (1 / (1 - layer.rate)), 0.0)
    return tf.ensure_shape(kept, inputs.shape)


def _bits(shape, seed):
    return tf.raw_ops.StatelessRandomUniformFullIntV2(**_philox(shape, seed), dtype=tf.uint32)


def _philox(shape, seed):
    # `tf.random.stateless_uniform(alg="philox")` draws the same, by eight times as many operations.
    key, counter = tf.raw_ops.StatelessRandomGetKeyCounter(seed=_next(seed))
    shape = tf.convert_to_tensor(shape, tf.int32)
    return {"shape": shape, "key": key, "counter": counter, "alg": _PHILOX}


def _fractions(bits):
    """Returns float32 in [0, 1) from the lower 23 of 32 random bits."""
    one = tf.constant(0x3F800000, tf.uint32)
    fraction = tf.bitwise.bitwise_and(bits, tf.constant(0x7FFFFF, tf.uint32))
    return tf.bitcast(tf.bitwise.bitwise_or(one, fraction), tf.float32) - 1


def _next(seed):
    # As Keras does it: TensorFlow draws from seeds of 32 bits, and a generator holds 64.
    return tf.cast(tf.math.floormod(tf.cast(seed.next(), "int64"), tf.int32.max - 1), "int32")
