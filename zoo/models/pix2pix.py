"""pix2pix: pictures from pictures, learnt from pairs.

Isola, Zhu, Zhou, Efros: "Image-to-Image Translation with Conditional Adversarial Networks", CVPR
2017, arXiv:1611.07004.

What the paper did (section 3 and appendix 6): a generator in the form of a U-Net, whose
convolutions halve the picture down to one pixel and double it again, with skips between equal
sizes; a discriminator that sees the input beside the picture and judges overlapping patches of 70
pixels; the cross-entropy game plus 100 times the absolute difference to the target, the
discriminator's loss halved; dropout in three of the decoder's blocks instead of noise; weights
from N(0, 0.02); Adam at 2e-4 with beta_1 0.5, minibatches of one picture, 200 epochs; pictures
enlarged from 256 to 286 pixels, cropped at random and mirrored.

Where and why this file deviates; all numbers are in configs/pix2pix.py, with the paper's values
under `--preset=paper`:

- instance normalisation in both presets. The paper normalises batches of one picture with that
  picture's own statistics, which is the same.
- no dropout in a trained network: the same input gives the same picture.
- as many halvings as the sides allow, up to eight; the innermost is not normalised, because a
  single pixel would become 0.
- the default has fewer channels and minibatches of several pictures, for a CPU.
"""

import keras
from keras import layers, ops

from zoo.blocks import instance_norm, patches
from zoo.game import Player, Translator
from zoo.game.optimizers import DiscriminatorRate, Optimizers
from zoo.parts.averaging import Averaging
from zoo.parts.jitter import Jitter
from zoo.parts.losses import Adversarial
from zoo.settings import Setting
from zoo.shapes import check_divisible

MOST_HALVINGS = 8
DROPPED = 3  # decoder blocks with dropout


@keras.saving.register_keras_serializable(package="zoo")
class Pix2Pix(Translator):
    """A U-Net against a discriminator of patches, for pairs of pictures.

    Losses, with s = softplus, an input x, its target y and logits D(x, y) of all patches
    (`loss="non_saturating"`; others by name):

        discriminator  1/2 (E[s(-D(x, y))] + E[s(D(x, G(x)))])
        generator      adversarial_weight E[s(-D(x, G(x)))] + l1_weight E|y - G(x)|

    Args:
        image_shape: (height, width, channels) of input and target, sides divisible by 16, channels
            1, 3 or 4.
        width: int, channels of the first convolution of both networks, doubled up to eight times
            as many. 64 in the paper.
        dropout: float in [0, 1), share of values dropped in the first decoder blocks.
        patch_halvings: int, strided convolutions of the discriminator: 1, 2, 3 or 4 for patches of
            16, 34, 70 or 142 pixels.
        adversarial_weight: float, weight of the adversarial term in the generator's loss; at 0 the
            discriminator rests.
        l1_weight: float, weight of the absolute difference to the target, in [-1, 1]; lambda in the
            paper.

    Raises:
        UsageError: the image shape or a setting is not supported.
    """

    task = "translation"
    players = (
        Player("discriminator", ("discriminator",), seen=("real", "fake")),
        Player("generator", ("generator",), ("generator",), losses=("adversarial", "l1")),
    )
    parts = (Adversarial, Jitter, Optimizers, DiscriminatorRate, Averaging)
    averaged = ("generator",)
    default_shape = (128, 128, 3)
    sample_field = "input"
    jittered = ("input", "target")
    own = {
        "width": Setting(int, least=1),
        "dropout": Setting(float, least=0.0, most=0.99),
        "patch_halvings": Setting(int, least=1, most=6),
        "adversarial_weight": Setting(float, least=0.0),
        "l1_weight": Setting(float, least=0.0),
    }

    def check(self):
        check_divisible(self.image_shape, "pix2pix", 16)

    def idle(self):
        return () if self.adversarial_weight else ("discriminator",)

    @property
    def multiple(self):
        return 2 ** halvings(self.image_shape)

    def builders(self):
        return {"generator": self.build_generator, "discriminator": self.build_discriminator}

    def build_generator(self):
        *_, channels = self.image_shape
        images = x = keras.Input((*self.sides, channels), name="image")
        skips, depth = [], halvings(self.image_shape)
        for i in range(depth):
            x = layers.LeakyReLU(0.2, name=f"down_{i}_relu")(x) if i else x
            x = layers.Conv2D(self._channels(i), 4, 2, "same", **self._kernel(), name=f"down_{i}")(
                x
            )
            if 0 < i < depth - 1:
                x = instance_norm(f"down_{i}_norm")(x)
            skips.append(x)
        skips.pop()
        for i in reversed(range(depth - 1)):
            x = layers.ReLU(name=f"up_{i}_relu")(x)
            x = layers.Conv2DTranspose(
                self._channels(i), 4, 2, "same", **self._kernel(), name=f"up_{i}"
            )(x)
            x = instance_norm(f"up_{i}_norm")(x)
            if self.dropout and depth - 2 - i < DROPPED:
                x = layers.Dropout(self.dropout, seed=self.kernel_seed(), name=f"up_{i}_drop")(x)
            x = layers.Concatenate(name=f"up_{i}_skip")([x, skips[i]])
        x = layers.ReLU(name="to_image_relu")(x)
        x = layers.Conv2DTranspose(channels, 4, 2, "same", **self._kernel(), name="to_image")(x)
        return keras.Model(images, layers.Activation("tanh", dtype="float32", name="output")(x))

    def build_discriminator(self):
        images = keras.Input((*self.sides, self.image_shape[-1]), name="image")
        judged = keras.Input((*self.sides, self.image_shape[-1]), name="judged")
        x = layers.Concatenate(name="image_and_judged")([images, judged])
        logits = patches(x, self.width, self.patch_halvings, self._kernel, instance_norm)
        return keras.Model([images, judged], logits)

    def make(self, batch):
        return {"fake": self.generator(batch["input"], training=True)}

    def discriminator_loss(self, batch, made):
        real = self.discriminate(batch["input"], batch["target"])
        fake = self.discriminate(batch["input"], made["fake"])
        loss = self.part["Adversarial"].objective.discriminator(real, fake) / 2
        return loss, {"real": real, "fake": fake}

    def generator_loss(self, batch, made):
        terms = {}
        if self.adversarial_weight:
            objective = self.part["Adversarial"].objective
            fake = self.discriminate(batch["input"], made["fake"])
            real = None
            if objective.uses_real:
                real = self.discriminate(batch["input"], batch["target"])
            terms["adversarial"] = self.adversarial_weight * objective.generator(fake, real)
        if self.l1_weight:
            difference = ops.abs(batch["target"] - ops.cast(made["fake"], "float32"))
            terms["l1"] = self.l1_weight * ops.mean(difference)
        return terms

    def discriminate(self, images, judged):
        """Returns float32 logits `(batch * patches,)` of pictures beside their inputs."""
        logits = self.discriminator([images, judged], training=True)
        return ops.reshape(ops.cast(logits, "float32"), (-1,))

    def _channels(self, i):
        return self.width * min(2**i, 8)

    def _kernel(self):
        normal = keras.initializers.RandomNormal(0.0, 0.02, seed=self.kernel_seed())
        return {"kernel_initializer": normal}


def halvings(image_shape):
    """Returns how often both sides of an image can be halved evenly, at most 8 times."""
    height, width, _ = image_shape
    count = 0
    while count < MOST_HALVINGS and height % 2 ** (count + 1) == width % 2 ** (count + 1) == 0:
        count += 1
    return count
