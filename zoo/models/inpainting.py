"""Free-form inpainting: fills holes of any form in pictures.

Yu, Lin, Yang, Shen, Lu, Huang: "Free-Form Image Inpainting with Gated Convolution", ICCV 2019,
arXiv:1806.03589; the attention is that of Yu et al., "Generative Image Inpainting with Contextual
Attention", CVPR 2018, arXiv:1801.07892.

What the papers did (2019, section 3; 2018, section 3 and 4): gated convolutions, whose features
are multiplied by a sigmoid of another convolution, so that the network learns where pixels count;
a first network that fills the hole coarsely, and a second that sees the result, with one branch of
dilated convolutions and one of contextual attention, which describes each unknown place by the
known ones whose surroundings are most like it; a discriminator of six spectrally normalised
convolutions that sees picture and mask, and judges each feature of its last map by the hinge loss;
the absolute difference of both results, with the same weight as the game; box and brush masks of
random form in pictures of 256 pixels.

Where and why this file deviates; all numbers are in configs/inpainting.py, with the paper's values
under `--preset=paper`:

- no sketch of the user beside the mask.
- attention copies the features at the middle of the patches of 3x3 that it compares, at the scale
  of its branch. The paper halves its maps first, copies overlapping patches of 4x4, and averages
  them. `attention_stride` takes each second known place in both directions, for large pictures.
- as many dilated convolutions, and as many halvings in the discriminator, as the sides of the
  picture give sense to; at 256 pixels four and six, as in the paper.
- one logit for each place of the discriminator's last map by default, not one for each feature. The
  norm of the last kernel bounds all features together, so each moves little and learns late.
- a third of the masks are boxes, a third strokes and a third both together, and strokes are turned
  at random instead of mirrored.
- a hole is grey in what the networks see, and known pixels are put back within the network that is
  saved, so its file alone fills holes.
- fewer channels, higher rates and an average over the game by default, for a CPU.
"""

import keras
import numpy as np
from keras import layers, ops

from zoo import sampling
from zoo.drawing import pictures
from zoo.errors import UsageError
from zoo.game import Player, Translator
from zoo.game.optimizers import DiscriminatorRate, Optimizers
from zoo.layers import SpectralConv2D
from zoo.parts.averaging import Averaging
from zoo.parts.holes import Holes
from zoo.parts.jitter import Jitter
from zoo.parts.losses import Adversarial
from zoo.settings import Setting
from zoo.shapes import check_divisible, check_image, check_opaque

LEAST_SIDE = 16
MULTIPLE = 4
DILATIONS = (2, 4, 8, 16)
MOST_HALVINGS = 6  # of the discriminator
SHARPNESS = 10.0  # of the attention's softmax (Yu et al. 2018, section 4.1)
NEVER = -100.0  # added to the score, in -10..10, of a place that is not known
GREY = np.uint8(128)  # of a hole in a picture for people
HALF = 2.0  # an open gate halves what it lets through at first


