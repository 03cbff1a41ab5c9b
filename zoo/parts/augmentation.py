"""Augmentation of all images the discriminator sees, after DiffAugment and ADA.

The discriminator must never see an image that was not augmented, and gradients flow through the
augmentation to the generator (Zhao et al. 2020, section 3). The probability `strength` decides
whether the generator learns to draw the augmentation itself. If enough images stay unchanged, the
distribution of augmented images determines the distribution of images, and nothing leaks (Karras et
al. 2020, section 2.2; safe for all of these up to about 0.8). At strength 1 a flip or a rotation
leaks: use them only where a mirrored or slightly turned image is a valid one. Translation, cutout
and colour did not leak at strength 1 (Zhao et al. 2020).
"""

import math

import keras
from keras import ops

from zoo import backend
from zoo.errors import UsageError, nearest
from zoo.parts.part import Part
from zoo.settings import Setting

# In the order of application.
TRANSFORMATIONS = ("color", "flip", "scaling", "rotation", "translation", "cutout")

MAX_ANGLE = math.radians(15)
# Karras et al. 2020, appendix B: the logarithm of the factor has this deviation.
LOG_SCALE_DEVIATION = 0.2 * math.log(2)


class Augmentation(Part):
    """Augmentation of all images that a discriminator sees (Zhao et al. 2020; Karras et al. 2020).

    Args:
        augment: str, transformations of all images the discriminator sees, real and generated
            alike, separated by commas: color, flip, scaling, rotation, translation, cutout (Zhao
            et al. 2020, DiffAugment). `cutout:0.3` has that probability of its own. Empty for
            none.
        augment_strength: float in [0, 1], probability of applying each to an image, times its
            own if it has one; the start value if it adapts.
        augment_target: float or None. The mean sign of D(real) at which the adaptive strength
            holds still (Karras et al. 2020, ADA; 0.6 there). None: the strength does not adapt.
    """

    settings = {
        "augment": Setting(str, ""),
        "augment_strength": Setting(float, 1.0, least=0.0, most=1.0),
        "augment_target": Setting(float, None, least=-1.0, most=1.0, optional=True),
    }

    def __init__(self, **values):
        super().__init__(**values)
        self.policy = parse(self.augment)
        # Whether the strength follows the discriminator's overfitting.
        self.adapts = bool(self.policy) and self.augment_target is not None
        self.reports = ("augment_strength",) if self.adapts else ()

    def build(self, game):
        if self.adapts:
            self.strength = game.add_weight(
                shape=(),
                initializer=keras.initializers.Constant(self.augment_strength),
                trainable=False,
                name="augment_strength",
                aggregation="mean",
            )

    def seen(self, game, samples):
        if not self.policy:
            return samples
        strength = self.strength.value if self.adapts else game.current("augment_strength")
        return augment(samples, self.policy, game, strength)

    def after_round(self, game, batch, results):
        """Moves the adaptive strength (Karras et al. 2020, section 3)."""
        if not self.adapts or "discriminator" not in results:
            return
        sign = backend.mean(ops.mean(ops.sign(results["discriminator"].seen["real"])))
        self.strength.assign(
            adapted_strength(
                self.strength.value, sign, game.batch_images(batch), self.augment_target
            )
        )

    def report(self, game):
        return {"augment_strength": self.strength.value} if self.adapts else {}


def parse(policy):
    """Returns a policy as a dict, name out of `TRANSFORMATIONS` -> probability, in their order.

    Args:
        policy: str of names separated by commas, each alone or as `name:probability`; a sequence
            of such; None or "" for none; or what this function returned, which stays as it is.

    Raises:
        UsageError: for an unknown name, or a probability that is not in [0, 1].
    """
    if isinstance(policy, dict):
        return policy
    entries = policy.split(",") if isinstance(policy, str) else policy or ()
    probabilities = {}
    for entry in sorted({str(entry).strip() for entry in entries} - {""}):
        name, colon, text = entry.partition(":")
        if name not in TRANSFORMATIONS:
            raise UsageError(f"There is no augmentation {name!r}.{nearest(name, TRANSFORMATIONS)}")
        try:
            probabilities[name] = float(text) if colon else 1.0
        except ValueError:
            probabilities[name] = math.nan
        if not 0 <= probabilities[name] <= 1:
            raise UsageError(
                "An augmentation is applied with a probability. Expected a number from 0 to 1 "
                f"after the colon, for example {name}:0.5. Received: {entry!r}."
            )
    return {name: probabilities[name] for name in TRANSFORMATIONS if name in probabilities}


