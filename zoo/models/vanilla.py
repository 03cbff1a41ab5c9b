"""Vanilla GAN: both networks fully connected.

Goodfellow, Pouget-Abadie, Mirza, Xu, Warde-Farley, Ozair, Courville, Bengio: "Generative
Adversarial Nets", NeurIPS 2014, arXiv:1406.2661.

What the paper did (sections 3 and 5): a generator of ReLU and sigmoid layers, a discriminator of
maxout layers with dropout, and two losses for the generator, the value function's and the
non-saturating one. The paper preset is the later, simpler form of the tutorials: 128 noise
values, one hidden layer of 512 in each network, LeakyReLU 0.01, tanh, the non-saturating
loss, Adam 3e-4, minibatches of 32, images in [-1, 1].

Where and why this file deviates; `--preset=paper` does not. All numbers are in
configs/vanilla.py:

- three hidden layers, LeakyReLU 0.2, batch normalisation in the generator, learning rate 1e-3.
- the exported generator is an average over the last training steps, which removes the speckles of
  single generators.
"""

import math

import keras
from keras import layers

from zoo.game import GAN
from zoo.game.gan import PARTS
from zoo.parts.augmentation import Augmentation
from zoo.parts.seen import Packing
from zoo.settings import Setting
from zoo.shapes import check_image


@keras.saving.register_keras_serializable(package="zoo")
class VanillaGAN(GAN):
    """Fully connected GAN of images.

    Losses, with s = softplus and logits D(x) (`loss="non_saturating"`; others by name):

        discriminator  E[s(-D(x))] + E[s(D(G(z)))]
        generator      E[s(-D(G(z)))]

    Args:
        image_shape: (height, width, channels), channels 1, 3 or 4.
        hidden: int, units of each hidden layer.
        depth: int, hidden layers of each network.
        slope: float in [0, 1], of LeakyReLU below 0.
        generator_norm: "batch" or "none", the normalisation in the generator.

    Raises:
        UsageError: a setting is not supported.
    """

    parts = (Augmentation, *PARTS, Packing)
    own = {
        "hidden": Setting(int, least=1),
        "depth": Setting(int, least=1),
        "slope": Setting(float, least=0.0, most=1.0),
        "generator_norm": Setting(str, choices=("batch", "none")),
    }

    def check(self):
        check_image(self.image_shape, "vanilla")

    def build_generator(self):
        z = keras.Input((self.latent_dim,), name="z")
        normalised = self.generator_norm == "batch"
        x = z
        for i in range(self.depth):
            x = layers.Dense(self.hidden, **self._kernel(bias=not normalised), name=f"hidden_{i}")(
                x
            )
            if normalised:
                x = layers.BatchNormalization(name=f"hidden_{i}_norm")(x)
            x = layers.LeakyReLU(self.slope, name=f"hidden_{i}_relu")(x)
        x = layers.Dense(math.prod(self.image_shape), **self._kernel(), name="to_image")(x)
        x = layers.Activation("tanh", dtype="float32", name="tanh")(x)
        images = layers.Reshape(self.image_shape, dtype="float32", name="image")(x)
        return keras.Model(z, images, name="generator")

    def build_discriminator(self):
        images = keras.Input(self.seen_shape, name="image")
        x = layers.Flatten(name="flatten")(images)
        for i in range(self.depth):
            x = layers.Dense(self.hidden, **self._kernel(), name=f"hidden_{i}")(x)
            x = layers.LeakyReLU(self.slope, name=f"hidden_{i}_relu")(x)
        x = self.compared(x)
        logit = layers.Dense(1, **self._kernel(), dtype="float32", name="logit")(x)
        return keras.Model(images, logit, name="discriminator")

    def _kernel(self, bias=True):
        glorot = keras.initializers.GlorotUniform(seed=self.kernel_seed())
        return {"kernel_initializer": glorot, "use_bias": bias}
