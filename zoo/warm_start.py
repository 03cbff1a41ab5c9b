"""Warm start: the generator begins as the decoder of a variational autoencoder.

Kingma, Welling: "Auto-Encoding Variational Bayes", ICLR 2014, arXiv:1312.6114.
Rybkin, Daniilidis, Levine: "Simple and Effective VAE Training with Calibrated Decoders", ICML 2021,
arXiv:2006.13202.

An encoder turns a sample x into a normal distribution of latent points, mean m and deviation s, and
the generator draws x again from a point z of it. Minimised is the negative bound (Kingma and
Welling 2014, eq. 10), with one draw of z for each x:

    -log p(x | z) + 1/2 sum(m^2 + s^2 - 1 - log s^2)

where p(x | z) is normal around G(z) with one deviation for all values. What counts afterwards is
not how well a picture comes back but what points of the prior look like:

- images, in [-1, 1]: the deviation is 1. A smaller or a learned one gave sharper reconstructions
  and worse samples of the prior.
- vectors, in any units: the deviation of largest likelihood for each minibatch, the root of the
  mean squared error (Rybkin et al. 2021, section 3.2). A fixed one that is large beside the data
  would make all samples the same.

Afterwards the encoder is dropped, and the game goes on from the generator.
"""

import math

import keras
import numpy as np
from keras import layers, ops

from zoo import backend
from zoo.data import Dataset
from zoo.data.batches import batches, steps_per_epoch
from zoo.errors import UsageError

LEARNING_RATE = 1e-3


def parse(text):
    """Returns the epochs of the setting `warm_start`, such as "vae:1".

    Raises:
        UsageError: it is not "vae:" and a whole number of at least 1.
    """
    kind, _, epochs = str(text).partition(":")
    if kind == "vae" and epochs.isdecimal() and int(epochs) >= 1:
        return int(epochs)
    raise UsageError(
        "`warm_start` is vae:EPOCHS with at least one epoch, or none. Expected for example "
        f"--set warm_start=vae:1. Received: warm_start={text!r}."
    )


def vae(gan, samples, labels=None, epochs=1, batch_size=64, seed=0, callbacks=()):
    """Trains the generator of a model as the decoder of a variational autoencoder.

    Sets the weights and moving averages of `gan.generator` and copies them to `gan.ema_generator`.
    The discriminator, the optimizers and the seeds of the model stay as they are.

    Args:
        gan: a `zoo.gan.GAN`, compiled or not.
        samples: array of samples, as `gan.fit` takes them.
        labels: int32 `(n,)` where the model has classes; only the generator gets them.
        epochs: int, passes over the samples.
        batch_size: int, samples in one update; a ragged rest of an epoch is left out.
        seed: int, of the encoder's initial weights, the latent points and the order of the samples.
        callbacks: Keras callbacks; they see the autoencoder as `self.model`.

    Returns:
        dict of lists with a value for each epoch: `loss`, the bound in nats per sample but for a
        constant, `error`, the root of the mean squared error, and `divergence`.

    Raises:
        UsageError: the samples do not fit the model, or the loss is no longer finite.
    """
    parse(f"vae:{epochs}")
    gan.check_samples(samples)
    if gan.num_classes and labels is None:
        raise UsageError(
            f"This model has classes. Expected labels from 0 to {gan.num_classes - 1} beside the "
            "samples. Received: no labels."
        )
    labels = np.asarray(labels, "int32") if gan.num_classes else None
    dataset = Dataset("of the warm start", samples, labels, (), "")
    steps = steps_per_epoch(dataset, batch_size)

    def stream():
        # In a tuple of one: Keras would take a pair for inputs and targets.
        return ((batch,) for batch in batches(dataset, batch_size, seed))

    autoencoder = Autoencoder(gan, seed)
    autoencoder.compile(optimizer=keras.optimizers.Adam(LEARNING_RATE))
    history = autoencoder.fit(
        backend.stream(autoencoder, stream),
        epochs=epochs,
        steps_per_epoch=steps,
        callbacks=list(callbacks),
        shuffle=False,
        verbose=0,
    ).history
    if not np.isfinite(history["loss"]).all():
        raise UsageError(
            "The loss of the warm start was no longer finite, so the generator cannot begin with "
            "it. Train without warm_start, or with a larger batch_size."
        )
    gan.ema_generator.set_weights(gan.generator.get_weights())
    return history


