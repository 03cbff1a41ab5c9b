import sys

import numpy as np
import pytest

from zoo.data.synthetic import Mixture, ring_centres, sine_parameters, sine_signals
from zoo.drawing.plots import density_picture, scatter_picture, signals_picture
from zoo.errors import UsageError

NORMAL = Mixture.parse("normal(4, 1.25)")
RNG = np.random.default_rng(0)
CENTRES = ring_centres()
RING = np.repeat(CENTRES, 50, axis=0) + 0.02 * RNG.standard_normal((400, 2))
SIGNALS = sine_signals(sine_parameters(60, 0))


def check(picture, height):
    assert picture.dtype == np.uint8 and picture.shape == (height, 900, 3)
    assert (picture[0, 0] == 255).all(), "the margin is white"
    return picture


def ink(picture, color):
    """How many pixels have about this colour."""
    rgb = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)])
    return (np.abs(picture.astype(int) - rgb).max(axis=2) < 12).sum()


def test_the_discriminator_is_drawn_as_a_probability_over_the_same_x():
    seen = []

    def discriminator(x):
        seen.append(x)
        return np.full((len(x), 1), 20.0)

    without = check(density_picture(NORMAL.sample(500, RNG), NORMAL), 600)
    certain = check(density_picture(NORMAL.sample(500, RNG), NORMAL, discriminator), 600)
    unsure = density_picture(NORMAL.sample(500, RNG), NORMAL, lambda x: np.zeros(len(x)))
    assert seen[0].dtype == np.float32 and seen[0].shape[1:] == (1,)
    assert seen[0].min() < 0 and seen[0].max() > 8
    green = "#3f8f5f"
    assert ink(without, green) == 0 < ink(certain, green)
    curve = [
        np.abs(p[:, 200:600].astype(int) - [63, 143, 95]).max(2) < 12 for p in (certain, unsure)
    ]
    # Rows count from the top: a probability of one is drawn above one half.
    rows = [np.flatnonzero(c[100:].any(axis=1)).min() for c in curve]
    assert rows[0] < rows[1] - 100


def test_samples_that_are_collapsed_outside_or_not_finite_are_drawn():
    for samples in (np.full(100, 4.0), np.full(100, 1e6), np.full((100, 1), np.nan)):
        check(density_picture(samples, NORMAL), 600)
    for points in (np.zeros((100, 2)), np.full((100, 2), np.nan), np.full((100, 2), 1e6)):
        check(scatter_picture(points, RING, CENTRES), 500)
    check(signals_picture(SIGNALS, np.full((50, 10), np.nan)), 600)


def test_a_missed_mode_stands_out():
    pictures = {n: check(scatter_picture(RING[: 50 * n], RING, CENTRES), 500) for n in (8, 6, 2)}
    black = {n: ink(picture[50:440, 520:], "#000000") for n, picture in pictures.items()}
    assert black[2] > 2 * black[6] > 4 * black[8]


def test_points_near_a_mode_but_beyond_three_std_do_not_reach_it():
    halo = RING + np.array([0.2, 0])
    assert ink(scatter_picture(halo, RING, CENTRES), "#000000") > 2 * ink(
        scatter_picture(RING, RING, CENTRES), "#000000"
    )


def test_real_and_generated_signals_have_their_own_panels():
    picture = check(signals_picture(SIGNALS, 0.01 * SIGNALS), 600)
    tall = [np.ptp(np.flatnonzero(colored(half))) for half in (picture[:, :450], picture[:, 500:])]
    assert tall[0] > 400 > 50 > tall[1]


def colored(picture):
    return (np.ptp(picture.astype(int), axis=2) > 40).any(axis=1)


def test_arrays_of_another_shape_are_refused():
    with pytest.raises(UsageError, match="shape"):
        scatter_picture(np.zeros((5, 3)), RING)
    with pytest.raises(UsageError, match="shape"):
        density_picture(np.zeros((5, 2)), NORMAL)
    with pytest.raises(UsageError, match="shape"):
        signals_picture(SIGNALS, SIGNALS[:0])


def test_pyplot_is_left_alone():
    had = "matplotlib.pyplot" in sys.modules
    density_picture(np.zeros(10), NORMAL)
    assert ("matplotlib.pyplot" in sys.modules) == had
