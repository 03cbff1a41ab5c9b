"""Synthetic data with known distributions: 1-D mixtures, rings, grids, sine signals.

Samples are float32 in natural units: a Gaussian at 4 stays at 4, nothing is scaled to [-1, 1] (the
sine signals lie there anyway). All are drawn by numpy from a seed, so every backend sees the same
data.
"""

import inspect
import math
import re
from dataclasses import dataclass

import numpy as np

from zoo.data import Dataset
from zoo.data.cache import fingerprint
from zoo.errors import UsageError, nearest

TARGET = "normal(4, 1.25)"
RING_STD = 0.02
GRID_STD = 0.05

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_TERM = re.compile(
    rf"\s*(?:({_NUMBER})\s*\*\s*)?normal\s*\(\s*({_NUMBER})\s*,\s*({_NUMBER})\s*\)\s*"
)
_erfc = np.vectorize(math.erfc, otypes=[float])


@dataclass(frozen=True)
class Mixture:
    """A mixture of normal distributions on the line.

    Attributes:
        weights: tuple of positive float that sum to 1.
        means: tuple of float.
        stds: tuple of positive float.
    """

    weights: tuple
    means: tuple
    stds: tuple

    @classmethod
    def parse(cls, text):
        """Reads `normal(mean, std)` or `0.3*normal(-2, 0.5) + 0.7*normal(3, 1)`.

        Args:
            text: str. A term without a weight has weight 1; weights are divided by their sum.

        Raises:
            UsageError: for anything else, for a weight or a std that is not above zero, and for
                numbers too large to be held.
        """
        terms, position, more = [], 0, True
        while more and (match := _TERM.match(text, position)):
            terms.append([1.0 if number is None else float(number) for number in match.groups()])
            more = text[match.end() : match.end() + 1] == "+"
            position = match.end() + more
        if more or position != len(text):
            raise UsageError(
                "The target distribution cannot be read: expected normal(MEAN, STD), or several "
                "with weights as in '0.3*normal(-2, 0.5) + 0.7*normal(3, 1)'. "
                f"Received: target={text!r}."
            )
        weights, means, stds = map(np.asarray, zip(*terms, strict=True))
        total = sum(weights.tolist())
        if not (np.isfinite([total, *means, *stds]).all() and min([*weights, *stds]) > 0):
            raise UsageError(
                "The target distribution is impossible: expected every weight and every standard "
                f"deviation above zero, and finite numbers. Received: target={text!r}."
            )
        weights = weights / total
        return cls(tuple(weights.tolist()), tuple(means.tolist()), tuple(stds.tolist()))

    def __str__(self):
        parts = zip(self.weights, self.means, self.stds, strict=True)
        return " + ".join(f"{w!r}*normal({m!r}, {s!r})" for w, m, s in parts)

    @property
    def mean(self):
        return float(np.dot(self.weights, self.means))

    @property
    def std(self):
        spread = np.square(self.stds) + np.square(np.asarray(self.means) - self.mean)
        return float(np.sqrt(np.dot(self.weights, spread)))

    def pdf(self, x):
        """Returns the density at `x`: float64 of x's shape."""
        u = self._standardise(x)
        return np.exp(-np.square(u) / 2) @ (np.asarray(self.weights) / self.stds) / _ROOT_2_PI

    def cdf(self, x):
        """Returns the probability of a value up to `x`: float64 of x's shape."""
        return _erfc(-self._standardise(x) / math.sqrt(2)) / 2 @ np.asarray(self.weights)

    def cdf_integral(self, x):
        """Returns the integral of `cdf` from minus infinity to `x`: float64 of x's shape.

        It has a closed form, with u = (x - mean) / std: the weighted sum of
        std * (u * cdf(u) + pdf(u)). That makes the 1-Wasserstein distance exact.
        """
        u = self._standardise(x)
        parts = u * _erfc(-u / math.sqrt(2)) / 2 + np.exp(-np.square(u) / 2) / _ROOT_2_PI
        return parts @ (np.asarray(self.weights) * self.stds)

    def sample(self, n, rng):
        """Draws `n` values, float64 `(n,)`, from a `numpy.random.Generator`."""
        which = rng.choice(len(self.weights), size=n, p=self.weights)
        return rng.normal(np.asarray(self.means)[which], np.asarray(self.stds)[which])

    def _standardise(self, x):
        return (np.asarray(x, float)[..., None] - self.means) / self.stds


_ROOT_2_PI = math.sqrt(2 * math.pi)


def gaussian(n, seed, target=TARGET):
    """Draws from a mixture of normal distributions on the line.

    Args:
        n: int, number of samples.
        seed: int, or a sequence of int.
        target: str in the language of `Mixture.parse`, or a `Mixture`.

    Returns:
        `zoo.data.Dataset` with the field `sample`: float32 `(n, 1)`.
    """
    _check(n=n)
    mixture = target if isinstance(target, Mixture) else Mixture.parse(target)
    return _dataset("gaussian", mixture.sample(n, np.random.default_rng(seed))[:, None])


def ring_centres(modes=8, radius=2.0):
    """Returns `modes` points at equal angles on a circle, float64 `(modes, 2)`."""
    _check(modes=modes, radius=radius)
    angle = 2 * np.pi * np.arange(modes) / modes
    return radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def ring(n, seed, modes=8, radius=2.0, std=RING_STD):
    """Draws from equally likely round Gaussians on a circle: the data set `ring8`.

    The default (radius 2, std 0.02) is PacGAN's 2D-ring (Lin et al. 2018, section 4.1: radius 1,
    std 0.01) and VEEGAN's (Srivastava et al. 2017, section 4.1) drawn twice as large. Mode coverage
    measures in units of std, so the scores are comparable.

    Returns:
        `zoo.data.Dataset` with the field `sample`: float32 `(n, 2)`.
    """
    return _gaussians("ring8", n, seed, ring_centres(modes, radius), std)


