"""Constraints on the discriminator: gradient penalties and weight clipping.

A penalty is `penalty(discriminate, real, fake, random) -> scalar`:

- `discriminate`: maps samples `(batch, ...)` to logits `(batch,)`. Its preprocessing
  (augmentation, labels) is differentiated too.
- `real`, `fake`: float32 `(batch, ...)`, the same shape where both are used.
- `random`: has `uniform(shape)`, in [0, 1), and `normal(shape)`, standard normal, both float32.

It returns the float32 mean over the batch: the paper's formula without the weight. The caller adds
`weight * penalty` to the discriminator's loss, where `weight` is the paper's gamma (`r1`, `r2`,
`r1_r2`, which include the factor 1/2) or lambda (`wgan_gp`, `dragan`).
A norm is Euclidean over all axes but the first. Batch normalisation in the discriminator mixes the
samples, so these are no longer per-sample gradients (Gulrajani et al. 2017, section 4).
"""

from keras import ops

from zoo import backend
from zoo.errors import UsageError, nearest
from zoo.parts.part import Part
from zoo.settings import Setting

# Kodali et al. perturb by N(0, cI) in the paper and by half the data's standard deviation in their
# code. Images in [-1, 1] have a deviation of about 0.5. Unlike a batch statistic, a constant does
# not depend on how the batch is split over replicas.
DRAGAN_DEVIATION = 0.25


def r1(discriminate, real, fake, random):
    """`1/2 E|grad D(x)|^2` at real samples (Mescheder et al. 2018, eq. 9, without gamma)."""
    return ops.mean(squared_norm(discriminate, real)[1]) / 2


def r2(discriminate, real, fake, random):
    """`1/2 E|grad D(G(z))|^2` at generated samples (Mescheder et al. 2018, eq. 10)."""
    return ops.mean(squared_norm(discriminate, fake)[1]) / 2


def r1_r2(discriminate, real, fake, random):
    """`r1 + r2`, both with the same gamma (R3GAN, Huang et al. 2024)."""
    return r1(discriminate, real, fake, random) + r2(discriminate, real, fake, random)


def wgan_gp(discriminate, real, fake, random):
    """`E(|grad D(x)| - 1)^2` (Gulrajani et al. 2017, eq. 3; lambda 10 there).

    Each x lies on the line between a real and a generated sample, uniformly.
    """
    real, fake = _float32(real), _float32(fake)
    alpha = random.uniform((ops.shape(real)[0],))
    alpha = ops.reshape(alpha, (-1,) + (1,) * (len(real.shape) - 1))
    return _distance_from_one(discriminate, fake + alpha * (real - fake))


def dragan(discriminate, real, fake, random):
    """`E(|grad D(x + delta)| - 1)^2`, delta ~ N(0, cI) (Kodali et al. 2017; lambda 10, k 1 there).

    The deviation of delta is `DRAGAN_DEVIATION`, for samples in [-1, 1].
    """
    real = _float32(real)
    return _distance_from_one(
        discriminate, real + DRAGAN_DEVIATION * random.normal(ops.shape(real))
    )


# Penalties that are half the mean squared norm at these samples. They can share the forward pass of
# the loss.
AT = {"r1": ("real",), "r2": ("fake",), "r1_r2": ("real", "fake")}
PENALTIES = {"r1": r1, "r2": r2, "r1_r2": r1_r2, "wgan_gp": wgan_gp, "dragan": dragan}


def get(name):
    """Returns the penalty called `name`, a key of `PENALTIES`.

    Raises:
        UsageError: for an unknown name.
    """
    if name not in PENALTIES:
        raise UsageError(f"There is no penalty {name!r}.{nearest(name, PENALTIES)}")
    return PENALTIES[name]


def clip_weights(variables, limit):
    """Assigns `clip(v, -limit, limit)` to each variable (Arjovsky et al. 2017, algorithm 1).

    Args:
        variables: keras variables, the critic's trainable ones. The paper's limit is 0.01.
        limit: float above 0.

    Raises:
        UsageError: for a limit that is not positive.
    """
    if not limit > 0:
        raise UsageError(
            f"The limit that weights are clipped to must be above 0. Received: {limit}."
        )
    for variable in variables:
        variable.assign(ops.clip(variable.value, -limit, limit))


class Penalty(Part):
    """A penalty on the discriminator's gradient.

    Args:
        penalty: str or None, a name in `zoo.parts.penalties.PENALTIES`, added to the
            discriminator's loss.
        penalty_weight: float, its weight: the paper's gamma or lambda.
        penalty_every: int, of every how many-th sample of a minibatch the penalty is computed: the
            same in the mean for a fraction of the work, like the lazy penalty of Karras et al.
            2020, StyleGAN2, appendix B, which is computed in every how many-th step.
    """

    settings = {
        "penalty": Setting(str, None, optional=True),
        "penalty_weight": Setting(float, 10.0, least=0.0),
        "penalty_every": Setting(int, 1, least=1),
    }

    def __init__(self, **values):
        super().__init__(**values)
        self.penalise = get(self.penalty) if self.penalty else None
        self.differentiates_twice = bool(self.penalty)

    def judged(self, discriminate, real, fake, random):
        """Returns a discriminator's logits of both minibatches, and the penalty, unweighted.

        Args:
            discriminate: `discriminate(samples, every)` gives the logits of samples that are every
                `every`-th of a minibatch.
            real: float32 `(batch, ...)`. fake: likewise.
            random: has `uniform(shape)` and `normal(shape)`.
        """
        # A penalty at the samples themselves needs no forward pass of its own.
        at = AT.get(self.penalty, ()) if self.penalty_every == 1 else ()
        logits, penalty = [], 0.0
        for name, samples in (("real", real), ("fake", fake)):
            if name in at:
                values, squared = squared_norm(discriminate, samples)
                penalty += ops.mean(squared) / 2
            else:
                values = discriminate(samples)
            logits.append(values)
        if self.penalise and not at:
            every = self.penalty_every
            penalty = self.penalise(
                lambda samples: discriminate(samples, every), real[::every], fake[::every], random
            )
        return *logits, penalty


class WeightClip(Part):
    """Clipped weights of the players that judge (WGAN, Arjovsky et al. 2017, algorithm 1).

    Args:
        weight_clip: float or None, to which the discriminator's weights are clipped after each of
            its updates (WGAN, Arjovsky et al. 2017, algorithm 1; 0.01 there).
    """

    settings = {"weight_clip": Setting(float, None, least=1e-6, optional=True)}

    def after_move(self, game, player):
        if self.weight_clip and player in game.players and not player.makes:
            for name in player.networks:
                clip_weights(game.network(name).trainable_variables, self.weight_clip)


def squared_norm(discriminate, samples):
    """Returns the logits of samples and `|grad D|^2` at each of them, both float32 `(batch,)`.

    Both come from one forward pass, and both can be differentiated by the weights.
    """
    logits, gradient = backend.input_grad(discriminate, _float32(samples))
    gradient = _float32(gradient)
    return logits, ops.sum(ops.square(gradient), axis=tuple(range(1, len(gradient.shape))))


def _distance_from_one(discriminate, samples):
    # The root has no derivative at 0, where a dead discriminator would turn every weight into NaN.
    norm = ops.sqrt(squared_norm(discriminate, samples)[1] + 1e-12)
    return ops.mean(ops.square(norm - 1))


def _float32(x):
    return ops.cast(x, "float32")
