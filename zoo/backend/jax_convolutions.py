"""JAX: convolutions whose gradients of any order are fast. See `zoo/backend/__init__.py`."""

import functools

import jax
import keras

from zoo.backend import groups


def prepare(network):
    if jax.default_backend() == "cpu":
        groups.prepare(network)
    for layer in network.layers:
        if getattr(layer, "data_format", None) != "channels_last":
            continue
        if type(layer) is keras.layers.Conv2DTranspose:
            layer.call = functools.partial(_conv2d_transpose, layer)
        elif type(layer) is keras.layers.Conv2D and max(layer.strides) > 1 and layer.groups == 1:
            layer.convolution_op = functools.partial(_convolution_op, layer)


def _convolution_op(layer, inputs, kernel):
    """Computes the same as the layer's own `convolution_op`."""
    raw = functools.partial(type(layer).convolution_op, layer)
    x, kernel = map(keras.ops.convert_to_tensor, (inputs, kernel))
    return _Convolution(raw, _transpose_of(raw, x), kernel).conv(x, kernel)


def _conv2d_transpose(layer, inputs):
    """Computes the same as the layer's own `call`."""

    def raw(x, kernel):
        return keras.ops.conv_transpose(
            *(x, kernel, list(layer.strides), layer.padding),
            output_padding=layer.output_padding,
            dilation_rate=layer.dilation_rate,
            data_format=layer.data_format,
        )

    x, kernel = map(keras.ops.convert_to_tensor, (inputs, layer.kernel))
    outputs = _Convolution(_transpose_of(raw, x), raw, kernel).conv_transpose(x, kernel)
    if layer.use_bias:
        outputs = keras.ops.add(outputs, layer.bias)
    return outputs if layer.activation is None else layer.activation(outputs)


def _transpose_of(bilinear, x):
    """Returns the transpose of a function of `(x, kernel)` with respect to `x`."""
    shape = jax.ShapeDtypeStruct(x.shape, x.dtype)
    return lambda y, kernel: jax.linear_transpose(lambda x: bilinear(x, kernel), shape)(y)[0]


class _Convolution:
    """A strided convolution whose derivatives of any order are as fast as itself.

    The convolution, its transpose and the gradient of its kernel share one trilinear form,
    <conv(large, kernel), small>. So the derivatives of each of the three are the other two. JAX
    instead differentiates the operations that compute a derivative. For the kernel that is a
    convolution of images full of zeros, which takes ten times as long on a CPU.

    Attributes:
        conv: function from `large`, `(batch, height, width, channels)`, and a kernel to `small`,
            which has fewer pixels and other channels.
        conv_transpose: function from `small` and a kernel to `large`.
        kernel_gradient: function from `large` and `small` to a kernel.

    Args:
        conv: function of `(large, kernel)` that computes the convolution.
        conv_transpose: function of `(small, kernel)` that computes its transpose.
        kernel: array with the shape and dtype of the kernels.
    """

    def __init__(self, conv, conv_transpose, kernel):
        shape = jax.ShapeDtypeStruct(kernel.shape, kernel.dtype)

        def kernel_gradient(large, small):
            return jax.linear_transpose(lambda kernel: conv(large, kernel), shape)(small)[0]

        def conv_gradients(inputs, y):
            large, kernel = inputs
            return self.conv_transpose(y, kernel), self.kernel_gradient(large, y)

        def conv_transpose_gradients(inputs, y):
            small, kernel = inputs
            return self.conv(y, kernel), self.kernel_gradient(y, small)

        def kernel_gradients(inputs, y):
            large, small = inputs
            return self.conv_transpose(small, y), self.conv(large, y)

        self.conv = _differentiated(conv, conv_gradients)
        self.conv_transpose = _differentiated(conv_transpose, conv_transpose_gradients)
        self.kernel_gradient = _differentiated(kernel_gradient, kernel_gradients)


def _differentiated(function, gradients):
    """Returns a function that is differentiated by `gradients(inputs, cotangent)`."""
    convolution = jax.custom_vjp(function)
    convolution.defvjp(lambda *inputs: (convolution(*inputs), inputs), gradients)
    return convolution
