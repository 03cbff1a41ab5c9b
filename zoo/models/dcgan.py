"""DCGAN: deep convolutional generative adversarial network.

Radford, Metz, Chintala: "Unsupervised Representation Learning with Deep Convolutional Generative
Adversarial Networks", ICLR 2016, arXiv:1511.06434.

What the paper did (section 3 and 4): a generator of transposed convolutions from 100 uniform noise
values, a discriminator of strided convolutions, no pooling and no hidden dense layers; batch
normalisation in both except at the generator's output and the discriminator's input; ReLU in the
generator with tanh at the end, LeakyReLU 0.2 in the discriminator; weights from N(0, 0.02); Adam
with learning rate 2e-4 and beta_1 0.5, minibatches of 128; 64x64 images from 1024 channels at 4x4.

Where and why this file deviates; `--preset=paper` restores the paper's value of items with a star.
All numbers are in configs/dcgan.py:

- images of any size: they are halved until they reach 3x3 or 4x4.
- noise from N(0, 1) instead of U(-1, 1), which has become standard.
- * `width` 32 channels at the largest resolution instead of 128, and 16 beyond 32 pixels: a laptop
  can train it. Use more with a GPU or a day of time.
- * kernels of 4x4 instead of 5x5: a third less computation.
- * learning rate 2e-3, and 1e-3 beyond 32 pixels, instead of 2e-4, and minibatches of 32 instead of
  128: see docs/recipes.md.
- * the penalty R1 (Mescheder et al. 2018, eq. 9) on a quarter of the real samples, to keep the
  discriminator from winning. Its weight is 0.3: with 1 the discriminator is close to guessing after
  some minutes, and scores are worse.
- * the exported generator is an average over training. Its half-life is a tenth of the images seen
  so far (`ema_ramp_up`), up to a million, because the high rate keeps the weights moving.
"""

import keras
from keras import layers

from zoo.game import GAN
from zoo.game.gan import PARTS
from zoo.layers import SpectralConv2D, SpectralDense
from zoo.parts.augmentation import Augmentation
from zoo.parts.seen import Packing
from zoo.settings import Setting
from zoo.shapes import halvings

NORMS = ("batch", "spectral", "none")


@keras.saving.register_keras_serializable(package="zoo")
class DCGAN(GAN):
    """Deep convolutional GAN.

    Losses, with s = softplus and logits D(x) (`loss="non_saturating"`; others by name):

        discriminator  E[s(-D(x))] + E[s(D(G(z)))] + penalty_weight / 2 E|grad D(x)|^2
        generator      E[s(-D(G(z)))]

    Args:
        image_shape: (height, width, channels), sides of at least 9, channels 1, 3 or 4.
        width: int, channels at the largest resolution; they double with each halving of it.
        kernel_size: int, side of all kernels in pixels.
        discriminator_norm: "batch", "spectral" (Miyato et al. 2018) or "none", the normalisation in
            the discriminator.

    Raises:
        UsageError: the image shape or a setting is not supported.
    """

    parts = (Augmentation, *PARTS, Packing)
    own = {
        "width": Setting(int, least=1),
        "kernel_size": Setting(int, least=2),
        "discriminator_norm": Setting(str, choices=NORMS),
    }

    def check(self):
        self.sizes = halvings(self.image_shape, "dcgan")

    def build_generator(self):
        z = keras.Input((self.latent_dim,), name="z")
        *larger, (height, width) = self.sizes
        channels = self.width * 2 ** (len(larger) - 1)
        x = layers.Dense(height * width * channels, **self._kernel(), name="project")(z)
        x = layers.Reshape((height, width, channels), name="reshape")(x)
        x = layers.BatchNormalization(name="project_norm")(x)
        x = layers.ReLU(name="project_relu")(x)
        # Numbered from the image, so that pictures of other sizes find these layers by name.
        for i, size in reversed(list(enumerate(larger[1:], 1))):
            channels //= 2
            x = self._up(x, channels, size, f"level_{i}", self._kernel())
            x = layers.BatchNormalization(name=f"level_{i}_norm")(x)
            x = layers.ReLU(name=f"level_{i}_relu")(x)
        x = self._up(x, self.image_shape[-1], larger[0], "to_image", self._kernel(bias=True))
        images = layers.Activation("tanh", dtype="float32", name="image")(x)
        return keras.Model(z, images, name="generator")

    def build_discriminator(self):
        images = keras.Input(self.seen_shape, name="image")
        normalised = self.discriminator_norm == "batch"
        spectral = self.discriminator_norm == "spectral"
        convolution = SpectralConv2D if spectral else layers.Conv2D
        dense = SpectralDense if spectral else layers.Dense
        x, channels = images, self.width
        for i in range(len(self.sizes) - 1):
            first = i == 0
            x = convolution(
                channels,
                self.kernel_size,
                2,
                "same",
                **self._kernel(bias=first or not normalised),
                name=f"down_{i}",
            )(x)
            if normalised and not first:
                x = layers.BatchNormalization(name=f"down_{i}_norm")(x)
            x = layers.LeakyReLU(0.2, name=f"down_{i}_relu")(x)
            channels *= 2
        x = layers.Flatten(name="flatten")(self.compared(x))
        logit = dense(1, **self._kernel(bias=True), dtype="float32", name="logit")(x)
        return keras.Model(images, logit, name="discriminator")

    def _up(self, x, channels, size, name, kernel):
        """Doubles the sides and crops the result to `size`, which may be odd."""
        x = layers.Conv2DTranspose(channels, self.kernel_size, 2, "same", **kernel, name=name)(x)
        down, right = x.shape[1] - size[0], x.shape[2] - size[1]
        if not down and not right:
            return x
        return layers.Cropping2D(((0, down), (0, right)), name=f"{name}_crop")(x)

    def _kernel(self, bias=False):
        normal = keras.initializers.RandomNormal(0.0, 0.02, seed=self.kernel_seed())
        return {"kernel_initializer": normal, "use_bias": bias}
