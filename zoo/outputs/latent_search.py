"""Inpainting by search: a generator that has never seen a hole fills those of a picture.

Yeh, Chen, Lim, Schwing, Hasegawa-Johnson, Do: "Semantic Image Inpainting with Deep Generative
Models", CVPR 2017, arXiv:1607.07539.

What the paper did (section 3): it searches the latent point whose sample is most like the known
part of the picture (eq. 3). The loss is the absolute difference of known pixels, each weighted with
the share of unknown ones in a window of 7x7 around it (eq. 4 and 5), plus 0.003 log(1 - D(G(z)))
(eq. 6). Adam makes 1500 steps, after each of which z is cut to the range of the prior, and no
network changes. The sample's gradients then fill the hole (Poisson blending, eq. 7).

Where and why this file deviates:

- the prior is N(0, 1), where it was U(-1, 1), so z has no box to be cut to. Its length is brought
  into the range that 99 of 100 draws have.
- known pixels far from the hole have the weight 0.1 instead of 0: without it, the last of
  several answers may differ from the picture in all but the seam.
- the rate of Adam falls along a cosine, so that fewer steps do.
- several points are searched at once. The best step of each counts, not the last.
- log(1 - D) supposes that D is a probability. Where the game has another loss, it is the
  generator's own, and in a relativistic game the negative logit.
"""

import math
from typing import NamedTuple

import numpy as np
from keras import ops

from zoo import backend, sampling
from zoo.errors import UsageError, one_of
from zoo.outputs.blending import blended, with_scipy
from zoo.parts.losses import LOSSES

WINDOW = 7
FAR = 0.1
PRIOR = 0.003
STEPS = 400
# Adam's, at first.
RATE = 0.1
# A search ends after so many steps in which no loss has fallen by this share of it.
PATIENCE = 50
LEAST_FALL = 1e-3
# Steps from one progress to the next: to read a loss is to wait for it.
OFTEN = 10
# Latent points that are searched at once.
CHUNK = 64


class Answers(NamedTuple):
    """Fillings of one picture, the one that fits the known pixels best first.

    Attributes:
        images: uint8 `(n, height, width, channels)`, the picture with its hole filled.
        samples: uint8 `(n, height, width, channels)`, what the generator drew, not blended.
        losses: float32 `(n,)`, the context losses, rising.
        labels: int32 `(n,)`, or None without classes.
        steps: int, the steps that the search took.
    """

    images: np.ndarray
    samples: np.ndarray
    losses: np.ndarray
    labels: np.ndarray | None
    steps: int


