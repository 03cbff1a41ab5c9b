"""R3GAN: a modern baseline without tricks.

Huang, Gokaslan, Kuleshov, Tompkin: "The GAN is dead; long live the GAN! A Modern Baseline GAN",
NeurIPS 2024, arXiv:2501.05441.

What the paper did: a relativistic loss of pairs with the penalties R1 and R2 (section 2), under
which the game converges locally, replaces the tricks of StyleGAN2. Both networks are mirrored
ResNets without normalisation (section 3.4 and appendix): two blocks at each size from 4x4, each a
1x1 convolution to twice the channels, a grouped 3x3 convolution, and a 1x1 convolution back, with
biases and LeakyReLU 0.2 after the first two. Bilinear resampling lies between the sizes. Initial
weights are scaled so that blocks start as the identity (Zhang et al. 2019, Fixup). A learned 4x4
basis turns the noise into the first map, and another turns the last map into a vector. The learning
rate, Adam's beta_2, gamma, the half-life of the averaged generator and the probability of
augmentation follow one cosine. What the text leaves open is as in the authors' code.

Where and why this file deviates; `--preset=paper` restores the paper's value of items with a star.
All numbers are in configs/r3gan.py:

- tanh at the end of the generator, where the paper has none: the samples of every variant are in
  [-1, 1].
- both players of a round share a minibatch and its noise, where the authors draw new ones for each.
- augmentation lacks the turns by 90 degrees, unequal scaling and changes of hue of ADA.
- the 16-bit stages of the authors' code are a matter of `--precision`.
- * `width` 32 instead of 768 channels, one block instead of two at each size, minibatches of 32
  instead of 512, a learning rate of 1e-3 instead of 2e-4: for a CPU.
- * the half-life of the average is also limited to a tenth of the images seen (`ema_ramp_up`).

A grouped convolution is `keras.layers.Conv2D(groups=...)` in the files. On a CPU TensorFlow and JAX
compute its derivatives twenty to fifty times as slowly as those of separate convolutions. So
`zoo/backend/groups.py` trains it as one convolution for each group.
"""

import math

import keras
from keras import layers

from zoo.errors import UsageError
from zoo.game import GAN
from zoo.game.gan import PARTS
from zoo.parts.augmentation import Augmentation
from zoo.parts.schedules import Schedules
from zoo.settings import Setting
from zoo.shapes import CHANNELS

SIZES = (8, 16, 32, 64, 128, 256)
EXPANSION = 2
# Of LeakyReLU 0.2: outputs keep the variance of the inputs (He et al. 2015, eq. 15).
GAIN = math.sqrt(2 / (1 + 0.2**2))


