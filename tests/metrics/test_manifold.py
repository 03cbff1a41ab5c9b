import math

import numpy as np
import pytest

from zoo.errors import UsageError
from zoo.metrics import manifold
from zoo.metrics.manifold import density_coverage, precision_recall, squared_distances


def draws(n, d=4, seed=0, scale=1.0):
    return scale * np.random.default_rng(seed).standard_normal((n, d))


def by_loops(features, reference, k):
    """Precision, recall, density and coverage, sample by sample."""

    def radius(samples, i):
        return sorted(math.dist(samples[i], samples[j]) for j in range(len(samples)) if j != i)[
            k - 1
        ]

    real = [radius(reference, i) for i in range(len(reference))]
    generated = [radius(features, i) for i in range(len(features))]
    distance = [[math.dist(x, y) for y in features] for x in reference]
    n, m = range(len(features)), range(len(reference))
    return (
        np.mean([any(distance[i][j] <= real[i] for i in m) for j in n]),
        np.mean([any(distance[i][j] <= generated[j] for j in n) for i in m]),
        np.mean([sum(distance[i][j] < real[i] for i in m) / k for j in n]),
        np.mean([any(distance[i][j] < real[i] for j in n) for i in m]),
    )


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("chunk", [7, 500, 10**6], ids=["row by row", "few rows", "one chunk"])
def test_the_scores_agree_with_loops(k, chunk, monkeypatch):
    monkeypatch.setattr(manifold, "DISTANCES", chunk)
    features, reference = draws(70, seed=0, scale=1.3), draws(90, seed=1)
    expected = by_loops(features, reference, k)
    scores = precision_recall(features, reference, k) + density_coverage(features, reference, k)
    assert all(0 < value < 1 for value in expected[:2])
    assert scores == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("k", [3, 5])
def test_the_scores_agree_with_the_code_published_with_the_paper(k):
    prdc = pytest.importorskip("prdc")
    features, reference = draws(300, seed=0, scale=1.2), draws(250, seed=1)
    expected = prdc.compute_prdc(real_features=reference, fake_features=features, nearest_k=k)
    precision, recall = precision_recall(features, reference, k)
    density, coverage = density_coverage(features, reference, k)
    scores = {"precision": precision, "recall": recall, "density": density, "coverage": coverage}
    assert scores == pytest.approx(expected)


def test_copies_of_the_real_samples_score_one():
    # Far from the origin, where the squares of norms swallow small distances.
    reference = 1e4 + draws(500, 16)
    assert precision_recall(reference.copy(), reference) == (1, 1)
    assert density_coverage(reference.copy(), reference) == (1, 1)
    shuffled = np.random.default_rng(1).permutation(reference)
    assert density_coverage(shuffled, reference) == (1, 1)


def test_half_the_modes_halve_recall_and_coverage_but_not_precision():
    rng = np.random.default_rng(0)
    centres = 20 * rng.standard_normal((10, 8))
    reference = centres[np.arange(1000) % 10] + 0.1 * rng.standard_normal((1000, 8))
    features = centres[np.arange(1000) % 5] + 0.1 * rng.standard_normal((1000, 8))
    complete = centres[np.arange(1000) % 10] + 0.1 * rng.standard_normal((1000, 8))
    (precision, recall), (density, coverage) = (
        score(features, reference) for score in (precision_recall, density_coverage)
    )
    best_precision, best_recall = precision_recall(complete, reference)
    assert recall == pytest.approx(best_recall / 2, abs=0.05)
    assert precision == pytest.approx(best_precision, abs=0.05)
    assert coverage == pytest.approx(0.5, abs=0.03)
    assert density == pytest.approx(1, abs=0.15)


def test_one_repeated_real_picture_is_precise_and_recalls_nothing_else():
    reference = draws(500, 16)
    features = np.repeat(reference[:1], 200, axis=0)
    # What is recalled is the picture itself, whose ball has no extent.
    assert precision_recall(features, reference) == (1, 1 / 500)
    assert density_coverage(features, reference)[1] < 0.05


def test_samples_far_away_score_nothing():
    features, reference = draws(100, seed=1) + 1000, draws(100)
    assert precision_recall(features, reference) == density_coverage(features, reference) == (0, 0)


def test_outliers_cover_nearly_all_for_recall_but_not_for_coverage():
    reference = draws(300, seed=0)
    features = np.concatenate([np.zeros((292, 4)), 200 * np.eye(4), -200 * np.eye(4)])
    assert precision_recall(features, reference)[1] > 0.95
    assert density_coverage(features, reference)[1] < 0.8


@pytest.mark.parametrize("d", [2, 64])
def test_the_true_distribution_scores_what_the_docstring_says(d):
    n, m, k = 300, 200, 5
    scores = [
        density_coverage(draws(n, d, seed), draws(m, d, seed + 5000), k) for seed in range(100)
    ]
    density, coverage = np.mean(scores, axis=0)
    missed = math.prod((m - i) / (n + m - i) for i in range(1, k + 1))
    error = np.std(scores, axis=0) / 10
    assert density == pytest.approx(1, abs=4 * error[0])
    assert coverage == pytest.approx(1 - missed, abs=4 * error[1])
    assert (error < 0.02).all()


def test_distances_agree_with_differences_and_copies_are_near_zero():
    a, b = (np.float32(100 + draws(n, 5, n)) for n in (30, 20))
    b[0] = a[0]
    distances = np.concatenate([square.copy() for _, square in squared_distances(a, b)])
    expected = np.square(a.astype(float)[:, None] - b).sum(axis=2)
    np.testing.assert_allclose(distances, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("score", [precision_recall, density_coverage])
@pytest.mark.parametrize(
    "bad, sentence",
    [
        (np.zeros((3, 4)), r"features of shape \(n >= 4, d\)"),
        (np.zeros(50), "features of shape"),
        (np.zeros((50, 3)), "same dimension"),
        (np.full((50, 4), np.nan), "NaN or infinite values in 50 of 50"),
    ],
)
def test_broken_or_too_few_samples_are_refused_on_either_side(score, bad, sentence):
    for pair in ((bad, draws(50)), (draws(50), bad)):
        with pytest.raises(UsageError, match=sentence):
            score(*pair, k=3)


@pytest.mark.parametrize("score", [precision_recall, density_coverage])
def test_no_neighbours_are_refused(score):
    with pytest.raises(UsageError, match="k >= 1"):
        score(draws(9), draws(9), k=0)
