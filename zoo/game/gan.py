"""GAN, the classic game: a generator turns noise into samples and a discriminator judges them."""

import functools

import numpy as np
from keras import ops

from zoo import sampling
from zoo.drawing import pictures
from zoo.errors import UsageError
from zoo.game import inputs
from zoo.game.game import Game
from zoo.game.optimizers import DiscriminatorRate, Optimizers
from zoo.parts.averaging import Averaging
from zoo.parts.critic import Critic
from zoo.parts.discriminators import Discriminators
from zoo.parts.losses import Adversarial
from zoo.parts.penalties import Penalty, WeightClip
from zoo.parts.seen import InstanceNoise, MinibatchDeviation
from zoo.parts.warm_start import WarmStart
from zoo.players import Player
from zoo.settings import Setting
from zoo.tasks.task import task_of

# The parts of every game that draws from noise, in the order in which they are called.
PARTS = (
    *(Adversarial, Penalty, WeightClip, InstanceNoise, MinibatchDeviation, Discriminators, Critic),
    *(WarmStart, Optimizers, DiscriminatorRate, Averaging),
)


class GAN(Game):
    """Base of the variants that draw samples from noise: two networks, trained in turn.

    A variant implements `build_generator` and `build_discriminator`, each returning a functional
    model of stock Keras layers. It overrides anything else that differs.

    One round (Goodfellow et al. 2014, algorithm 1) is `n_critic` discriminator updates, each on its
    own real minibatch and fresh noise, then one generator update. The last discriminator update and
    the generator update share one generator forward pass.

    Args:
        latent_dim: int, size of the noise `z`, drawn from N(0, 1).

    Attributes:
        h5_names: the variant's own names for the `.h5` files of generator and discriminator, or
            None.
    """

    task = "pictures"
    players = (
        Player("discriminator", ("discriminator",), seen=("real", "fake"), moves="n_critic"),
        Player("generator", ("generator",), makes=("generator",)),
    )
    parts = PARTS
    own = {"latent_dim": Setting(int, 100, least=1)}
    averaged = ("generator",)
    h5_names = None

    # Networks

    def build_generator(self):
        """Returns the generator: functional, stock layers, input named `z`."""
        raise NotImplementedError(f"{type(self).__name__} must implement build_generator().")

    def build_discriminator(self):
        """Returns the discriminator: functional, from a sample to one float32 logit."""
        raise NotImplementedError(f"{type(self).__name__} must implement build_discriminator().")

    def builders(self):
        joined = self.part["Discriminators"].joined
        return {
            "generator": self.build_generator,
            "discriminator": lambda: joined(self.build_discriminator),
        }

    @property
    def discriminator_networks(self):
        """The discriminators, a list of one or several networks."""
        return self.part["Discriminators"].single(self.discriminator)

    @property
    def seen_shape(self):
        """Shape of one input of the discriminator: `packing` samples."""
        *sides, channels = self.sample_shape
        return (*sides, channels * getattr(self, "packing", 1))

    def compared(self, x):
        """Appends the deviation between samples to features `x` of a discriminator, if it is set.

        A variant calls it before its last layers.
        """
        return self.part["MinibatchDeviation"].compared(x)

    # The game

    @property
    def objective(self):
        """The two losses, `zoo.parts.losses.Loss`."""
        return self.part["Adversarial"].objective

    def draw(self, batch):
        real = batch[self.sample_field]
        return {"z": self.normal((ops.shape(real)[0], self.latent_dim))}

    def make(self, batch):
        return {"fake": self.generate_batch(batch["z"], batch.get("label"))}

    def discriminator_loss(self, batch, made):
        """The sum of the discriminators' losses and penalties; the logs show their mean."""
        total, real_logits, fake_logits = 0.0, [], []
        real, fake, labels = batch[self.sample_field], made["fake"], batch.get("label")
        penalty = self.part["Penalty"]
        for network in self.discriminator_networks:
            judge = functools.partial(self._every, labels, network)
            seen_real, seen_fake, added = penalty.judged(judge, real, fake, self)
            total += self.objective.discriminator(seen_real, seen_fake)
            total += self.current("penalty_weight") * added
            real_logits.append(seen_real)
            fake_logits.append(seen_fake)
        mean = total / self.discriminators
        return total, {"loss": mean, "real": _mean(real_logits), "fake": _mean(fake_logits)}

    def generator_loss(self, batch, made):
        """The generator's losses against each discriminator, combined."""
        real, labels, losses = batch[self.sample_field], batch.get("label"), []
        for network in self.discriminator_networks:
            real_logits = None
            if self.objective.uses_real:
                real_logits = self.discriminate(real, labels, network)
            fake_logits = self.discriminate(made["fake"], labels, network)
            losses.append(self.objective.generator(fake_logits, real_logits))
        return self.part["Discriminators"].combined(losses)

    def generate_batch(self, z, labels=None):
        """The generator's samples for latents `z` in training mode."""
        return self.generator(z, training=True)

    def discriminate(self, samples, labels=None, network=None):
        """The float32 logits `(batch / packing,)` of one discriminator in training mode.

        Args:
            samples: the samples to judge.
            labels: int32 `(batch,)` where the model has classes.
            network: one of `discriminator_networks`; by default the first.
        """
        seen = self.seen(samples)
        inputs = [*seen] if isinstance(seen, list | tuple) else [seen]
        if self.num_classes:
            inputs.append(labels)
        network = network or self.discriminator_networks[0]
        logits = network(inputs if len(inputs) > 1 else inputs[0], training=True)
        return ops.reshape(ops.cast(logits, "float32"), (-1,))

    def _every(self, labels, network, samples, every=1):
        """`discriminate` for samples that are every `every`-th of a minibatch."""
        if labels is not None and every > 1:
            labels = labels[::every]
        return self.discriminate(samples, labels, network)

    def seen(self, samples):
        """Returns samples as the discriminator sees them: augmented, noisy, packed, or features."""
        for part in self.part.values():
            samples = part.seen(self, samples)
        return samples

    # Samples

    def generate(self, count=16, seed=0, labels=None, ema=True):
        """Draws samples. The same seed gives the same samples, whatever the count.

        Args:
            count: int, how many.
            seed: int, or `count` ints for one sample each.
            labels: int32 `(count,)` where the model has classes; by default all in turn.
            ema: bool, whether to use the averaged generator instead of the current one.

        Returns:
            float32 array `(count, *sample_shape)`, images in [-1, 1].

        Raises:
            UsageError: a label is not a class, or there is not one for each sample.
        """
        generator = self.ema_generator if ema else self.generator
        if self.num_classes:
            given = np.arange(count) % self.num_classes if labels is None else labels
            labels = inputs.check_labels(given, count, self.num_classes)
        return sampling.run_generator(
            generator, sampling.latents(count, self.latent_dim, seed), labels
        )

    def show(self, count=16, seed=0, labels=None, ema=True):
        """Returns one picture of samples, a `PIL.Image`, which a notebook displays.

        Args:
            count, seed, labels, ema: as those of `generate`.
        """
        samples = self.generate(count, seed, labels, ema)
        return pictures.pillow(task_of(self.task).picture(samples))

    def inference_generator(self):
        """Returns a new functional generator, float32, with the averaged weights."""
        return self.inference_network("generator")

    def inference_discriminator(self):
        """Returns a new functional discriminator, float32, spectral layers folded into stock ones.

        Its inputs are samples and, with classes, int32 labels `(batch,)`.

        Raises:
            UsageError: it compares the samples of a minibatch, for which there is no stock layer.
        """
        if self.minibatch_std:
            raise UsageError(
                "The discriminator compares the samples of a minibatch, for which Keras has no "
                "layer, so it loads only with this package: save the whole model instead. Expected "
                f"minibatch_std=0. Received: minibatch_std={self.minibatch_std}."
            )
        return self.inference_network("discriminator")


def _mean(logits):
    return logits[0] if len(logits) == 1 else sum(logits) / len(logits)
