"""Vanilla GAN: both networks fully connected.

Goodfellow, Pouget-Abadie, Mirza, Xu, Warde-Farley, Ozair, Courville, Bengio: "Generative Adversarial
Nets", NeurIPS 2014, arXiv:1406.2661.
"""

import math

import keras
from keras import layers

from zoo.errors import UsageError
from zoo.gan import GAN, check


@keras.saving.register_keras_serializable(package="zoo")
class VanillaGAN(GAN):
    """Fully connected GAN."""

    def __init__(
        self,
        image_shape: tuple = (28, 28, 1),
        *,
        latent_dim: int = 128,
        hidden: int = 512,
        depth: int = 2,
        slope: float = 0.2,
        generator_norm: str = "batch",
        learning_rate: float = 1e-3,
        **kwargs,
    ):
        super().__init__(image_shape, latent_dim=latent_dim, learning_rate=learning_rate, **kwargs)
        self.hidden = check("hidden", hidden, 1)
        self.depth = check("depth", depth, 1)
        self.slope = check("slope", slope, 0.0, 1.0)
        if generator_norm not in ("batch", "none"):
            raise UsageError(
                "`generator_norm` is unknown. Expected 'batch' or 'none'. "
                f"Received: generator_norm={generator_norm!r}."
            )
        self.generator_norm = generator_norm
        self.build_networks()

    def build_generator(self):
        z = keras.Input((self.latent_dim,), name="z")
        x, normalised = z, self.generator_norm == "batch"
        for i in range(self.depth):
            x = layers.Dense(
                self.hidden, use_bias=not normalised, **self._kernel(), name=f"hidden_{i}"
            )(x)
            if normalised:
                x = layers.BatchNormalization(name=f"hidden_{i}_norm")(x)
            x = layers.LeakyReLU(self.slope, name=f"hidden_{i}_relu")(x)
        x = layers.Dense(math.prod(self.image_shape), **self._kernel(), name="to_image")(x)
        x = layers.Activation("tanh", dtype="float32", name="range")(x)
        images = layers.Reshape(self.image_shape, dtype="float32", name="image")(x)
        return keras.Model(z, images, name="generator")

    def build_discriminator(self):
        images = keras.Input(self.seen_shape, name="image")
        x = layers.Flatten(name="flatten")(images)
        for i in range(self.depth):
            x = layers.Dense(self.hidden, **self._kernel(), name=f"hidden_{i}")(x)
            x = layers.LeakyReLU(self.slope, name=f"hidden_{i}_relu")(x)
        logit = layers.Dense(1, **self._kernel(), dtype="float32", name="logit")(x)
        return keras.Model(images, logit, name="discriminator")

    def _kernel(self):
        return {"kernel_initializer": keras.initializers.GlorotUniform(seed=self.kernel_seed())}
