"""Scores of pictures of one kind turned into another: each direction beside what is known."""

import csv
import json
import pathlib
import shutil

import numpy as np
import pytest
import small_translators as small

from zoo.errors import UsageError
from zoo.metrics import sides
from zoo.metrics.frechet import frechet_distance, frechet_from_moments, frechet_of_few
from zoo.scoring import evaluate, scores, translation

DIRECTIONS = ("a_to_b", "b_to_a")


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOO_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(sides, "STEPS", 40)
        yield


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return small.domains(tmp_path_factory.mktemp("domains"))


@pytest.fixture(scope="module")
def negatives(dataset, tmp_path_factory):
    """A run of two networks that draw negatives, and what it scores."""
    networks = [small.linear(), small.linear()]
    run = small.make_run(tmp_path_factory.mktemp("runs") / "run", "cyclegan", networks, dataset)
    messages, table = [], pathlib.Path(run) / "results.csv"
    record = evaluate.evaluate(run, features="raw", results=str(table), say=messages.append)
    return run, record, messages[0], table


def test_negatives_of_dark_pictures_are_as_near_to_light_ones_as_real_ones(negatives):
    _, record, _, _ = negatives
    for direction in DIRECTIONS:
        for metric in ("frechet", "kernel"):
            name = f"{direction}_{metric}"
            score, floor = record["scores"][name], record["floor"][name]
            untouched = record["baselines"]["input"][name]
            assert abs(score - floor) < (untouched - floor) / 3, name
            assert record["baselines"]["mean"][name] not in (score, untouched, floor)
        assert record["scores"][f"{direction}_cycle_error"] < 1e-6
        assert record["baselines"]["mean"][f"{direction}_cycle_error"] > 0.05
        named = f"{direction}_named_as_other"
        assert record["scores"][named] == record["floor"][named] == 1
        assert record["baselines"]["input"][named] == 0
        assert scores.better(named) == "higher"
    shown = [name for name in record["scores"] if not name.endswith("_deviation")]
    lower = [name for name in shown if scores.better(name) == "lower"]
    assert len(lower) == 6 and len(shown) == 8


def test_networks_that_change_nothing_score_as_the_input_does(dataset, tmp_path):
    networks = [small.linear(1.0), small.linear(0.5)]
    run = small.make_run(tmp_path / "run", "cyclegan", networks, dataset)
    record = evaluate.evaluate(run, features="raw", say=lambda _: None)
    for metric in ("frechet", "kernel"):
        name = f"a_to_b_{metric}"
        assert record["scores"][name] == pytest.approx(record["baselines"]["input"][name])
    assert record["scores"]["b_to_a_frechet"] != record["baselines"]["input"]["b_to_a_frechet"]
    # Half the contrast is lost on the way, whichever comes first.
    a, b = (
        np.stack([small.picture(100 + i + 1000 * side, high=120) for i in range(n)])
        for side, n in ((0, 5), (1, 7))
    )
    for name, images in (("a_to_b", a), ("b_to_a", 255 - b)):
        expected = np.abs(images - 127.5).mean() / 2 / 255
        assert record["scores"][f"{name}_cycle_error"] == pytest.approx(expected, abs=2e-3)


def test_a_folder_of_both_networks_scores_as_their_run(dataset, tmp_path):
    """As of networks that another program has trained."""
    networks = [small.linear(size=(32, 32)), small.linear(0.5, size=(32, 32))]
    run = small.make_run(tmp_path / "run", "cyclegan", networks, dataset)
    record = evaluate.evaluate(run, features="raw", say=lambda _: None)
    folder = tmp_path / "folder"
    folder.mkdir()
    for direction in DIRECTIONS:
        shutil.copy(f"{run}/{direction}.keras", folder)
    other, _ = translation.evaluate(folder, None, dataset, 0, {}, features="raw")
    for name in record["scores"]:
        assert other["scores"][name] == pytest.approx(record["scores"][name], rel=1e-6), name


def test_each_direction_has_its_own_counts(negatives):
    _, record, message, table = negatives
    counts = record["protocol"]["counts"]
    assert counts == {
        "a_to_b": {"samples": 5, "reference_count": 7, "floor_samples": 5},
        "b_to_a": {"samples": 7, "reference_count": 5, "floor_samples": 7},
    }
    assert "5 of a and 7 of b" in message and "3,072 dimensions" in message
    with open(table, newline="") as file:
        rows = {row["metric"]: row for row in csv.DictReader(file)}
    assert rows["a_to_b_frechet"]["samples"] == "5"
    assert rows["b_to_a_frechet"]["reference_count"] == "5"
    assert rows["a_to_b_cycle_error"]["baseline_input"] == ""
    name = "a_to_b_kernel"
    assert float(rows[name]["floor"]) == pytest.approx(record["floor"][name], rel=1e-5)
    assert float(rows[name]["baseline_mean"]) == pytest.approx(
        record["baselines"]["mean"][name], rel=1e-5
    )


def test_the_record_is_kept(negatives):
    run, record, _, _ = negatives
    content = json.loads((pathlib.Path(run) / "evaluation.json").read_text())
    assert content["evaluations"]["raw"] == record
    hashes = record["protocol"]["source_hash"]
    assert len(hashes) == 64


def test_a_metric_alone_needs_no_features(negatives, dataset):
    run, complete, _, _ = negatives
    record = evaluate.evaluate(run, metrics=["cycle_error"], features="raw", say=lambda _: None)
    assert record["scores"] == {
        name: value for name, value in complete["scores"].items() if "cycle" in name
    }
    assert record["floor"] == {}


def refused(match, source, **options):
    with pytest.raises(UsageError, match=match) as caught:
        evaluate.evaluate(source, say=lambda _: None, **options)
    assert "\n" not in str(caught.value)


def test_what_does_not_fit_is_one_sentence(negatives, tmp_path):
    run, _, _, _ = negatives
    refused("ssim does not apply to pictures of domains", run, metrics=["ssim"])
    refused("one network is scored", run, dataset="pairs:somewhere")
    refused("both directions are scored", f"{run}/a_to_b.keras", dataset="domains:somewhere")
    alone = small.domains(tmp_path / "data", test=(2, 2))
    for path in sorted((tmp_path / "data" / "testA").iterdir())[1:]:
        path.unlink()
    refused("at least 2", run, dataset=alone, features="raw")


def features(count, dim, seed, shift=0.0):
    return np.random.default_rng(seed).normal(shift, 1, (count, dim)).astype("float32")


@pytest.mark.parametrize("counts", [(40, 30), (40, 6), (5, 30), (5, 6)])
def test_the_distance_of_few_is_that_of_their_moments(counts):
    x, y = (features(n, 12, seed, seed / 2) for seed, n in enumerate(counts))
    moments = [(a.mean(axis=0, dtype=float), np.cov(a.astype(float), rowvar=False)) for a in (x, y)]
    expected = frechet_from_moments(*moments[0], *moments[1])
    assert frechet_of_few(x, y) == pytest.approx(expected, rel=1e-6)
    assert frechet_of_few(x, x) == pytest.approx(0, abs=1e-5)


def test_the_distance_of_many_is_the_frechet_distance():
    x, y = features(50, 8, 0), features(60, 8, 1, 0.3)
    assert frechet_of_few(x, y) == pytest.approx(frechet_distance(x, y))
    assert frechet_of_few(np.repeat(x[:1], 9, axis=0), y) > 0, "all alike have no spread"
    with pytest.raises(UsageError, match="n >= 2"):
        frechet_of_few(x[:1], y)
