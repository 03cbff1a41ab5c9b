"""Network files: load one in safe mode, and read off it what it takes and gives.

Imports nothing of this package, so that the processes which export and check networks can load it
where `zoo` is not to be found.
"""

import re


def load(path, network="generator"):
    """Loads a generator file, `.keras` or `.h5`, in safe mode and without compiling it.

    Args:
        path: of the file.
        network: "generator" or "discriminator", what the file should hold.

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
    first = "z" if network == "generator" else "image"
    if not inputs or len(inputs) > 2 or len(model.outputs) != 1:
        raise ValueError(
            f"{path} does not hold a {network}: expected a functional model with inputs `{first}` "
            "and, for a model with classes, `label`, and one output. "
            f"Received: {type(model).__name__}."
        )
    if any(size is None for size in inputs[0].shape[1:]):
        raise ValueError(
            f"The {network} in {path} must fix the size of its input `{first}`, all but the batch. "
            f"Received: {tuple(inputs[0].shape)}."
        )
    return model


def input_names(model, network="generator"):
    """Returns what the inputs of a network are called in every format, whatever they were in it.

    A generator has `z`, a discriminator `image` or, for what is no picture, `sample`; beside it
    `label` where there are classes.
    """
    first = "z"
    if network == "discriminator":
        first = "image" if len(model.inputs[0].shape) == 4 else "sample"
    return (first, "label")[: len(model.inputs)]


def class_count(model):
    """Returns how many classes a generator with a `label` input has, or None if it does not say.

    The number is read off the layer that turns labels into vectors.
    """
    # A functional model has operations, a sequential one layers.
    for operation in getattr(model, "operations", getattr(model, "layers", [])):
        for name in ("input_dim", "num_tokens", "num_classes"):
            if isinstance(getattr(operation, name, None), int):
                return getattr(operation, name)
        found = class_count(operation)
        if found:
            return found
    return None


def output_name(model, network="generator"):
    """Returns "images" where a generator gives pictures with 1 or 3 channels, else "samples".

    What a discriminator gives are "logits".
    """
    if network == "discriminator":
        return "logits"
    shape = model.outputs[0].shape
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
