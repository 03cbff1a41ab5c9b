"""Floating-point operations of a training step, counted from its networks.

A multiplication and an addition are two operations. The count covers convolutions, transposed
convolutions and dense layers: each tap of a kernel at each position, including the padding. It
leaves out biases, activations, normalisation, resizing, losses and optimizers, which are the reason
why a step stays below the machine's limit.

A forward pass counts once, a backward pass twice: for the gradient of a layer's inputs and for that
of its weights. If a step needs only the first, the second is not counted.
"""

import math

import keras

from zoo.game import GAN
from zoo.parts import penalties

CONVOLUTIONS = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
TRANSPOSED = (
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
)


def of_network(network):
    """Returns the operations of a forward pass for one sample, int.

    Args:
        network: functional or sequential `keras.Model`, channels last. Nested models count too.
    """
    total = 0
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            total += of_network(layer)
        elif isinstance(layer, (*CONVOLUTIONS, keras.layers.Dense)):
            total += 2 * math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:-1])
        elif isinstance(layer, TRANSPOSED):
            # Each position of the input is multiplied by the whole kernel.
            total += 2 * math.prod(layer.kernel.shape) * math.prod(layer.input.shape[1:-1])
    return total


def passes(gan):
    """Returns the passes a step of `zoo.game.GAN` takes for each sample of a minibatch.

    The generator: forward and backward, 1 + 2, once more forward for each further discriminator
    update, and once more if `accumulate` runs it twice. The discriminator: forward and backward at
    real and at generated samples, 2 (1 + 2), in each of its updates; forward and back to the
    samples, 1 + 1, in the generator's update, and 1 if that loss uses real samples. A penalty on
    its gradient takes 6 more for each penalised sample: forward and back to the samples, 1 + 1, and
    the backward pass of both, 2 (1 + 1). It takes only 3 if it shares the forward pass of the loss
    and the backward pass of that.

    Args:
        gan: a `zoo.game.Game`.

    Returns:
        `(generator, discriminator)`, float, in forward passes; or None for a game with other
        players or its own step, which this rule does not cover.
    """
    if not isinstance(gan, GAN) or type(gan).train_step is not GAN.train_step:
        return None
    generator = 3 + (gan.n_critic - 1) + (gan.accumulate > 1)
    # Only r1_r2 looks at real and generated samples.
    penalised = {None: 0, "r1_r2": 2}.get(gan.penalty, 1) / gan.penalty_every
    more = 3 if gan.penalty in penalties.AT and gan.penalty_every == 1 else 6
    discriminator = gan.n_critic * (6 + more * penalised) + 2 + gan.objective.uses_real
    return float(generator), discriminator / getattr(gan, "packing", 1)


def of_step(gan):
    """Returns the operations of a step for each of its real samples, or None if unknown."""
    counts = passes(gan)
    if counts is None:
        return None
    total = counts[0] * of_network(gan.generator) + counts[1] * of_network(gan.discriminator)
    return total / gan.n_critic
