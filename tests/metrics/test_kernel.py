import numpy as np
import pytest
from sklearn.metrics.pairwise import polynomial_kernel

from zoo.errors import UsageError
from zoo.metrics.kernel import kernel_distance


def draws(n, d=6, seed=0, shift=0.0):
    return shift + np.random.default_rng(seed).standard_normal((n, d))


def by_definition(x, y):
    n = len(x)
    xx, yy, xy = (polynomial_kernel(a, b, degree=3, coef0=1) for a, b in ((x, x), (y, y), (x, y)))
    within = sum(k[i, j] for k in (xx, yy) for i in range(n) for j in range(n) if i != j)
    return within / (n * (n - 1)) - 2 * xy.mean()


def test_one_subset_of_everything_agrees_with_scikit_learn():
    x, y = draws(60, seed=0), draws(60, seed=1, shift=0.3)
    mean, deviation = kernel_distance(x, y, subsets=1, subset_size=60)
    assert mean == pytest.approx(by_definition(x, y), rel=1e-9)
    assert deviation == 0


def test_subsets_are_drawn_without_replacement_from_each_side_anew():
    # With distinct rows a subset of all but one leaves out one row of each side: few values.
    x, y = draws(4, seed=0), draws(4, seed=1)
    possible = [
        by_definition(np.delete(x, i, axis=0), np.delete(y, j, axis=0))
        for i in range(4)
        for j in range(4)
    ]
    distances = [kernel_distance(x, y, subsets=1, subset_size=3, seed=s)[0] for s in range(200)]
    gaps = abs(np.subtract.outer(distances, possible))
    assert gaps.min(axis=1).max() < 1e-9
    assert set(gaps.argmin(axis=1)) == set(range(16))


def test_mean_and_deviation_are_over_the_subsets_and_the_seed_fixes_them():
    x, y = draws(300), draws(300, seed=1, shift=0.2)
    mean, deviation = kernel_distance(x, y, subsets=50, subset_size=40, seed=3)
    assert (mean, deviation) == kernel_distance(x, y, subsets=50, subset_size=40, seed=3)
    assert mean != kernel_distance(x, y, subsets=50, subset_size=40, seed=4)[0]
    singles = [kernel_distance(x, y, subsets=1, subset_size=40, seed=s)[0] for s in range(50)]
    assert deviation == pytest.approx(np.std(singles), rel=0.4)
    assert mean == pytest.approx(np.mean(singles), abs=4 * deviation / np.sqrt(50))


def test_the_estimate_is_unbiased_at_any_count():
    # In one dimension E k(x, y) = 1 + 3 E[x] E[y] + 3 E[x^2] E[y^2] + E[x^3] E[y^3]. The moments of
    # N(0, 1) are 0, 1, 0 and those of N(1, 1) are 1, 2, 4.
    expected = (1 + 3) + (1 + 3 + 12 + 16) - 2 * (1 + 6)
    values = [
        kernel_distance(
            draws(40, 1, seed), draws(40, 1, seed + 10_000, shift=1.0), subsets=1, subset_size=40
        )[0]
        for seed in range(1500)
    ]
    error = np.std(values) / np.sqrt(len(values))
    assert error < 0.03 * expected
    assert np.mean(values) == pytest.approx(expected, abs=4 * error)


def test_the_same_distribution_scores_around_zero():
    values = [
        kernel_distance(draws(50, seed=s), draws(50, seed=s + 999), subsets=1, subset_size=50)[0]
        for s in range(300)
    ]
    assert min(values) < 0 < max(values)
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(300)


def test_too_few_samples_are_refused_with_a_way_out():
    for pair in ((draws(999), draws(1000)), (draws(1000), draws(999))):
        with pytest.raises(UsageError, match=r"subsets of 1,000 .* smaller subset_size.*999"):
            kernel_distance(*pair)


@pytest.mark.parametrize("settings", [{"subsets": 0}, {"subset_size": 1}])
def test_settings_without_a_value_are_refused(settings):
    with pytest.raises(UsageError, match="at least 1 subset of at least 2"):
        kernel_distance(draws(10), draws(10), **settings)


@pytest.mark.parametrize("bad", [np.zeros(9), np.zeros((9, 5)), np.full((9, 6), np.inf)])
def test_broken_features_are_refused(bad):
    with pytest.raises(UsageError, match="Received"):
        kernel_distance(bad, draws(9), subset_size=5)


def features_of_few(n, seed, shift=0.0):
    """Like a network's features: 1,280 of n pictures, float32, never negative, mostly zero."""
    mixing = np.random.default_rng(0).standard_normal((200, 1280)) / 15
    values = np.random.default_rng(seed).standard_normal((n, 200)) @ mixing - 1 + shift
    return np.clip(values, 0, 6).astype("float32")


def test_few_samples_in_many_dimensions_are_unbiased():
    x, y = features_of_few(80, 1), features_of_few(120, 2, 0.3)
    mean, _ = kernel_distance(x, y[:80], subsets=1, subset_size=80)
    assert mean == pytest.approx(by_definition(x.astype(float), y[:80].astype(float)), rel=1e-9)
    # Of one kind they score around zero, on both sides of it; of another far from it.
    same = [
        kernel_distance(
            features_of_few(80, 2 * s + 3), features_of_few(120, 2 * s + 4), subset_size=80
        )[0]
        for s in range(12)
    ]
    assert min(same) < 0 < max(same)
    assert abs(np.mean(same)) < 3 * np.std(same) / np.sqrt(12)
    assert kernel_distance(x, y, subset_size=80)[0] > 10 * max(np.abs(same))
