"""DiscoGAN: what one kind of pictures has in common with another, learnt from two unpaired sets.

Kim, Cha, Kim, Lee, Kim: "Learning to Discover Cross-Domain Relations with Generative Adversarial
Networks", ICML 2017, arXiv:1703.05192. The numbers are those of the authors' code
(github.com/SKTBrain/DiscoGAN).

What the authors did (section 3; the code where the paper is silent): two generators, one for each
direction, that squeeze 64 pixels by four strided convolutions of 64 to 512 channels to 4x4 and draw
them again by four transposed ones, so that shapes may change, not colours alone; two discriminators
of four such convolutions and one more; batch normalisation in all layers but the first and the
last, no biases; cross-entropy, of weight 0.1, and feature matching (Salimans et al. 2016, section
3.1), of weight 0.9; and the squared error of a picture that went there and back, at a rate that
is 0.01 for the first 10,000 minibatches and 0.5 afterwards, one minus which multiplies the rest;
one minibatch for the discriminators to two for the generators; Adam at 2e-4 with beta_1 0.5 and a
decay of all weights of 1e-5 that its moments see; minibatches of 64.

The feature matching is the squared difference between the mean over the real and the mean over the
generated pictures of a minibatch, of the maps after each normalised convolution, averaged over each
map's values. The code passes it through PyTorch's hinge embedding loss with all targets 1, which
there is no hinge but the mean.

Where and why this file deviates; all numbers are in configs/discogan.py, with the authors' under
`--preset=paper`:

- the discriminators share the second minibatch of the generators in a round, instead of having one
  of their own, so a round is two minibatches where the authors count three.
- pictures in [-1, 1] and tanh, as everywhere here, instead of [0, 1] and a sigmoid. The error there
  and back is measured in [0, 1], as theirs.
- a saved network draws with moving averages of the normalisation's means and variances; the
  authors' with those of the pictures that it is given together.
- no fifth convolution to one point of 100 channels, which the paper has for some pairs of sets and
  the code for its cars: without it, the network takes pictures of any size.
- fewer channels, smaller minibatches, a higher rate, a shorter beginning, mirrored pictures and an
  average over training by default, for a CPU.
"""

import keras
from keras import layers, ops

from zoo import backend
from zoo.game import Player, Translator
from zoo.game.optimizers import Optimizers, WeightDecay
from zoo.parts.averaging import Averaging
from zoo.parts.jitter import Jitter
from zoo.parts.losses import Adversarial
from zoo.parts.reconstruction import ReconstructionRate
from zoo.settings import Setting
from zoo.shapes import check_divisible

HALVINGS = 4


