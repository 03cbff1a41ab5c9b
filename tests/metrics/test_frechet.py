import numpy as np
import pytest
import scipy.linalg

from zoo.errors import UsageError
from zoo.metrics import frechet
from zoo.metrics.frechet import frechet_distance, frechet_from_moments, moments


def gaussian(n, d, seed):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)) @ rng.standard_normal((d, d)) + rng.standard_normal(d)


def by_sqrtm(features, reference):
    """As in the code published with the paper."""
    c, r = (np.cov(a, rowvar=False) for a in (features, reference))
    shift = features.mean(axis=0) - reference.mean(axis=0)
    return shift @ shift + np.trace(c + r - 2 * scipy.linalg.sqrtm(c @ r).real)


@pytest.mark.parametrize("d", [2, 30])
def test_the_distance_agrees_with_the_square_root_of_the_product(d, monkeypatch):
    monkeypatch.setattr(frechet, "ROWS", 64)
    features, reference = gaussian(200, d, 0), gaussian(150, d, 1)
    expected = by_sqrtm(features, reference)
    assert frechet_distance(features, reference) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(reference, features) == pytest.approx(expected, rel=1e-9)


def test_moments_agree_with_numpy_in_any_precision(monkeypatch):
    monkeypatch.setattr(frechet, "ROWS", 64)
    features = (1000 + gaussian(200, 5, 0)).astype("float32")
    mean, covariance = moments(features)
    np.testing.assert_allclose(mean, features.astype(float).mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(covariance, np.cov(features.astype(float), rowvar=False), rtol=1e-9)
    assert mean.dtype == covariance.dtype == float


def test_commuting_covariances_have_a_closed_form():
    rng = np.random.default_rng(0)
    axes, _ = np.linalg.qr(rng.standard_normal((6, 6)))
    a, b = np.array([0, 1, 2, 3, 4, 5.0]), np.array([3, 0, 2, 1, 0, 7.0])
    shift = rng.standard_normal(6)
    distance = frechet_from_moments(shift, axes * a**2 @ axes.T, np.zeros(6), axes * b**2 @ axes.T)
    assert distance == pytest.approx(shift @ shift + np.square(a - b).sum(), abs=1e-12)


def test_covariances_without_spread_in_most_directions_cost_no_precision():
    rng = np.random.default_rng(0)
    flat = rng.standard_normal((400, 20)) / np.sqrt(20)
    covariance, zero = flat @ flat.T, np.zeros(400)
    assert frechet_from_moments(zero, covariance, zero, 4 * covariance) == pytest.approx(
        np.trace(covariance), abs=1e-10
    )
    # Against a round one the root is that of the covariance itself.
    root = np.linalg.svd(flat, compute_uv=False).sum()
    assert frechet_from_moments(zero, covariance, zero, np.eye(400)) == pytest.approx(
        np.trace(covariance) + 400 - 2 * root, abs=1e-10
    )


def few(n, seed, shift=0.0):
    """Like a network's features: 1,280 of n pictures, float32, never negative, mostly zero."""
    mixing = np.random.default_rng(99).standard_normal((200, 1280)) / 15
    values = np.random.default_rng(seed).standard_normal((n, 200)) @ mixing - 1 + shift
    return np.clip(values, 0, 6).astype("float32")


def test_the_moments_of_few_samples_in_many_dimensions_cost_no_precision():
    # 80 and 120 pictures span 79 and 119 of 1,280 dimensions. The trace of the root then follows
    # from the samples alone: the singular values of an 80x120 matrix.
    features, reference = few(80, 0), few(120, 1, 0.3)
    pairs = [
        (a.mean(axis=0, dtype=float), np.cov(a.T.astype(float))) for a in (features, reference)
    ]
    centred = [
        (a - a.mean(axis=0, dtype=float)) / np.sqrt(len(a) - 1) for a in (features, reference)
    ]
    root = np.linalg.svd(centred[0] @ centred[1].T, compute_uv=False).sum()
    shift = np.square(pairs[0][0] - pairs[1][0]).sum()
    expected = shift + sum(np.square(a).sum() for a in centred) - 2 * root
    assert frechet_from_moments(*pairs[0], *pairs[1]) == pytest.approx(expected, rel=1e-9)
    assert frechet_from_moments(*pairs[1], *pairs[0]) == pytest.approx(expected, rel=1e-9)
    assert 0 <= frechet_from_moments(*pairs[1], *pairs[1]) < 1e-9 * np.trace(pairs[1][1])
    # It is right, and says little: two sets of one kind are two thirds of all their variance apart.
    # So the distance of so few samples is refused.
    other = few(120, 1)
    same = frechet_from_moments(*pairs[0], other.mean(axis=0), np.cov(other.T.astype(float)))
    assert same > 2 / 3 * (np.trace(pairs[0][1]) + np.trace(np.cov(other.T)))
    with pytest.raises(UsageError, match=r"at least 1,280 samples.*kernel distance.*Received: 80"):
        frechet_distance(features, reference)


def test_equal_samples_are_at_zero_and_never_below():
    for seed in range(5):
        features = gaussian(100, 20, seed)
        assert 0 <= frechet_distance(features, features) < 1e-9
    still = np.full((10, 3), 0.1)
    assert 0 <= frechet_distance(still, still) < 1e-30
    assert frechet_distance(still, still + np.array([3, 4, 0])) == pytest.approx(25)


def test_the_bias_is_what_the_docstring_says():
    rng = np.random.default_rng(0)
    n, m, d = 4000, 2000, 40
    scores = [
        frechet_distance(rng.standard_normal((n, d)), rng.standard_normal((m, d)))
        for _ in range(10)
    ]
    assert np.mean(scores) == pytest.approx((1 / n + 1 / m) * (d + d * (d + 1) / 4), rel=0.02)


@pytest.mark.parametrize("shape", [(19, 20), (1, 1)])
def test_fewer_samples_than_dimensions_are_refused_with_a_way_out(shape):
    enough = np.random.default_rng(0).standard_normal((50, shape[1]))
    for pair in ((np.zeros(shape), enough), (enough, np.zeros(shape))):
        with pytest.raises(UsageError, match=f"at least {max(shape[1], 2)} samples: take more"):
            frechet_distance(*pair)


def test_as_many_samples_as_dimensions_are_enough():
    features, reference = gaussian(20, 20, 0), gaussian(20, 20, 1)
    # The square root of the singular product is good to half the digits only.
    expected = by_sqrtm(features, reference)
    assert frechet_distance(features, reference) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    "bad, sentence",
    [
        (np.zeros(50), "Expected features of shape"),
        (np.zeros((50, 2, 2)), "Expected features of shape"),
        (np.zeros((50, 0)), "Expected features of shape"),
        (np.zeros((50, 3)), "same dimension.*Received: 3 and 2"),
        (np.r_[np.zeros((49, 2)), [[0, np.nan]]], "NaN or infinite values in 1 of 50 samples"),
    ],
)
def test_broken_features_are_refused(bad, sentence):
    with pytest.raises(UsageError, match=sentence):
        frechet_distance(bad, np.zeros((50, 2)))


def test_moments_that_do_not_fit_are_refused():
    with pytest.raises(UsageError, match="two means"):
        frechet_from_moments(np.zeros(2), np.eye(2), np.zeros(3), np.eye(3))
    with pytest.raises(UsageError, match="finite moments"):
        frechet_from_moments(np.zeros(2), np.eye(2), np.full(2, np.nan), np.eye(2))
