"""Conditional GAN: both networks receive the class.

Mirza, Osindero: "Conditional Generative Adversarial Nets", 2014, arXiv:1411.1784.
Miyato, Koyama: "cGANs with Projection Discriminator", ICLR 2018, arXiv:1802.05637.

What the papers did: Mirza and Osindero (section 3.2, eq. 2) give the label to the generator beside
the noise and to the discriminator beside the image. Miyato and Koyama (section 3, eq. 3) instead
add the inner product of an embedding of the label with the discriminator's last features to its
logit, which is the form that the log ratio of two class distributions has.

The tutorial's network goes from noise to 4x4 and by transposed convolutions to 32x32. It has label
planes beside the image and trains the discriminator five times as often. Its mistake: the generator
never received the labels, so it could not draw a given class, and the discriminator saw generated
pictures with random labels. Here the generator gets the labels in both presets, and a generated
picture is judged with its own label.

Where and why this file deviates; `--preset=paper` does not. All numbers are in
configs/conditional.py:

- projection instead of label planes: pictures match their labels in less than half the time.
- one discriminator update per generator update, learning rate 1e-3.
- minibatches of 32 instead of 128, and `width` 32 channels at the largest resolution instead of
  64, or 16 beyond 32 pixels: a CPU then sees more images, see docs/recipes.md.
- the exported generator is an average over the last training steps.
"""

import keras
from keras import layers

from zoo.errors import UsageError
from zoo.game import GAN
from zoo.game.gan import PARTS
from zoo.parts.augmentation import Augmentation
from zoo.settings import Setting
from zoo.shapes import halvings


@keras.saving.register_keras_serializable(package="zoo")
class ConditionalGAN(GAN):
    """Convolutional GAN of labelled images.

    Losses, with s = softplus, labels y of the real minibatch and logits D(x, y)
    (`loss="non_saturating"`; others by name):

        discriminator  E[s(-D(x, y))] + E[s(D(G(z, y), y))]
        generator      E[s(-D(G(z, y), y))]

    With features h(x) the projection is D(x, y) = psi(h(x)) + <embedding(y), h(x)>, psi affine.
    Each image is judged with its own label, so images are never packed.

    Args:
        image_shape: (height, width, channels), sides of at least 9, channels 1, 3 or 4.
        num_classes: int, labels are 0 to num_classes - 1.
        width: int, channels at the largest resolution; they double with each halving of it.
        conditioning: "projection", or "concat" for a label plane beside the image; how the
            discriminator gets the label.
        discriminator_norm: "batch" or "none", the normalisation in the discriminator. "none" needs
            a penalty such as "r1"; without it, all pictures of a class were equal on MNIST.

    Raises:
        UsageError: there are no classes, or the image shape or a setting is not supported.
    """

    parts = (Augmentation, *PARTS)
    own = {
        "num_classes": Setting(int, None, least=1, optional=True),
        "width": Setting(int, least=1),
        "conditioning": Setting(str, choices=("projection", "concat")),
        "discriminator_norm": Setting(str, choices=("batch", "none")),
    }

    def check(self):
        if self.num_classes is None:
            raise UsageError(
                "The conditional GAN needs a data set with classes: choose one such as mnist, or a "
                "folder with one folder per class. Expected num_classes of at least 1. "
                "Received: num_classes=None."
            )
        self.sizes = halvings(self.image_shape, "conditional")

    def build_generator(self):
        z = keras.Input((self.latent_dim,), name="z")
        label = keras.Input((), dtype="int32", name="label")
        # Much smaller than z: with a code as large as z the generator soon ignores z, and all
        # pictures of a class become equal.
        code = self._embedding(self.latent_dim, deviation=0.03)(label)
        x = layers.Concatenate(name="z_and_label")([z, code])
        *larger, (height, width) = self.sizes
        channels = self.width * 2 ** (len(larger) - 1)
        x = layers.Dense(height * width * channels, **self._kernel(), name="project")(x)
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
        return keras.Model([z, label], images, name="generator")

    def build_discriminator(self):
        images = keras.Input(self.image_shape, name="image")
        label = keras.Input((), dtype="int32", name="label")
        normalised = self.discriminator_norm == "batch"
        x, channels = images, self.width
        if self.conditioning == "concat":
            height, width, _ = self.image_shape
            plane = self._embedding(height * width, deviation=1.0)(label)
            plane = layers.Reshape((height, width, 1), name="label_plane")(plane)
            x = layers.Concatenate(name="image_and_label")([images, plane])
        for i in range(len(self.sizes) - 1):
            bias = i == 0 or not normalised
            x = layers.Conv2D(channels, 4, 2, "same", **self._kernel(bias), name=f"down_{i}")(x)
            if normalised and i > 0:
                x = layers.BatchNormalization(name=f"down_{i}_norm")(x)
            x = layers.LeakyReLU(0.2, name=f"down_{i}_relu")(x)
            channels *= 2
        h = layers.Flatten(dtype="float32", name="features")(self.compared(x))
        logit = layers.Dense(1, **self._kernel(bias=True), dtype="float32", name="psi")(h)
        if self.conditioning == "projection":
            code = self._embedding(h.shape[-1], deviation=0.02, dtype="float32")(label)
            match = layers.Dot(1, dtype="float32", name="projection")([code, h])
            logit = layers.Add(dtype="float32", name="logit")([logit, match])
        return keras.Model([images, label], logit, name="discriminator")

    @staticmethod
    def _up(x, channels, size, name, kernel):
        """Doubles the sides and crops the result to `size`, which may be odd."""
        x = layers.Conv2DTranspose(channels, 4, 2, "same", **kernel, name=name)(x)
        down, right = x.shape[1] - size[0], x.shape[2] - size[1]
        if not down and not right:
            return x
        return layers.Cropping2D(((0, down), (0, right)), name=f"{name}_crop")(x)

    def _kernel(self, bias=False):
        normal = keras.initializers.RandomNormal(0.0, 0.02, seed=self.kernel_seed())
        return {"kernel_initializer": normal, "use_bias": bias}

    def _embedding(self, size, deviation, dtype=None):
        normal = keras.initializers.RandomNormal(0.0, deviation, seed=self.kernel_seed())
        return layers.Embedding(
            self.num_classes, size, embeddings_initializer=normal, dtype=dtype, name="label_code"
        )

    def generate_batch(self, z, labels=None):
        if labels is None:
            raise UsageError(
                "The conditional GAN got samples without labels. Expected batches (samples, "
                "labels), or fit(samples, labels). Received: no labels."
            )
        return self.generator([z, labels], training=True)
