"""Grouped convolutions on a CPU, whose derivatives XLA computes fifty times as slowly as others."""

import functools

import keras
from keras import ops


def prepare(network):
    """Makes each grouped convolution one convolution for each group, side by side."""
    for layer in network.layers:
        if type(layer) is not keras.layers.Conv2D or layer.groups == 1:
            continue
        if layer.data_format == "channels_last":
            layer.convolution_op = functools.partial(_convolution_op, layer)


def _convolution_op(layer, inputs, kernel):
    parts = (ops.split(x, layer.groups, axis=-1) for x in (inputs, kernel))
    convolved = [type(layer).convolution_op(layer, *part) for part in zip(*parts, strict=True)]
    return ops.concatenate(convolved, axis=-1)
