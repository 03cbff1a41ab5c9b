"""Gaussian: a fully connected GAN for numbers on the line and points in the plane.

Goodfellow, Pouget-Abadie, Mirza, Xu, Warde-Farley, Ozair, Courville, Bengio: "Generative Adversarial
Nets", NeurIPS 2014, arXiv:1406.2661.
"""

import keras
from keras import layers

from zoo.errors import UsageError
from zoo.gan import GAN, check


@keras.saving.register_keras_serializable(package="zoo")
class GaussianGAN(GAN):
    """Fully connected GAN for numbers and points."""

    def __init__(
        self,
        image_shape: tuple = (1,),
        *,
        latent_dim: int = 2,
        hidden: int = 128,
        depth: int = 3,
        generator_activation: str = "relu",
        discriminator_activation: str = "leaky_relu",
        scale: float = 4.0,
        loss: str = "relativistic",
        penalty: str | None = "r1_r2",
        penalty_weight: float = 0.1,
        learning_rate: float = 1e-3,
        ema_half_life: float = 50_000.0,
        **kwargs,
    ):
        super().__init__(
            image_shape,
            latent_dim=latent_dim,
            loss=loss,
            penalty=penalty,
            penalty_weight=penalty_weight,
            learning_rate=learning_rate,
            ema_half_life=ema_half_life,
            **kwargs,
        )
        self.hidden = check("hidden", hidden, 1)
        self.depth = check("depth", depth, 1)
        self.scale = check("scale", scale, 1e-6)
        self.generator_activation = generator_activation
        self.discriminator_activation = discriminator_activation
        if self.image_shape not in ((1,), (2,)):
            raise UsageError("shape")
        self.build_networks()

    def build_generator(self):
        z = keras.Input((self.latent_dim,), name="z")
        x = self._hidden(z, self.generator_activation)
        x = layers.Dense(self.image_shape[0], **self._kernel(), dtype="float32", name="to_sample")(x)
        samples = layers.Rescaling(self.scale, dtype="float32", name="sample")(x)
        return keras.Model(z, samples, name="generator")

    def build_discriminator(self):
        samples = keras.Input(self.seen_shape, name="sample")
        x = self._hidden(samples, self.discriminator_activation)
        logit = layers.Dense(1, **self._kernel(), dtype="float32", name="logit")(x)
        return keras.Model(samples, logit, name="discriminator")

    def _hidden(self, x, activations):
        names = activations.split(",")
        for i in range(self.depth):
            x = layers.Dense(self.hidden, **self._kernel(), name=f"hidden_{i}")(x)
            x = layers.Activation(names[i % len(names)].strip(), name=f"hidden_{i}_activation")(x)
        return x

    def _kernel(self):
        return {"kernel_initializer": keras.initializers.GlorotUniform(seed=self.kernel_seed())}
