"""The losses of the two players, as functions of the discriminator's logits.

Every function takes logits of shape `(batch,)` of any float dtype, computes in float32 and returns
a float32 scalar, the mean over the batch. A discriminator's loss is `(real_logits, fake_logits)`,
a generator's `(fake_logits, real_logits=None)`. In the formulas C is the logit and D its sigmoid.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

from keras import ops

from zoo import backend
from zoo.errors import UsageError, nearest
from zoo.parts.part import Part
from zoo.settings import Setting


class Loss(NamedTuple):
    """A pair of losses, both minimised.

    Attributes:
        discriminator: `(real_logits, fake_logits) -> scalar`.
        generator: `(fake_logits, real_logits=None) -> scalar`.
        uses_real: whether `generator` needs `real_logits`.
    """

    discriminator: Callable
    generator: Callable
    uses_real: bool


def cross_entropy_discriminator(real_logits, fake_logits, real_label=1.0):
    """`-E[log D(x)] - E[log(1 - D(G(z)))]` (Goodfellow et al. 2014, eq. 1).

    Args:
        real_logits: logits of real samples, `(batch,)`.
        fake_logits: logits of generated samples, `(batch,)`.
        real_label: float in (0.5, 1], the target for real samples; below 1 it is one-sided label
            smoothing (Salimans et al. 2016, section 3.4).
    """
    real, fake = _float32(real_logits), _float32(fake_logits)
    on_real = real_label * ops.softplus(-real) + (1 - real_label) * ops.softplus(real)
    return ops.mean(on_real) + ops.mean(ops.softplus(fake))


def minimax_generator(fake_logits, real_logits=None):
    """`E[log(1 - D(G(z)))]` (Goodfellow et al. 2014, eq. 1): saturates where D is sure."""
    return -ops.mean(ops.softplus(_float32(fake_logits)))


def non_saturating_generator(fake_logits, real_logits=None):
    """`-E[log D(G(z))]` (Goodfellow et al. 2014, section 3)."""
    return ops.mean(ops.softplus(-_float32(fake_logits)))


def least_squares_discriminator(real_logits, fake_logits, real_label=1.0):
    """`1/2 E[(C(x) - 1)^2] + 1/2 E[C(G(z))^2]` (Mao et al. 2017, eq. 9: a = 0, b = 1).

    `real_label` in (0.5, 1] replaces b: one-sided label smoothing.
    """
    real, fake = _float32(real_logits), _float32(fake_logits)
    return (ops.mean(ops.square(real - real_label)) + ops.mean(ops.square(fake))) / 2


def least_squares_generator(fake_logits, real_logits=None):
    """`1/2 E[(C(G(z)) - 1)^2]` (Mao et al. 2017, eq. 9: c = 1)."""
    return ops.mean(ops.square(_float32(fake_logits) - 1)) / 2


def hinge_discriminator(real_logits, fake_logits):
    """`E[max(0, 1 - C(x))] + E[max(0, 1 + C(G(z)))]` (Lim and Ye 2017; Miyato 2018, eq. 16)."""
    real, fake = _float32(real_logits), _float32(fake_logits)
    return ops.mean(ops.relu(1 - real)) + ops.mean(ops.relu(1 + fake))


def wasserstein_discriminator(real_logits, fake_logits):
    """`E[C(G(z))] - E[C(x)]` (Arjovsky et al. 2017, eq. 2, negated).

    A distance only for a Lipschitz critic: use it with weight clipping or a gradient penalty.
    """
    return ops.mean(_float32(fake_logits)) - ops.mean(_float32(real_logits))


def wasserstein_generator(fake_logits, real_logits=None):
    """`-E[C(G(z))]` (Arjovsky et al. 2017; also the hinge game's, Miyato et al. 2018, eq. 17)."""
    return -ops.mean(_float32(fake_logits))


def relativistic_discriminator(real_logits, fake_logits):
    """`E[softplus(-(C(x) - C(G(z))))]` (Jolicoeur-Martineau 2018, RSGAN; R3GAN, Huang et al. 2024).

    Real sample i meets generated sample i, so both batches have the same size.
    """
    return ops.mean(ops.softplus(_float32(fake_logits) - _float32(real_logits)))


def relativistic_generator(fake_logits, real_logits=None):
    """`E[softplus(-(C(G(z)) - C(x)))]`: the discriminator's with the roles exchanged."""
    _need_real(real_logits)
    return relativistic_discriminator(fake_logits, real_logits)


def relativistic_average_discriminator(real_logits, fake_logits):
    """`-E[log D~(x)] - E[log(1 - D~(G(z)))]` (Jolicoeur-Martineau 2018, RaSGAN).

    `D~(x) = sigmoid(C(x) - E[C(G(z))])` and `D~(G(z)) = sigmoid(C(G(z)) - E[C(x)])`. The inner
    means are over the current batch of all replicas together.
    """
    real, fake = _float32(real_logits), _float32(fake_logits)
    real_mean, fake_mean = backend.mean(ops.mean(real)), backend.mean(ops.mean(fake))
    on_real = ops.mean(ops.softplus(fake_mean - real))
    return on_real + ops.mean(ops.softplus(fake - real_mean))


def relativistic_average_generator(fake_logits, real_logits=None):
    """The discriminator's with the roles exchanged."""
    _need_real(real_logits)
    return relativistic_average_discriminator(fake_logits, real_logits)


LOSSES = {
    "minimax": Loss(cross_entropy_discriminator, minimax_generator, False),
    "non_saturating": Loss(cross_entropy_discriminator, non_saturating_generator, False),
    "least_squares": Loss(least_squares_discriminator, least_squares_generator, False),
    "hinge": Loss(hinge_discriminator, wasserstein_generator, False),
    "wasserstein": Loss(wasserstein_discriminator, wasserstein_generator, False),
    "relativistic": Loss(relativistic_discriminator, relativistic_generator, True),
    "relativistic_average": Loss(
        relativistic_average_discriminator, relativistic_average_generator, True
    ),
}

SMOOTHABLE = ("minimax", "non_saturating", "least_squares")


def get(name, label_smoothing=0.0):
    """Returns the `Loss` called `name`.

    Args:
        name: str, a key of `LOSSES`.
        label_smoothing: float in [0, 0.5), taken off the discriminator's target for real samples
            (one-sided: the target for generated samples stays 0; Salimans et al. 2016, section
            3.4). Only losses with such a target have it.

    Raises:
        UsageError: for an unknown name, or smoothing out of range or where there is no target.
    """
    if name not in LOSSES:
        raise UsageError(f"There is no loss {name!r}.{nearest(name, LOSSES)}")
    if not 0 <= label_smoothing < 0.5:
        raise UsageError(
            "Label smoothing takes its value off the target 1 of real samples, so it must be at "
            f"least 0 and below 0.5. Received: label_smoothing={label_smoothing}."
        )
    loss = LOSSES[name]
    if not label_smoothing:
        return loss
    if name not in SMOOTHABLE:
        raise UsageError(
            f"The loss {name!r} has no target to smooth: set label_smoothing to 0 or choose one of "
            f"{', '.join(SMOOTHABLE)}. Received: label_smoothing={label_smoothing}."
        )
    smoothed = functools.partial(loss.discriminator, real_label=1 - label_smoothing)
    return loss._replace(discriminator=smoothed)


class Adversarial(Part):
    """The losses of the discriminator and the generator, by name.

    Args:
        loss: str, a name in `zoo.parts.losses.LOSSES`.
        label_smoothing: float in [0, 0.5), taken off the target 1 of real samples, where the loss
            has one (Salimans et al. 2016, section 3.4).
    """

    settings = {
        "loss": Setting(str, "non_saturating"),
        "label_smoothing": Setting(float, 0.0),
    }

    def __init__(self, **values):
        super().__init__(**values)
        self.objective = get(self.loss, self.label_smoothing)


def _float32(logits):
    return ops.cast(logits, "float32")


def _need_real(real_logits):
    if real_logits is None:
        raise UsageError(
            "A relativistic generator loss compares with the logits of real samples: pass "
            "`real_logits` (a loss with `uses_real` needs them). Received: None."
        )
