"""Scores of pictures that have their own targets, beside the input and the mean target."""

import csv
import json
import pathlib

import numpy as np
import pytest
import small_generators
import small_translators as small

from zoo.errors import UsageError
from zoo.metrics import paired
from zoo.report import report
from zoo.scoring import evaluate, results, scores

METRICS = list(scores.PAIRED)


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOO_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return small.pairs(tmp_path_factory.mktemp("pairs"))


def scored(folder, dataset, factor=-1.0, **options):
    run = small.make_run(folder, "pix2pix", [small.linear(factor)], dataset)
    options = {"features": "raw"} | options
    return run, evaluate.evaluate(run, say=lambda _: None, **options)


def test_a_perfect_network_has_perfect_scores_and_beats_both_baselines(dataset, tmp_path):
    _, record = scored(tmp_path / "run", dataset)
    expected = {"l1": 0, "psnr": paired.HIGHEST_PSNR, "ssim": 1, "feature_distance": 0}
    assert record["scores"] == pytest.approx(expected, abs=1e-6)
    for baseline in record["baselines"].values():
        assert list(baseline) == METRICS
        for name, value in baseline.items():
            gap = record["scores"][name] - value
            assert (gap if scores.better(name) == "higher" else -gap) > 0.05, name
    assert record["floor"] == {}


def test_the_baselines_are_the_input_and_the_mean_target(dataset, tmp_path):
    _, record = scored(tmp_path / "same", dataset, factor=1.0)
    # A network that changes nothing is the input.
    assert record["scores"] == pytest.approx(record["baselines"]["input"])
    inputs = np.stack([small.picture(100 + i) for i in range(4)])
    targets = 255 - inputs
    train = np.stack([255 - small.picture(i) for i in range(6)])
    mean = np.rint(train.mean(axis=0)).astype("uint8")[np.newaxis].repeat(4, axis=0)
    for name in ("l1", "psnr", "ssim"):
        function = getattr(paired, name)
        assert record["baselines"]["input"][name] == pytest.approx(function(inputs, targets))
        assert record["baselines"]["mean"][name] == pytest.approx(function(mean, targets))


def test_the_protocol_says_what_was_compared(dataset, tmp_path):
    run, record = scored(tmp_path / "run", dataset)
    protocol = record["protocol"]
    assert protocol["samples"] == protocol["reference_count"] == 4
    assert protocol["reference_split"] == "test split" and protocol["features"] == "raw"
    assert protocol["metrics"] == {name: 1 for name in METRICS}
    assert protocol["notes"] == [] and protocol["dataset"] == dataset
    content = json.loads(pathlib.Path(run, "evaluation.json").read_text())
    assert content["evaluations"]["raw"] == record


def test_fewer_metrics_of_fewer_pictures_are_added_to_those_that_are_there(dataset, tmp_path):
    run, record = scored(tmp_path / "run", dataset, metrics=["l1"])
    assert list(record["scores"]) == ["l1"]
    evaluate.evaluate(run, metrics=["psnr"], features="raw", say=lambda _: None)
    content = json.loads(pathlib.Path(run, "evaluation.json").read_text())["evaluations"]["raw"]
    assert set(content["scores"]) == {"l1", "psnr"}
    assert all(set(content["baselines"][name]) == {"l1", "psnr"} for name in ("input", "mean"))
    few = evaluate.evaluate(run, samples=2, metrics=["l1"], features="raw", say=lambda _: None)
    assert few["protocol"]["samples"] == 2


def test_the_table_the_rows_and_the_report_show_the_baselines(dataset, tmp_path):
    run = small.make_run(tmp_path / "run", "pix2pix", [small.linear(0.5)], dataset)
    messages, table = [], tmp_path / "results.csv"
    record = evaluate.evaluate(run, features="raw", results=str(table), say=messages.append)
    headings = messages[0].splitlines()[-len(METRICS) - 1]
    assert "baseline input" in headings and "baseline mean" in headings and "floor" not in headings
    psnr = next(line for line in messages[0].splitlines() if line.startswith("psnr"))
    shown = [record["scores"], *record["baselines"].values()]
    assert psnr.split() == ["psnr", *(f"{x['psnr']:.4g}" for x in shown), "higher"]
    with open(table, newline="") as file:
        rows = {row["metric"]: row for row in csv.DictReader(file)}
    assert list(rows["l1"]) == results.COLUMNS and list(rows) == METRICS
    for name, row in rows.items():
        for column in ("input", "mean"):
            value = record["baselines"][column][name]
            assert float(row[f"baseline_{column}"]) == pytest.approx(value, rel=1e-5)
        assert row["floor"] == "" and row["metric_version"] == "1" and row["samples"] == "4"
    for step in (1, 2):
        small.save(small.picture(step), pathlib.Path(run, "samples", f"step-{step}.png"))
    page = report.write_report(run).read_text()
    assert "the same pictures" in page and "latent" not in page
    assert "Baseline: input" in page and "Baseline: mean" in page
    assert f"<td>{record['baselines']['mean']['psnr']:.4g}</td>" in page
    assert '<th scope="col">Floor</th>' not in page


def test_without_a_test_split_a_fifth_is_held_out_and_it_says_so(tmp_path):
    dataset = small.pairs(tmp_path / "data", train=10, test=0)
    _, record = scored(tmp_path / "run", dataset, metrics=["l1"])
    assert record["protocol"]["samples"] == 2
    assert "has seen the pictures" in record["protocol"]["notes"][0]


def test_a_network_file_is_scored_on_the_data_that_are_named(dataset, tmp_path):
    run = small.make_run(tmp_path / "run", "pix2pix", [small.linear(size=(32, 32))], dataset)
    options = {"dataset": dataset, "metrics": ["l1"], "features": "raw", "say": lambda _: None}
    record = evaluate.evaluate(f"{run}/generator.keras", **options)
    assert record["scores"]["l1"] < 1e-6 and record["protocol"]["judged"] == "generator.keras"


@pytest.mark.slow  # compiles EfficientNet
def test_features_are_those_of_imagenet_unless_others_are_asked_for(dataset, tmp_path):
    _, record = scored(tmp_path / "run", dataset, 1.0, metrics=["feature_distance"], features=None)
    assert record["protocol"]["features"] == "imagenet"
    assert 0 < record["scores"]["feature_distance"] < 2


def refused(match, source, **options):
    with pytest.raises(UsageError, match=match) as caught:
        evaluate.evaluate(source, say=lambda _: None, **options)
    assert "\n" not in str(caught.value)


def test_what_does_not_fit_is_one_sentence(dataset, tmp_path):
    run = small.make_run(tmp_path / "run", "pix2pix", [small.linear()], dataset)
    refused("frechet does not apply to pictures of pairs.*l1", run, metrics=["frechet"])
    refused("nothing to compare those with", run, dataset="digits")
    refused("both directions are scored", run, dataset="domains:somewhere")
    noise = small_generators.make_run(tmp_path / "noise", small_generators.pictures())
    refused("does not make pictures of pictures", noise, dataset=dataset)
    refused("l1 does not apply to samples of noise", noise, dataset="digits", metrics=["l1"])
    np.savez(tmp_path / "x.npz", images=np.zeros((2, 32, 32, 3), "uint8"))
    refused("what they were made of", None, samples=str(tmp_path / "x.npz"), dataset=dataset)
    grey = small.make_run(tmp_path / "grey", "pix2pix", [small.linear(channels=1)], dataset)
    refused("Expected 1 channels. Received: 3", grey)
    assert not pathlib.Path(run, "evaluation.json").exists()