class LatentSearch:
    """Fills holes by search in the latent space of a generator.

    The step is compiled once, for all pictures. The same seed gives the same answers on a CPU.

    Args:
        generator: keras.Model with the input `z`, or `[z, label]`, that draws pictures in [-1, 1].
        discriminator: keras.Model from pictures, or `[pictures, label]`, to logits; None for no
            prior.
        loss: str, the loss of the game, of `zoo.parts.losses.LOSSES`.
        prior: float, the weight of the prior (lambda in eq. 6).
        far: float, the least weight of a known pixel, see `importance`.

    Raises:
        UsageError: scipy is not installed, or there is no such loss.
    """

    def __init__(self, generator, discriminator=None, loss="non_saturating", prior=PRIOR, far=FAR):
        self.generator, self.discriminator = generator, discriminator
        self.realism = _realism(loss)
        self.prior, self.far = prior, far
        self.shape = tuple(generator.inputs[0].shape[1:])
        self.sample_shape = tuple(generator.outputs[0].shape[1:])
        self.size = math.prod(self.shape)
        self.range = lengths(self.size)
        networks = [network for network in (generator, discriminator) if network is not None]
        self._compiled = backend.compiled(self._step, networks)

    def __call__(
        self, picture, hole, count=8, seed=0, labels=None, steps=STEPS, rate=RATE, progress=None
    ):
        """Returns `count` fillings of the hole of one picture, as `Answers`.

        Args:
            picture: uint8 `(height, width, channels)`, of the generator's size.
            hole: bool `(height, width)`, True at unknown pixels.
            count: int, how many answers; of more searches, the best.
            seed: int, of the points that the searches begin with; see `zoo.sampling.latents`.
            labels: int32 `(n,)` for a generator with classes, one for each search; n is at least
                `count` and at most 64. Without classes there are `count` searches.
            steps: int, most steps of a search.
            rate: float, Adam's learning rate in the first step.
            progress: function called now and then with the steps done and a text about the loss.

        Raises:
            UsageError: the picture or the hole does not fit, there is no or nothing but hole, or
                the generator draws values that are not finite.
        """
        picture, hole = np.asarray(picture), np.asarray(hole)
        check(hole, picture.shape[:2])
        if picture.dtype != np.uint8 or picture.shape != self.sample_shape:
            raise UsageError(
                f"The generator fills pictures of its own shape. Expected uint8 "
                f"{self.sample_shape}. Received: {picture.dtype} {picture.shape}."
            )
        starts = count if labels is None else len(labels)
        if starts > CHUNK:
            raise UsageError(
                f"All points are searched at once. Expected at most {CHUNK}. Received: {starts}."
            )
        if (labels is None) == (len(self.generator.inputs) > 1):
            raise UsageError(
                "Expected a label for each search of a generator with classes, and none without. "
                f"Received: labels={labels}."
            )
        z = sampling.latents(starts, self.size, seed)
        labels = None if labels is None else np.asarray(labels, "int32")
        target = picture / np.float32(127.5) - 1
        weights = importance(hole, far=self.far)
        with backend.single(self.generator):
            z, taken = self._searched(z, labels, target, weights, steps, rate, progress)
        samples = sampling.run_generator(self.generator, z.reshape(-1, *self.shape), labels)
        context = ops.convert_to_numpy(context_loss(samples, target, weights))
        if not np.isfinite(context).all():
            raise UsageError(
                "The generator draws values that are not finite, so nothing can be searched with "
                "it. Expected the generator of a training that went well."
            )
        order = np.argsort(context, kind="stable")[:count]
        return Answers(
            blended(samples[order], picture, hole),
            sampling.to_uint8(samples[order]),
            context[order],
            None if labels is None else labels[order],
            taken,
        )

    def _searched(self, z, labels, target, weights, steps, rate, progress):
        """Returns the points with the smallest loss on the way, and the number of steps."""
        z = ops.convert_to_tensor(z)
        labels = None if labels is None else ops.convert_to_tensor(labels)
        target, weights = ops.convert_to_tensor(target), ops.convert_to_tensor(weights)
        nothing = ops.zeros_like(z)
        state = z, nothing, nothing, z, ops.full((len(z),), math.inf, "float32")
        before = None
        for i in range(steps):
            now = rate * (1 + math.cos(math.pi * i / steps)) / 2
            scalars = (ops.convert_to_tensor(x, "float32") for x in (now, i + 1))
            state = self._compiled(state, labels, target, weights, *scalars)
            done = i + 1
            if progress is not None and (done % OFTEN == 0 or done == steps):
                least = float(ops.min(state[-1]))
                progress(done, f"loss {least:.4g}")
            if done % PATIENCE == 0:
                after = ops.convert_to_numpy(state[-1])
                if before is not None and (before - after <= LEAST_FALL * abs(before)).all():
                    return ops.convert_to_numpy(state[3]), done
                before = after
        return ops.convert_to_numpy(state[3]), steps

    def _step(self, state, labels, target, weights, rate, count):
        """One step of Adam (Kingma and Ba 2015, algorithm 1) for each of the points."""
        z, first, second, best_z, best = state
        loss, gradient = backend.input_grad(lambda z: self._loss(z, labels, target, weights), z)
        better = loss < best
        best_z = ops.where(ops.expand_dims(better, 1), z, best_z)
        best = ops.where(better, loss, best)
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * ops.square(gradient)
        scale = ops.sqrt(second / (1 - 0.999**count)) + 1e-8
        z = z - rate * first / (1 - 0.9**count) / scale
        return kept_in_range(z, *self.range), first, second, best_z, best

    def _loss(self, z, labels, target, weights):
        z = ops.reshape(z, (-1, *self.shape))
        drawn = self.generator(z if labels is None else [z, labels], training=False)
        loss = context_loss(drawn, target, weights)
        if self.discriminator is None or not self.prior:
            return loss
        seen = drawn if labels is None else [drawn, labels]
        logits = ops.cast(self.discriminator(seen, training=False), "float32")
        # Of several discriminators the mean.
        return loss + self.prior * self.realism(ops.mean(logits, axis=-1))