def grid_centres(side=5, spacing=2.0):
    """Returns the `side * side` points of a square grid around 0, float64 `(side ** 2, 2)`."""
    _check(side=side, spacing=spacing)
    ticks = spacing * (np.arange(side) - (side - 1) / 2)
    return np.stack(np.meshgrid(ticks, ticks, indexing="ij"), axis=-1).reshape(-1, 2)


def grid(n, seed, side=5, spacing=2.0, std=GRID_STD):
    """Draws from equally likely round Gaussians on a square grid: the data set `grid25`.

    The default (centres at -4, -2, 0, 2, 4 in both directions, std 0.05) is the 2D-grid of PacGAN
    (Lin et al. 2018, section 4.1) and VEEGAN (Srivastava et al. 2017, section 4.1).

    Returns:
        `zoo.data.Dataset` with the field `sample`: float32 `(n, 2)`.
    """
    return _gaussians("grid25", n, seed, grid_centres(side, spacing), std)


def modes(name):
    """Returns the true centres of `ring8` or `grid25`, float64 `(k, 2)`, and the std, a float."""
    truth = {"ring8": (ring_centres(), RING_STD), "grid25": (grid_centres(), GRID_STD)}
    if name not in truth:
        raise UsageError(f"The data set {name!r} has no known modes.{nearest(name, truth)}")
    return truth[name]


def sine_parameters(n, seed, phase=(0.0, 1.0), frequency=(1.2, 1.5), amplitude=(0.5, 0.8)):
    """Draws the parameters of the signals that `sine` makes from the same arguments.

    Args:
        n: int, number of samples.
        seed: int, or a sequence of int.
        phase, frequency, amplitude: (low, high) of the uniform distribution of each; phase in
            radians, frequency in radians per point.

    Returns:
        dict of float64 arrays `(n,)`: amplitude, frequency, phase.
    """
    _check(n=n)
    rng = np.random.default_rng(seed)
    ranges = {"amplitude": amplitude, "frequency": frequency, "phase": phase}
    return {name: rng.uniform(low, high, n) for name, (low, high) in ranges.items()}


def sine_signals(parameters, points=10):
    """Evaluates amplitude * sin(phase + frequency * i) for i = 0 ... points - 1.

    Args:
        parameters: dict as from `sine_parameters`.
        points: int, length of a signal.

    Returns:
        float64 array `(n, points)`.
    """
    angle = parameters["phase"][:, None] + parameters["frequency"][:, None] * np.arange(points)
    return parameters["amplitude"][:, None] * np.sin(angle)


def sine(n, seed, points=10, **ranges):
    """Draws sine signals: x_i = amplitude * sin(phase + frequency * i), i = 0 ... points - 1.

    Phase U(0, 1) radians, frequency U(1.2, 1.5) radians per point (about two periods over ten
    points), amplitude U(0.5, 0.8): the formula and the numbers of Hany and Walters, Hands-On
    Generative Adversarial Networks with PyTorch 1.x (2019), chapter 1. "Frequency" there is an
    angle per point, not periods per unit of time, and the phase covers one radian, not the circle.

    Args:
        n, seed, **ranges: as in `sine_parameters`.
        points: int, length of a signal.

    Returns:
        `zoo.data.Dataset` with the field `sample`: float32 `(n, points)`.
    """
    _check(points=points)
    return _dataset("sine", sine_signals(sine_parameters(n, seed, **ranges), points))


SOURCES = {"gaussian": gaussian, "ring8": ring, "grid25": grid, "sine": sine}


def load(name, *, split="train", n=100_000, seed=0, **options):
    """Draws the data set `name`.

    Args:
        name: "gaussian", "ring8", "grid25" or "sine".
        split: "train", or "test" for other samples of the same distribution.
        n: int, number of samples; PacGAN trains on 100,000 points.
        seed: int.
        options: further arguments of the function that makes the data, such as `target`.

    Returns:
        `zoo.data.Dataset` with the field `sample`: float32 `(n, d)`.

    Raises:
        UsageError: for an unknown name, split or option, or a value out of range.
    """
    if name not in SOURCES:
        raise UsageError(f"There is no synthetic data set {name!r}.{nearest(name, SOURCES)}")
    if split not in ("train", "test"):
        raise UsageError(f"Synthetic data has the splits train and test. Received: {split!r}.")
    valid = options_of(name)
    for option in options:
        if option not in valid:
            raise UsageError(f"{name} has no option {option!r}.{nearest(option, valid)}")
    return SOURCES[name](n, (seed, ("train", "test").index(split)), **options)


def options_of(name):
    """Returns the options that `load` takes for the data set `name`, a tuple of str."""
    parameters = [
        option for option in inspect.signature(SOURCES[name]).parameters if option != "ranges"
    ]
    return (*parameters, *(("phase", "frequency", "amplitude") if SOURCES[name] is sine else ()))


def _gaussians(name, n, seed, centres, std):
    _check(n=n, std=std)
    rng = np.random.default_rng(seed)
    which = rng.integers(len(centres), size=n)
    return _dataset(name, centres[which] + std * rng.standard_normal((n, 2)))


def _check(**values):
    for name, value in values.items():
        if not value > 0:
            raise UsageError(f"Expected {name} above zero. Received: {name}={value!r}.")


def _dataset(name, samples):
    fields = {"sample": np.ascontiguousarray(samples, "float32")}
    return Dataset(name, fields, fingerprint=fingerprint(fields, ()))
