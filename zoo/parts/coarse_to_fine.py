"""Coarse to fine: a network for half the size learns first, then one around it for the full size.

Wang et al. 2018, section 3.1.
"""

from zoo.parts.part import Part
from zoo.players import Phase, Player
from zoo.settings import Setting

GLOBAL = "global"


class CoarseToFine(Part):
    """Phases before the game: the global generator alone at half the size, then the enhancer alone.

    The game's generator consists of the networks `global_generator` and `enhancer`, and its
    `generator_loss` serves in every phase.

    Args:
        global_rounds: int, rounds that train the global generator alone, on pictures of half the
            size.
        enhancer_rounds: int, rounds after them that train the enhancer around it alone. Then both
            learn together.
    """

    settings = {
        "global_rounds": Setting(int, 0, least=0),
        "enhancer_rounds": Setting(int, 0, least=0),
    }

    def players(self, game):
        (generator,) = (player for player in game.players if player.makes)

        def player(name, network):
            reported = {"losses": generator.losses, "seen": generator.seen, "short": name}
            return Player(name, (network,), (network,), loss=_loss, **reported)

        added = ()
        if self.global_rounds:
            added += (player(GLOBAL, "global_generator"),)
        if self.enhancer_rounds:
            added += (player("enhancer", "enhancer"),)
        return added

    def phases(self, game):
        judges = [p.name for p in game.players if not p.makes and p.name not in game.idle()]
        rounds = {GLOBAL: self.global_rounds, "enhancer": self.enhancer_rounds}
        return tuple(Phase(name, (*judges, name), n) for name, n in rounds.items() if n)


def _loss(game, batch, made):
    return game.generator_loss(batch, made)
