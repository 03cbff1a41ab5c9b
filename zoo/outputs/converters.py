"""The formats of other libraries: how a network is written in each, and how it is run from a file.

Imports nothing from this package, like `keras_alone.py`, which loads it. Heavy imports happen where
they are used, so a process loads only the library of its formats.
"""

import contextlib
import functools
import pathlib

import numpy as np

# onnxruntime reads it since 1.12 (2022). tf2onnx's default is 15.
OPSET = 17
WEB = "network.onnx"  # in the folder of a page
# Weights of fewer numbers stay float32: they take no room, and normalisation needs them exact.
LEAST_INT8 = 1024


def save_savedmodel(model, names, output, path):
    """Writes a SavedModel whose signature `serving_default` has one input of each name."""
    # Not `model.export`, which in Keras 3.15 writes every weight twice.
    import tensorflow as tf

    inputs = _specs(model, names)
    module = tf.Module()
    module.model = model
    module.serve = tf.function(lambda x: model(x, training=False), input_signature=[inputs])
    named = tf.function(lambda x: {output: model(x, training=False)})
    signatures = {"serving_default": named.get_concrete_function(inputs)}
    tf.saved_model.save(module, path, signatures=signatures)


def save_onnx(model, names, output, path):
    """Writes an ONNX file for batches of any size, of a model whose inputs have these names."""
    import onnx

    model.export(path, format="onnx", opset_version=OPSET, verbose=False)
    file = onnx.load(path)
    # The exporter gives the batch of each input a name of its own.
    for value in (*file.graph.input, *file.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.save(file, path)


def save_onnx_int8(model, names, output, path):
    """Writes an ONNX file with large weights in int8.

    Their values are computed back as float32 while the network runs, so nothing else loses
    precision, and no samples are needed to find the range of each layer.
    """
    import onnx
    from onnx import numpy_helper

    save_onnx(model, names, output, path)
    file = onnx.load(path)
    graph = file.graph
    for weight in list(graph.initializer):
        values = numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.ndim < 2 or values.size < LEAST_INT8:
            continue
        whole, scale, axis = rounded(values)
        parts = [f"{weight.name}/int8", f"{weight.name}/scale"]
        graph.initializer.remove(weight)
        for name, array in zip(parts, (whole, scale), strict=True):
            graph.initializer.append(numpy_helper.from_array(array, name))
        node = onnx.helper.make_node("DequantizeLinear", parts, [weight.name], axis=axis)
        graph.node.insert(0, node)
    onnx.checker.check_model(file)
    onnx.save(file, path)


def save_web(model, names, output, path):
    """Writes a folder with the ONNX file of a page, which `zoo.outputs.web` completes."""
    folder = pathlib.Path(path)
    folder.mkdir()
    save_onnx(model, names, output, str(folder / WEB))


def rounded(values):
    """Rounds float32 weights to int8, with a scale for each slice along one axis.

    Returns:
        `(whole, scale, axis)`: int8 of the same shape; float32 `(values.shape[axis],)`; and the
        axis with which `whole * scale` is nearest to `values`.
    """
    best = None
    for axis in range(values.ndim):
        others = tuple(i for i in range(values.ndim) if i != axis)
        scale = np.abs(values).max(axis=others, keepdims=True) / 127
        scale = np.where(scale > 0, scale, 1).astype("float32")
        whole = np.rint(values / scale).astype("int8")
        error = float(np.square(whole * scale - values).sum())
        if best is None or error < best[0]:
            best = error, whole, scale.reshape(-1), axis
    return best[1:]


def save_tflite(model, names, output, path):
    """Writes a LiteRT file for batches of any size."""
    _save_tflite(model, names, output, path, [])


def save_tflite_int8(model, names, output, path):
    """Writes a LiteRT file with int8 weights. Layers find the range of their inputs as they run."""
    import tensorflow as tf

    _save_tflite(model, names, output, path, [tf.lite.Optimize.DEFAULT])


def _save_tflite(model, names, output, path, optimizations):
    import tempfile

    import tensorflow as tf

    # As constants: the converter would leave variables out, and every sample were NaN.
    arrays = [
        [variable.numpy() for variable in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables)
    ]

    def named(x):
        constants = [[tf.constant(array) for array in group] for group in arrays]
        return {output: model.stateless_call(*constants, x, training=False)[0]}

    with _resized(model):
        signature = tf.function(named).get_concrete_function(_specs(model, names))
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(tf.Module(), folder, signatures={"serving_default": signature})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = optimizations
        content = converter.convert()
    pathlib.Path(path).write_bytes(content)


@contextlib.contextmanager
def _resized(model):
    """While it lasts, nearest neighbours are doubled by an operation whose sides are numbers.

    Keras repeats rows and columns, after which LiteRT knows no side of a batch of any size.
    """
    import keras
    import tensorflow as tf

    doubled = [
        layer
        for layer in model._flatten_layers(include_self=False)
        if type(layer) is keras.layers.UpSampling2D
        and layer.interpolation == "nearest"
        and None not in layer.output.shape[1:]
    ]
    for layer in doubled:
        sides = layer.output.shape[1:3]
        layer.call = functools.partial(tf.image.resize, size=sides, method="nearest")
    try:
        yield
    finally:
        for layer in doubled:
            del layer.call


def _specs(model, names):
    """Returns the TensorSpec of a network's input, or a list of several."""
    import tensorflow as tf

    specs = [
        tf.TensorSpec((None, *x.shape[1:]), x.dtype, name)
        for x, name in zip(model.inputs, names, strict=True)
    ]
    return specs if len(specs) > 1 else specs[0]


def _load_savedmodel(path):
    import tensorflow as tf

    # The module must outlive the call: the signature holds its variables weakly.
    module = tf.saved_model.load(path)

    def run(inputs):
        tensors = {name: tf.constant(value) for name, value in inputs.items()}
        (outputs,) = module.signatures["serving_default"](**tensors).values()
        return outputs.numpy()

    return run


def _load_onnx(path):
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(None, inputs)[0]


def _load_tflite(path):
    import tensorflow as tf

    runner = tf.lite.Interpreter(path).get_signature_runner()

    def run(inputs):
        (outputs,) = runner(**inputs).values()
        return outputs

    return run


# Format -> what writes it from `(model, names, output, path)`: the names of the inputs and of the
# output.
WRITERS = {
    "savedmodel": save_savedmodel,
    "serving": save_savedmodel,
    "onnx": save_onnx,
    "onnx_int8": save_onnx_int8,
    "web": save_web,
    "tflite": save_tflite,
    "tflite_int8": save_tflite_int8,
}
# Format -> what returns a function from a dict of arrays to the output, from a path.
LOADERS = {
    "savedmodel": _load_savedmodel,
    "serving": _load_savedmodel,
    "onnx": _load_onnx,
    "onnx_int8": _load_onnx,
    "web": lambda path: _load_onnx(str(pathlib.Path(path) / WEB)),
    "tflite": _load_tflite,
    "tflite_int8": _load_tflite,
}
