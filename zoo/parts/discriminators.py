"""Several discriminators against one generator (Durugkar et al. 2017, GMAN)."""

import keras
from keras import ops

from zoo import backend
from zoo.parts.part import Part
from zoo.settings import Setting

COMBINATIONS = ("mean", "max", "softmax")


class Discriminators(Part):
    """Several discriminators against one generator (Durugkar et al. 2017, GMAN).

    Args:
        discriminators: int, discriminators that play against the one generator, each with its own
            weights (Durugkar et al. 2017, GMAN).
        combination: "mean", "max" or "softmax", of the generator's losses against each of several
            discriminators: their mean, that against the best of them, or their mean weighted by
            softmax(combination_sharpness * losses) (Durugkar et al. 2017, sections 3.1 and 4.1).
        combination_sharpness: float, lambda there; at 0 the softmax is the mean.
    """

    settings = {
        "discriminators": Setting(int, 1, least=1),
        "combination": Setting(str, "mean", choices=COMBINATIONS),
        "combination_sharpness": Setting(float, 1.0, least=0.0),
    }

    def joined(self, build):
        """Returns the game's discriminator: a single one, or several behind the same inputs.

        With several, the logits are `(batch, discriminators)`.

        Args:
            build: function that returns a new discriminator.
        """
        if self.discriminators == 1:
            return build()
        networks = [build() for _ in range(self.discriminators)]
        for i, network in enumerate(networks):
            network.name = f"discriminator_{i}"
        inputs = [keras.Input(x.shape[1:], dtype=x.dtype, name=x.name) for x in networks[0].inputs]
        logits = [network(inputs if len(inputs) > 1 else inputs[0]) for network in networks]
        logits = keras.layers.Concatenate(dtype="float32", name="logits")(logits)
        return keras.Model(inputs if len(inputs) > 1 else inputs[0], logits, name="discriminator")

    def single(self, discriminator):
        """Returns the list of discriminators inside the joined one."""
        if self.discriminators == 1:
            return [discriminator]
        return [discriminator.get_layer(f"discriminator_{i}") for i in range(self.discriminators)]

    def combined(self, losses):
        """Combines the generator's losses against each discriminator, all scalars."""
        if len(losses) == 1:
            return losses[0]
        # Every replica must pick the same maximum.
        losses = backend.mean(ops.stack(losses))
        if self.combination == "max":
            return ops.max(losses)
        if self.combination == "softmax":
            return ops.sum(ops.softmax(self.combination_sharpness * losses) * losses)
        return ops.mean(losses)