def importance(hole, window=WINDOW, far=FAR):
    """Returns the weights of the known pixels, float32 `(height, width, 1)`, in [0, 1].

    A known pixel's weight is the share of unknown ones among its neighbours in a window around it
    (Yeh et al. 2017, eq. 4), but at least `far`. An unknown one's is 0. At the border the window is
    the part of it that lies in the picture.

    Args:
        hole: bool `(height, width)`, True at unknown pixels.
        window: int, odd, the side of the window.
        far: float in [0, 1]; 0 in the paper.
    """
    counts = []
    for mask in (hole, np.ones_like(hole)):
        padded = np.pad(mask.astype("float64"), window // 2)
        windows = np.lib.stride_tricks.sliding_window_view(padded, (window, window))
        counts.append(windows.sum(axis=(-2, -1)))
    unknown, inside = counts
    share = unknown / np.maximum(inside - 1, 1)
    weights = np.where(hole, 0, np.maximum(share, far))
    return weights.astype("float32")[..., np.newaxis]


def context_loss(drawn, target, weights):
    """Returns the weighted absolute differences of samples from a picture, `(n,)`.

    It is `sum |W (G(z) - y)|` over pixels and channels (Yeh et al. 2017, eq. 5).

    Args:
        drawn: float `(n, height, width, channels)` in [-1, 1].
        target: float32 `(height, width, channels)` in [-1, 1].
        weights: float32 `(height, width, 1)`, as `importance` returns them.
    """
    difference = ops.abs(ops.subtract(ops.cast(drawn, "float32"), target))
    return ops.sum(ops.multiply(weights, difference), axis=(1, 2, 3))


def lengths(size):
    """Returns the `(least, most)` length that 99 of 100 points of `size` normal numbers have.

    Raises:
        UsageError: scipy is not installed.
    """
    inverse = with_scipy("special").gammaincinv
    return tuple(math.sqrt(2 * inverse(size / 2, share)) for share in (0.005, 0.995))


def kept_in_range(z, least, most):
    """Returns points `(n, d)`, scaled where needed to a length in [least, most]."""
    length = ops.sqrt(ops.sum(ops.square(z), axis=1, keepdims=True))
    return ops.multiply(z, ops.clip(length, least, most) / ops.maximum(length, 1e-12))


def check(hole, size, name="the mask"):
    """Raises UsageError unless a hole has known pixels around it.

    Args:
        hole: bool `(height, width)`, True at unknown pixels.
        size: (height, width) of the picture.
        name: str, what the hole comes from, in messages.
    """
    if hole.dtype != bool or hole.shape != tuple(size):
        given = "x".join(map(str, hole.shape))
        raise UsageError(
            f"The size of {name} is not that of its picture. Expected "
            f"{size[0]}x{size[1]} (height x width). Received: {given}."
        )
    if not hole.any():
        raise UsageError(
            f"There is no hole: {name} says that all pixels are known. Expected white, or "
            "transparent in the picture itself, where something is to be filled in."
        )
    if hole.all():
        raise UsageError(
            f"There is nothing but hole: {name} says that no pixel is known, so there is nothing "
            "to go by. Expected black, or opaque in the picture itself, where it is to be kept."
        )


def _realism(loss):
    """Returns the prior of eq. 6, a function from logits `(n,)` to `(n,)`, for the game's loss."""
    one_of("loss", loss, LOSSES)
    if loss in ("minimax", "non_saturating"):
        return lambda logits: -ops.softplus(logits)
    if loss == "least_squares":
        return lambda logits: ops.square(logits - 1) / 2
    return lambda logits: -logits
