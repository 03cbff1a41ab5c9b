"""CycleGAN: pictures from pictures, learnt from two unpaired sets.

Zhu, Park, Isola, Efros: "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial
Networks", ICCV 2017, arXiv:1703.10593.

What the paper did (section 3 and 4, appendix 7): two generators, one for each direction, of two
strided convolutions, 9 residual blocks (6 at 128 pixels) and two transposed convolutions, with
instance normalisation and reflection padding; two discriminators of 70-pixel patches; least squares
instead of cross-entropy, halved for the discriminators; 10 times the absolute error after a full
cycle; for photographs also 5 times the error on pictures that already belong to the other side; a
pool of 50 past pictures for each discriminator; Adam at 2e-4 with beta_1 0.5, minibatches of one
picture, 100 epochs at a constant rate and 100 in which it falls to 0; pictures enlarged, cropped at
random and mirrored.

Where and why this file deviates; all numbers are in configs/cyclegan.py, with the paper's values
under `--preset=paper`:

- zero padding by default: Keras has no layer for reflection padding, so a network with it has no
  .h5 file.
- nearest neighbour doubling and a convolution instead of transposed convolutions by default: no
  checkerboards.
- the picture itself is added before the last tanh by default, as in networks that learn what to
  change (Kim et al. 2016, VDSR). Without it, networks of this size drew blurred pictures in the
  first minutes of a CPU.
- half the weight of the cycle and no term for pictures of the other side by default: with the
  picture added, little is lost without them, and more is changed.
- fewer channels and blocks, a higher rate and an average over training by default, for a CPU.
"""

import keras
from keras import layers, ops

from zoo.blocks import instance_norm, patches
from zoo.game import Player, Translator
from zoo.game.optimizers import Optimizers
from zoo.parts.averaging import Averaging
from zoo.parts.jitter import Jitter
from zoo.parts.losses import Adversarial
from zoo.parts.pool import Pool
from zoo.settings import Setting
from zoo.shapes import check_divisible


