"""Cats and dogs: pets at up to 512 pixels from a few thousand pictures, with or without classes.

The tutorial's network (a plain stack of transposed convolutions) stops at 28x28 and diverges. Only
the names of its two files are kept. The recipe combines three papers:

- The generator is FastGAN's (Liu, Zhu, Song, Elgammal: "Towards Faster and Stabilized GAN Training
  for High-fidelity Few-shot Image Synthesis", ICLR 2021, arXiv:2101.04775): from 4x4, by nearest
  neighbour doubling, convolutions and gated linear units, with skip-layer excitation (section 3.1):
  low-resolution maps weight the channels of maps sixteen times as large.
- The discriminator is Projected GAN's (Sauer, Chitta, Müller, Geiger: "Projected GANs Converge
  Faster", NeurIPS 2021, arXiv:2111.01007): it sees frozen ImageNet features instead of pixels,
  mixed at random, at four scales, each with a small network of its own.
- The loss is R3GAN's (Huang, Gokaslan, Kuleshov, Tompkin: "The GAN is dead; long live the GAN! A
  Modern Baseline GAN", NeurIPS 2024, arXiv:2501.05441): relativistic pairs with R1 and R2, here on
  the gradient at the features, Adam with beta_1 0, no normalisation in the discriminator.

All pictures that it sees are augmented (Zhao et al. 2020, DiffAugment) and flipped. With
`--preset=pixels` it sees pixels, and needs no trained network.

Classes are a vector beside `z` in the generator and a projection in the discriminator (Miyato and
Koyama: "cGANs with Projection Discriminator", ICLR 2018, eq. 3).

Where and why this file deviates from FastGAN; `--preset=paper` restores what is a setting. All
numbers are in configs/cats_and_dogs.py:

- no gated units, for a CPU. Their rectified maps lose their mean, and the class is one number
  beside `z`: with either as usual, the samples soon had one layout, or one picture for each class.
- no noise inside the generator: a sample is a function of `z`, so a seed identifies it.
- no decoders that reconstruct the picture from the discriminator's features, and one logit instead
  of 25 patches: the two penalties regularise instead.
- no spectral normalisation in the generator; `discriminator_norm` adds it to the discriminator.
- the hinge loss of `paper` lacks the random margin of the authors' code.
- `pixels` has group instead of batch normalisation in the generator: training and inference compute
  the same function, and the step is the same with gradient accumulation.

Where and why it deviates from Projected GAN:

- pairs and penalties instead of a hinge loss, and no normalisation in the networks on features:
  with the hinge all samples had the same two or three colours, which changed as training went on.
- each map is divided by its size on photographs, so that no scale drowns another.
- the mixed maps are not enlarged, for a CPU.
- smaller pictures are enlarged to `feature_size`, not to the 224 pixels of ImageNet.
"""

import math
import pathlib

import keras
from keras import layers, ops

from zoo import keras_files
from zoo.errors import UsageError
from zoo.game import GAN
from zoo.game.gan import PARTS
from zoo.layers import SpectralConv2D, SpectralDense
from zoo.parts.augmentation import Augmentation
from zoo.parts.projected import STRIDES, Projected
from zoo.parts.seen import Packing
from zoo.settings import Setting
from zoo.shapes import CHANNELS

SIZES = (16, 32, 64, 128, 256, 512)
# Channels at each resolution as multiples of `width`, with gates those of the authors' code.
MULTIPLES = {
    "glu": {4: 16, 8: 8, 16: 4, 32: 2, 64: 2, 128: 1, 256: 1 / 2, 512: 1 / 4},
    "leaky_relu": {4: 8, 8: 8, 16: 6, 32: 4, 64: 2, 128: 1, 256: 1 / 2, 512: 1 / 4},
}
MOST_IN_DISCRIMINATOR = 8
# Channels of the discriminator's networks on features.
HEAD = 64
SLOPE = 0.2  # of the leaky rectifiers


