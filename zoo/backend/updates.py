"""Updates of variables that two backends make in the same way."""

import keras


def approach(averages, values, share):
    for average, value in zip(averages, values, strict=True):
        average.assign(value + (average - value) * keras.ops.cast(share, value.dtype))


def is_adam(optimizer):
    """Returns whether an optimizer makes Adam's own update: no AMSGrad, none of a subclass."""
    adam = keras.optimizers.Adam
    same = isinstance(optimizer, adam) and type(optimizer).update_step is adam.update_step
    return same and not optimizer.amsgrad