@keras.saving.register_keras_serializable(package="zoo")
class CycleGAN(Translator):
    """Two generators and two discriminators with cycle consistency.

    Losses, with pictures a and b, generators G: a -> b and F: b -> a, and logits of all patches
    (`loss="least_squares"`; others by name):

        discriminators  1/2 E[(D_b(b) - 1)^2 + D_b(G(a))^2], and likewise for a
        generators      adversarial_weight (1/2 E[(D_b(G(a)) - 1)^2], and likewise for a)
                        + cycle_weight (E|F(G(a)) - a| + E|G(F(b)) - b|)
                        + identity_weight (E|G(b) - b| + E|F(a) - a|)

    Args:
        image_shape: (height, width, channels), sides divisible by 4, channels 1, 3 or 4.
        width: int, channels of the first convolution of each network, 64 in the paper.
        blocks: int, residual blocks of each generator.
        upsampling: "nearest" or "transposed", how a generator doubles the sides.
        padding: "zero" or "reflect", padding of its convolutions at the border.
        input_skip: bool, whether a generator adds the picture it is given before its last tanh.
        patch_halvings: int, strided convolutions of a discriminator: 1, 2, 3 or 4 for patches of
            16, 34, 70 or 142 pixels.
        adversarial_weight: float, weight of the adversarial term in the generators' loss. The
            paper has no factor 1/2 in it, so its value is 2. At 0 the discriminators rest.
        cycle_weight: float, weight of the error after a full cycle; lambda in the paper.
        identity_weight: float, weight of the error on pictures that already belong to the other
            side.

    Raises:
        UsageError: the image shape or a setting is not supported.
    """

    task = "unpaired_translation"
    players = (
        Player("discriminators", ("d_a", "d_b"), losses=("a", "b")),
        Player(
            "generators",
            ("a_to_b", "b_to_a"),
            makes=("a_to_b", "b_to_a"),
            losses=("adversarial", "cycle", "identity"),
        ),
    )
    parts = (Adversarial, Jitter, Pool, Optimizers, Averaging)
    averaged = ("a_to_b", "b_to_a")
    default_shape = (128, 128, 3)
    sample_field = "a"
    jittered = ("a", "b")
    multiple = 4
    paired = False
    pooled = ("fake_a", "fake_b")
    own = {
        "width": Setting(int, least=1),
        "blocks": Setting(int, least=0),
        "upsampling": Setting(str, choices=("nearest", "transposed")),
        "padding": Setting(str, choices=("zero", "reflect")),
        "input_skip": Setting(bool),
        "patch_halvings": Setting(int, least=1, most=6),
        "adversarial_weight": Setting(float, least=0.0),
        "cycle_weight": Setting(float, least=0.0),
        "identity_weight": Setting(float, least=0.0),
    }

    def check(self):
        check_divisible(self.image_shape, "cyclegan", self.multiple)

    def idle(self):
        return () if self.adversarial_weight else ("discriminators",)

    def builders(self):
        return {
            "a_to_b": self.build_generator,
            "b_to_a": self.build_generator,
            "d_a": self.build_discriminator,
            "d_b": self.build_discriminator,
        }

    def build_generator(self):
        *_, channels = self.image_shape
        images = keras.Input((*self.sides, channels), name="image")
        x = self._convolved(images, self.width, 7, "first")
        for i in (1, 2):
            x = layers.Conv2D(self.width * 2**i, 3, 2, "same", **self._kernel(), name=f"down_{i}")(
                x
            )
            x = self._normalised(x, f"down_{i}")
        for i in range(self.blocks):
            y = self._convolved(x, self.width * 4, 3, f"block_{i}a")
            y = self._convolved(y, self.width * 4, 3, f"block_{i}b", activated=False)
            x = layers.Add(name=f"block_{i}")([x, y])
        for i in (1, 0):
            x = self._doubled(x, self.width * 2**i, f"up_{i}")
        x = self._padded(x, 7)
        kernel = self._kernel()
        x = layers.Conv2D(channels, 7, padding=self._border, **kernel, name="to_image")(x)
        if self.input_skip:
            x = layers.Add(name="input_skip")([x, images])
        return keras.Model(images, layers.Activation("tanh", dtype="float32", name="output")(x))

    def _convolved(self, x, channels, size, name, activated=True):
        x = self._padded(x, size)
        x = layers.Conv2D(channels, size, padding=self._border, **self._kernel(), name=name)(x)
        return self._normalised(x, name, activated)

    def _doubled(self, x, channels, name):
        if self.upsampling == "transposed":
            x = layers.Conv2DTranspose(channels, 3, 2, "same", **self._kernel(), name=name)(x)
            return self._normalised(x, name)
        return self._convolved(layers.UpSampling2D(2, name=f"{name}_double")(x), channels, 3, name)

    @staticmethod
    def _normalised(x, name, activated=True):
        x = instance_norm(f"{name}_norm")(x)
        return layers.ReLU(name=f"{name}_relu")(x) if activated else x

    @property
    def _border(self):
        return "same" if self.padding == "zero" else "valid"

    def _padded(self, x, size):
        if self.padding == "zero":
            return x
        beyond = (size // 2, size // 2)
        return ops.pad(x, ((0, 0), beyond, beyond, (0, 0)), mode="reflect")

    def build_discriminator(self):
        images = keras.Input((*self.sides, self.image_shape[-1]), name="image")
        logits = patches(images, self.width, self.patch_halvings, self._kernel, instance_norm)
        return keras.Model(images, logits)

    def make(self, batch):
        fake_b = self.a_to_b(batch["a"], training=True)
        fake_a = self.b_to_a(batch["b"], training=True)
        made = {"fake_a": fake_a, "fake_b": fake_b}
        if self.cycle_weight:
            made["back_a"] = self.b_to_a(fake_b, training=True)
            made["back_b"] = self.a_to_b(fake_a, training=True)
        if self.identity_weight:
            made["same_a"] = self.b_to_a(batch["a"], training=True)
            made["same_b"] = self.a_to_b(batch["b"], training=True)
        return made

    def shown(self, player, made):
        fakes = {name: made[name] for name in self.pooled}
        return self.part["Pool"].exchange(self, fakes)

    def discriminators_loss(self, batch, made):
        objective = self.part["Adversarial"].objective
        return {
            side: objective.discriminator(
                self.discriminate(side, batch[side]), self.discriminate(side, made[f"fake_{side}"])
            )
            for side in ("a", "b")
        }

    def generators_loss(self, batch, made):
        terms = {}
        if self.adversarial_weight:
            adversarial = sum(self._adversarial(side, batch, made) for side in ("a", "b"))
            terms["adversarial"] = self.adversarial_weight * adversarial
        for term, weight in (("back", self.cycle_weight), ("same", self.identity_weight)):
            if weight:
                error = sum(_error(made[f"{term}_{side}"], batch[side]) for side in ("a", "b"))
                terms["cycle" if term == "back" else "identity"] = weight * error
        return terms

    def _adversarial(self, side, batch, made):
        objective, real = self.part["Adversarial"].objective, None
        if objective.uses_real:
            real = self.discriminate(side, batch[side])
        return objective.generator(self.discriminate(side, made[f"fake_{side}"]), real)

    def discriminate(self, side, images):
        """The float32 logits `(batch * patches,)` of pictures as those of one side."""
        logits = self.network(f"d_{side}")(images, training=True)
        return ops.reshape(ops.cast(logits, "float32"), (-1,))

    def _kernel(self):
        normal = keras.initializers.RandomNormal(0.0, 0.02, seed=self.kernel_seed())
        return {"kernel_initializer": normal}


def _error(made, real):
    return ops.mean(ops.abs(ops.cast(made, "float32") - real))
