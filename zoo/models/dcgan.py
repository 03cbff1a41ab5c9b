"""DCGAN: deep convolutional generative adversarial network.

Radford, Metz, Chintala: "Unsupervised Representation Learning with Deep Convolutional Generative
Adversarial Networks", ICLR 2016, arXiv:1511.06434.

What the paper did (section 3 and 4): a generator of transposed convolutions from 100 uniform noise
values, a discriminator of strided convolutions, no pooling and no hidden dense layers; batch
normalisation in both except at the generator's output and the discriminator's input; ReLU in the
generator with tanh at the end, LeakyReLU 0.2 in the discriminator; weights from N(0, 0.02); Adam
with learning rate 2e-4 and beta_1 0.5, minibatches of 128; 64x64 images from 1024 channels at 4x4.

Where and why this file deviates; `--preset=paper` undoes what is marked with a star:

- noise from N(0, 1) instead of U(-1, 1), as nearly everybody does since.
- * `width` 32 channels at the largest resolution instead of 128: a laptop can train it.
- * learning rate 1e-3 instead of 2e-4: in trials of a few minutes nothing else mattered as much.
- * the exported generator is an average over the last training steps.
"""

import keras
from keras import layers

from zoo.errors import check, one_of
from zoo.gan import GAN
from zoo.layers import SpectralConv2D, SpectralDense
from zoo.shapes import doublings

NORMS = ("batch", "spectral", "none")


@keras.saving.register_keras_serializable(package="zoo")
class DCGAN(GAN):
    """Deep convolutional GAN.

    Losses, with s = softplus and logits D(x) (`loss="non_saturating"`; others by name):

        discriminator  E[s(-D(x))] + E[s(D(G(z)))]
        generator      E[s(-D(G(z)))]

    Args:
        image_shape: (size, size, channels); size is 4 to 7 doubled at least twice (16, 20, 24, 28,
            32, 40, 48, 56, 64, ...), channels 1 or 3.
        width: int, channels at the largest resolution; they double with each halving of it.
        kernel_size: int, side of all kernels in pixels.
        discriminator_norm: "batch", "spectral" (Miyato et al. 2018) or "none", the normalisation in
            the discriminator.
        **kwargs: the settings of `zoo.gan.GAN`.

    Raises:
        UsageError: the image shape or a setting is not supported.
    """

    def __init__(
        self,
        image_shape: tuple = (28, 28, 1),
        *,
        width: int = 32,
        kernel_size: int = 5,
        discriminator_norm: str = "batch",
        learning_rate: float = 1e-3,
        **kwargs,
    ):
        super().__init__(image_shape, learning_rate=learning_rate, **kwargs)
        self.width = check("width", width, 1)
        self.kernel_size = check("kernel_size", kernel_size, 2)
        self.discriminator_norm = one_of("discriminator_norm", discriminator_norm, NORMS)
        self.start, self.doublings = doublings(self.image_shape, "dcgan")
        self.build_networks()

    def build_generator(self):
        z = keras.Input((self.latent_dim,), name="z")
        channels = self.width * 2**self.doublings // 2
        x = layers.Dense(self.start**2 * channels, **self._kernel(), name="project")(z)
        x = layers.Reshape((self.start, self.start, channels), name="reshape")(x)
        x = layers.BatchNormalization(name="project_norm")(x)
        x = layers.ReLU(name="project_relu")(x)
        for i in range(1, self.doublings):
            channels //= 2
            x = layers.Conv2DTranspose(
                channels, self.kernel_size, 2, "same", **self._kernel(), name=f"up_{i}"
            )(x)
            x = layers.BatchNormalization(name=f"up_{i}_norm")(x)
            x = layers.ReLU(name=f"up_{i}_relu")(x)
        x = layers.Conv2DTranspose(
            self.image_shape[-1],
            self.kernel_size,
            2,
            "same",
            **self._kernel(bias=True),
            name="to_image",
        )(x)
        images = layers.Activation("tanh", dtype="float32", name="image")(x)
        return keras.Model(z, images, name="generator")

    def build_discriminator(self):
        images = keras.Input(self.seen_shape, name="image")
        normalised = self.discriminator_norm == "batch"
        spectral = self.discriminator_norm == "spectral"
        convolution = SpectralConv2D if spectral else layers.Conv2D
        dense = SpectralDense if spectral else layers.Dense
        x, channels = images, self.width
        for i in range(self.doublings):
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

    def _kernel(self, bias=False):
        normal = keras.initializers.RandomNormal(0.0, 0.02, seed=self.kernel_seed())
        return {"kernel_initializer": normal, "use_bias": bias}
