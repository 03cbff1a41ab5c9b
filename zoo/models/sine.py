"""Sine: a fully connected GAN for short sine signals.

Hany, Walters: "Hands-On Generative Adversarial Networks with PyTorch 1.x", Packt 2019, chapter 1,
which trains such a GAN in plain NumPy; examples/sine_numpy.py is that program.

What the chapter did: signals of ten points, one noise value, two hidden layers of 10 in each
network, ReLU and tanh in the generator, LeakyReLU 0.2 and a sigmoid in the discriminator, gradients
clipped to the norm 0.2, the weights of both networks clipped to 0.25, SGD 0.01, 50,000 updates. Its
mistakes, which the paper preset does not copy: wrong derivatives, and updates from single signals;
the minibatch of 64 is ours. The chapter clips the gradient of each weight array by itself, this
model those of a network together, so its steps are smaller.

Where and why this file deviates; `--preset=paper` undoes it:

- four noise values: the signals have three parameters, and one noise value can only draw a curve
  through them.
- hidden layers of 128, Adam without momentum, no clipping.
- the relativistic loss with R1 and R2 (Huang et al. 2024, R3GAN).
- the exported generator is an average over the last training steps.
"""

import keras
from keras import layers

from zoo import backend
from zoo.errors import UsageError, check
from zoo.gan import GAN
from zoo.parts import penalties


@keras.saving.register_keras_serializable(package="zoo")
class SineGAN(GAN):
    """Fully connected GAN for signals of a few points in [-1, 1].

    Losses, with s = softplus and logits D(x) (`loss="relativistic"`, `penalty="r1_r2"`; others by
    name):

        discriminator  E[s(D(G(z)) - D(x))]
                       + penalty_weight / 2 (E|grad D(x)|^2 + E|grad D(G(z))|^2)
        generator      E[s(D(x) - D(G(z)))]

    Args:
        image_shape: (points,).
        hidden: int, units of each hidden layer.
        depth: int, hidden layers of each network.
        generator_weight_clip: float or None, to which the generator's weights are clipped after
            each of its updates; `weight_clip` is the discriminator's.
        **kwargs: the settings of `zoo.gan.GAN`.

    Raises:
        UsageError: the shape or a setting is not supported.
    """

    def __init__(
        self,
        image_shape: tuple = (10,),
        *,
        latent_dim: int = 4,
        hidden: int = 128,
        depth: int = 2,
        generator_weight_clip: float | None = None,
        loss: str = "relativistic",
        penalty: str | None = "r1_r2",
        penalty_weight: float = 0.02,
        learning_rate: float = 1e-3,
        beta_1: float = 0.0,
        beta_2: float = 0.99,
        ema_half_life: float = 50_000.0,
        **kwargs,
    ):
        super().__init__(
            image_shape,
            latent_dim=latent_dim,
            loss=loss,
            penalty=penalty,
            penalty_weight=penalty_weight,
            learning_rate=learning_rate,
            beta_1=beta_1,
            beta_2=beta_2,
            ema_half_life=ema_half_life,
            **kwargs,
        )
        if len(self.image_shape) != 1:
            raise UsageError(
                "This model draws signals. Expected image_shape=(points,), (10,) for the data set "
                "sine; take the model vanilla for samples of another shape. "
                f"Received: image_shape={self.image_shape}."
            )
        self.hidden = check("hidden", hidden, 1)
        self.depth = check("depth", depth, 1)
        self.generator_weight_clip = generator_weight_clip and check(
            "generator_weight_clip", generator_weight_clip, 1e-6
        )
        self.build_networks()

    def build_generator(self):
        z = keras.Input((self.latent_dim,), name="z")
        x = z
        for i in range(self.depth):
            x = layers.Dense(self.hidden, **self._kernel(), name=f"hidden_{i}")(x)
            x = layers.ReLU(name=f"hidden_{i}_relu")(x)
        x = layers.Dense(self.image_shape[0], **self._kernel(), name="signal")(x)
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

    def update_generator(self, real, fake, labels, pullback):
        loss = super().update_generator(real, fake, labels, pullback)
        if self.generator_weight_clip:
            with backend.no_grad():
                variables = self.generator.trainable_variables
                penalties.clip_weights(variables, self.generator_weight_clip)
        return loss

    def _kernel(self):
        return {"kernel_initializer": keras.initializers.GlorotUniform(seed=self.kernel_seed())}
