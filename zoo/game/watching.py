"""Keras's callbacks, as far as a game has to help them."""

import keras

from zoo.errors import UsageError
from zoo.game.optimizers import follows_schedule


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
        if isinstance(callback, keras.callbacks.OrbaxCheckpoint):
            raise UsageError(
                "OrbaxCheckpoint needs another path for each weight, and the networks of a game "
                "have layers of the same names. Expected keras.callbacks.ModelCheckpoint("
                "'{epoch}.keras'), whose files hold all that a training has. Received: "
                "OrbaxCheckpoint."
            )
        if isinstance(callback, RATES) and _falling(getattr(game, "optimizer", None)):
            raise UsageError(
                "The learning rates already follow a schedule. Expected a game with decay_steps=0, "
                f"and optimizers of constant rates, beside {type(callback).__name__}. Received: "
                f"decay_steps={getattr(game, 'decay_steps', 0)}, and schedules of "
                f"{', '.join(_falling(game.optimizer))}."
            )
        # Keras knows the direction of metrics that `compile` was given, and of no others.
        if getattr(callback, "mode", None) == "auto":
            name = str(getattr(callback, "monitor", "")).removeprefix("val_")
            if name in game.trackers and name.endswith("loss"):
                callback.mode = "min"


def _falling(optimizer):
    """Returns the names of the players whose learning rates follow a schedule."""
    pairs = zip(getattr(optimizer, "names", ()), getattr(optimizer, "optimizers", ()), strict=True)
    return [name for name, one in pairs if follows_schedule(one)]


RATES = (keras.callbacks.ReduceLROnPlateau, keras.callbacks.LearningRateScheduler)
