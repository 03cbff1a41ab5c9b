"""The number of discriminator moves per round."""

from zoo.parts.part import Part
from zoo.settings import Setting


class Critic(Part):
    """Several discriminator updates in a round (Goodfellow et al. 2014, algorithm 1).

    Args:
        n_critic: int, discriminator updates per generator update, each with a minibatch of its own.
    """

    settings = {"n_critic": Setting(int, 1, least=1)}
