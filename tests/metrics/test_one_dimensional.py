import numpy as np
import pytest
import scipy.stats

from zoo.data.synthetic import Mixture
from zoo.errors import UsageError
from zoo.metrics.one_dimensional import (
    kolmogorov_smirnov,
    mean_error,
    std_error,
    wasserstein,
)

MIXTURE = Mixture.parse("0.3*normal(-2, 0.5) + 0.7*normal(3, 1)")


def draws(name, n):
    rng = np.random.default_rng(7)
    return {
        "true": lambda: MIXTURE.sample(n, rng),
        "shifted": lambda: MIXTURE.sample(n, rng) + 0.4,
        "collapsed": lambda: np.full(n, 3.0),
        "one mode": lambda: rng.normal(3, 1, n),
        "far away": lambda: rng.uniform(90, 110, n),
        "heavy tails": lambda: rng.standard_t(2, n),
        "two points": lambda: rng.choice([-2.0, 3.0], n),
    }[name]()


NAMES = ["true", "shifted", "collapsed", "one mode", "far away", "heavy tails", "two points"]


@pytest.mark.parametrize("name", NAMES)
def test_wasserstein_agrees_with_scipy_on_the_true_quantiles(name):
    samples = draws(name, 300)
    # A dense grid of exact quantiles stands for the mixture.
    levels = (np.arange(200_000) + 0.5) / 200_000
    x = np.linspace(-8, 12, 400_001)
    quantiles = np.interp(levels, MIXTURE.cdf(x), x)
    expected = scipy.stats.wasserstein_distance(samples, quantiles)
    assert wasserstein(samples, MIXTURE) == pytest.approx(expected, abs=2e-4, rel=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_kolmogorov_smirnov_agrees_with_scipy(name):
    samples = draws(name, 300)
    expected = scipy.stats.kstest(samples, MIXTURE.cdf).statistic
    assert kolmogorov_smirnov(samples[:, None], MIXTURE.cdf) == pytest.approx(expected, abs=1e-12)


def test_the_distance_of_a_point_mass_is_the_mean_absolute_deviation():
    normal = Mixture.parse("normal(4, 1.25)")
    distance = wasserstein(np.full(100, 4.0), normal)
    assert distance == pytest.approx(1.25 * np.sqrt(2 / np.pi), rel=1e-9)


def test_errors_of_mean_and_std_against_values_computed_by_hand():
    normal = Mixture.parse("normal(4, 1.25)")
    assert mean_error([1.0, 3.0], normal) == 2
    assert std_error([1.0, 3.0], normal) == pytest.approx(np.sqrt(2) - 1.25)


@pytest.mark.parametrize(
    "measure", [mean_error, std_error, wasserstein, lambda s, m: kolmogorov_smirnov(s, m.cdf)]
)
@pytest.mark.parametrize("bad", [np.zeros(1), np.zeros((200, 2)), np.r_[np.zeros(200), np.nan]])
def test_samples_too_few_off_the_line_or_not_finite_are_refused(measure, bad):
    with pytest.raises(UsageError, match="Received"):
        measure(bad, MIXTURE)


def test_the_distances_refuse_fewer_than_a_hundred_samples():
    with pytest.raises(UsageError, match="at least 100"):
        wasserstein(np.zeros(99), MIXTURE)
    with pytest.raises(UsageError, match="at least 100"):
        kolmogorov_smirnov(np.zeros(99), MIXTURE.cdf)
