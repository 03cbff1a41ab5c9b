"""The inputs of a game: fields of the right shape, range and type."""

import keras
import numpy as np
from keras import ops

from zoo import backend
from zoo.errors import UsageError

WHOLE_NUMBERS = ("label", "tokens")  # fields of int32; all others are float32 on the device


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


def prepared(batch):
    """Returns fields as the networks take them: uint8 images as float32 in [-1, 1]."""
    # In eager mode JAX passes numpy arrays, which Keras does not mix with tensors.
    return {name: _prepared(name, ops.convert_to_tensor(x)) for name, x in batch.items()}


def _prepared(name, values):
    if name in WHOLE_NUMBERS:
        return ops.cast(values, "int32")
    if keras.backend.standardize_dtype(values.dtype) == "uint8":
        return ops.cast(values, "float32") / 127.5 - 1.0
    return ops.cast(values, "float32")


def check_samples(game, x):
    """Raises UsageError unless `x` is an array of samples that fits the game."""
    if tuple(x.shape[1:]) != game.sample_shape:
        name, shape = game.shape_setting, ", ".join(map(str, game.sample_shape))
        raise UsageError(
            f"The samples have another shape than the model. Expected (n, {shape}); create the "
            f"model with {name}={tuple(x.shape[1:])} or resize them. Received: {tuple(x.shape)}."
        )
    if game.shape_setting == "image_shape" and x.dtype != np.uint8:
        low, high = float(np.min(x[:256])), float(np.max(x[:256]))
        if x.dtype.kind != "f" or not -1.001 <= low <= high <= 1.001:
            raise UsageError(
                "The images have the wrong range. Expected uint8 in [0, 255] or float in "
                f"[-1, 1]. Received: {x.dtype} from {low:g} to {high:g}."
            )


def check_batch(game, batch_size):
    """Raises UsageError unless `batch_size` samples divide evenly among all replicas."""
    count = backend.replicas_of(game)
    # Samples that are judged together must lie on one device.
    together = getattr(game, "packing", 1)
    smallest = count * game.accumulate * together
    if count > 1 and batch_size % smallest:
        near = max(batch_size // smallest, 1) * smallest
        raise UsageError(
            f"A batch is shared out to {count} devices, in equal parts. Expected a batch size "
            f"divisible by devices * accumulate * packing = {smallest}, such as {near}. "
            f"Received: {batch_size}."
        )


def checked_fit(game, x, y, batch_size):
    """Checks numpy arrays for `fit` and drops the rest that does not fill a round.

    Returns:
        `(x, y, batch_size)` for `keras.Model.fit`, where one batch is one round.
    """
    arrays = x if isinstance(x, dict) else {game.sample_field: x}
    arrays = {name: values for name, values in arrays.items() if name not in WHOLE_NUMBERS}
    for values in arrays.values():
        check_samples(game, values)
    size = batch_size or 32
    check_batch(game, size)
    moves = game.minibatches
    packing = getattr(game, "packing", 1)
    if size % (game.accumulate * packing):
        raise UsageError(
            "The batch does not divide into the parts that accumulate and packing make of it. "
            f"Expected a batch_size divisible by {game.accumulate * packing}. Received: {size}."
        )
    size *= moves
    # A smaller rest is played too, where every part of the step gets its share of it.
    whole = moves > 1 or packing > 1 or backend.replicas_of(game) > 1
    least = size if whole else game.accumulate
    count = len(next(iter(arrays.values())))
    if count < least:
        raise UsageError(
            f"There are fewer samples than a step takes. Expected at least {least}; add samples, "
            f"or choose a smaller batch_size or fewer moves and parts. Received: {count}."
        )
    kept = count - count % least
    if kept < count:
        x = {name: values[:kept] for name, values in x.items()} if isinstance(x, dict) else x[:kept]
        y = None if y is None else y[:kept]
    return x, y, size
