"""SRGAN: small pictures made large, with the detail that an average of possibilities lacks.

Ledig, Theis, Huszar, Caballero, Cunningham, Acosta, Aitken, Tejani, Totz, Wang, Shi:
"Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network", CVPR 2017,
arXiv:1609.04802.

What the paper did (section 2 and 3, figure 4): a generator, SRResNet, of 16 residual blocks of 64
channels with batch normalisation and PReLU, and two sub-pixel convolutions (Shi et al. 2016) that
double the sides; a discriminator of eight convolutions of 64 to 512 channels and two dense layers;
first a million rounds of the squared error alone (Adam, 1e-4), then 2e5 rounds of the squared
distance between features of VGG-19 plus 1e-3 times the cross-entropy game (1e-4, then 1e-5);
minibatches of 16 crops of 96 pixels, four times larger than their inputs, which were made by
MATLAB's bicubic `imresize`.

Where and why this file deviates; all numbers are in configs/srgan.py, with the paper's values
under `--preset=paper`:

- the sub-pixel convolution, 3x3 to four times the channels and a shuffle of those, is written as
  the transposed convolution of 6x6 with stride 2 that computes the same with as many weights (Shi
  et al. 2016, arXiv:1609.07009): a stock layer, which every format of export knows.
- features of EfficientNet-Lite0 at three depths instead of VGG-19 at one: they are at hand without
  a download from a stranger. `perceptual_weight` brings their distance to the order of the squared
  error, as the paper's division by 12.75 does.
- inputs in [-1, 1], as everywhere here, instead of [0, 1].
- the output is linear in training and is cut to [-1, 1] in the network that is saved.
- no batch normalisation in the generator by default (Lim et al. 2017, EDSR: better and smaller).
- the input, its pixels repeated and averaged over a neighbourhood, which is nearly bilinear, is
  added to the output by default (Kim et al. 2016, VDSR), so the network has to learn only what is
  missing.
- the squared error stays in the second stage by default, with a small weight: the few pictures and
  minutes of a CPU are not enough to hold the colours without it.
- fewer and narrower blocks, smaller crops, higher rates and an average over the game by default,
  for a CPU.
"""

import math

import keras
from keras import layers, ops

from zoo.errors import UsageError
from zoo.game import Player, Translator
from zoo.game.optimizers import DiscriminatorRate, Optimizers
from zoo.parts.averaging import Averaging
from zoo.parts.degradation import Degradation
from zoo.parts.jitter import Jitter
from zoo.parts.losses import Adversarial
from zoo.parts.perceptual import Perceptual
from zoo.parts.pretraining import Pretraining, squared_error
from zoo.settings import Setting
from zoo.shapes import check_image, check_opaque

LEAST_SIDE = 16
SMALL = 0.1  # share of the usual deviation of initial weights (Wang et al. 2018, ESRGAN)


