"""The inputs of a game: fields of the right shape, range and type."""

import warnings

import keras
import numpy as np
from keras import ops

from zoo.errors import UsageError

WHOLE_NUMBERS = ("label", "tokens")  # fields of int32; all others are float32 on the device
LOOKED_AT = 256  # samples of an array whose range is checked


def checked_shape(name, shape):
    """Returns the shape of a sample as a tuple of ints. Raises UsageError for anything else."""
    try:
        shape = tuple(int(n) for n in shape)
    except (TypeError, ValueError):
        shape = (0,)
    if not shape or min(shape) < 1:
        raise UsageError(
            f"`{name}` is the shape of one sample. Expected for example {name}=(32, 32, 3). "
            f"Received: {name}={shape}."
        )
    return shape


def fields(game, data):
    """Returns the data that Keras passes to a step, as a dict of fields."""
    if isinstance(data, dict):
        return dict(data)
    x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
    batch = dict(x) if isinstance(x, dict) else {game.sample_field: x}
    return batch if y is None else batch | {"label": y}


def prepared(game, batch):
    """Returns fields as the networks take them.

    uint8 images become float32 in [-1, 1], and grey ones without an axis of channels get one.
    """
    # In eager mode JAX passes numpy arrays, which Keras does not mix with tensors.
    return {name: _prepared(game, name, ops.convert_to_tensor(x)) for name, x in batch.items()}


def _prepared(game, name, values):
    if name in WHOLE_NUMBERS:
        return ops.cast(values, "int32")
    if _grey(game) and _rank(values) != len(game.sample_shape) + 1:
        values = ops.reshape(values, (-1, *game.sample_shape))
    if keras.backend.standardize_dtype(values.dtype) == "uint8":
        return ops.cast(values, "float32") / 127.5 - 1.0
    return ops.cast(values, "float32")


def lacks_channels(game, shape):
    """Whether a batch of this shape holds grey pictures without an axis of channels."""
    return _grey(game) and tuple(shape[1:]) == game.sample_shape[:-1]


def _grey(game):
    return game.shape_setting == "image_shape" and game.sample_shape[-1] == 1


def _rank(values):
    try:
        return len(values.shape)
    except ValueError:  # TensorFlow traced the step with a batch of another rank before
        return None


def check_fields(game, batch):
    """Raises UsageError unless the fields of a batch, or of all samples, suit the game.

    Warns of images in [0, 1], which the game would take for half of [-1, 1].

    Args:
        game: a `zoo.game.Game`.
        batch: dict, name -> array whose first axis counts the samples.
    """
    samples = {name: x for name, x in batch.items() if name not in WHOLE_NUMBERS}
    for values in samples.values():
        _check_shape(game, values)
        if game.shape_setting == "image_shape":
            _check_range(values)
    counts = {name: len(x) for name, x in samples.items()}
    if len(set(counts.values())) > 1:
        received = ", ".join(f"{count} of {name!r}" for name, count in counts.items())
        raise UsageError(
            f"The fields belong together, sample by sample. Expected as many of each. Received: "
            f"{received}."
        )
    labels = batch.get("label")
    if game.num_classes:
        check_labels(labels, next(iter(counts.values())), game.num_classes)
    elif labels is not None:
        advice = "leave them out"
        if "num_classes" in game.settings():
            advice += ", or create it with num_classes"
        raise UsageError(
            f"This model has no classes, so it has no use for labels: {advice}. Expected samples "
            f"alone, such as fit(samples). Received: labels of shape {tuple(np.shape(labels))}."
        )


def _check_shape(game, values):
    if tuple(values.shape[1:]) == game.sample_shape or lacks_channels(game, values.shape):
        return
    shape = ", ".join(map(str, game.sample_shape))
    advice = f"create the model with {game.shape_setting}={tuple(values.shape[1:])} or resize them"
    if tuple(values.shape) == game.sample_shape:
        advice = "a batch has one axis more than a sample: use .batch(32) on a data set"
    raise UsageError(
        f"The samples have another shape than the model. Expected (n, {shape}); {advice}. "
        f"Received: {tuple(values.shape)}."
    )


def _check_range(images):
    if images.dtype == np.uint8:
        return
    some = np.asarray(images[:LOOKED_AT])
    low, high = (float(np.min(some)), float(np.max(some))) if some.size else (0.0, 0.0)
    if images.dtype.kind != "f" or not -1.001 <= low <= high <= 1.001:
        raise UsageError(
            "The images have the wrong range. Expected uint8 in [0, 255] or float in [-1, 1]; "
            "images of 0 to 255 as other numbers fit after .astype('uint8'). "
            f"Received: {images.dtype} from {low:g} to {high:g}."
        )
    if 0 <= low < high and high > 0.5:
        warnings.warn(
            f"The images go from {low:g} to {high:g}, and the model draws from -1 to 1. If they "
            "are in [0, 1], pass 2 * images - 1, or else the darkest grey stands for half light.",
            stacklevel=2,
        )


def check_labels(labels, count, num_classes):
    """Returns labels as int32 `(count,)`. Raises UsageError unless each is one of the classes."""
    if labels is None:
        raise UsageError(
            "Each sample needs a label, because the model has classes. Expected "
            f"fit(samples, labels), or batches (samples, labels), with {count} whole numbers from "
            f"0 to {num_classes - 1}. Received: no labels."
        )
    labels = np.asarray(labels)
    if labels.shape == (count, 1) and labels.dtype.kind in "iu":
        advice = "labels[:, 0] has that shape"
    elif labels.ndim == 2 and len(labels) == count:
        advice = "np.argmax(labels, axis=1) makes them of one-hot rows"
    elif labels.dtype.kind == "f":
        advice = "labels.astype('int32') makes them of whole floats"
    elif labels.dtype.kind in "SUO":
        advice = "np.unique(labels, return_inverse=True)[1] makes them of names"
    else:
        advice = "there is one for each sample"
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise UsageError(
            f"Each sample needs a label. Expected whole numbers of shape ({count},); {advice}. "
            f"Received: {labels.dtype} of shape {labels.shape}."
        )
    wrong = labels[(labels < 0) | (labels >= num_classes)]
    if wrong.size:
        most = num_classes - 1
        valid = range(num_classes) if most < 20 else (0, 1, "...", most)
        raise UsageError(f"There is no class {wrong[0]}. Valid: {', '.join(map(str, valid))}.")
    return labels.astype("int32")
