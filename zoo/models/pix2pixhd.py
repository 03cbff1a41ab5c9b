"""pix2pixHD: large pictures from label maps or other pictures, learnt from pairs, coarse to fine.

Wang, Liu, Zhu, Tao, Kautz, Catanzaro: "High-Resolution Image Synthesis and Semantic Manipulation
with Conditional GANs", CVPR 2018, arXiv:1711.11585.

What the paper did (section 3): a global generator for half the size, a convolution of 7x7, four
halvings, nine residual blocks of 1024 channels and four doublings; around it a local enhancer for
the full size, whose half-sized features are added to the global generator's last ones before three
residual blocks; first the global generator learns, then the enhancer, then both together; three
discriminators of patches of 70 pixels for the full, half and quarter size (two below 2048 pixels),
least squares, 10 times the absolute difference of the discriminators' features, and, in the code,
10 times that of VGG-19's; inputs are one-hot labels and the edges of instances; Adam at 2e-4 with
beta_1 0.5, minibatches of one picture, 200 epochs, the rate falling to zero over the last 100.

Where and why this file deviates; all numbers are in configs/pix2pixhd.py, with the paper's values
under `--preset=paper`:

- the global generator's own picture, smoothly enlarged, is added to what the enhancer draws before
  the tanh, where the paper drops its last layer. So the generator draws from the first phase on,
  and a run that ends there has a picture to show.
- the squared distance in features of EfficientNet-Lite0 at several depths instead of the absolute
  one in VGG-19's, as in srgan: they are at hand without a download from a stranger.
- sizes are halved by the mean of 2x2 pixels instead of 3x3.
- one discriminator serves its scale in every phase, at half the size in the first one.
- instance-wise encodings of appearance (section 3.4) are left out, so one input has one picture.
- the default has fewer channels and blocks and minibatches of several pictures, for a CPU.
"""

import keras
import numpy as np
from keras import layers, ops

from zoo.blocks import instance_norm, patches
from zoo.data import labels
from zoo.errors import UsageError
from zoo.game import Player, Translator
from zoo.game.optimizers import DiscriminatorRate, Optimizers
from zoo.parts.averaging import Averaging
from zoo.parts.coarse_to_fine import GLOBAL, CoarseToFine
from zoo.parts.jitter import Jitter
from zoo.parts.losses import Adversarial
from zoo.parts.perceptual import Perceptual
from zoo.settings import Setting
from zoo.shapes import check_divisible

WIDEST = 16  # times the width of the global generator
SHARPNESS = 8.0  # of the choice of a label, a power of two, so that its weights are exact
SMALL = 0.1  # share of the usual deviation of initial weights


