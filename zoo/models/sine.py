"""Sine: a fully connected GAN for short sine signals.

Hany, Walters: "Hands-On Generative Adversarial Networks with PyTorch 1.x", Packt 2019, chapter 1,
which trains such a GAN in plain NumPy; examples/sine_numpy.py is that program.

What the chapter did: signals of ten points, one noise value, two hidden layers of 10 in each
network, ReLU and tanh in the generator, LeakyReLU 0.2 and a sigmoid in the discriminator, gradients
clipped to the norm 0.2, the weights of both networks clipped to 0.25, SGD 0.01, 50,000 updates. The
paper preset does not copy its mistakes: wrong derivatives, and updates from single signals. The
minibatch of 64 is ours. The chapter clips the gradient of each weight array separately. This model
clips all gradients of a network together, so its steps are smaller.

Where and why this file deviates; `--preset=paper` does not. All numbers are in configs/sine.py:

- four noise values: the signals have three parameters, and one noise value can only draw a curve
  through them.
- hidden layers of 128, Adam without momentum, no clipping.
- the relativistic loss with R1 and R2 (Huang et al. 2024, R3GAN).
- the exported generator is an average over the last training steps.
"""

import keras
from keras import layers

from zoo.errors import UsageError
from zoo.game import GAN
from zoo.game.gan import PARTS
from zoo.parts.penalties import clip_weights
from zoo.parts.seen import Packing
from zoo.settings import Setting


@keras.saving.register_keras_serializable(package="zoo")
class SineGAN(GAN):
    """Fully connected GAN for signals of a few points in [-1, 1].

    Losses, with s = softplus and logits D(x) (`loss="relativistic"`, `penalty="r1_r2"`; others by
    name):

        discriminator  E[s(D(G(z)) - D(x))]
                       + penalty_weight / 2 (E|grad D(x)|^2 + E|grad D(G(z))|^2)
        generator      E[s(D(x) - D(G(z)))]

    Args:
        sample_shape: (points,).
        hidden: int, units of each hidden layer.
        depth: int, hidden layers of each network.
        generator_weight_clip: float or None, limit of the generator's weights after each of its
            updates; `weight_clip` is the discriminator's.

    Raises:
        UsageError: the shape or a setting is not supported.
    """

    task = "signals"
    shape_setting = "sample_shape"
    default_shape = (10,)
    sample_field = "sample"
    parts = (*PARTS, Packing)
    own = {
        "hidden": Setting(int, least=1),
        "depth": Setting(int, least=1),
        "generator_weight_clip": Setting(float, None, least=1e-6, optional=True),
    }

    def check(self):
        if len(self.sample_shape) != 1:
            raise UsageError(
                "This model draws signals. Expected sample_shape=(points,), (10,) for the data set "
                f"sine. Received: sample_shape={self.sample_shape}."
            )

    def build_generator(self):
        z = keras.Input((self.latent_dim,), name="z")
        x = z
        for i in range(self.depth):
            x = layers.Dense(self.hidden, **self._kernel(), name=f"hidden_{i}")(x)
            x = layers.ReLU(name=f"hidden_{i}_relu")(x)
        x = layers.Dense(self.sample_shape[0], **self._kernel(), name="signal")(x)
        samples = layers.Activation("tanh", dtype="float32", name="sample")(x)
        return keras.Model(z, samples, name="generator")

    def build_discriminator(self):
        samples = keras.Input(self.seen_shape, name="sample")
        x = samples
        for i in range(self.depth):
            x = layers.Dense(self.hidden, **self._kernel(), name=f"hidden_{i}")(x)
            x = layers.LeakyReLU(0.2, name=f"hidden_{i}_relu")(x)
        x = self.compared(x)
        logit = layers.Dense(1, **self._kernel(), dtype="float32", name="logit")(x)
        return keras.Model(samples, logit, name="discriminator")

    def after_move(self, player):
        super().after_move(player)
        if player.name == "generator" and self.generator_weight_clip:
            clip_weights(self.generator.trainable_variables, self.generator_weight_clip)

    def _kernel(self):
        return {"kernel_initializer": keras.initializers.GlorotUniform(seed=self.kernel_seed())}