@keras.saving.register_keras_serializable(package="zoo")
class SRGAN(Translator):
    """A residual network that enlarges, against a discriminator, for pictures of any kind.

    Losses, with a picture y, its small version x and s = softplus (`loss="non_saturating"`; others
    by name); `f` are features, see `zoo.parts.perceptual`:

        first stage    E(y - G(x))^2
        discriminator  E[s(-D(y))] + E[s(D(G(x)))]
        generator      error_weight E(y - G(x))^2 + perceptual_weight E(f(y) - f(G(x)))^2
                       + adversarial_weight E[s(-D(G(x)))]

    Args:
        image_shape: (height, width, channels) of the large crops, sides of at least 16 that
            `scale` divides, channels 1 or 3.
        width: int, channels of all of the generator and of the discriminator's first convolution,
            which become eight times as many. 64 in the paper.
        blocks: int, residual blocks, 16 in the paper.
        kernel_size: int, side of the kernels of the first and the last convolution of the
            generator; 9 in the paper.
        generator_norm: "batch" or "none", normalisation in the generator.
        input_skip: bool, whether the smoothly enlarged input is added to the output.
        error_weight: float, weight of the squared error in the second stage; 0 in the paper.
        adversarial_weight: float, weight of the adversarial term; at 0 the discriminator rests.

    Raises:
        UsageError: the image shape or a setting is not supported.
    """

    task = "enlarging"
    players = (
        Player("discriminator", ("discriminator",), seen=("real", "fake")),
        Player(
            "generator",
            ("generator",),
            ("generator",),
            losses=("error", "perceptual", "adversarial"),
            seen=("psnr",),
        ),
    )
    # The mirror comes before the small picture is made.
    parts = (
        *(Adversarial, Jitter, Degradation, Pretraining, Perceptual),
        *(Optimizers, DiscriminatorRate, Averaging),
    )
    averaged = ("generator",)
    default_shape = (96, 96, 3)
    sample_field = "high"
    jittered = ("high",)
    compared = ("fake", "high")
    multiple = 1
    own = {
        "width": Setting(int, least=1),
        "blocks": Setting(int, least=0),
        "kernel_size": Setting(int, least=1),
        "generator_norm": Setting(str, choices=("batch", "none")),
        "input_skip": Setting(bool),
        "error_weight": Setting(float, least=0.0),
        "adversarial_weight": Setting(float, least=0.0),
    }

    def check(self):
        check_image(self.image_shape, "srgan", LEAST_SIDE)
        alpha = "generate.py enlarges the alpha of others by itself"
        check_opaque(self.image_shape, "srgan", alpha)
        weights = (self.error_weight, self.perceptual_weight, self.adversarial_weight)
        if self.stages != "error" and not any(weights):
            raise UsageError(
                "Nothing is left to learn in the second stage. Expected an error_weight, a "
                "perceptual_weight or an adversarial_weight above 0, or stages=error. "
                "Received: 0 for all three."
            )

    def idle(self):
        if self.stages == "error":
            return ("discriminator", "generator")
        return () if self.adversarial_weight else ("discriminator",)

    def builders(self):
        return {"generator": self.build_generator, "discriminator": self.build_discriminator}

    def build_generator(self):
        channels, size = self.image_shape[-1], self.kernel_size
        sides = (None if side is None else side // self.scale for side in self.sides)
        images = keras.Input((*sides, channels), name="image")
        kernel = self._kernel(channels * size**2)
        x = layers.Conv2D(self.width, size, padding="same", **kernel, name="first")(images)
        x = first = self._relu(x, "first")
        for i in range(self.blocks):
            y = self._relu(self._inner(x, f"block_{i}a"), f"block_{i}")
            x = layers.Add(name=f"block_{i}")([x, self._inner(y, f"block_{i}b")])
        if self.blocks:
            x = layers.Add(name="trunk_skip")([self._inner(x, "trunk"), first])
        for i in range(int(math.log2(self.scale))):
            # Each output is a sum over 3x3 inputs.
            kernel = self._kernel(self.width * 9)
            double = layers.Conv2DTranspose(self.width, 6, 2, "same", **kernel, name=f"double_{i}")
            x = self._relu(double(x), f"double_{i}")
        kernel = self._kernel(self.width * size**2, SMALL if self.input_skip else 1.0)
        x = layers.Conv2D(channels, size, padding="same", **kernel, name="to_image")(x)
        if self.input_skip:
            # The bilinear UpSampling2D of Keras has no graph for open sides in TensorFlow.
            enlarged = layers.UpSampling2D(self.scale, name="repeated")(images)
            smooth = layers.AveragePooling2D(self.scale + 1, 1, "same", name="enlarged")
            x = layers.Add(name="input_skip")([x, smooth(enlarged)])
        x = layers.Activation("linear", dtype="float32", name="output")(x)
        if self._for_any_size:  # for inference: in training a limit would have no gradient
            x = layers.Rescaling(1.0, 1.0, dtype="float32", name="from_0")(x)
            x = layers.ReLU(2.0, dtype="float32", name="limited")(x)
            x = layers.Rescaling(1.0, -1.0, dtype="float32", name="limited_output")(x)
        return keras.Model(images, x)

    def build_discriminator(self):
        images = x = keras.Input(self.image_shape, name="image")
        for i in range(8):
            kernel = self._kernel(x.shape[-1] * 9) | {"use_bias": i == 0}
            channels = self.width * 2 ** (i // 2)
            x = layers.Conv2D(channels, 3, 1 + i % 2, "same", **kernel, name=f"down_{i}")(x)
            if i:
                x = layers.BatchNormalization(name=f"down_{i}_norm")(x)
            x = layers.LeakyReLU(0.2, name=f"down_{i}_relu")(x)
        x = layers.Flatten(name="flatten")(x)
        x = layers.Dense(16 * self.width, **self._kernel(x.shape[-1]), name="dense")(x)
        x = layers.LeakyReLU(0.2, name="dense_relu")(x)
        kernel = self._kernel(x.shape[-1])
        return keras.Model(images, layers.Dense(1, dtype="float32", **kernel, name="logit")(x))

    def make(self, batch):
        return {"fake": self.generator(batch["low"], training=True)}

    def discriminator_loss(self, batch, made):
        real, fake = self.discriminate(batch["high"]), self.discriminate(made["fake"])
        loss = self.part["Adversarial"].objective.discriminator(real, fake)
        return loss, {"real": real, "fake": fake}

    def generator_loss(self, batch, made):
        error, seen = squared_error(self, batch, made)
        terms = {}
        if self.error_weight:
            terms["error"] = self.error_weight * error
        if self.perceptual_weight:
            distance = self.part["Perceptual"].distance(made["fake"], batch["high"])
            terms["perceptual"] = self.perceptual_weight * distance
        if self.adversarial_weight:
            objective, real = self.part["Adversarial"].objective, None
            if objective.uses_real:
                real = self.discriminate(batch["high"])
            fake = self.discriminate(made["fake"])
            terms["adversarial"] = self.adversarial_weight * objective.generator(fake, real)
        return terms, seen

    def discriminate(self, images):
        """Returns float32 logits `(batch,)` of large pictures."""
        logits = self.discriminator(images, training=True)
        return ops.reshape(ops.cast(logits, "float32"), (-1,))

    def _inner(self, x, name):
        normalised = self.generator_norm == "batch"
        # What a normalisation does not scale starts small, or a sum of many blocks would be large.
        kernel = self._kernel(self.width * 9, 1.0 if normalised else SMALL)
        x = layers.Conv2D(
            self.width, 3, padding="same", **kernel, use_bias=not normalised, name=name
        )(x)
        return layers.BatchNormalization(name=f"{name}_norm")(x) if normalised else x

    @staticmethod
    def _relu(x, name):
        return layers.PReLU(shared_axes=(1, 2), name=f"{name}_relu")(x)

    def _kernel(self, inputs, gain=1.0):
        """Returns the weights of a layer that sums `inputs` values (He et al. 2015)."""
        deviation = gain * (2 / inputs) ** 0.5
        normal = keras.initializers.RandomNormal(0.0, deviation, seed=self.kernel_seed())
        return {"kernel_initializer": normal}