@keras.saving.register_keras_serializable(package="zoo")
class R3GAN(GAN):
    """A relativistic GAN of residual networks with grouped convolutions, without normalisation.

    Losses, with s = softplus, logits D and pairs (x, z) of one real and one generated sample
    (`loss="relativistic"`, `penalty="r1_r2"`; others by name):

        discriminator  E[s(D(G(z)) - D(x))] + gamma/2 (E|grad D(x)|^2 + E|grad D(G(z))|^2)
        generator      E[s(D(x) - D(G(z)))]

    With classes both networks receive the label: the generator a vector beside `z`, and D is the
    inner product of a vector of the class with the last features (Miyato and Koyama 2018, eq. 3,
    without the part that is the same for all classes).

    Args:
        image_shape: (size, size, channels); size is 8, 16, 32, 64, 128 or 256, channels 1, 3 or 4.
        width: int, channels at small sizes.
        full_width_to: int, the largest size with `width` channels; 32 in the paper. They halve with
            each doubling from there.
        group_size: int, channels of each group of the 3x3 convolutions; 16 in the paper. It divides
            twice the channels at every size.
        blocks: int, residual blocks at each size.
        penalty_weight: float, gamma. It depends on the size of the pictures.
        num_classes: int or None, number of classes.

    Raises:
        UsageError: the image shape or a setting is not supported.
    """

    parts = (Augmentation, *PARTS, Schedules)
    own = {
        "width": Setting(int, least=1),
        "full_width_to": Setting(int, least=4),
        "group_size": Setting(int, least=1),
        "blocks": Setting(int, least=1),
        "num_classes": Setting(int, None, least=1, optional=True),
    }

    def check(self):
        shape = self.image_shape
        square = len(shape) == 3 and shape[0] == shape[1]
        if not square or shape[0] not in SIZES or shape[2] not in CHANNELS:
            raise UsageError(
                "r3gan draws square images of 1, 3 or 4 channels whose size is a power of two, 8 "
                "to 256. Expected for example image_shape=(32, 32, 3); resize with "
                f"--set image_size=32. Received: image_shape={shape}."
            )
        for size in self._sizes():
            expanded = EXPANSION * self._channels(size)
            if not expanded or expanded % self.group_size:
                raise UsageError(
                    f"The {expanded} channels of the 3x3 convolutions at {size} pixels are divided "
                    "into groups. Expected a group_size that divides them. "
                    f"Received: width={self.width}, group_size={self.group_size}."
                )

    def build_generator(self):
        z = keras.Input((self.latent_dim,), name="z")
        inputs, x = z, z
        if self.num_classes:
            label = keras.Input((), dtype="int32", name="label")
            # The authors have a linear layer of one-hot labels, whose scale this is.
            code = self._class_code(label, self.latent_dim, self.num_classes**-0.5)
            inputs, x = [z, label], layers.Concatenate(name="z_and_class")([z, code])
        first, *larger = self._sizes()
        channels = self._channels(first)
        x = layers.Dense(channels, **self._kernel("scale"))(x)
        basis = {"kernel_initializer": self._normal(1.0), "name": "basis"}
        x = layers.EinsumDense("bc,hwc->bhwc", (first, first, channels), **basis)(x)
        x = self._stage(x, first)
        for size in larger:
            if self._channels(size) != self._channels(size // 2):
                x = layers.Conv2D(self._channels(size), 1, **self._kernel(f"change_{size}"))(x)
            x = layers.UpSampling2D(2, interpolation="bilinear", name=f"double_{size}")(x)
            x = self._stage(x, size)
        x = layers.Conv2D(self.image_shape[-1], 1, **self._kernel("to_image"))(x)
        images = layers.Activation("tanh", dtype="float32", name="image")(x)
        return keras.Model(inputs, images, name="generator")

    def build_discriminator(self):
        images = keras.Input(self.seen_shape, name="image")
        *larger, last = reversed(self._sizes())
        x = layers.Conv2D(self._channels(self.image_shape[0]), 1, **self._kernel("from_image"))(
            images
        )
        for size in larger:
            x = self._halved(self._stage(x, size), f"halve_{size}")
            if self._channels(size // 2) != self._channels(size):
                x = layers.Conv2D(self._channels(size // 2), 1, **self._kernel(f"change_{size}"))(x)
        x = self.compared(self._stage(x, last))
        channels = x.shape[-1]
        basis = {"kernel_initializer": self._normal(1 / last), "name": "basis"}
        x = layers.EinsumDense("bhwc,hwc->bc", (channels,), dtype="float32", **basis)(x)
        if not self.num_classes:
            logit = layers.Dense(1, dtype="float32", **self._kernel("logit"))(x)
            return keras.Model(images, logit, name="discriminator")
        label = keras.Input((), dtype="int32", name="label")
        features = layers.Dense(channels, dtype="float32", **self._kernel("features"))(x)
        code = self._class_code(label, channels, (self.num_classes * channels) ** -0.5)
        logit = layers.Dot(1, dtype="float32", name="logit")([features, code])
        return keras.Model([images, label], logit, name="discriminator")

    def generate_batch(self, z, labels=None):
        if self.num_classes and labels is None:
            raise UsageError(
                "This model has classes, so it learns from samples with labels. Expected labels "
                f"from 0 to {self.num_classes - 1} beside the images; create it without "
                "num_classes to train without. Received: no labels."
            )
        return self.generator([z, labels] if self.num_classes else z, training=True)

    def _stage(self, x, size):
        """Residual blocks at one size; the last convolution of each starts at zero."""
        channels = self._channels(size)
        wide = EXPANSION * channels
        # Fixup: L blocks of m = 3 layers, each of the others smaller by L ** (-1 / (2m - 2)).
        scale = GAIN * (self.blocks * len(self._sizes())) ** (-1 / 4)
        for i in range(self.blocks):
            name = f"block_{size}_{i}"
            y = layers.Conv2D(wide, 1, **self._kernel(f"{name}_wide", scale, bias=True))(x)
            y = layers.LeakyReLU(0.2, name=f"{name}_wide_relu")(y)
            grouped = {"padding": "same", "groups": wide // self.group_size}
            kernel = self._kernel(f"{name}_groups", scale, bias=True)
            y = layers.Conv2D(wide, 3, **grouped, **kernel)(y)
            y = layers.LeakyReLU(0.2, name=f"{name}_groups_relu")(y)
            y = layers.Conv2D(channels, 1, **self._kernel(f"{name}_narrow", 0.0))(y)
            x = layers.Add(name=name)([x, y])
        return x

    @staticmethod
    def _halved(x, name):
        """Halves the sides by the filter 1 3 3 1, which is three means of two in each direction."""
        x = layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
        for i, strides in enumerate((1, 1, 2)):
            x = layers.AveragePooling2D(2, strides, name=f"{name}_{i}")(x)
        return x

    def _sizes(self):
        return tuple(2**i for i in range(2, int(math.log2(self.image_shape[0])) + 1))

    def _channels(self, size):
        return self.width * self.full_width_to // max(size, self.full_width_to)

    def _class_code(self, label, size, deviation):
        return layers.Embedding(
            self.num_classes,
            size,
            embeddings_initializer=self._normal(deviation),
            dtype="float32",
            name="class",
        )(label)

    def _normal(self, deviation):
        return keras.initializers.RandomNormal(0.0, deviation, seed=self.kernel_seed())

    def _kernel(self, name, gain=1.0, bias=False):
        initializer = "zeros"
        if gain:
            initializer = keras.initializers.VarianceScaling(
                gain**2, "fan_in", "untruncated_normal", seed=self.kernel_seed()
            )
        return {"kernel_initializer": initializer, "use_bias": bias, "name": name}