@keras.saving.register_keras_serializable(package="zoo")
class DiscoGAN(Translator):
    """Two encoder-decoders and two discriminators with feature matching and reconstruction.

    Losses, with pictures a and b, generators G: a -> b and F: b -> a, s = softplus
    (`loss="non_saturating"`; others by name), r the rate of this round, `f` the three maps of a
    discriminator and M the mean over a minibatch:

        discriminators  1/2 E[s(-D_b(b)) + s(D_b(G(a)))], and likewise for a
        generators      (1 - r) adversarial_weight (E[s(-D_b(G(a)))], and likewise for a)
                        + (1 - r) features_weight (sum over f of E(M f_b(b) - M f_b(G(a)))^2, and
                        likewise for a)
                        + r (E(F(G(a)) - a)^2 + E(G(F(b)) - b)^2), pictures in [0, 1]

    Args:
        image_shape: (height, width, channels), sides of at least 32 divisible by 16, channels 1, 3
            or 4; 64 pixels in the paper.
        width: int, channels of the first convolution of each network, which become eight times as
            many. 64 in the paper.
        generator_moves: int, updates of the generators to one of the discriminators, each with a
            minibatch of its own; 2 in the paper.
        adversarial_weight: float, weight of the adversarial term in the generators' loss.
        features_weight: float, weight of the feature matching. If both weights are 0, the
            discriminators rest.

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
            losses=("adversarial", "features", "reconstruction"),
            moves="generator_moves",
        ),
    )
    parts = (Adversarial, Jitter, ReconstructionRate, WeightDecay, Optimizers, Averaging)
    averaged = ("a_to_b", "b_to_a")
    default_shape = (64, 64, 3)
    sample_field = "a"
    jittered = ("a", "b")
    multiple = 2**HALVINGS
    paired = False
    own = {
        "width": Setting(int, least=1),
        "generator_moves": Setting(int, least=1),
        "adversarial_weight": Setting(float, least=0.0),
        "features_weight": Setting(float, least=0.0),
    }

    def check(self):
        check_divisible(self.image_shape, "discogan", self.multiple)

    @property
    def judged(self):
        """Whether the generators' loss asks the discriminators."""
        return bool(self.adversarial_weight or self.features_weight)

    def idle(self):
        return () if self.judged else ("discriminators",)

    def builders(self):
        return {
            "a_to_b": self.build_generator,
            "b_to_a": self.build_generator,
            "d_a": self.build_discriminator,
            "d_b": self.build_discriminator,
        }

    def build_generator(self):
        channels = self.image_shape[-1]
        images = keras.Input((*self.sides, channels), name="image")
        *_, x = self._halved(images)
        for i in reversed(range(HALVINGS - 1)):
            outputs = self.width * 2**i
            kernel = self._kernel(outputs)
            x = layers.Conv2DTranspose(outputs, 4, 2, "same", **kernel, name=f"up_{i}")(x)
            x = self._norm(f"up_{i}_norm")(x)
            x = layers.ReLU(name=f"up_{i}_relu")(x)
        kernel = self._kernel(channels)
        x = layers.Conv2DTranspose(channels, 4, 2, "same", **kernel, name="to_image")(x)
        return keras.Model(images, layers.Activation("tanh", dtype="float32", name="output")(x))

    def build_discriminator(self):
        """From pictures to a logit and the maps for feature matching."""
        images = keras.Input(self.image_shape, name="image")
        _, *features = self._halved(images)
        # One kernel over all of the last map, 4x4 at 64 pixels.
        last = features[-1]
        options = {"dtype": "float32", **self._kernel(last.shape[-1], last.shape[1:3])}
        logit = layers.Conv2D(1, last.shape[1:3], **options, name="logit")(last)
        return keras.Model(images, [layers.Flatten(dtype="float32")(logit), *features])

    def _halved(self, x):
        """Returns the maps after each strided convolution, normalised but for the first."""
        maps = []
        for i in range(HALVINGS):
            kernel = self._kernel(x.shape[-1])
            x = layers.Conv2D(self.width * 2**i, 4, 2, "same", **kernel, name=f"down_{i}")(x)
            if i:
                x = self._norm(f"down_{i}_norm")(x)
            x = layers.LeakyReLU(0.2, name=f"down_{i}_relu")(x)
            maps.append(x)
        return maps

    def make(self, batch):
        fake_b = self.a_to_b(batch["a"], training=True)
        fake_a = self.b_to_a(batch["b"], training=True)
        return {
            "fake_a": fake_a,
            "fake_b": fake_b,
            "back_a": self.b_to_a(fake_b, training=True),
            "back_b": self.a_to_b(fake_a, training=True),
        }

    def discriminators_loss(self, batch, made):
        objective = self.part["Adversarial"].objective
        terms = {}
        for side in ("a", "b"):
            real, _ = self.discriminate(side, batch[side])
            fake, _ = self.discriminate(side, made[f"fake_{side}"])
            terms[side] = objective.discriminator(real, fake) / 2
        return terms

    def generators_loss(self, batch, made):
        rate = self.current("reconstruction_rate")
        objective = self.part["Adversarial"].objective
        adversarial = features = error = 0.0
        for side in ("a", "b"):
            # Of pictures in [0, 1].
            error += ops.mean(ops.square(_float32(made[f"back_{side}"]) - batch[side])) / 4
            if self.judged:
                real, real_maps = self.discriminate(side, batch[side])
                fake, fake_maps = self.discriminate(side, made[f"fake_{side}"])
                adversarial += objective.generator(fake, real)
                features += matching(real_maps, fake_maps)
        terms = {"reconstruction": rate * error}
        if self.adversarial_weight:
            terms["adversarial"] = (1 - rate) * self.adversarial_weight * adversarial
        if self.features_weight:
            terms["features"] = (1 - rate) * self.features_weight * features
        return terms

    def discriminate(self, side, images):
        """Returns the float32 logits `(batch,)` of pictures as those of one side, and the maps."""
        logits, *maps = self.network(f"d_{side}")(images, training=True)
        return ops.reshape(_float32(logits), (-1,)), maps

    @staticmethod
    def _norm(name):
        # As PyTorch's: a tenth of each minibatch.
        return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=name)

    def _kernel(self, channels, sides=(4, 4)):
        """Returns the weights of a convolution as PyTorch begins them: U(-1, 1) / sqrt(inputs).

        For it, a transposed convolution has as many inputs as outputs: `channels` times its sides.
        """
        limit = (channels * sides[0] * sides[1]) ** -0.5
        uniform = keras.initializers.RandomUniform(-limit, limit, seed=self.kernel_seed())
        return {"kernel_initializer": uniform, "use_bias": False}


def matching(real_maps, fake_maps):
    """Returns the feature matching of two lists of maps, a float32 scalar.

    The means are over the minibatch of all replicas together.
    """
    total = 0.0
    for real, fake in zip(real_maps, fake_maps, strict=True):
        real, fake = (backend.mean(ops.mean(_float32(x), axis=0)) for x in (real, fake))
        total += ops.mean(ops.square(real - fake))
    return total


def _float32(x):
    return ops.cast(x, "float32")