@keras.saving.register_keras_serializable(package="zoo")
class CatsAndDogsGAN(GAN):
    """FastGAN's generator in R3GAN's game, against frozen features or pixels.

    Losses, with s = softplus, logits D and pairs (x, z) of one real and one generated sample
    (`loss="relativistic"`, `penalty="r1_r2"`; others by name):

        discriminator  E[s(D(G(z)) - D(x))] + gamma/2 (E|grad D(x)|^2 + E|grad D(G(z))|^2)
        generator      E[s(D(x) - D(G(z)))]

    On features, D is the mean of the logits of all patches at all scales, and its gradient that at
    the features of x. With `loss="hinge"`, as in the paper, each patch has a loss of its own:

        discriminator  E[max(0, 1 - D(x))] + E[max(0, 1 + D(G(z)))]
        generator      -E[D(G(z))]

    Args:
        image_shape: (size, size, channels); size is 16, 32, 64, 128, 256 or 512, channels 1, 3 or
            4. Skip-layer excitation begins at 64.
        width: int, channels of the generator at 128x128. 64 in FastGAN; 4 to 8 suit a CPU.
        activation: "glu" or "leaky_relu", after each convolution of the generator: another
            convolution gates it as in FastGAN, or a leaky rectifier follows, less its mean.
        generator_norm: "group" or "batch", the normalisation in the generator.
        discriminator_norm: "none" or "spectral". Batch normalisation would mix the samples, and
            the penalties are on the gradient at a single one.
        penalty_weight: float, gamma; by default in proportion to the number of features, in the
            preset `pixels` to that of pixels: 1 at 64x64, 16 at 256x256. If D looks at regions of
            the picture, each of n pixels has a gradient of order 1/n, and the squared norm is of
            order 1/n. R3GAN goes from 2 to 0.2 at 64x64 and from 150 to 15 at 256x256.
        num_classes: int or None, number of classes.

    Raises:
        UsageError: the image shape or a setting is not supported.
    """

    h5_names = ("cat_dog_generator.h5", "cat_dog_discriminator.h5")
    default_shape = (256, 256, 3)
    parts = (Augmentation, *PARTS, Packing, Projected)
    own = {
        "width": Setting(int, least=1),
        "activation": Setting(str, "glu", choices=("glu", "leaky_relu")),
        "generator_norm": Setting(str, choices=("group", "batch")),
        "discriminator_norm": Setting(str, choices=("none", "spectral")),
        "num_classes": Setting(int, None, least=1, optional=True),
    }

    def check(self):
        check_shape(self.image_shape)
        if self.num_classes and self.packing > 1:
            raise UsageError(
                "Samples judged together may have different classes, which the discriminator has "
                "one input for. Expected packing=1 with classes. "
                f"Received: packing={self.packing}, num_classes={self.num_classes}."
            )

    # Generator

    def build_generator(self):
        z = keras.Input((self.latent_dim,), name="z")
        inputs, x = z, z
        if self.num_classes:
            label = keras.Input((), dtype="int32", name="label")
            # Adam moves all weights of a class in the same direction, so what has many of them soon
            # drowns z, and each class becomes one picture: a vector of length 1 for He's weights,
            # and a single 1 for smaller ones.
            if self.activation == "glu":
                normal = keras.initializers.RandomNormal(
                    0.0, 1 / math.sqrt(self.latent_dim), seed=self.kernel_seed()
                )
                options = {"output_dim": self.latent_dim, "embeddings_initializer": normal}
            else:
                options = {"output_dim": self.num_classes, "embeddings_initializer": "identity"}
            vector = layers.Embedding(self.num_classes, **options, name="class")
            vector.trainable = self.activation == "glu"
            inputs, x = [z, label], layers.Concatenate(name="z_and_class")([z, vector(label)])
        x = layers.Reshape((1, 1, x.shape[-1]), name="reshape")(x)
        x = self._activated(
            x,
            lambda name: layers.Conv2DTranspose(self._channels(4), 4, **self._before_norm(name)),
            "4",
        )
        maps = {4: x}
        size = 4
        while size < self.image_shape[0]:
            size *= 2
            x = layers.UpSampling2D(2, name=f"double_{size}")(x)
            # Every second stage has a second convolution, as in FastGAN's figure 3.
            for part in "ab" if math.log2(size) % 2 else "a":
                x = self._activated(x, self._convolution(size), f"{size}{part}")
            if size // 16 in maps:
                x = self._excited(x, maps[size // 16], size)
            maps[size] = x
        x = layers.Conv2D(self.image_shape[-1], 3, padding="same", **self._kernel("to_image"))(x)
        images = layers.Activation("tanh", dtype="float32", name="image")(x)
        return keras.Model(inputs, images, name="generator")

    def _activated(self, x, convolution, name):
        """A normalised convolution, rectified or times the sigmoid of another one."""
        if self.activation == "leaky_relu":
            x = self._norm(f"conv_{name}_norm")(convolution(f"conv_{name}")(x))
            x = layers.LeakyReLU(SLOPE, name=f"conv_{name}_relu")(x)
            # With a mean, zeros around the maps draw the same border into every sample, and all
            # samples soon have one layout and one palette. Gated units have none.
            mean = (1 - SLOPE) / math.sqrt(2 * math.pi)
            return layers.Rescaling(1.0, -mean, name=f"conv_{name}_centred")(x)
        value, gate = (
            self._norm(f"{part}_{name}_norm")(convolution(f"{part}_{name}")(x))
            for part in ("value", "gate")
        )
        gate = layers.Activation("sigmoid", name=f"gate_{name}_sigmoid")(gate)
        return layers.Multiply(name=f"gated_{name}")([value, gate])

    def _excited(self, x, low, size):
        """Skip-layer excitation: scales the channels of `x` by `low` (Liu et al. 2021, eq. 2)."""
        channels = self._channels(size)
        if low.shape[1] > 4:
            low = layers.AveragePooling2D(low.shape[1] // 4, name=f"excite_{size}_pool")(low)
        low = layers.Conv2D(channels, 4, **self._kernel(f"excite_{size}_a"))(low)
        low = layers.LeakyReLU(0.1, name=f"excite_{size}_relu")(low)
        low = layers.Conv2D(channels, 1, **self._kernel(f"excite_{size}_b"))(low)
        low = layers.Activation("sigmoid", name=f"excite_{size}_sigmoid")(low)
        return layers.Multiply(name=f"excited_{size}")([x, low])

    def _convolution(self, size):
        channels = self._channels(size)
        return lambda name: layers.Conv2D(channels, 3, padding="same", **self._before_norm(name))

    def _norm(self, name):
        if self.generator_norm == "batch":
            return layers.BatchNormalization(momentum=0.9, name=name)
        # The number of groups divides any width, down to a quarter of it at 512x512.
        return layers.GroupNormalization(math.gcd(8, self._channels(512)), name=name)

    def _channels(self, size):
        return max(1, int(self.width * MULTIPLES[self.activation][size]))

    # Discriminator

    def build_discriminator(self):
        if self.part["Projected"].on:
            return self._build_heads()
        return self._build_convolutional()

    def _build_heads(self):
        """A small network for each of the four maps, each with logits of 4x4 patches."""
        conv, _ = self._kinds()
        shapes = self.part["Projected"].map_shapes(self.image_shape)
        maps = [
            keras.Input(shape, name=f"map_{stride}")
            for shape, stride in zip(shapes, STRIDES, strict=True)
        ]
        label = keras.Input((), dtype="int32", name="label") if self.num_classes else None
        logits = []
        for x, stride in zip(maps, STRIDES, strict=True):
            # Counted from the features, so that larger pictures keep the names of what sees them.
            name, halved = f"head_{stride}", 0
            while x.shape[1] > 4:
                x = conv(HEAD, 4, 2, "same", **self._head_kernel(f"{name}_down_{halved}"))(x)
                x = layers.LeakyReLU(SLOPE, name=f"{name}_down_{halved}_relu")(x)
                halved += 1
            if len(logits) == len(maps) - 1:
                x = self.compared(x)
            x = conv(HEAD, 3, padding="same", **self._head_kernel(f"{name}_last"))(x)
            x = layers.LeakyReLU(SLOPE, name=f"{name}_last_relu")(x)
            # At first both sides of a hinge pull equally at a bias.
            kernel = self._head_kernel(f"{name}_logits")
            logit = conv(1, 1, use_bias=False, dtype="float32", **kernel)(x)
            logit = layers.Flatten(dtype="float32", name=f"{name}_flat")(logit)
            if self.num_classes:
                x = layers.Reshape((-1, HEAD), dtype="float32", name=f"{name}_features")(x)
                # Random vectors would be directions into which all samples move at first.
                vector = self._class_vector(label, HEAD, f"{name}_class", "zeros")
                fit = layers.Dot((2, 1), dtype="float32", name=f"{name}_projection")([x, vector])
                logit = layers.Add(dtype="float32", name=f"{name}_sum")([logit, fit])
            logits.append(logit)
        logits = layers.Concatenate(dtype="float32", name="logits")(logits)
        if self.objective.uses_real:  # pairs of samples, not of patches
            logits = layers.Reshape((-1, 1), dtype="float32", name="patches")(logits)
            logits = layers.GlobalAveragePooling1D(dtype="float32", name="logit")(logits)
        inputs = [*maps, label] if self.num_classes else maps
        return keras.Model(inputs, logits, name="discriminator")

    def _build_convolutional(self):
        conv, dense = self._kinds()
        images = keras.Input(self.seen_shape, name="image")
        size = self.image_shape[0]

        def channels(size):
            return min(self._channels(size), MOST_IN_DISCRIMINATOR * self.width)

        x = conv(channels(size), 3, padding="same", **self._kernel("stem"))(images)
        while size > 4:
            size //= 2
            y = layers.LeakyReLU(SLOPE, name=f"down_{size}_relu_a")(x)
            y = conv(channels(size), 4, 2, "same", **self._kernel(f"down_{size}_a"))(y)
            y = layers.LeakyReLU(SLOPE, name=f"down_{size}_relu_b")(y)
            y = conv(channels(size), 3, padding="same", **self._kernel(f"down_{size}_b"))(y)
            x = layers.AveragePooling2D(2, name=f"down_{size}_pool")(x)
            x = conv(channels(size), 1, **self._kernel(f"down_{size}_skip"))(x)
            x = layers.Add(name=f"down_{size}_sum")([x, y])
            x = layers.Rescaling(math.sqrt(0.5), name=f"down_{size}")(x)
        x = layers.LeakyReLU(SLOPE, name="last_relu")(x)
        x = conv(channels(4), 4, **self._kernel("last"))(self.compared(x))
        x = layers.LeakyReLU(SLOPE, name="features_relu")(x)
        x = layers.Flatten(dtype="float32", name="features")(x)
        logit = dense(1, dtype="float32", **self._kernel("logit"))(x)
        if not self.num_classes:
            return keras.Model(images, logit, name="discriminator")
        label = keras.Input((), dtype="int32", name="label")
        vector = self._class_vector(label, channels(4), "class")
        fit = layers.Dot(1, dtype="float32", name="projection")([x, vector])
        logit = layers.Add(dtype="float32", name="sum")([logit, fit])
        return keras.Model([images, label], logit, name="discriminator")

    def _kinds(self):
        if self.discriminator_norm == "spectral":
            return SpectralConv2D, SpectralDense
        return layers.Conv2D, layers.Dense

    def _class_vector(self, label, size, name, initial=None):
        initial = initial or keras.initializers.RandomNormal(
            0.0, size**-0.5, seed=self.kernel_seed()
        )
        return layers.Embedding(
            self.num_classes, size, embeddings_initializer=initial, dtype="float32", name=name
        )(label)

    def inference_discriminator(self):
        """As `GAN.inference_discriminator`; with features it includes the network they come from.

        Raises:
            UsageError: as there, or the pictures have alpha and the discriminator sees features.
        """
        return self.part["Projected"].joined(self, super().inference_discriminator())

    def _kernel(self, name):
        initializer = keras.initializers.HeUniform(seed=self.kernel_seed())
        if self.activation == "leaky_relu":
            # Normalised weights move the faster the smaller they start: FastGAN's 0.02.
            initializer = keras.initializers.RandomNormal(0.0, 0.02, seed=initializer.seed)
        return {"kernel_initializer": initializer, "name": name}

    def _head_kernel(self, name):
        if self.discriminator_norm == "spectral":
            return self._kernel(name)
        initializer = keras.initializers.HeUniform(seed=self.kernel_seed())
        return {"kernel_initializer": initializer, "name": name}

    def _before_norm(self, name):
        cancelled = self.activation == "leaky_relu" and self.generator_norm == "batch"
        return self._kernel(name) | {"use_bias": not cancelled}

    # The game

    # The features of a minibatch are computed once: both players see the same ones, and those of
    # made pictures are a part of the pass that made them. So a penalty on the gradient at them
    # needs no derivative of the network that they come from.

    def draw(self, batch):
        if not self.part["Projected"].on:
            return super().draw(batch)
        return super().draw(batch) | {"real": ops.stop_gradient(self.features(batch["image"]))}

    def make(self, batch):
        made = super().make(batch)
        return {"fake": self.features(made["fake"])} if self.part["Projected"].on else made

    def discriminator_loss(self, batch, made):
        return super().discriminator_loss(
            batch | {"image": batch.get("real", batch["image"])}, made
        )

    def generator_loss(self, batch, made):
        return super().generator_loss(batch | {"image": batch.get("real", batch["image"])}, made)

    def features(self, images):
        """Returns the maps that the discriminator sees of images, float32 `(batch, features)`."""
        return self.part["Projected"].flat(self.seen(images))

    def seen(self, samples):
        if len(samples.shape) == 2:
            return self.part["Projected"].maps(self.image_shape, samples)
        return super().seen(samples)

    def generate_batch(self, z, labels=None):
        if self.num_classes and labels is None:
            raise UsageError(
                f"This model has classes, so it learns from samples with labels. Expected labels "
                f"from 0 to {self.num_classes - 1} beside the images; create it without "
                "num_classes to train without. Received: no labels."
            )
        return self.generator([z, labels] if self.num_classes else z, training=True)

    # Files

    def save_h5(self, folder="."):
        """Writes `cat_dog_generator.h5` and `cat_dog_discriminator.h5`, the tutorial's file names.

        Both load with Keras alone. The generator is the averaged one.

        Args:
            folder: path, created if missing.

        Returns:
            The paths of both files, pathlib.Path.
        """
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        pair = (self.inference_generator(), self.inference_discriminator())
        networks = dict(zip(self.h5_names, pair, strict=True))
        for name, network in networks.items():
            keras_files.save(network, folder / name)
        return tuple(folder / name for name in networks)


def check_shape(image_shape):
    shape = tuple(image_shape)
    if len(shape) != 3 or shape[0] != shape[1] or shape[0] not in SIZES or shape[2] not in CHANNELS:
        near = sorted(SIZES, key=lambda size: abs(math.log2(size / max(1, shape[0]))))[:2]
        raise UsageError(
            "cats_and_dogs draws square images of 1, 3 or 4 channels whose size is a power of two, "
            f"16 to 512. Expected for example a size of {min(near)} or {max(near)}; resize with "
            f"--set image_size={near[0]}. Received: image_shape={shape}."
        )
