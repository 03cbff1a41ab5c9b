"""Colour photographs: features of ImageNet judge them, but not those that trained the game."""

import types

import numpy as np
import pytest
from PIL import Image
from small_generators import make_run, pictures

from zoo import data
from zoo.errors import UsageError
from zoo.metrics import extractors
from zoo.runs import config as configs
from zoo.runs.csv_files import read_csv
from zoo.scoring import evaluate, judge
from zoo.training import callbacks
from zoo.training.session import Session


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "pictures").mkdir()
    rng = np.random.default_rng(0)
    for i in range(100):
        picture = Image.fromarray(rng.integers(0, 256, (8, 8, 3)).astype("uint8"))
        picture.save(tmp_path / "pictures" / f"{i}.png")
    return f"folder:{tmp_path / 'pictures'}"


def test_colour_photographs_are_compared_with_all_of_them_in_features_of_imagenet(tmp_path, folder):
    path = str(tmp_path / "samples.npz")
    np.savez(path, images=data.load(folder).samples[:60])
    record = evaluate.evaluate(samples=path, dataset=folder, say=lambda _: None)
    protocol = record["protocol"]
    assert (protocol["features"], protocol["reference_split"]) == ("imagenet", "all pictures")
    assert (protocol["reference_count"], protocol["floor_samples"]) == (100, 50)
    assert {"precision", "kernel"} <= set(record["scores"]) & set(record["floor"])
    # Each is one of the pictures it is compared with, which the halves of the floor are not.
    assert record["scores"]["precision"] == 1 > record["floor"]["precision"]
    assert not {"memorisation", "named"} & set(record["scores"])
    with pytest.raises(UsageError, match="memorisation does not apply"):
        evaluate.evaluate(samples=path, dataset=folder, metrics=["memorisation"])


def test_cats_and_dogs_are_named_and_noise_is_not(tmp_path):
    rng = np.random.default_rng(0)
    for kind in ("Cats", "dog"):
        (tmp_path / "pets" / kind).mkdir(parents=True)
        for i in range(20):
            picture = Image.fromarray(rng.integers(0, 256, (64, 64, 3)).astype("uint8"))
            picture.save(tmp_path / "pets" / kind / f"{i}.png")
    dataset = f"folder:{tmp_path / 'pets'}"
    np.savez(tmp_path / "s.npz", images=rng.integers(0, 256, (30, 64, 64, 3)).astype("uint8"))
    settings = {"samples": str(tmp_path / "s.npz"), "dataset": dataset, "say": lambda _: None}
    record = evaluate.evaluate(**settings)
    assert record["scores"]["named"] == record["floor"]["named"] == 0
    # Fewer than 1,000 have no count of kinds, and nobody asked for classes.
    assert not {"kinds", "named_as_asked"} & set(record["scores"])


def test_features_that_trained_the_discriminator_do_not_judge_by_default():
    def named(channels=3, dataset="folder:pets", names=("cat", "dog"), **config):
        return judge.default_features(dataset, channels, names, config)

    assert named() == named(names=()) == named(discriminator_features="none") == "imagenet"
    assert named(discriminator_features="efficientnet_lite0") == "imagenet_lite1"
    assert named(discriminator_features="efficientnet_lite1") == "imagenet"
    assert named(1) == "classifier:folder:pets" and named(1, names=()) == "raw" == named(
        4, names=()
    )
    assert named(dataset="stacked_mnist") == "classifier:stacked_mnist"


def test_features_that_trained_the_discriminator_are_marked_where_they_are_asked_for(
    tmp_path, folder
):
    seen = {"discriminator_features": "efficientnet_lite0"}
    mine = make_run(tmp_path / "mine", pictures(3), dataset=folder, **seen)
    settings = {"samples": 60, "metrics": ["kernel"], "say": lambda _: None}
    notes = evaluate.evaluate(mine, features="imagenet", **settings)["protocol"]["notes"]
    assert any("the discriminator saw the features imagenet too" in note for note in notes)
    record = evaluate.evaluate(mine, **settings)
    assert record["protocol"]["features"] == "imagenet_lite1"
    assert not any("the discriminator saw" in note for note in record["protocol"]["notes"])
    assert (tmp_path / "mine" / "neighbours.png").exists()


