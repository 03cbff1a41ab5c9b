"""Conditional GAN: the class of the picture is given to both networks.

Mirza, Osindero: "Conditional Generative Adversarial Nets", 2014, arXiv:1411.1784.
Miyato, Koyama: "cGANs with Projection Discriminator", ICLR 2018, arXiv:1802.05637.
"""

import keras
import numpy as np
from keras import layers

from zoo.errors import UsageError
from zoo.gan import GAN, check


@keras.saving.register_keras_serializable(package="zoo")
class ConditionalGAN(GAN):
    """Convolutional GAN of labelled images."""

    def __init__(
        self,
        image_shape: tuple = (28, 28, 1),
        *,
        num_classes: int | None = None,
        width: int = 32,
        conditioning: str = "projection",
        discriminator_norm: str = "batch",
        learning_rate: float = 1e-3,
        **kwargs,
    ):
        super().__init__(image_shape, learning_rate=learning_rate, **kwargs)
        if num_classes is None:
            raise UsageError(
                "The conditional GAN learns from labelled images: give it a data set with classes, "
                "such as mnist or a folder with one folder per class. "
                "Expected num_classes of at least 1. Received: num_classes=None."
            )
        self.num_classes = check("num_classes", num_classes, 1)
        self.width = check("width", width, 1)
        for name, value, valid in (
            ("conditioning", conditioning, ("concat", "projection")),
            ("discriminator_norm", discriminator_norm, ("batch", "none")),
        ):
            if value not in valid:
                raise UsageError(
                    f"`{name}` is unknown. Expected {valid[0]!r} or {valid[1]!r}. "
                    f"Received: {name}={value!r}."
                )
        self.conditioning = conditioning
        self.discriminator_norm = discriminator_norm
        if self.packing != 1:
            raise UsageError(
                "The conditional GAN judges one image at a time, together with its label. Expected "
                f"packing=1. Received: packing={self.packing}."
            )
        self.start, self.doublings = _resolution(self.image_shape)
        self.build_networks()

    def build_generator(self):
        z = keras.Input((self.latent_dim,), name="z")
        label = keras.Input((), dtype="int32", name="label")
        code = layers.Embedding(self.num_classes, self.latent_dim, name="label_code")(label)
        x = layers.Concatenate(name="z_and_label")([z, code])
        channels = self.width * 2**self.doublings // 2
        x = layers.Dense(self.start**2 * channels, **self._kernel(), name="project")(x)
        x = layers.Reshape((self.start, self.start, channels), name="reshape")(x)
        x = layers.BatchNormalization(name="project_norm")(x)
        x = layers.ReLU(name="project_relu")(x)
        for i in range(1, self.doublings):
            channels //= 2
            x = layers.Conv2DTranspose(channels, 4, 2, "same", **self._kernel(), name=f"up_{i}")(x)
            x = layers.BatchNormalization(name=f"up_{i}_norm")(x)
            x = layers.ReLU(name=f"up_{i}_relu")(x)
        x = layers.Conv2DTranspose(
            self.image_shape[-1], 4, 2, "same", **self._kernel(bias=True), name="to_image"
        )(x)
        images = layers.Activation("tanh", dtype="float32", name="image")(x)
        return keras.Model([z, label], images, name="generator")

    def build_discriminator(self):
        images = keras.Input(self.image_shape, name="image")
        label = keras.Input((), dtype="int32", name="label")
        normalised = self.discriminator_norm == "batch"
        x, channels = images, self.width
        if self.conditioning == "concat":
            size = self.image_shape[0]
            plane = layers.Embedding(self.num_classes, size**2, name="label_code")(label)
            plane = layers.Reshape((size, size, 1), name="label_plane")(plane)
            x = layers.Concatenate(name="image_and_label")([x, plane])
        for i in range(self.doublings):
            first = i == 0
            x = layers.Conv2D(
                channels,
                4,
                2,
                "same",
                **self._kernel(bias=first or not normalised),
                name=f"down_{i}",
            )(x)
            if normalised and not first:
                x = layers.BatchNormalization(name=f"down_{i}_norm")(x)
            x = layers.LeakyReLU(0.2, name=f"down_{i}_relu")(x)
            channels *= 2
        x = layers.Flatten(dtype="float32", name="features")(x)
        logit = layers.Dense(1, **self._kernel(bias=True), dtype="float32", name="logit")(x)
        if self.conditioning == "projection":
            code = layers.Embedding(
                self.num_classes, x.shape[-1], dtype="float32", name="label_code"
            )(label)
            match = layers.Dot(1, dtype="float32", name="projection")([code, x])
            logit = layers.Add(dtype="float32", name="sum")([logit, match])
        return keras.Model([images, label], logit, name="discriminator")

    def generate_batch(self, z, labels=None):
        return self.generator([z, labels], training=True)

    def discriminate(self, samples, labels=None):
        logits = self.discriminator([self.seen(samples), labels], training=True)
        return keras.ops.reshape(keras.ops.cast(logits, "float32"), (-1,))

    def _kernel(self, bias=False):
        normal = keras.initializers.RandomNormal(0.0, 0.02, seed=self.kernel_seed())
        return {"kernel_initializer": normal, "use_bias": bias}


def _resolution(image_shape):
    size = image_shape[0]
    start, doublings = size, 0
    while start % 2 == 0 and start > 7:
        start, doublings = start // 2, doublings + 1
    return start, doublings