@keras.saving.register_keras_serializable(package="zoo")
class Inpainting(Translator):
    """Two gated networks that fill holes, against a discriminator that sees the mask.

    Losses, with a picture y, a mask m that is 1 at unknown pixels, the two results G1 and G2, the
    filled picture z = (1 - m) y + m G2, and D all logits of the discriminator (`loss="hinge"`;
    others by name):

        discriminator  E[max(0, 1 - D(y, m))] + E[max(0, 1 + D(z, m))]
        generator      l1_weight (E|y - G1| + E|y - G2|) - adversarial_weight E[D(z, m)]

    Args:
        image_shape: (height, width, channels), sides of at least 16 that 4 divides, channels 1 or
            3.
        width: int, channels of the first convolution of the generator's networks, which become four
            times as many. In the paper 24: 32, less a quarter for the gates.
        discriminator_width: int, channels of the discriminator's first convolution, which become
            four times as many. 64 in the paper.
        judged: "features" for a logit of each feature of the discriminator's last map, as in the
            paper, or "places" for one of each place.
        attention_stride: 1 or 2, the step between known places that the attention looks at.
        l1_weight: float, weight of the absolute differences, in [-1, 1].
        adversarial_weight: float, weight of the adversarial term; at 0 the discriminator rests.

    Raises:
        UsageError: the image shape or a setting is not supported.
    """

    task = "inpainting"
    players = (
        Player("discriminator", ("discriminator",), seen=("real", "fake")),
        Player(
            "generator",
            ("generator",),
            ("generator",),
            losses=("coarse", "refined", "adversarial"),
        ),
    )
    parts = (Adversarial, Jitter, Holes, Optimizers, DiscriminatorRate, Averaging)
    averaged = ("generator",)
    default_shape = (64, 64, 3)
    jittered = ("image",)
    multiple = MULTIPLE
    own = {
        "width": Setting(int, least=1),
        "discriminator_width": Setting(int, least=1),
        "judged": Setting(str, choices=("features", "places")),
        "attention_stride": Setting(int, least=1, most=2),
        "l1_weight": Setting(float, least=0.0),
        "adversarial_weight": Setting(float, least=0.0),
    }

    def check(self):
        check_image(self.image_shape, "inpainting", LEAST_SIDE)
        check_divisible(self.image_shape, "inpainting", MULTIPLE)
        alpha = "the alpha of a picture that is to be filled says where its hole is"
        check_opaque(self.image_shape, "inpainting", alpha)
        if not self.l1_weight and not self.adversarial_weight:
            raise UsageError(
                "Nothing is left to learn. Expected an l1_weight or an adversarial_weight above 0. "
                "Received: 0 for both."
            )

    def idle(self):
        return () if self.adversarial_weight else ("discriminator",)

    def builders(self):
        return {"generator": self.build_generator, "discriminator": self.build_discriminator}

    def build_generator(self):
        images = keras.Input((*self.sides, self.image_shape[-1]), name="image")
        mask = keras.Input((*self.sides, 1), name="mask")
        inverse = layers.Rescaling(-1.0, 1.0, name="inverse")(mask)
        known = layers.Multiply(name="known")([images, inverse])
        x = self._encoded([known, mask], "coarse")
        x = self._dilated(x, "coarse")
        coarse = self._decoded(x, "coarse")
        filled = self._put_back(known, coarse, mask, "coarse")
        x = self._dilated(self._encoded([filled, mask], "refined"), "refined")
        y = self._encoded([filled, mask], "attention")
        y = self._attention(y, layers.MaxPooling2D(MULTIPLE, name="hole")(mask))
        for i in range(2):
            y = self._gated(y, 4, name=f"attention_{i}")
        x = layers.Concatenate(name="branches")([x, y])
        refined = self._decoded(x, "refined")
        if self._for_any_size:
            return keras.Model([images, mask], self._put_back(known, refined, mask, "refined"))
        return keras.Model([images, mask], [coarse, refined])

    def build_discriminator(self):
        images = keras.Input(self.image_shape, name="image")
        mask = keras.Input((*self.image_shape[:2], 1), name="mask")
        x = layers.Concatenate(name="image_and_mask")([images, mask])
        count = halvings(self.image_shape)
        for i in range(count):
            kernel = self._kernel(x.shape[-1] * 25)
            channels = self.discriminator_width * min(2**i, 4)
            last = i + 1 == count and self.judged == "features"
            dtype = "float32" if last else None
            x = SpectralConv2D(channels, 5, 2, "same", dtype=dtype, **kernel, name=f"down_{i}")(x)
            if not last:
                x = layers.LeakyReLU(0.2, name=f"down_{i}_relu")(x)
        if self.judged == "places":
            kernel = self._kernel(x.shape[-1] * 9)
            x = SpectralConv2D(1, 3, 1, "same", dtype="float32", **kernel, name="logits")(x)
        return keras.Model([images, mask], x)

    def make(self, batch):
        coarse, refined = self.generator([batch["image"], batch["mask"]], training=True)
        return {"coarse": coarse, "refined": refined}

    def discriminator_loss(self, batch, made):
        real = self.discriminate(batch["image"], batch["mask"])
        fake = self.discriminate(filled(batch, made["refined"]), batch["mask"])
        loss = self.part["Adversarial"].objective.discriminator(real, fake)
        return loss, {"real": real, "fake": fake}

    def generator_loss(self, batch, made):
        terms = {}
        if self.l1_weight:
            for name in ("coarse", "refined"):
                difference = ops.abs(batch["image"] - ops.cast(made[name], "float32"))
                terms[name] = self.l1_weight * ops.mean(difference)
        if self.adversarial_weight:
            objective, real = self.part["Adversarial"].objective, None
            if objective.uses_real:
                real = self.discriminate(batch["image"], batch["mask"])
            fake = self.discriminate(filled(batch, made["refined"]), batch["mask"])
            terms["adversarial"] = self.adversarial_weight * objective.generator(fake, real)
        return terms

    def discriminate(self, images, mask):
        """Returns all float32 logits, `(batch * places * features,)`, of pictures with masks."""
        logits = self.discriminator([images, mask], training=True)
        return ops.reshape(ops.cast(logits, "float32"), (-1,))

    def translate(self, images, holes, ema=True):
        """Fills holes in pictures of any size.

        For pictures of another size than in training, the first call builds a copy of the network
        in float32.

        Args:
            images: uint8, or float in [-1, 1], of shape `(n, height, width, channels)`.
            holes: bool `(n, height, width)`, True at unknown pixels.
            ema: bool, whether to use the averaged network instead of the current one.

        Returns:
            uint8, or float32, as `images` are. Known pixels are those of `images`.

        Raises:
            UsageError: `images` or `holes` are not such arrays.
        """
        images, holes = np.asarray(images), np.asarray(holes)
        self._check(images)
        if holes.dtype != bool or holes.shape != images.shape[:3]:
            raise UsageError(
                f"Expected `holes` as a bool array of shape {images.shape[:3]}, True at unknown "
                f"pixels. Received: {holes.dtype} of shape {holes.shape}."
            )
        network = self.network("ema_generator" if ema else "generator")
        if images.shape[1:3] != network.inputs[0].shape[1:3]:
            weights = network.get_weights()
            network = self._for_any("generator")
            network.set_weights(weights)
        return sampling.filled(network, images, holes, MULTIPLE)[-1]

    def show(self, images, holes, ema=True):
        """Returns pictures with grey holes beside the filled ones, a `PIL.Image`.

        Args:
            images, holes, ema: as those of `translate`.
        """
        sides = [np.asarray(images), self.translate(images, holes, ema)]
        holed, filled = (x if x.dtype == np.uint8 else sampling.to_uint8(x) for x in sides)
        holed = np.where(np.asarray(holes)[..., np.newaxis], GREY, holed)
        return pictures.pillow(pictures.rows_of([holed, filled]))

    def _gated(self, x, times, size=3, strides=1, dilation=1, name=None):
        """Returns a gated convolution (Yu et al. 2019, equation 3) to `times * width` channels."""
        channels, fan = times * self.width, x.shape[-1] * size**2
        shape = (channels, size, strides, "same")
        features = layers.Conv2D(
            *shape,
            dilation_rate=dilation,
            activation="elu",
            **self._kernel(fan, HALF),
            name=f"{name}_features",
        )(x)
        gates = layers.Conv2D(
            *shape,
            dilation_rate=dilation,
            activation="sigmoid",
            **self._kernel(fan, 0.5),
            name=f"{name}_gates",
        )(x)
        return layers.Multiply(name=name)([features, gates])

    def _encoded(self, tensors, name):
        """Returns maps of a quarter of the sides, of four times the width."""
        x = layers.Concatenate(name=f"{name}_input")(tensors)
        x = self._gated(x, 1, 5, name=f"{name}_in")
        x = self._gated(x, 2, strides=2, name=f"{name}_down_0")
        x = self._gated(x, 2, name=f"{name}_down_1")
        x = self._gated(x, 4, strides=2, name=f"{name}_down_2")
        return self._gated(x, 4, name=f"{name}_down_3")

    def _dilated(self, x, name):
        x = self._gated(x, 4, name=f"{name}_middle")
        for dilation in dilations(self.image_shape):
            x = self._gated(x, 4, dilation=dilation, name=f"{name}_dilated_{dilation}")
        return x

    def _decoded(self, x, name):
        x = self._gated(x, 4, name=f"{name}_up_0")
        for i, times in ((1, 2), (2, 1)):
            x = layers.UpSampling2D(2, name=f"{name}_double_{i}")(x)
            x = self._gated(x, times, name=f"{name}_up_{i}")
        kernel = self._kernel(x.shape[-1] * 9)
        x = layers.Conv2D(self.image_shape[-1], 3, padding="same", **kernel, name=f"{name}_image")(
            x
        )
        return layers.Activation("tanh", dtype="float32", name=f"{name}_output")(x)

    @staticmethod
    def _put_back(known, drawn, mask, name):
        inside = layers.Multiply(dtype="float32", name=f"{name}_inside")([drawn, mask])
        return layers.Add(dtype="float32", name=f"{name}_filled")([known, inside])

    def _attention(self, x, hole):
        """Returns at each place the features of the known places with a similar surrounding.

        The similarity is the cosine between patches of 3x3 (Yu et al. 2018, equation 2). Stock
        layers alone, and no side is written down, so a file takes pictures of any size.

        Args:
            x: `(batch, h, w, c)`. hole: `(batch, h, w, 1)`, 1 where a pixel is unknown.
        """
        channels, exact = x.shape[-1], {"dtype": "float32"}
        wide = layers.ZeroPadding2D(1, name="around")(x)
        near = [
            layers.Cropping2D(((i, 2 - i), (j, 2 - j)), name=f"near_{i}{j}")(wide)
            for i in range(3)
            for j in range(3)
        ]
        patches = layers.Concatenate(name="patches")(near)
        patches = layers.UnitNormalization(name="unit_patches", **exact)(patches)
        # A last value of each patch adds NEVER to the score of those that are not known.
        touched = layers.MaxPooling2D(3, 1, "same", name="touched")(hole)
        never = layers.Rescaling(NEVER, name="never", **exact)(touched)
        one = layers.Rescaling(0.0, 1.0, name="one", **exact)(touched)
        asked = layers.Rescaling(SHARPNESS, name="sharp", **exact)(patches)
        asked = layers.Concatenate(name="asked", **exact)([asked, one])
        found = layers.Concatenate(name="found", **exact)([patches, never])
        copied = x
        if self.attention_stride > 1:
            stride = self.attention_stride
            found = layers.AveragePooling2D(1, stride, name="fewer_found", **exact)(found)
            copied = layers.AveragePooling2D(1, stride, name="fewer_copied")(copied)
        found = layers.Reshape((-1, 9 * channels + 1), name="list_found", **exact)(found)
        copied = layers.Reshape((-1, channels), name="list_copied")(copied)
        scores = layers.Dot((3, 2), name="scores", **exact)([asked, found])
        shares = layers.Softmax(name="shares", **exact)(scores)
        return layers.Dot((3, 1), name="attended", **exact)([shares, copied])

    def _kernel(self, inputs, gain=1.0):
        """Returns the weights of a layer that sums `inputs` values (He et al. 2015)."""
        deviation = gain * (2 / inputs) ** 0.5
        normal = keras.initializers.RandomNormal(0.0, deviation, seed=self.kernel_seed())
        return {"kernel_initializer": normal}


def filled(batch, drawn):
    """Returns the pictures of a batch with what was drawn in their holes."""
    mask = batch["mask"]
    return batch["image"] * (1 - mask) + ops.cast(drawn, "float32") * mask


def halvings(image_shape):
    """Returns how often the discriminator halves the sides: to 4 at least, 6 times at most."""
    side = min(image_shape[:2])
    return min(MOST_HALVINGS, side.bit_length() - 3)


def dilations(image_shape):
    """Returns the dilations that reach no farther than half of the maps, at least one."""
    side = min(image_shape[:2]) // MULTIPLE
    return [d for d in DILATIONS if d <= max(2, side // 4)]