def augment(images, policy, random, strength=1.0):
    """Applies each transformation of a policy to each image with a probability.

    It is `strength`, times the transformation's own probability where the policy names one.

    - `color`: brightness (adds U(-0.5, 0.5)), saturation (U(0, 2) times the distance from the
      channels' mean; nothing where there is one channel) and contrast (U(0.5, 1.5) times the
      distance from the image's mean), each with its own draw (Zhao et al. 2020).
    - `flip`: left and right exchanged, in half of the cases (Karras et al. 2020).
    - `scaling`: by a log-normal factor of deviation 0.2 octaves (Karras et al. 2020).
    - `rotation`: by U(-15, 15) degrees.
    - `translation`: by whole pixels, up to an eighth of each side (Zhao et al. 2020).
    - `cutout`: a rectangle of half of each side becomes 0, grey (Zhao et al. 2020).

    Pixels from outside the image are 0. Scaling and rotation interpolate bilinearly. The
    number of draws does not depend on `strength`.

    Args:
        images: float `(batch, height, width, channels)` in [-1, 1]; `batch` may be dynamic.
        policy: see `parse`.
        random: has `uniform(shape)`, in [0, 1), and `normal(shape)`, standard normal, float32.
        strength: probability in [0, 1], a float or a scalar tensor. At 0 nothing changes.

    Returns:
        float32 of the same shape; `color` may leave [-1, 1].

    Raises:
        UsageError: for an unknown transformation, or samples that are not images.
    """
    policy = parse(policy)
    if not policy:
        return images
    if len(images.shape) != 4:
        raise UsageError(
            "Augmentation needs images of shape (batch, height, width, channels): set the policy "
            f"to '' for other samples. Received: shape {tuple(images.shape)}."
        )
    images = ops.cast(images, "float32")
    batch = ops.shape(images)[0]

    def uniform():
        return random.uniform((batch,))

    def sometimes(name, value, otherwise):
        own = policy[name]
        return ops.where(uniform() < (strength if own == 1 else strength * own), value, otherwise)

    if "color" in policy:
        images = _color(images, uniform, sometimes)
    if not {"flip", "scaling", "rotation", "translation"}.isdisjoint(policy):
        images = _warp(images, policy, random, uniform, sometimes)
    if "cutout" in policy:
        images = _cutout(images, uniform, sometimes)
    return images


def adapted_strength(strength, sign_mean, images, target=0.6, speed_images=500_000):
    """Returns the strength after one step of ADA's controller (Karras et al. 2020, section 3).

    `strength + sign(sign_mean - target) * images / speed_images`, kept in [0, 1]: up while the
    discriminator overfits, down while it does not.

    Args:
        strength: the current probability, a float or a float32 scalar tensor.
        sign_mean: the heuristic r_t, the mean of `sign(D(real))` since the last adjustment, in
            [-1, 1].
        images: real images seen since the last adjustment.
        target: the desired `sign_mean`.
        speed_images: images it takes to go from 0 to 1.

    Returns:
        float32 scalar tensor.
    """
    change = ops.sign(ops.cast(sign_mean, "float32") - target) * (images / speed_images)
    return ops.clip(ops.cast(strength, "float32") + change, 0.0, 1.0)


def _per_image(values):
    return ops.reshape(values, (-1, 1, 1, 1))


