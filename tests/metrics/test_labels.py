import math

import numpy as np
import pytest

from zoo.errors import UsageError
from zoo.metrics import labels as metrics
from zoo.metrics.labels import classifier_score, diversity_within_class, label_accuracy


def test_the_classifier_score_agrees_with_loops():
    given = np.random.default_rng(0).dirichlet([0.2, 1, 3], 100)
    given[0] = [1, 0, 0]
    mean = given.mean(axis=0)
    total = sum(p * math.log(p / q) for row in given for p, q in zip(row, mean, strict=True) if p)
    assert classifier_score(given) == pytest.approx(math.exp(total / 100))
    assert classifier_score(given.astype("float32")) == pytest.approx(classifier_score(given))


def test_the_classifier_score_runs_from_one_to_the_number_of_classes():
    assert classifier_score(np.eye(10)[np.arange(100) % 10]) == pytest.approx(10)
    assert classifier_score(np.eye(10)[np.zeros(100, int)]) == pytest.approx(1)
    assert classifier_score(np.full((100, 10), 0.1)) == pytest.approx(1)
    assert classifier_score(np.eye(10)[np.arange(100) % 4]) == pytest.approx(4)


def test_the_bias_of_the_classifier_score_is_what_the_docstring_says():
    rng = np.random.default_rng(0)
    logs = [np.log(classifier_score(np.eye(10)[rng.integers(10, size=200)])) for _ in range(400)]
    assert np.log(10) - np.mean(logs) == pytest.approx(9 / 400, rel=0.1)


@pytest.mark.parametrize(
    "bad, sentence",
    [
        (np.full((99, 10), 0.1), "at least 100 samples.*Received: 99"),
        (np.full(100, 0.1), "probabilities of shape"),
        (np.full((100, 10), np.nan), "finite probabilities"),
        (np.tile([2.0, -1.0], (100, 1)), "softmax first.*down to -1"),
        (np.ones((100, 2)), "softmax first.*sums from 2 to 2"),
    ],
)
def test_what_is_no_probability_or_too_little_is_refused(bad, sentence):
    with pytest.raises(UsageError, match=sentence):
        classifier_score(bad)


def test_the_accuracy_counts_the_most_probable_class():
    given = [[0.7, 0.2, 0.1], [0.1, 0.5, 0.4], [0.3, 0.3, 0.4], [0.4, 0.4, 0.2]]
    assert label_accuracy(given, [0, 1, 2, 0]) == 1
    assert label_accuracy(given, [0, 2, 2, 1]) == 0.5
    assert label_accuracy(given, [1, 2, 1, 1]) == 0


@pytest.mark.parametrize(
    "labels, sentence",
    [
        ([0, 1, 2], "integer labels of shape"),
        ([[0, 1]], "integer labels of shape"),
        ([0.0, 1.0], "integer labels of shape"),
        ([0, 2], "labels from 0 to 1. Received: 0 to 2"),
        ([-1, 0], "labels from 0 to 1. Received: -1 to 0"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, sentence):
    with pytest.raises(UsageError, match=sentence):
        label_accuracy([[0.5, 0.5], [1, 0]], labels)


def classes(n, scale=(1.0, 1.0), seed=0):
    """`n` samples of each of two classes far apart, of the given spreads."""
    labels = np.repeat([0, 7], n)
    noise = np.random.default_rng(seed).standard_normal((2 * n, 3))
    return 100 * labels[:, None] + np.repeat(scale, n)[:, None] * noise, labels


def test_the_diversity_agrees_with_loops():
    features, labels = classes(20, (0.5, 1.5))
    reference, reference_labels = classes(30, seed=1)

    def spread(samples):
        n = len(samples)
        return np.mean([math.dist(samples[i], samples[j]) for i in range(n) for j in range(i)])

    ratios = [
        spread(features[labels == c]) / spread(reference[reference_labels == c]) for c in (0, 7)
    ]
    diversity = diversity_within_class(features, labels, reference, reference_labels)
    assert diversity == pytest.approx(np.mean(ratios), rel=1e-12)


def test_as_diverse_as_real_is_one_and_one_picture_per_class_is_zero():
    reference = classes(2000, seed=1)
    assert diversity_within_class(*reference, *reference, seed=1) == pytest.approx(1, abs=0.03)
    assert diversity_within_class(*classes(2000), *reference) == pytest.approx(1, abs=0.03)
    assert diversity_within_class(*classes(50, (0.0, 0.0)), *reference) == 0
    assert diversity_within_class(*classes(2000, (0.0, 1)), *reference) == pytest.approx(
        0.5, abs=0.02
    )


def test_large_classes_are_thinned_by_the_seed(monkeypatch):
    monkeypatch.setattr(metrics, "LARGEST", 50)
    pair = *classes(200), *classes(200, seed=1)
    first = diversity_within_class(*pair, seed=0)
    assert first == diversity_within_class(*pair, seed=0) != diversity_within_class(*pair, seed=1)
    # The order in which the samples come says nothing: a sorted class must not be cut off.
    features, labels = classes(200)
    order = np.argsort(features[:, 0])
    diversity = diversity_within_class(features[order], labels[order], *pair[2:])
    assert diversity == pytest.approx(1, abs=0.2)


def test_classes_that_one_side_lacks_are_refused():
    features, labels = classes(10)
    some = labels == 0
    with pytest.raises(UsageError, match=r"class 7 on either side. Received: 0 generated and 10"):
        diversity_within_class(features[some], labels[some], features, labels)
    with pytest.raises(UsageError, match=r"class 7 on either side. Received: 10 generated and 0"):
        diversity_within_class(features, labels, features[some], labels[some])


def test_real_classes_without_spread_are_refused():
    with pytest.raises(UsageError, match="10 of class 7 that are all the same"):
        diversity_within_class(*classes(10), *classes(10, (1, 0)))


@pytest.mark.parametrize("bad", [np.zeros((20, 2)), np.zeros(20), np.full((20, 3), np.inf)])
def test_broken_features_are_refused(bad):
    features, labels = classes(10)
    with pytest.raises(UsageError, match="Received"):
        diversity_within_class(bad, labels, features, labels)
    with pytest.raises(UsageError, match="integer reference labels"):
        diversity_within_class(features, labels, features, labels[:-1])