class Means:
    """Uses the means of quarters as features: twelve of a colour picture."""

    name, hash, dim, classify = "imagenet", "0123456789abcdef", 12, None

    def extract(self, images, what=""):
        n, half = len(images), images.shape[1] // 2
        means = images.reshape(n, 2, half, 2, half, -1).mean(axis=(2, 4))
        return means.reshape(n, 12).astype("float32"), None


@pytest.fixture
def made(monkeypatch):
    """The names of the extractors that were made, of twelve features each."""
    names = []
    monkeypatch.setattr(extractors, "extractor", lambda name, **_: names.append(name) or Means())
    monkeypatch.setattr(judge, "FEATURES", 12)
    return names


def config_of(folder, **changes):
    config = configs.resolve("dcgan", folder) | {"sample_shape": [8, 8, 3], "class_names": []}
    return config | {"score_every": 1.0, "batch_size": 100} | changes


def watcher(path, config, found):
    session = Session(path, config, steps_per_epoch=16, step=0, judge=found)
    session.started = 0.0
    callback = callbacks.ImageScores(session, types.SimpleNamespace(scalars=lambda *_: None))
    callback.set_model(
        types.SimpleNamespace(
            generate=lambda n, seed: np.random.default_rng(seed).uniform(-1, 1, (n, 8, 8, 3))
        )
    )
    callback.save = lambda value: None
    return callback


def test_a_run_starts_without_looking_at_the_pictures_and_scores_when_it_is_due(
    tmp_path, folder, made, monkeypatch
):
    def copied(_):
        raise AssertionError("the pictures were copied into two parts")

    monkeypatch.setattr("zoo.metrics.splits.Splits._parts", property(copied))
    monkeypatch.setattr(callbacks, "SCORING", float("inf"))
    messages = []
    found = judge.find_judge(config_of(folder), say=messages.append)
    assert not made and not messages and found.floor is None
    # As many as there are in half of the pictures, which the floor is of.
    assert found.samples == 50 and found.seconds > 0
    callback = watcher(tmp_path, config_of(folder), found)
    for callback.session.step in (5, 10):
        callback.on_train_batch_end(0)
    assert made == ["imagenet"]
    (row,) = read_csv(tmp_path / "scores.csv")
    assert (row["step"], row["samples"], row["features"]) == ("10", "50", "imagenet")
    assert float(row["frechet"]) > float(row["floor"]) > 0


def test_too_few_photographs_are_said_before_the_first_step(folder, made, monkeypatch):
    monkeypatch.setattr(judge, "FEATURES", 51)
    messages = []
    assert judge.find_judge(config_of(folder), say=messages.append) is None
    assert "no scores while training" in messages[0] and "Received: 50" in messages[0]
    assert judge.find_judge(config_of(folder, score_samples=20), say=messages.append) is None
    assert "Received: 20" in messages[1] and not made


def test_features_that_fail_when_a_score_is_due_do_not_end_the_run(
    tmp_path, folder, made, monkeypatch, capsys
):
    found = judge.find_judge(config_of(folder))

    def damaged(name, **_):
        raise UsageError("The weights are damaged.")

    monkeypatch.setattr(extractors, "extractor", damaged)
    monkeypatch.setattr(callbacks, "SCORING", float("inf"))
    callback = watcher(tmp_path, config_of(folder), found)
    for callback.session.step in (10, 20):
        callback.on_train_batch_end(0)
    assert capsys.readouterr().out == "no scores while training: The weights are damaged.\n"
    assert not (tmp_path / "scores.csv").exists()
