"""Warm start: the generator begins as the decoder of a variational autoencoder.

Kingma, Welling: "Auto-Encoding Variational Bayes", ICLR 2014, arXiv:1312.6114.
Rybkin, Daniilidis, Levine: "Simple and Effective VAE Training with Calibrated Decoders", ICML 2021,
arXiv:2006.13202.

An encoder turns a sample x into a normal distribution of latent points, mean m and deviation s, and
the generator draws x again from a point z of it. Minimised is the negative bound (Kingma and
Welling 2014, eq. 10), with one draw of z for each x:

    -log p(x | z) + 1/2 sum(m^2 + s^2 - 1 - log s^2)

where p(x | z) is normal around G(z) with one deviation for all values. The goal is not good
reconstruction but good samples from the prior:

- images, in [-1, 1]: the deviation is 1. A smaller or a learned one gave sharper reconstructions
  and worse samples of the prior.
- vectors, in any units: the maximum-likelihood deviation of each minibatch, the root of the
  mean squared error (Rybkin et al. 2021, section 3.2). A fixed one that is large compared
  to the data would make all samples equal.

This is a phase before the game. Its only player trains the encoder and the generator. Then the
encoder rests, and the game continues from the generator.
"""

import math

import keras
import numpy as np
from keras import layers, ops

from zoo import backend
from zoo.parts.part import Part
from zoo.players import Phase, Player
from zoo.settings import Setting

LEARNING_RATE = 1e-3


class WarmStart(Part):
    """Some rounds in which the generator learns as the decoder of a variational autoencoder.

    Args:
        warm_start_rounds: int, rounds before the game that train the generator as the decoder of
            a variational autoencoder (Kingma and Welling 2014). 0 for none.
    """

    settings = {"warm_start_rounds": Setting(int, 0, least=0)}

    def builders(self, game):
        if not self.warm_start_rounds:
            return {}
        convolutional = game.sample_field == "image"
        shape, latent_dim, seed = game.sample_shape, game.latent_dim, game.seed
        return {"encoder": lambda: build_encoder(shape, latent_dim, seed, convolutional)}

    def players(self, game):
        if not self.warm_start_rounds:
            return ()
        autoencoder = Player(
            "autoencoder",
            ("encoder", "generator"),
            seen=("error", "divergence"),
            alone=True,
            loss=autoencoder_loss,
        )
        return (autoencoder,)

    def phases(self, game):
        if not self.warm_start_rounds:
            return ()
        return (Phase("warm start", ("autoencoder",), self.warm_start_rounds),)

    def new_optimizer(self, game, player):
        if player.name == "autoencoder":
            return keras.optimizers.Adam(LEARNING_RATE)
        return None


def autoencoder_loss(game, batch, made=None):
    """The bound in nats per sample but for a constant; the root of the squared error is reported.

    Args:
        game: a `zoo.game.GAN` with an encoder.
        batch: its fields.
    """
    real = batch[game.sample_field]
    mean, log_variance = ops.split(game.encoder(real, training=True), 2, axis=-1)
    z = mean + ops.exp(log_variance / 2) * game.normal(ops.shape(mean))
    drawn = ops.cast(game.generate_batch(z, batch.get("label")), "float32")
    return bound(real - drawn, mean, log_variance, learned=game.sample_field != "image")


def bound(difference, mean, log_variance, learned):
    """Returns the loss and the values to report.

    Args:
        difference: float32 `(batch, ...)`, sample minus reconstruction.
        mean: float32 `(batch, latent_dim)` of the latent point. log_variance: likewise.
        learned: bool, whether the deviation of p(x | z) is that of the minibatch instead of 1.
    """
    squared = backend.mean(ops.mean(ops.square(difference)))
    # The lower limit keeps the logarithm finite.
    error = ops.log(ops.maximum(squared, 1e-12)) if learned else squared
    moments = ops.square(mean) + ops.exp(log_variance) - 1.0 - log_variance
    divergence = backend.mean(ops.mean(ops.sum(moments, axis=-1))) / 2
    loss = math.prod(difference.shape[1:]) / 2 * error + divergence
    return loss, {"error": ops.sqrt(squared), "divergence": divergence}


def build_encoder(sample_shape, latent_dim, seed, convolutional):
    """Returns the functional encoder, from a sample to mean and log variance of its latent point.

    Without batch normalisation, so each point depends on its own sample alone.

    Args:
        sample_shape: shape of one sample.
        latent_dim: int; the output is float32 `(batch, 2 * latent_dim)`.
        seed: int, of the initial weights.
        convolutional: bool, whether convolutions first halve the sample down to at most 7 pixels.
    """
    seeds = np.random.default_rng(seed)

    def kernel():
        initializer = keras.initializers.HeNormal(seed=int(seeds.integers(2**31)))
        return {"kernel_initializer": initializer, "dtype": "float32"}

    samples = x = keras.Input(sample_shape, name="sample")
    if convolutional:
        channels = 32
        while max(x.shape[1:3]) > 7:
            x = layers.Conv2D(channels, 4, 2, "same", **kernel())(x)
            x = layers.LeakyReLU(0.2, dtype="float32")(x)
            channels = min(2 * channels, 256)
    x = layers.Flatten(dtype="float32")(x)
    x = layers.Dense(256, **kernel())(x)
    x = layers.LeakyReLU(0.2, dtype="float32")(x)
    # Start near the prior: a distant encoding would cost more than the picture is worth.
    nearly_zero = keras.initializers.RandomNormal(0.0, 0.01, seed=int(seeds.integers(2**31)))
    code = layers.Dense(
        2 * latent_dim, kernel_initializer=nearly_zero, dtype="float32", name="code"
    )(x)
    return keras.Model(samples, code, name="encoder")