class Autoencoder(keras.Model):
    """The generator of a model behind an encoder.

    Args:
        gan: a `zoo.gan.GAN`.
        seed: int, of the encoder's initial weights and the latent points.
    """

    def __init__(self, gan, seed=0):
        super().__init__(name="autoencoder")
        self.encoder = build_encoder(gan.image_shape, gan.latent_dim, seed)
        self.generator = gan.generator
        # As functions: as attributes the discriminator's weights would be trained too.
        self.prepare = lambda samples: gan.prepare(samples)
        self.draw = lambda z, labels: gan.generate_batch(z, labels)
        self.noise = keras.random.SeedGenerator(seed)
        self.means = [keras.metrics.Mean(name=name) for name in ("error", "divergence")]
        self.built = True

    def call(self, inputs, training=False):
        """Returns `(difference, mean, log_variance)` of a minibatch of samples."""
        samples, labels = inputs if len(inputs) == 2 else (*inputs, None)
        real = self.prepare(samples)
        mean, log_variance = ops.split(self.encoder(real, training=training), 2, axis=-1)
        noise = backend.drawn(keras.random.normal, ops.shape(mean), self.noise)
        z = mean + ops.exp(log_variance / 2) * noise
        return real - ops.cast(self.draw(z, labels), "float32"), mean, log_variance

    def compute_metrics(self, *args, **kwargs):
        return backend.logs(super().compute_metrics(*args, **kwargs))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        difference, mean, log_variance = y_pred
        shape = difference.shape[1:]
        squared = backend.mean(ops.mean(ops.square(difference)))
        # The least one keeps the logarithm finite.
        error = squared if len(shape) == 3 else ops.log(ops.maximum(squared, 1e-12))
        moments = ops.square(mean) + ops.exp(log_variance) - 1.0 - log_variance
        divergence = backend.mean(ops.mean(ops.sum(moments, axis=-1))) / 2
        for metric, value in zip(self.means, (ops.sqrt(squared), divergence), strict=True):
            metric.update_state(ops.stop_gradient(value))
        # The gradients of the replicas are added up.
        return (math.prod(shape) / 2 * error + divergence) / backend.replicas()[0]


def build_encoder(image_shape, latent_dim, seed=0):
    """Returns the functional encoder, from a sample to mean and log variance of its latent point.

    Convolutional for images, halving them down to at most 7 pixels, else fully connected. Without
    batch normalisation, so that a point depends on its own sample alone.

    Args:
        image_shape: shape of one sample.
        latent_dim: int; the output is float32 `(batch, 2 * latent_dim)`.
        seed: int, of the initial weights.
    """
    seeds = np.random.default_rng(seed)

    def kernel():
        initializer = keras.initializers.HeNormal(seed=int(seeds.integers(2**31)))
        return {"kernel_initializer": initializer, "dtype": "float32"}

    samples = x = keras.Input(image_shape, name="sample")
    if len(image_shape) == 3:
        channels = 32
        while max(x.shape[1:3]) > 7:
            x = layers.Conv2D(channels, 4, 2, "same", **kernel())(x)
            x = layers.LeakyReLU(0.2, dtype="float32")(x)
            channels = min(2 * channels, 256)
    x = layers.Flatten(dtype="float32")(x)
    x = layers.Dense(256, **kernel())(x)
    x = layers.LeakyReLU(0.2, dtype="float32")(x)
    # Begins near the prior: an encoding far from it would cost more than the picture is worth.
    nearly_zero = keras.initializers.RandomNormal(0.0, 0.01, seed=int(seeds.integers(2**31)))
    code = layers.Dense(
        2 * latent_dim, kernel_initializer=nearly_zero, dtype="float32", name="code"
    )(x)
    return keras.Model(samples, code, name="encoder")
