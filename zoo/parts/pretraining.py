"""Pretraining: a phase in which the generator learns by the squared error alone.

Ledig et al. 2017, section 3.2: without it the game is "trapped in undesired local optima".
"""

import math

import keras
from keras import ops

from zoo.errors import UsageError
from zoo.parts.part import Part
from zoo.players import Phase, Player
from zoo.settings import Setting

STAGES = ("both", "error", "game")
LEAST_ERROR = 1e-10  # keeps the logarithm finite


class Pretraining(Part):
    """Some rounds before the game in which the squared error to the target is all that counts.

    The game names its two tensors by `compared`: what `make` draws, and the field of the target.

    Args:
        stages: "both" for the squared error first and then the game, "error" or "game" for one of
            them alone, without end.
        error_rounds: int, rounds of the first stage. If it stands alone its learning rate still
            falls over as many, and stays.
        error_learning_rate: float, the rate of its Adam at the beginning.
        error_decay_to: float in [0, 1], the share to which that rate falls, along a cosine.

    Averages begin with the game: in the first stage they are the weights themselves.
    """

    settings = {
        "stages": Setting(str, "both", choices=STAGES),
        "error_rounds": Setting(int, 0, least=0),
        "error_learning_rate": Setting(float, 1e-4, least=0.0, most=10.0),
        "error_decay_to": Setting(float, 1.0, least=0.0, most=1.0),
    }

    def check(self, game):
        if self.stages == "error" and not self.error_rounds:
            raise UsageError(
                "The squared error alone needs a length, over which its learning rate falls. "
                "Expected stages=error with error_rounds of at least 1. "
                "Received: error_rounds=0."
            )

    @property
    def plays(self):
        """Whether there is the first stage."""
        return self.stages != "game" and self.error_rounds > 0

    def players(self, game):
        if not self.plays:
            return ()
        drawing = tuple(game.averaged)
        player = Player("pretraining", drawing, drawing, seen=("psnr",), loss=squared_error)
        return (player,)

    def phases(self, game):
        return (Phase("error", ("pretraining",), self.error_rounds),) if self.plays else ()

    def new_optimizer(self, game, player):
        if player.name != "pretraining":
            return None
        rate = self.error_learning_rate
        if self.error_decay_to < 1:
            rate = keras.optimizers.schedules.CosineDecay(
                rate, self.error_rounds, alpha=self.error_decay_to
            )
        return keras.optimizers.Adam(rate)


def squared_error(game, batch, made):
    """Returns the mean squared error in [-1, 1], and `{"psnr": its ratio in decibels}`.

    Args:
        game: a game with `compared`. batch, made: as for a player's loss.
    """
    drawn, target = game.compared
    errors = ops.mean(ops.square(ops.cast(made[drawn], "float32") - batch[target]), axis=(1, 2, 3))
    return ops.mean(errors), {"psnr": ratio(errors)}


def ratio(errors):
    """Returns the peak signal-to-noise ratio in decibels of squared errors in [-1, 1]."""
    return -10 / math.log(10) * ops.log(ops.maximum(errors, LEAST_ERROR) / 4)
