"""Layers that Keras lacks, for discriminators.

A file with a spectral layer loads only with this package. `folded` turns a functional model into an
equal one of stock layers.
"""

import math

import keras
import numpy as np
from keras import ops


class _Spectral:
    """Divides the kernel by its largest singular value (Miyato et al. 2018, section 2.1).

    The kernel is taken as a matrix `(everything else, outputs)`. `u` approximates its first right
    singular vector and is improved by one power iteration per call in training mode. Gradients flow
    through the singular value, with `u` and `v` constant. The property `kernel` is the normalised
    kernel; the underlying weight is the optimizer's.
    """

    def build(self, input_shape):
        super().build(input_shape)
        self.u = self.add_weight(
            name="u",
            shape=(self._kernel.shape[-1],),
            initializer=_start,
            trainable=False,
            dtype="float32",
            autocast=False,
            aggregation="only_first_replica",
        )

    def call(self, inputs, training=None):
        if training:
            matrix = ops.stop_gradient(self._matrix())
            u = _unit(ops.matmul(_unit(ops.matmul(matrix, self.u.value)), matrix))
            self.u.assign(u)
        return super().call(inputs)

    @property
    def kernel(self):
        matrix = self._matrix()
        # A new tensor: torch must find what it saved for the backward pass unchanged when a later
        # call in the same step assigns `u` in place.
        u = _unit(self.u.value)
        v = _unit(ops.matmul(ops.stop_gradient(matrix), u))
        sigma = ops.sum(v * ops.matmul(matrix, u))
        kernel = ops.reshape(matrix / ops.maximum(sigma, 1e-12), self._kernel.shape)
        return ops.cast(kernel, self.compute_dtype)

    def _matrix(self):
        return ops.cast(ops.reshape(self._kernel, (-1, self._kernel.shape[-1])), "float32")

    # Dense and Conv2D save `self.kernel` and no additional weights.
    def save_own_variables(self, store):
        keras.layers.Layer.save_own_variables(self, store)

    def load_own_variables(self, store):
        keras.layers.Layer.load_own_variables(self, store)


@keras.saving.register_keras_serializable(package="zoo")
class SpectralDense(_Spectral, keras.layers.Dense):
    """`keras.layers.Dense` with spectral normalisation (Miyato et al. 2018)."""

    stock = keras.layers.Dense


@keras.saving.register_keras_serializable(package="zoo")
class SpectralConv2D(_Spectral, keras.layers.Conv2D):
    """`keras.layers.Conv2D` with spectral normalisation (Miyato et al. 2018).

    What is bounded is the kernel as a matrix `(height * width * inputs, outputs)`, as in the paper:
    the norm of the convolution itself only up to a factor.
    """

    stock = keras.layers.Conv2D


@keras.saving.register_keras_serializable(package="zoo")
class MinibatchStdDev(keras.layers.Layer):
    """Appends how much samples differ within small groups (Karras et al. 2018, section 3).

    Input `(batch, ..., channels)`, output one channel more: the standard deviation of each feature
    over a group, averaged over all features, the same value everywhere. Groups are neighbours in
    the batch. If their size does not divide the batch they differ by at most one, none being larger
    than `group_size`; a single sample has deviation 0. Under several replicas the groups are the
    same as under one where `group_size` divides each replica's share.

    Args:
        group_size: int, samples in a group, 4 in the paper.
    """

    def __init__(self, group_size=4, **kwargs):
        super().__init__(**kwargs)
        if group_size < 1:
            raise ValueError(f"A group holds at least one sample. Received: {group_size}.")
        self.group_size = group_size

    def call(self, inputs):
        shape = ops.shape(inputs)
        batch = shape[0]
        x = ops.reshape(ops.cast(inputs, "float32"), (-1, math.prod(inputs.shape[1:])))
        groups = (batch + self.group_size - 1) // self.group_size
        group = ops.arange(batch, dtype="int32") * groups // batch
        same = ops.cast(group[:, None] == group[None, :], "float32")
        # A matrix product works for any batch size, static or dynamic.
        share = same / ops.sum(same, axis=1, keepdims=True)
        variance = ops.matmul(share, ops.square(x - ops.matmul(share, x)))
        deviation = ops.mean(ops.sqrt(variance + 1e-8), axis=1)
        deviation = ops.reshape(deviation, (-1,) + (1,) * (len(inputs.shape) - 1))
        feature = ops.broadcast_to(deviation, (*shape[:-1], 1))
        return ops.concatenate([inputs, ops.cast(feature, inputs.dtype)], axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] + 1)

    def get_config(self):
        return {**super().get_config(), "group_size": self.group_size}


def fold(layer):
    """Returns the stock Keras layer that computes what a built spectral layer does at inference.

    Args:
        layer: a built `SpectralDense` or `SpectralConv2D`.

    Returns:
        A built `keras.layers.Dense` or `keras.layers.Conv2D` with the normalised kernel.
    """
    stock = layer.stock.from_config(layer.get_config())
    stock.build_from_config(layer.get_build_config())
    _fold_into(stock, layer)
    return stock


def folded(model):
    """Returns a copy of a functional or sequential model with every spectral layer folded.

    Nested models are folded too; spectral layers inside of other layers stay as they are. The copy
    gives the same outputs at inference and shares no weights with the original.

    Args:
        model: a built functional or sequential `keras.Model`.
    """
    pairs = []

    def clone(layer):
        kind = layer.stock if isinstance(layer, _Spectral) else type(layer)
        new = kind.from_config(layer.get_config())
        pairs.append((new, layer))
        return new

    copy = keras.models.clone_model(model, clone_function=clone, recursive=True)
    for new, layer in pairs:
        if isinstance(layer, _Spectral):
            _fold_into(new, layer)
        elif isinstance(layer, keras.layers.Layer):  # and not an operation of keras.ops
            new.set_weights(layer.get_weights())
    return copy


def _fold_into(stock, layer):
    weights = [layer.kernel] + ([layer.bias] if layer.use_bias else [])
    stock.set_weights([ops.convert_to_numpy(w) for w in weights])


def _start(shape, dtype=None):
    # Any direction will do. This one is the same in every run and on every backend.
    return np.random.default_rng(0).standard_normal(shape).astype(dtype or "float32")


def _unit(x):
    return x / ops.maximum(ops.norm(x), 1e-12)
