"""Network files: loading in safe mode, and reading their inputs and outputs.

Imports nothing from this package, so the processes that export and check networks can load it
without `zoo`.
"""

import dataclasses
import math
import re


@dataclasses.dataclass(frozen=True)
class Input:
    """The type of a network input.

    Attributes:
        kind: str, "noise" (from N(0, 1)), "class" (a number of 0, 1, ...), "picture" (NHWC in
            [-1, 1]), "mask" (NHWC with one channel, 1 at unknown pixels, else 0) or "vector"
            (numbers in natural units).
        dtype: str.
    """

    kind: str
    dtype: str = "float32"


# The name of an input is its type. It decides which values are drawn, shown and printed for it.
INPUTS = {
    "z": Input("noise"),
    "label": Input("class", "int32"),
    "image": Input("picture"),
    # A discriminator judges it beside the source `image`.
    "judged": Input("picture"),
    # Where `image` is unknown.
    "mask": Input("mask"),
    "sample": Input("vector"),
}


def load(path, network="generator"):
    """Loads a network file, `.keras` or `.h5`, in safe mode and without compiling it.

    A generator of noise has the input `z` and, with classes, `label`; one of pictures has the input
    `image`, perhaps with `mask`, and may leave their height and width open.

    Args:
        path: of the file.
        network: str, name of the network in messages: "generator", "discriminator" or another name
            that a game uses.

    Raises:
        ValueError: one sentence saying why it cannot be used.
    """
    import keras

    try:
        model = keras.models.load_model(path, compile=False)
    except Exception as error:
        # Keras raises nearly every type here, with messages of many lines.
        raise ValueError(f"The {network} file {path} cannot be loaded: {why(error)}.") from error
    inputs = getattr(model, "inputs", None)
    first = "`image`" if network == "discriminator" else "`z` or `image`"
    if not inputs or len(inputs) > 2 or len(model.outputs) != 1:
        raise ValueError(
            f"{path} does not hold a {network}: expected a functional model with an input {first}, "
            "perhaps a second one, such as `label` of a model with classes, and one output. "
            f"Received: {type(model).__name__}."
        )
    for x in inputs:
        open_sides = slice(3, None) if len(x.shape) == 4 else slice(1, None)
        if any(size is None for size in x.shape[open_sides]):
            raise ValueError(
                f"The {network} in {path} must fix the size of its input `{x.name}`, all but the "
                "batch and, of pictures, height and width. "
                f"Received: {tuple(x.shape)}."
            )
    return model


def input_names(model, network="generator"):
    """Returns the names of a network's inputs in every format, a tuple of str.

    These are the network's own names if `INPUTS` has them. Otherwise the first input is `image` for
    pictures, `z` for another generator, `sample` for another discriminator. The second is `label`.
    """
    names = tuple(x.name for x in model.inputs)
    if set(names) <= set(INPUTS) and len(set(names)) == len(names):
        return names
    shape = tuple(model.inputs[0].shape[1:])
    # A file of unknown origin has no task to ask. Noise may come as a picture of one pixel.
    if len(shape) == 3 and shape[:2] != (1, 1):
        first = "image"
    else:
        first = "sample" if network == "discriminator" else "z"
    return (first, "label")[: len(names)]


def translates(model):
    """Returns whether a network turns pictures into pictures: its only input is `image`."""
    return input_names(model) == ("image",) and len(model.outputs[0].shape) == 4


def fills(model):
    """Returns whether a network fills holes in pictures: its inputs are `image` and `mask`."""
    shapes = [x.shape for x in (*model.inputs, *model.outputs)]
    return input_names(model) == ("image", "mask") and shapes[0] == shapes[-1]


def fixed_size(model):
    """Returns the (height, width) of the pictures that a network takes, or None for any."""
    height, width = model.inputs[0].shape[1:3]
    return None if height is None or width is None else (height, width)


def multiple(model):
    """Returns by what both sides of a picture must be divisible for a network, an int.

    It is how many times smaller the smallest map is: 2 ** depth for a U-Net, whose skips would
    otherwise join maps of unequal size, and 4 for two halvings and two doublings. Networks that
    hold others, or call a layer several times, count as one sequence of all strides, so the result
    may be too large, never too small.
    """
    operations = getattr(model, "operations", [])
    plain = all(
        not hasattr(layer, "layers") and len(layer._inbound_nodes) == 1 for layer in operations
    )
    if not operations or not plain:
        return math.prod(_stride(layer) for layer in _layers(model))
    smaller, most = {}, 1.0  # tensor -> how many times smaller it is than the input
    for layer in operations:
        inputs = layer.input if isinstance(layer.input, list) else [layer.input]
        times = max((smaller.get(id(x), 1.0) for x in inputs), default=1.0) * _stride(layer)
        most = max(most, times)
        name = type(layer).__name__
        if "Transpose" in name:
            times /= max(layer.strides)
        elif name.startswith("UpSampling"):
            times /= max(layer.size)
        smaller[id(layer.output)] = times
    return round(most)


def _stride(layer):
    """Returns how many times smaller a layer makes a map, an int."""
    if "Transpose" in type(layer).__name__:
        return 1
    strides = getattr(layer, "strides", None) or 1
    return max(strides) if isinstance(strides, (tuple, list)) else strides


def operations(model):
    """Returns the names of what a network holds beside layers, sorted: keras.ops that it calls.

    `.keras` files, SavedModels and ONNX take them; of an `.h5` file that holds one nothing loads.
    """
    names = {type(layer).__name__ for layer in _layers(model) if not hasattr(layer, "weights")}
    return sorted(names)


def _layers(model):
    """Yields the layers and operations of a model and of the models in it."""
    # A functional model has operations, a sequential one layers.
    for layer in getattr(model, "operations", getattr(model, "layers", [])):
        if hasattr(layer, "layers"):
            yield from _layers(layer)
        else:
            yield layer


def class_count(model):
    """Returns how many classes a generator with a `label` input has, or None if it does not say.

    The number is read off the layer that turns labels into vectors.
    """
    # A functional model has operations, a sequential one layers.
    for operation in getattr(model, "operations", getattr(model, "layers", [])):
        for name in ("input_dim", "num_tokens", "num_classes"):
            if isinstance(getattr(operation, name, None), int):
                return getattr(operation, name)
        count = class_count(operation)
        if count:
            return count
    return None


def output_name(model, network="generator"):
    """Returns "images" where a network gives pictures, else "samples"; "logits" of a discriminator.

    Made of noise, pictures have 1 or 3 channels; made of pictures, as many as those.
    """
    if network == "discriminator":
        return "logits"
    shape = model.outputs[0].shape
    if translates(model):
        return "images"
    return "images" if len(shape) == 4 and shape[-1] in (1, 3) else "samples"


def why(error):
    """Returns the reason of a failed load or conversion as a clause without the final dot."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = str(error)
    if "Lambda" in text:
        return (
            "it holds a Lambda layer, that is code, which Keras does not run in safe mode; build "
            "the network of stock layers"
        )
    custom = re.search(r"Could not locate (?:class|function) '([^']*)'", text)
    custom = custom or re.search(r"Unknown (?:layer|object): '?([^'.\s]*)", text)
    if custom:
        return (
            f"it holds the custom object {custom[1]!r}, which Keras alone does not know; build the "
            "network of stock layers"
        )
    if text.startswith(("File not found", "Unable to synchronously open")):
        return "expected a file that Keras has saved, and it is damaged or of another kind"
    first = (text.strip().splitlines() or [""])[0][:200].rstrip(".")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
