"""Coarse to fine: a network for half the size learns first, then one around it for the full size.

Wang et al. 2018, section 3.1.
"""

import dataclasses

from zoo.parts.part import Part
from zoo.players import Phase
from zoo.settings import Setting

GLOBAL = "global"


class CoarseToFine(Part):
    """Phases before the game: the global generator alone at half the size, then the enhancer alone.

    The game's generator consists of the networks `global_generator` and `enhancer`, and its
    `generator_loss` and `discriminator_loss` serve in every phase, with an optimizer of their own
    in each. Averages begin with the game: before, they are the weights themselves.

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
        judge = _judge(game)
        added = ()
        for name, network in self._phases():
            # A judge of its own for each phase: a falling learning rate falls in each.
            added += (
                dataclasses.replace(
                    judge, name=_judge_of(name), short=f"{name}_d", loss=_discriminator_loss
                ),
                dataclasses.replace(
                    generator,
                    name=name,
                    networks=(network,),
                    makes=(network,),
                    short=name,
                    loss=_generator_loss,
                ),
            )
        idle = judge.name in game.idle()
        return tuple(player for player in added if player.makes or not idle)

    def phases(self, game):
        judged = _judge(game).name not in game.idle()
        return tuple(
            Phase(name, (_judge_of(name), name) if judged else (name,), rounds)
            for (name, _), rounds in self._phases().items()
        )

    def new_optimizer(self, game, player):
        if player.name in (_judge_of(name) for name, _ in self._phases()):
            return game.part["Optimizers"].new_optimizer(game, _judge(game))
        return None

    def _phases(self):
        """Returns (name, network that learns) -> rounds of the phases that there are."""
        rounds = {
            (GLOBAL, "global_generator"): self.global_rounds,
            ("enhancer", "enhancer"): self.enhancer_rounds,
        }
        return {phase: count for phase, count in rounds.items() if count}


def _judge(game):
    (judge,) = (player for player in game.players if not player.makes)
    return judge


def _judge_of(name):
    return f"{name}_discriminator"


def _generator_loss(game, batch, made):
    return game.generator_loss(batch, made)


def _discriminator_loss(game, batch, made):
    return game.discriminator_loss(batch, made)
