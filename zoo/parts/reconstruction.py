"""The rate at which what goes there and back counts beside the game."""

from keras import ops

from zoo.parts.part import Part
from zoo.settings import Setting


class ReconstructionRate(Part):
    """A rate r of the reconstruction, one minus which multiplies the game (Kim et al. 2017).

    With a low rate at first the game decides what belongs to what; a high one from the beginning
    would hold on to whatever the networks happen to do. The loss asks for
    `game.current("reconstruction_rate")`.

    Args:
        reconstruction_rate: float in [0, 1], the rate after the first rounds.
        early_reconstruction_rate: float in [0, 1], the rate in the first rounds.
        early_rounds: int, how many rounds these are; 0 for none.
    """

    settings = {
        "reconstruction_rate": Setting(float, 0.5, least=0.0, most=1.0),
        "early_reconstruction_rate": Setting(float, 0.01, least=0.0, most=1.0),
        "early_rounds": Setting(int, 0, least=0),
    }

    def changes(self, game):
        return bool(self.early_rounds)

    def current(self, game, setting):
        if setting != "reconstruction_rate" or not self.early_rounds:
            return None
        # The count of updates is saved with the optimizer, so a resumed run has the same rate.
        (first,) = (p for p in game.all_players if p.name == game.optimizer.names[0])
        end = (game.rounds_before + self.early_rounds) * game.moves_of(first)
        early = ops.cast(game.optimizer.iterations < end, "float32")
        return early * self.early_reconstruction_rate + (1 - early) * self.reconstruction_rate
