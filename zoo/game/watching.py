"""Keras's callbacks, as far as a game has to help them."""

import keras

from zoo.errors import UsageError


def checked(game, callbacks):
    """Lets callbacks that watch a loss know that lower is better, and refuses useless ones.

    Args:
        game: a `zoo.game.Game`.
        callbacks: the argument of `fit`: a list, a `CallbackList`, a callback or None.

    Raises:
        UsageError: a callback of Keras cannot do here what it is meant for.
    """
    for callback in callbacks if isinstance(callbacks, list | tuple) else [callbacks]:
        if isinstance(callback, keras.callbacks.SwapEMAWeights):
            raise UsageError(
                "The game keeps its averages itself, in "
                f"{', '.join(f'ema_{name}' for name in game.averaged)}, and draws with them. "
                "Expected no SwapEMAWeights; ema_half_life sets how long the averages remember. "
                "Received: SwapEMAWeights."
            )
        if isinstance(callback, RATES) and getattr(game, "decay_steps", 0):
            raise UsageError(
                "The learning rates already follow a schedule. Expected decay_steps=0 beside "
                f"{type(callback).__name__}. Received: decay_steps={game.decay_steps}."
            )
        # Keras knows the direction of metrics that `compile` was given, and of no others.
        if getattr(callback, "mode", None) == "auto":
            name = str(getattr(callback, "monitor", "")).removeprefix("val_")
            if name in game.trackers and name.endswith("loss"):
                callback.mode = "min"


RATES = (keras.callbacks.ReduceLROnPlateau, keras.callbacks.LearningRateScheduler)
