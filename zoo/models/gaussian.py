"""Gaussian: a fully connected GAN for numbers on the line and points in the plane.

Goodfellow, Pouget-Abadie, Mirza, Xu, Warde-Farley, Ozair, Courville, Bengio: "Generative
Adversarial Nets", NeurIPS 2014, arXiv:1406.2661.
Lin, Khetan, Fanti, Oh: "PacGAN: The Power of Two Samples in Generative Adversarial Networks",
NeurIPS 2018, arXiv:1712.04086: the ring and the grid.

What the first paper did: figure 1 shows the game on the line, with true density, generated density
and discriminator over x, and gives no settings. The paper preset is the oldest complete recipe that
we know for the target N(4, 1.25): Dev Nag, "Generative Adversarial Networks (GANs) in 50 lines of
code (PyTorch)", 2017. One noise value, two hidden layers of 50, ELU and in the generator's second a
sigmoid, the non-saturating loss, Adam 2e-4 with 0.9 and 0.999, minibatches of 100, 30,000 updates.
One thing neither preset copies: its discriminator took a full minibatch as one input, although the
order means nothing, with the squared deviations from the minibatch's mean as a hint. Here it judges
each number by itself, as in the paper. Noise is from N(0, 1) instead of U(0, 1), and points in the
plane have two noise values, because one can only draw a curve.

Where and why this file deviates; `--preset=paper` does not. All numbers are in
configs/gaussian.py:

- Adam without momentum: the generated density circles less around the true one.
- R1 and R2 on the discriminator (Mescheder et al. 2018): the modes get more even shares.
- three hidden layers of 128: the modes of the grid lie forty standard deviations apart, and two
  layers leave more points in between.
- learning rate 2e-3, falling linearly: the last steps are small enough for modes that narrow.
- the generator's output is multiplied by `scale`, so it soon covers the range of the data.
- the exported generator is an average over the last training steps.
"""

import keras
from keras import layers

from zoo.errors import UsageError, nearest
from zoo.game import GAN
from zoo.game.gan import PARTS
from zoo.parts.seen import Packing
from zoo.settings import Setting

ACTIVATIONS = ("relu", "leaky_relu", "elu", "gelu", "silu", "sigmoid", "tanh")


@keras.saving.register_keras_serializable(package="zoo")
class GaussianGAN(GAN):
    """Fully connected GAN for numbers and points, in their natural units.

    Losses, with s = softplus and logits D(x) (`loss="non_saturating"`, `penalty="r1_r2"`; others by
    name):

        discriminator  E[s(-D(x))] + E[s(D(G(z)))]
                       + penalty_weight / 2 (E|grad D(x)|^2 + E|grad D(G(z))|^2)
        generator      E[s(-D(G(z)))]

    Args:
        sample_shape: (1,) for numbers or (2,) for points.
        hidden: int, units of each hidden layer.
        depth: int, hidden layers of each network.
        generator_activation: str, of the hidden layers: relu, leaky_relu (0.2), elu, gelu, silu,
            sigmoid or tanh. One name for all, or one for each, separated by commas.
        discriminator_activation: str, likewise.
        scale: float above 0, factor of the generator's output: about the size of the data.

    Raises:
        UsageError: the shape or a setting is not supported.
    """

    task = "points"
    shape_setting = "sample_shape"
    default_shape = (1,)
    sample_field = "sample"
    parts = (*PARTS, Packing)
    own = {
        "hidden": Setting(int, least=1),
        "depth": Setting(int, least=1),
        "generator_activation": Setting(str),
        "discriminator_activation": Setting(str),
        "scale": Setting(float, least=1e-6),
    }

    def check(self):
        if self.sample_shape not in ((1,), (2,)):
            raise UsageError(
                "This model draws numbers on the line or points in the plane. Expected "
                "sample_shape=(1,) or (2,), as the data sets gaussian, ring8 and grid25 have. "
                f"Received: sample_shape={self.sample_shape}."
            )

    def build_generator(self):
        z = keras.Input((self.latent_dim,), name="z")
        x = self._hidden_layers(z, "generator_activation")
        x = layers.Dense(self.sample_shape[0], **self._kernel(), dtype="float32", name="point")(x)
        samples = layers.Rescaling(self.scale, dtype="float32", name="sample")(x)
        return keras.Model(z, samples, name="generator")

    def build_discriminator(self):
        samples = keras.Input(self.seen_shape, name="sample")
        x = self._hidden_layers(samples, "discriminator_activation")
        x = self.compared(x)
        logit = layers.Dense(1, **self._kernel(), dtype="float32", name="logit")(x)
        return keras.Model(samples, logit, name="discriminator")

    def _hidden_layers(self, x, setting):
        names = [name.strip() for name in getattr(self, setting).split(",")]
        for name in names:
            if name not in ACTIVATIONS:
                raise UsageError(
                    f"There is no activation {name!r} for {setting}.{nearest(name, ACTIVATIONS)}"
                )
        if len(names) not in (1, self.depth):
            raise UsageError(
                f"`{setting}` does not fit the number of hidden layers. Expected one name, or "
                f"depth={self.depth} of them. Received: {len(names)}."
            )
        for i in range(self.depth):
            x = layers.Dense(self.hidden, **self._kernel(), name=f"hidden_{i}")(x)
            x = layers.Activation(names[i % len(names)], name=f"hidden_{i}_activation")(x)
        return x

    def _kernel(self):
        return {"kernel_initializer": keras.initializers.GlorotUniform(seed=self.kernel_seed())}
