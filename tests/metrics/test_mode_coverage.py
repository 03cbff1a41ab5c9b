import math

import numpy as np
import pytest

from zoo.data.synthetic import grid_centres, ring_centres
from zoo.errors import UsageError
from zoo.metrics.modes import class_coverage, mode_coverage


def by_loops(samples, centres, std):
    counts = [0] * len(centres)
    for sample in samples:
        distances = [math.dist(sample, centre) for centre in centres]
        if min(distances) <= 3 * std:
            counts[distances.index(min(distances))] += 1
    shares = [count / sum(counts) for count in counts]
    return {
        "modes": sum(count > 0 for count in counts),
        "high_quality": sum(counts) / len(samples),
        "reverse_kl": sum(p * math.log(p * len(centres)) for p in shares if p),
    }


@pytest.mark.parametrize("centres", [ring_centres(), grid_centres()], ids=["ring8", "grid25"])
@pytest.mark.parametrize("spread", [0.02, 0.3])
def test_the_scores_agree_with_loops(centres, spread):
    rng = np.random.default_rng(0)
    # Uneven on purpose, with some modes that get nothing.
    which = rng.choice(len(centres) - 3, size=400, p=rng.dirichlet(np.ones(len(centres) - 3)))
    samples = centres[which] + spread * rng.standard_normal((400, 2))
    scores, expected = mode_coverage(samples, centres, 0.1), by_loops(samples, centres, 0.1)
    assert scores["modes"] == expected["modes"] < len(centres)
    assert scores["high_quality"] == pytest.approx(expected["high_quality"])
    assert scores["reverse_kl"] == pytest.approx(expected["reverse_kl"])


def test_even_samples_score_best_and_a_collapse_scores_log_k():
    centres = ring_centres()
    perfect = mode_coverage(np.repeat(centres, 10, axis=0), centres, 0.02)
    assert perfect == {"modes": 8, "high_quality": 1.0, "reverse_kl": pytest.approx(0, abs=1e-12)}
    collapsed = mode_coverage(np.repeat(centres[:1], 80, axis=0), centres, 0.02)
    assert collapsed == {"modes": 1, "high_quality": 1.0, "reverse_kl": pytest.approx(np.log(8))}


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_without_a_good_sample_everything_is_worst(value):
    scores = mode_coverage(np.full((80, 2), value), ring_centres(), 0.02)
    assert scores == {"modes": 0, "high_quality": 0.0, "reverse_kl": pytest.approx(np.log(8))}


@pytest.mark.parametrize("shape", [(79, 2), (200, 3), (200,)])
def test_too_few_samples_or_another_dimension_are_refused(shape):
    with pytest.raises(UsageError, match="n >= 80, 2"):
        mode_coverage(np.zeros(shape), ring_centres(), 0.02)


def test_class_coverage_agrees_with_loops():
    labels = np.random.default_rng(0).zipf(2.0, 800) % 40
    shares = [np.mean(labels == c) for c in range(40)]
    scores = class_coverage(labels, 40)
    assert scores["modes"] == len(set(labels)) < 40
    assert scores["reverse_kl"] == pytest.approx(sum(p * math.log(40 * p) for p in shares if p))


def test_even_classes_score_best_and_one_class_scores_log_count():
    even = {"modes": 1000, "reverse_kl": pytest.approx(0, abs=1e-12)}
    assert class_coverage(np.arange(10_000) % 1000, 1000) == even
    half = {"modes": 500, "reverse_kl": pytest.approx(np.log(2))}
    assert class_coverage(np.arange(10_000) % 500, 1000) == half
    one = {"modes": 1, "reverse_kl": pytest.approx(np.log(1000))}
    assert class_coverage(np.full(10_000, 999), 1000) == one


def test_the_bias_of_class_coverage_is_what_the_docstring_says():
    labels = np.random.default_rng(0).integers(1000, size=26_000)
    scores = class_coverage(labels, 1000)
    assert scores["modes"] == 1000
    assert scores["reverse_kl"] == pytest.approx(999 / 52_000, rel=0.1)


@pytest.mark.parametrize(
    "labels", [np.zeros(79, int), np.zeros(200), np.zeros((200, 1), int), np.arange(200) % 9]
)
def test_labels_that_are_no_classes_or_too_few_are_refused(labels):
    with pytest.raises(UsageError, match="labels"):
        class_coverage(labels, 8)
    with pytest.raises(UsageError, match=r"from 0 to 7. Received: -1 to 0"):
        class_coverage(np.repeat([-1, 0], 50), 8)
