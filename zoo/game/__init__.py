"""The game: networks, players, phases, the round."""

from zoo.game.game import Game
from zoo.game.gan import GAN
from zoo.game.translator import Translator
from zoo.players import Phase, Player

__all__ = ["GAN", "Game", "Phase", "Player", "Translator"]
