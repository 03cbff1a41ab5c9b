"""Averages over training of the networks that draw. They are saved and exported."""

from keras import ops

from zoo import backend
from zoo.parts.part import Part
from zoo.settings import Setting


class Averaging(Part):
    """An exponential moving average over training of the networks that draw.

    Computed as in Karras et al. 2018 (section 4), with a half-life in images.

    Args:
        ema_half_life: float, images after which a past generator's share in the averaged one has
            halved; 0 turns averaging off.
        ema_ramp_up: float, upper limit of the half-life as a share of the images seen so far, so
            that the average soon forgets untrained generators (Karras et al. 2020, ADA).
    """

    settings = {
        "ema_half_life": Setting(float, 0.0, least=0.0),
        "ema_ramp_up": Setting(float, 0.1, least=0.0),
    }

    def after_round(self, game, batch, results):
        # Those that draw may move several times in a round, on a minibatch each.
        moves = max((game.moves_of(player) for player in game.playing if player.makes), default=1)
        size, seen = game.batch_images(batch) * moves, game.images_seen(batch)
        half_life = ops.minimum(game.current("ema_half_life"), self.ema_ramp_up * seen)
        decay = ops.power(0.5, size / ops.maximum(half_life, 1e-6))
        if pairs := list(game.averaged_weights()):
            with backend.no_grad():
                backend.approach(*zip(*pairs, strict=True), decay)
