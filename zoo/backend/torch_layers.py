"""Layers of Keras on PyTorch without its copies, and with one kernel where Keras has a dozen.

Keras brings each input of a convolution from the layout of its pictures (channels last) to
channels first and back, although PyTorch computes with channels last as well.
"""

import functools

import keras
import torch
from keras import ops
from torch.nn import functional


def prepare(network):
    """Replaces what the layers of a network compute by the same, faster."""
    for layer in network.layers:
        if getattr(layer, "data_format", "channels_last") != "channels_last":
            continue
        transposed = isinstance(layer, keras.layers.Conv2DTranspose)
        if transposed or isinstance(layer, keras.layers.Conv2D):
            _lay_out(layer.kernel if transposed else layer._kernel)
        if type(layer) is keras.layers.Conv2D:
            layer.call = functools.partial(_convolution, layer)
        elif isinstance(layer, keras.layers.Conv2D):
            # A layer that does more, such as dividing its kernel by a norm.
            layer.convolution_op = functools.partial(_convolved, layer)
        elif isinstance(layer, keras.layers.DepthwiseConv2D):
            layer.call = functools.partial(_depthwise, layer)
        elif transposed:
            layer.call = functools.partial(_transposed, layer)
        elif type(layer) is keras.layers.BatchNormalization:
            layer.call = functools.partial(_batch_normalization, layer)


def _lay_out(kernel):
    """Keeps a kernel `(height, width, a, b)` in memory as PyTorch's convolutions read it.

    They would otherwise copy it each time. Its values, its shape and what is saved stay the same.
    """
    value = kernel._value
    value.data = value.data.permute(3, 0, 1, 2).contiguous().permute(1, 2, 3, 0)


def _convolution(layer, inputs):
    bias = layer.bias.value if layer.use_bias else None
    return _activated(layer, _convolved(layer, inputs, layer.kernel, bias))


def _depthwise(layer, inputs):
    height, width, channels, multiplier = layer.kernel.shape
    kernel = layer.kernel.value.reshape(height, width, 1, channels * multiplier)
    bias = layer.bias.value if layer.use_bias else None
    return _activated(layer, _convolved(layer, inputs, kernel, bias))


def _transposed(layer, inputs):
    cut = [kernel - stride for kernel, stride in zip(layer.kernel_size, layer.strides, strict=True)]
    even = all(c >= 0 and c % 2 == 0 for c in cut)
    plain = layer.output_padding is None and set(layer.dilation_rate) == {1}
    if not (layer.padding == "same" and even and plain):
        return type(layer).call(layer, inputs)
    outputs = functional.conv_transpose2d(
        inputs.permute(0, 3, 1, 2),
        layer.kernel.value.permute(3, 2, 0, 1),
        layer.bias.value if layer.use_bias else None,
        stride=layer.strides,
        padding=tuple(c // 2 for c in cut),
    )
    return _activated(layer, outputs.permute(0, 2, 3, 1))


def _activated(layer, outputs):
    return outputs if layer.activation is None else layer.activation(outputs)


def _convolved(layer, inputs, kernel, bias=None):
    images = inputs.permute(0, 3, 1, 2)
    kernel = ops.convert_to_tensor(kernel).permute(3, 2, 0, 1)
    padding = (0, 0)
    if layer.padding == "same":
        sizes = (images.shape[2:], kernel.shape[2:], layer.strides, layer.dilation_rate)
        sides = [_same(*side) for side in zip(*sizes, strict=True)]
        if all(before == after for before, after in sides):
            padding = tuple(before for before, _ in sides)
        else:
            images = functional.pad(images, (*sides[1], *sides[0]))
    outputs = functional.conv2d(
        images,
        kernel,
        bias,
        stride=layer.strides,
        padding=padding,
        dilation=layer.dilation_rate,
        groups=images.shape[1] // kernel.shape[1],
    )
    return outputs.permute(0, 2, 3, 1)


def _same(size, kernel, stride, dilation):
    """Returns how much "same" puts before and after a side."""
    missing = (-(-size // stride) - 1) * stride + dilation * (kernel - 1) + 1 - size
    missing = max(missing, 0)
    return missing // 2, missing - missing // 2


def _batch_normalization(layer, inputs, training=None, mask=None):
    """Computes the same as the layer, with one kernel in training."""
    plain = mask is None and not getattr(layer, "renorm", False)
    last = layer.axis in (-1, inputs.ndim - 1) and inputs.ndim in (2, 4)
    supported = inputs.dtype in (torch.float32, torch.bfloat16, torch.float16)
    if not (training and layer.trainable and plain and last and supported):
        return type(layer).call(layer, inputs, training=training, mask=mask)
    scale = layer.gamma.value.float() if layer.scale else None
    offset = layer.beta.value.float() if layer.center else None
    images = inputs.movedim(-1, 1)
    if images.ndim == 4:
        # A picture that was cut has gaps in memory, for which the kernel is ten times as slow.
        images = images.contiguous(memory_format=torch.channels_last)
    outputs, mean, inverse = torch.native_batch_norm(
        images, scale, offset, None, None, True, 0.0, layer.epsilon
    )
    variance = inverse**-2 - layer.epsilon
    for average, value in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
        average.assign(average * layer.momentum + value.detach() * (1 - layer.momentum))
    return outputs.movedim(1, -1)
