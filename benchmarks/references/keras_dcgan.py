"""DCGAN as the official Keras examples write a GAN, on TensorFlow.

After https://keras.io/examples/generative/dcgan_overriding_train_step: a `keras.Model` with two
optimizers and a `train_step` of two gradient tapes, in which the generator is run twice and the
discriminator judges generated and real images in one batch. The networks are those of
zoo/models/dcgan.py for 28x28x1; the labels have no noise, so that the loss is non-saturating.
"""

import keras
import tensorflow as tf
from keras import layers, ops

LATENT_DIM = 100
# Forward passes for each sample of a minibatch, as benchmarks/operations.py counts: the generator
# runs twice and is differentiated once, 1 + (1 + 2); the discriminator as in ours.
PASSES = 4.0, 8.0


def build_generator(width):
    """Returns the generator: float32 `(n, 100)` to images `(n, 28, 28, 1)` in [-1, 1]."""
    return keras.Sequential(
        [
            keras.Input((LATENT_DIM,)),
            layers.Dense(4 * 4 * 4 * width, use_bias=False, kernel_initializer=_normal()),
            layers.Reshape((4, 4, 4 * width)),
            layers.BatchNormalization(),
            layers.ReLU(),
            _up(2 * width),
            layers.Cropping2D(((0, 1), (0, 1))),
            layers.BatchNormalization(),
            layers.ReLU(),
            _up(width),
            layers.BatchNormalization(),
            layers.ReLU(),
            _up(1, use_bias=True, activation="tanh"),
        ],
        name="generator",
    )


def build_discriminator(width):
    """Returns the discriminator: images float32 `(n, 28, 28, 1)` to logits `(n, 1)`."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            _down(width, use_bias=True),
            layers.LeakyReLU(0.2),
            _down(2 * width),
            layers.BatchNormalization(),
            layers.LeakyReLU(0.2),
            _down(4 * width),
            layers.BatchNormalization(),
            layers.LeakyReLU(0.2),
            layers.Flatten(),
            layers.Dense(1, kernel_initializer=_normal()),
        ],
        name="discriminator",
    )


class KerasDCGAN(keras.Model):
    """The idiom: `fit` takes uint8 images `(n, 28, 28, 1)`.

    Args:
        width: int, channels at the largest resolution.
    """

    def __init__(self, width):
        super().__init__()
        self.generator = build_generator(width)
        self.discriminator = build_discriminator(width)
        self.seed_generator = keras.random.SeedGenerator(0)
        self.d_loss_metric = keras.metrics.Mean(name="d_loss")
        self.g_loss_metric = keras.metrics.Mean(name="g_loss")

    def compile(self):
        super().compile()
        self.d_optimizer = keras.optimizers.Adam(2e-4, beta_1=0.5)
        self.g_optimizer = keras.optimizers.Adam(2e-4, beta_1=0.5)
        self.loss_fn = keras.losses.BinaryCrossentropy(from_logits=True)

    @property
    def metrics(self):
        return [self.d_loss_metric, self.g_loss_metric]

    def train_step(self, real_images):
        if isinstance(real_images, tuple):
            real_images = real_images[0]
        real_images = ops.cast(real_images, "float32") / 127.5 - 1
        batch_size = ops.shape(real_images)[0]

        noise = keras.random.normal((batch_size, LATENT_DIM), seed=self.seed_generator)
        generated_images = self.generator(noise, training=True)
        combined_images = ops.concatenate([generated_images, real_images])
        labels = ops.concatenate([ops.zeros((batch_size, 1)), ops.ones((batch_size, 1))])
        with tf.GradientTape() as tape:
            predictions = self.discriminator(combined_images, training=True)
            d_loss = self.loss_fn(labels, predictions)
        grads = tape.gradient(d_loss, self.discriminator.trainable_weights)
        self.d_optimizer.apply_gradients(
            zip(grads, self.discriminator.trainable_weights, strict=True)
        )

        noise = keras.random.normal((batch_size, LATENT_DIM), seed=self.seed_generator)
        misleading_labels = ops.ones((batch_size, 1))
        with tf.GradientTape() as tape:
            predictions = self.discriminator(self.generator(noise, training=True), training=True)
            g_loss = self.loss_fn(misleading_labels, predictions)
        grads = tape.gradient(g_loss, self.generator.trainable_weights)
        self.g_optimizer.apply_gradients(zip(grads, self.generator.trainable_weights, strict=True))

        self.d_loss_metric.update_state(d_loss)
        self.g_loss_metric.update_state(g_loss)
        return {"d_loss": self.d_loss_metric.result(), "g_loss": self.g_loss_metric.result()}


def _up(channels, use_bias=False, activation=None):
    return layers.Conv2DTranspose(
        *(channels, 4, 2, "same"),
        use_bias=use_bias,
        activation=activation,
        kernel_initializer=_normal(),
    )


def _down(channels, use_bias=False):
    return layers.Conv2D(*(channels, 4, 2, "same"), use_bias=use_bias, kernel_initializer=_normal())


def _normal():
    return keras.initializers.RandomNormal(0.0, 0.02)