@keras.saving.register_keras_serializable(package="zoo")
class Pix2PixHD(Translator):
    """A global generator and a local enhancer against discriminators of several sizes, for pairs.

    Losses, with an input x, its target y, logits D_k(x, y) of all patches at scale k of `scales`
    and f_k the maps of D_k (`loss="least_squares"`; others by name):

        discriminator  sum over k of 1/2 (E(D_k(x, y) - 1)^2 + E D_k(x, G(x))^2)
        generator      adversarial_weight sum over k of 1/2 E(D_k(x, G(x)) - 1)^2
                       + features_weight mean over k of sum over f_k of E|f_k(x, y) - f_k(x, G(x))|
                       + perceptual_weight E(f(y) - f(G(x)))^2, see `zoo.parts.perceptual`

    Args:
        image_shape: (height, width, channels) of input and target, sides divisible by
            2 ** (halvings + 1), channels 1, 3 or 4.
        colours: tuple of str such as "#0030ff": the colours of the labels, if the inputs are label
            maps. Both networks then see one channel for each label, 1 at the pixels whose colour
            is nearest to it. With 4 channels, half-transparent pixels are the edges of instances,
            which have a channel of their own. A run finds the colours by `--set labels=N`.
        width: int, channels of the global generator's first convolution, doubled in each halving up
            to sixteen times as many; the enhancer begins with half as many. 64 in the paper.
        halvings: int, those of the global generator, in addition to its half size. 4 in the paper.
        blocks: int, residual blocks of the global generator; 9 in the paper.
        enhancer_blocks: int, those of the enhancer; 3 in the paper.
        scales: int, discriminators, each for half the size of the one before; 2 or 3 in the paper.
        discriminator_width: int, channels of each one's first convolution. 64 in the paper.
        patch_halvings: int, strided convolutions of each discriminator: 1, 2, 3 or 4 for patches of
            16, 34, 70 or 142 pixels of its size.
        adversarial_weight: float, weight of the adversarial term in the generator's loss.
        features_weight: float, weight of the feature matching. If both weights are 0, the
            discriminators rest.

    Raises:
        UsageError: the image shape or a setting is not supported.
    """

    task = "translation"
    players = (
        Player("discriminator", ("discriminator",), seen=("real", "fake")),
        Player(
            "generator",
            ("generator",),
            ("generator",),
            losses=("adversarial", "features", "perceptual"),
        ),
    )
    parts = (
        *(Adversarial, Jitter, CoarseToFine, Perceptual),
        *(Optimizers, DiscriminatorRate, Averaging),
    )
    averaged = ("generator",)
    default_shape = (128, 128, 3)
    sample_field = "input"
    jittered = ("input", "target")
    own = {
        "colours": Setting(tuple, ()),
        "width": Setting(int, least=2),
        "halvings": Setting(int, least=1, most=6),
        "blocks": Setting(int, least=0),
        "enhancer_blocks": Setting(int, least=0),
        "scales": Setting(int, least=1, most=4),
        "discriminator_width": Setting(int, least=1),
        "patch_halvings": Setting(int, least=1, most=6),
        "adversarial_weight": Setting(float, least=0.0),
        "features_weight": Setting(float, least=0.0),
    }

    def check(self):
        check_divisible(self.image_shape, "pix2pixhd", self.multiple)
        self.colours = tuple(self.colours)
        labels.levels(self.colours)
        if not any((self.adversarial_weight, self.features_weight, self.perceptual_weight)):
            raise UsageError(
                "Nothing is left to learn. Expected an adversarial_weight, a features_weight or a "
                "perceptual_weight above 0. Received: 0 for all three."
            )

    @property
    def multiple(self):
        return 2 ** (self.halvings + 1)

    @property
    def flat(self):
        return ("input",) if self.colours else ()

    @property
    def judged(self):
        """Whether the generator's loss asks the discriminators."""
        return bool(self.adversarial_weight or self.features_weight)

    def idle(self):
        return () if self.judged else ("discriminator",)

    def builders(self):
        return {"generator": self.build_generator, "discriminator": self.build_discriminator}

    # The two halves of the generator, which the first phases train one at a time.

    @property
    def global_generator(self):
        return self.generator.get_layer("global_generator")

    @property
    def enhancer(self):
        return self.generator.get_layer("enhancer")

    def build_generator(self):
        images = self._image("image")
        features, coarse = self._build_global_generator()(images)
        x = self._build_enhancer(features.shape[-1])([images, features, coarse])
        return keras.Model(images, x)

    def _build_global_generator(self):
        """From a picture to features and a picture before its tanh, both of half its size."""
        images = self._image("image")
        x = layers.AveragePooling2D(2, name="half")(self._encoded(images))
        x = self._block(x, self.width, 7, "first")
        for i in range(self.halvings):
            channels = self.width * min(2 ** (i + 1), WIDEST)
            x = self._block(x, channels, 3, f"down_{i}", strides=2)
        for i in range(self.blocks):
            x = self._residual(x, f"block_{i}")
        for i in reversed(range(self.halvings)):
            x = self._doubled(x, self.width * min(2**i, WIDEST), f"up_{i}")
        return keras.Model(images, [x, self._to_image(x)], name="global_generator")

    def _build_enhancer(self, channels):
        """From a picture and what the global generator made of it to a picture of the full size."""
        images = self._image("image")
        sides = [side and side // 2 for side in self.sides]
        features = keras.Input((*sides, channels), name="features")
        coarse = keras.Input((*sides, self._drawn), dtype="float32", name="coarse")
        x = self._block(self._encoded(images), self.width // 2, 7, "first")
        x = self._block(x, channels, 3, "down", strides=2)
        x = layers.Add(name="and_global")([x, features])
        for i in range(self.enhancer_blocks):
            x = self._residual(x, f"block_{i}")
        x = self._doubled(x, self.width // 2, "up")
        # The bilinear UpSampling2D of Keras has no graph for open sides in TensorFlow.
        y = layers.UpSampling2D(2, dtype="float32", name="coarse_repeated")(coarse)
        y = layers.AveragePooling2D(3, 1, "same", dtype="float32", name="coarse_enlarged")(y)
        x = layers.Add(dtype="float32", name="and_coarse")([self._to_image(x, SMALL), y])
        x = layers.Activation("tanh", dtype="float32", name="output")(x)
        if self._drawn < self.image_shape[-1]:  # opaque
            alpha = layers.Conv2D(1, 1, **_fixed([[0.0]] * self._drawn, [1.0]), name="opaque")(x)
            x = layers.Concatenate(dtype="float32", name="with_alpha")([x, alpha])
        return keras.Model([images, features, coarse], x, name="enhancer")

    def build_discriminator(self):
        """From an input and what is judged to the logits of each scale and the maps before them."""
        channels = self.image_shape[-1]
        # The first phase has pictures of half the size.
        sides = (None, None) if self.global_rounds else self.sides
        images = keras.Input((*sides, channels), name="image")
        judged = keras.Input((*sides, channels), name="judged")
        x = layers.Concatenate(name="image_and_judged")([self._encoded(images), judged])
        logits = []
        for k in range(self.scales):
            x = layers.AveragePooling2D(2, name=f"scale_{k}")(x) if k else x
            options = self._kernel, instance_norm, f"scale_{k}_"
            logits.append(patches(x, self.discriminator_width, self.patch_halvings, *options))
        whole = keras.Model([images, judged], logits)
        maps = [
            whole.get_layer(f"scale_{k}_patch_{i}_relu").output
            for k in range(self.scales)
            for i in range(self.patch_halvings + 1)
        ]
        return keras.Model([images, judged], [*logits, *maps])

    def make(self, batch):
        if self.phase.name == GLOBAL:
            _, drawn = self.global_generator(batch["input"], training=True)
            drawn = ops.tanh(_float32(drawn))
            if self._drawn < self.image_shape[-1]:
                drawn = ops.concatenate([drawn, ops.ones_like(drawn[..., :1])], axis=-1)
            return {"fake": drawn}
        return {"fake": self.generator(batch["input"], training=True)}

    def discriminator_loss(self, batch, made):
        given, target = self.pair(batch)
        real, _ = self.discriminate(given, target)
        fake, _ = self.discriminate(given, made["fake"])
        objective = self.part["Adversarial"].objective
        loss = sum(objective.discriminator(*pair) for pair in zip(real, fake, strict=True))
        return loss, {"real": ops.concatenate(real), "fake": ops.concatenate(fake)}

    def generator_loss(self, batch, made):
        given, target = self.pair(batch)
        terms = {}
        if self.judged:
            fake, fake_maps = self.discriminate(given, made["fake"])
            real, real_maps = self.discriminate(given, target)
        if self.adversarial_weight:
            generator = self.part["Adversarial"].objective.generator
            adversarial = sum(generator(*pair) for pair in zip(fake, real, strict=True))
            terms["adversarial"] = self.adversarial_weight * adversarial
        if self.features_weight:
            pairs = zip(real_maps, fake_maps, strict=True)
            distance = sum(ops.mean(ops.abs(ops.stop_gradient(a) - b)) for a, b in pairs)
            terms["features"] = self.features_weight * distance / self.scales
        if self.perceptual_weight:
            colours = made["fake"][..., :3], target[..., :3]
            distance = self.part["Perceptual"].distance(*colours)
            terms["perceptual"] = self.perceptual_weight * distance
        return terms

    def pair(self, batch):
        """Returns inputs and targets in the size of the phase."""
        given, target = batch["input"], batch["target"]
        if self.phase.name != GLOBAL:
            return given, target
        small = given[:, ::2, ::2] if self.colours else ops.average_pool(given, 2, 2)
        return small, ops.average_pool(target, 2, 2)

    def discriminate(self, images, judged):
        """Returns the logits of pictures beside their inputs at each scale, and all maps.

        Both are lists of float32, the logits `(batch * patches,)`.
        """
        outputs = [_float32(x) for x in self.discriminator([images, judged], training=True)]
        logits, maps = outputs[: self.scales], outputs[self.scales :]
        return [ops.reshape(x, (-1,)) for x in logits], maps

    # Layers

    @property
    def _drawn(self):
        """Channels that the generator draws: the alpha beside labels is that of opaque pictures."""
        channels = self.image_shape[-1]
        return 3 if self.colours and channels == 4 else channels

    def _image(self, name):
        return keras.Input((*self.sides, self.image_shape[-1]), name=name)

    def _encoded(self, images):
        """Returns pictures as they are, or the labels of label maps as one-hot channels.

        The nearest colour c of a pixel x in 0..255 has the largest 2 c x - c^2.
        """
        if not self.colours:
            return images
        channels = self.image_shape[-1]
        colours = labels.levels(self.colours)[:, : min(channels, 3)]
        x = layers.Rescaling(127.5, 127.5, dtype="float32", name="levels")(images)
        kernel = 2 * SHARPNESS * colours.T
        if channels == 4:
            kernel = [*kernel, [0.0] * len(colours)]
        bias = -SHARPNESS * (colours**2).sum(axis=1)
        fit = layers.Conv2D(len(colours), 1, **_fixed(kernel, bias), name="label_fit")(x)
        x_labels = layers.Softmax(dtype="float32", name="labels")(fit)
        if channels < 4:
            return x_labels
        # 0 where alpha is 255, 1 where it is 128 or less.
        edge = layers.Conv2D(
            1, 1, **_fixed([[0.0], [0.0], [0.0], [-1 / 127]], [255 / 127]), name="edge_fit"
        )(x)
        edge = layers.ReLU(1.0, dtype="float32", name="edges")(edge)
        return layers.Concatenate(dtype="float32", name="labels_and_edges")([x_labels, edge])

    def _block(self, x, channels, size, name, strides=1):
        options = {"use_bias": False, **self._kernel()}
        x = layers.Conv2D(channels, size, strides, "same", **options, name=name)(x)
        return layers.ReLU(name=f"{name}_relu")(instance_norm(f"{name}_norm")(x))

    def _doubled(self, x, channels, name):
        options = {"use_bias": False, **self._kernel()}
        x = layers.Conv2DTranspose(channels, 3, 2, "same", **options, name=name)(x)
        return layers.ReLU(name=f"{name}_relu")(instance_norm(f"{name}_norm")(x))

    def _residual(self, x, name):
        channels = x.shape[-1]
        y = self._block(x, channels, 3, f"{name}a")
        options = {"use_bias": False, **self._kernel()}
        y = layers.Conv2D(channels, 3, padding="same", **options, name=f"{name}b")(y)
        return layers.Add(name=name)([x, instance_norm(f"{name}b_norm")(y)])

    def _to_image(self, x, gain=1.0):
        options = {"dtype": "float32", **self._kernel(gain)}
        return layers.Conv2D(self._drawn, 7, padding="same", **options, name="to_image")(x)

    def _kernel(self, gain=1.0):
        normal = keras.initializers.RandomNormal(0.0, 0.02 * gain, seed=self.kernel_seed())
        return {"kernel_initializer": normal}


def _fixed(kernel, bias):
    """Returns the settings of a convolution of one pixel whose weights never move."""
    constant = keras.initializers.Constant
    return {
        "kernel_initializer": constant(np.asarray(kernel, "float32")[np.newaxis, np.newaxis]),
        "bias_initializer": constant(np.asarray(bias, "float32")),
        "trainable": False,
        "dtype": "float32",
    }


def _float32(x):
    return ops.cast(x, "float32")