def _color(images, uniform, sometimes):
    if images.shape[-1] == 4:
        # Alpha is no colour.
        return ops.concatenate(
            [_color(images[..., :3], uniform, sometimes), images[..., 3:]], axis=-1
        )
    images = images + _per_image(sometimes("color", uniform() - 0.5, 0.0))
    for axes, change in ((3, uniform() * 2 - 1), ((1, 2, 3), uniform() - 0.5)):
        mean = ops.mean(images, axis=axes, keepdims=True)
        images = images + _per_image(sometimes("color", change, 0.0)) * (images - mean)
    return images


def _warp(images, policy, random, uniform, sometimes):
    """Applies all moves of pixels as one affine map, so pixels are interpolated once.

    keras.ops.image uses TensorFlow's transformation, whose gradient is exact only if the map
    permutes pixels. So this is written by hand.
    """
    batch, height, width, channels = ops.shape(images)
    # Maps each pixel of the result back to its source, about the image's centre.
    y = ops.reshape(ops.arange(height, dtype="float32") - (height - 1) / 2, (1, height, 1))
    x = ops.reshape(ops.arange(width, dtype="float32") - (width - 1) / 2, (1, 1, width))

    def each(values):
        return ops.reshape(values, (-1, 1, 1))

    if "translation" in policy:
        y = y - each(sometimes("translation", _shift(uniform(), height), 0.0))
        x = x - each(sometimes("translation", _shift(uniform(), width), 0.0))
    if "rotation" in policy:
        angle = each(sometimes("rotation", (2 * uniform() - 1) * MAX_ANGLE, 0.0))
        cos, sin = ops.cos(angle), ops.sin(angle)
        y, x = cos * y - sin * x, sin * y + cos * x
    if "scaling" in policy:
        factor = each(
            sometimes("scaling", ops.exp(LOG_SCALE_DEVIATION * random.normal((batch,))), 1.0)
        )
        y, x = y / factor, x / factor
    if "flip" in policy:
        x = x * each(sometimes("flip", ops.where(uniform() < 0.5, -1.0, 1.0), 1.0))
    y, x = y + (height - 1) / 2, x + (width - 1) / 2

    pixels = ops.reshape(images, (-1, channels))
    first = ops.reshape(ops.arange(batch, dtype="int32") * (height * width), (-1, 1, 1))

    def at(row, column):
        inside = (row >= 0) & (row <= height - 1) & (column >= 0) & (column <= width - 1)
        row = ops.cast(ops.clip(row, 0, height - 1), "int32")
        column = ops.cast(ops.clip(column, 0, width - 1), "int32")
        index = ops.reshape(first + row * width + column, (-1,))
        values = ops.reshape(ops.take(pixels, index, axis=0), (-1, height, width, channels))
        return values * ops.cast(inside, "float32")[..., None]

    if {"scaling", "rotation"}.isdisjoint(policy):
        return at(ops.round(y), ops.round(x))
    top, left = ops.floor(y), ops.floor(x)
    down, right = (y - top)[..., None], (x - left)[..., None]
    above = (1 - right) * at(top, left) + right * at(top, left + 1)
    below = (1 - right) * at(top + 1, left) + right * at(top + 1, left + 1)
    return (1 - down) * above + down * below


def _shift(uniform, size):
    most = int(size / 8 + 0.5)
    return ops.floor(uniform * (2 * most + 1)) - most


def _cutout(images, uniform, sometimes):
    _, height, width, _ = images.shape

    def covered(size):
        length = int(size / 2 + 0.5)
        # An even length may start half outside on either end, an odd one has a middle pixel.
        start = ops.floor(uniform() * (size + 1 - length % 2)) - length // 2
        position = ops.arange(size, dtype="float32") - start[:, None]
        return ops.cast((position >= 0) & (position < length), "float32")

    hole = covered(height)[:, :, None, None] * covered(width)[:, None, :, None]
    return images * (1 - hole * _per_image(sometimes("cutout", 1.0, 0.0)))
