import math

import numpy as np
import pytest
import scipy.stats

from zoo.errors import UsageError
from zoo.metrics import manifold
from zoo.metrics import memorisation as module
from zoo.metrics.memorisation import memorisation, nearest_neighbours


def draws(n, d=3, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d))


@pytest.mark.parametrize("chunk", [10, 10**6])
def test_nearest_neighbours_agree_with_loops(chunk, monkeypatch):
    monkeypatch.setattr(manifold, "DISTANCES", chunk)
    monkeypatch.setattr(module, "TRAIN", chunk)
    samples, train = draws(40), draws(55, seed=1)
    expected = [min((math.dist(x, y), i) for i, y in enumerate(train)) for x in samples]
    distances, indices = nearest_neighbours(samples, train)
    np.testing.assert_allclose(distances, [distance for distance, _ in expected], rtol=1e-12)
    assert indices.tolist() == [i for _, i in expected]


def test_closer_is_the_probability_over_all_pairs_with_ties_by_half():
    samples, train, held_out = (np.round(draws(n, 2, n), 1) for n in (120, 150, 110))
    near, far = nearest_neighbours(samples, train)[0], nearest_neighbours(held_out, train)[0]
    wins = np.less.outer(near, far) + 0.5 * np.equal.outer(near, far)
    scores = memorisation(samples, train, held_out)
    assert np.equal.outer(near, far).any()
    assert scores["closer"] == pytest.approx(wins.mean())
    assert scores["closer"] == pytest.approx(
        scipy.stats.mannwhitneyu(far, near).statistic / (120 * 110)
    )
    assert scores["generated_distance"] == np.median(near)
    assert scores["held_out_distance"] == np.median(far)


def test_copies_score_one_new_samples_a_half_and_strays_zero():
    # Far from the origin, in few bits: rounding must not hide that a copy is one.
    train, held_out, new = (np.float32(1000 + draws(800, 20, seed)) for seed in range(3))
    copies = memorisation(train[:300], train, held_out)
    assert copies["closer"] == 1
    assert copies["generated_distance"] == 0 < copies["held_out_distance"]
    assert nearest_neighbours(train[:300], train)[0].max() == 0
    assert memorisation(train[:300], train, train[300:])["closer"] == 0.5
    assert memorisation(new, train, held_out)["closer"] == pytest.approx(0.5, abs=0.05)
    assert memorisation(3 * new, train, held_out)["closer"] == 0
    half = memorisation(np.concatenate([train[:400], new[:400]]), train, held_out)
    assert half["closer"] == pytest.approx(0.75, abs=0.05)


def test_samples_of_the_true_distribution_spread_around_a_half_as_the_docstring_says():
    n, m = 100, 150
    scores = [
        memorisation(draws(n, 3, s), draws(500, 3, s + 1000), draws(m, 3, s + 2000))["closer"]
        for s in range(200)
    ]
    expected = np.sqrt((n + m + 1) / (12 * n * m))
    assert np.mean(scores) == pytest.approx(0.5, abs=4 * expected / np.sqrt(200))
    assert np.std(scores) == pytest.approx(expected, rel=0.25)


def test_pictures_are_taken_as_they_are():
    pictures = np.random.default_rng(0).integers(0, 256, (300, 4, 4, 1)).astype("uint8")
    flat = pictures.reshape(300, 16).astype(float)
    assert memorisation(pictures[:100], pictures[100:200], pictures[200:]) == memorisation(
        flat[:100], flat[100:200], flat[200:]
    )


@pytest.mark.parametrize(
    "shapes, sentence",
    [
        (((99, 3), (5, 3), (100, 3)), r"generated samples of shape \(n >= 100, d\)"),
        (((100, 3), (5, 3), (99, 3)), r"held-out samples of shape \(n >= 100, d\)"),
        (((100, 3), (0, 3), (100, 3)), r"training samples of shape \(n >= 1, d\)"),
        (((100, 3), (0, 3, 1), (100, 3)), "same shape"),
        (((100, 3), (5, 2), (100, 3)), "same shape"),
        (((100, 2, 2), (0, 2, 2), (100, 2, 2)), "training samples of shape"),
        (((100,), (5,), (100,)), "generated samples of shape"),
    ],
)
def test_too_few_samples_or_shapes_that_do_not_fit_are_refused(shapes, sentence):
    with pytest.raises(UsageError, match=sentence):
        memorisation(*map(np.zeros, shapes))


def test_samples_that_are_not_finite_are_refused():
    with pytest.raises(UsageError, match="finite held-out samples"):
        memorisation(draws(100), draws(9), np.full((100, 3), np.nan))
