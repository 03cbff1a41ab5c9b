"""Scores of enlarged pictures: luminance as papers take it, and bicubic beside the network."""

import json
import os
import pathlib
import shutil

import keras
import numpy as np
import pytest
import small_translators
from keras import layers
from PIL import Image

from zoo.data import bicubic, load
from zoo.errors import UsageError
from zoo.metrics import enlarged
from zoo.scoring import enlarging, judge
from zoo.scoring.evaluate import evaluate
from zoo.scoring.results import rows

SET5 = pathlib.Path(os.environ.get("ZOO_DATA_DIR", "missing")) / "superres" / "test" / "Set5"
needs_set5 = pytest.mark.skipif(not SET5.is_dir(), reason="ZOO_DATA_DIR has no superres")


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("ZOO_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "cache"))


def network(scale=2, channels=3, interpolation="nearest"):
    image = keras.Input((None, None, channels), name="image")
    return keras.Model(image, layers.UpSampling2D(scale, interpolation=interpolation)(image))


def picture(seed, height, width, channels=3):
    small = np.random.default_rng(seed).integers(0, 256, (5, 5, 3)).astype("uint8")
    image = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(image.convert("L" if channels == 1 else "RGB"))


@pytest.fixture
def run(tmp_path):
    """A run whose network repeats pixels, with two pictures to test."""
    for split, seed in (("train", 0), ("test", 10)):
        for i, size in enumerate([(40, 60), (51, 33)]):
            path = tmp_path / "data" / split / f"{i}.png"
            small_translators.save(picture(seed + i, *size), path)
    dataset = f"crops:{tmp_path / 'data'}"
    settings = {"perceptual_weight": 0.0, "scale": 2}
    return small_translators.make_run(tmp_path / "run", "srgan", [network()], dataset, **settings)


def test_luminance_is_that_of_the_recommendation():
    colours = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 128, 0]]], "uint8")
    expected = [16, 235, 16 + 65.481, 16 + 128.553 * 128 / 255]
    np.testing.assert_allclose(enlarged.luma(colours)[0, :, 0], expected, atol=1e-3)
    np.testing.assert_array_equal(enlarged.luma(colours[..., :1]), colours[..., :1])


def test_the_border_does_not_count():
    target = np.full((20, 30, 1), 100, "uint8")
    drawn = target + 10
    drawn[:2] = drawn[-2:] = drawn[:, :2] = drawn[:, -2:] = 0
    assert enlarged.psnr(drawn, target, 2) == pytest.approx(10 * np.log10(255**2 / 100))
    assert enlarged.psnr(drawn, target, 1) < 20
    assert enlarged.psnr(target, target) == 100 and enlarged.ssim(target, target, 4) == 1
    with pytest.raises(UsageError, match="11x11 pixels are left within a border of 5"):
        enlarged.ssim(drawn, target, 5)


@needs_set5
@pytest.mark.parametrize(("scale", "ratio", "similarity"), [(2, 33.66, 0.9299), (4, 28.42, 0.8104)])
def test_bicubic_reaches_on_set5_what_was_published(scale, ratio, similarity):
    """Ledig et al. 2017, table 2: 28.43 dB. Kim et al. 2016 (VDSR), table 2: 33.66, 28.42."""
    ratios, similarities, colours = [], [], []
    for path in sorted(SET5.glob("*.png")):
        with Image.open(path) as image:
            target, small = bicubic.shrunk(np.asarray(image.convert("RGB")), scale)
        drawn = bicubic.resized(small, target.shape[:2])
        pair = enlarged.luma(drawn), enlarged.luma(target)
        ratios.append(enlarged.psnr(*pair, scale))
        similarities.append(enlarged.ssim(*pair, scale))
        colours.append(enlarged.psnr(drawn, target, scale))
    assert np.mean(ratios) == pytest.approx(ratio, abs=0.03)
    assert np.mean(similarities) == pytest.approx(similarity, abs=0.002)
    assert 1.5 < np.mean(ratios) - np.mean(colours) < 2.5


def test_a_run_is_scored_on_its_test_split_beside_bicubic(run, tmp_path):
    record = evaluate(run, metrics=["psnr_luma", "ssim_luma", "psnr_rgb"], say=lambda _: None)
    images = [picture(10, 40, 60), picture(11, 51, 33)]
    expected = {"scores": [], "input": []}
    for image in images:
        target, small = bicubic.shrunk(image, 2)
        pairs = {
            "scores": small.repeat(2, axis=0).repeat(2, axis=1),
            "input": bicubic.resized(small, target.shape[:2]),
        }
        for name, drawn in pairs.items():
            both = enlarged.luma(drawn), enlarged.luma(target)
            expected[name].append(enlarged.psnr(*both, border=2))
    scores, smooth = record["scores"], record["baselines"]["input"]
    assert scores["psnr_luma"] == pytest.approx(np.mean(expected["scores"]), abs=1e-6)
    assert smooth["psnr_luma"] == pytest.approx(np.mean(expected["input"]), abs=1e-6)
    assert smooth["psnr_luma"] > scores["psnr_luma"] and set(smooth) == set(scores)
    about = record["protocol"]
    assert about["scale"] == about["border"] == 2 and about["samples"] == 2
    assert "2 of its test split, at their own size" in about["reference"]
    kept = json.loads((pathlib.Path(run) / "evaluation.json").read_text())
    assert kept["evaluations"]["none"]["scores"] == scores


def test_another_folder_counts_as_a_whole_and_rows_say_which(run, tmp_path):
    folder = tmp_path / "Set5"
    for i in range(3):
        small_translators.save(picture(i, 32, 32), folder / f"{i}.png")
    record, judged = enlarging.evaluate(run, None, f"crops:{folder}", 0, {}, ["psnr_luma"])
    assert record["protocol"]["reference_count"] == 3 == len(judged.samples)
    (row,) = rows(record, judged, f"crops:{folder}")
    assert row["metric"] == "psnr_luma" and float(row["baseline_input"]) > 0


def test_a_grey_network_has_no_scores_of_colours(tmp_path):
    small_translators.save(picture(0, 32, 32), tmp_path / "data" / "one.png")
    path = tmp_path / "generator.keras"
    network(4, channels=1).save(path)
    record = evaluate(
        str(path), dataset=f"crops:{tmp_path / 'data'}", features="raw", say=lambda _: None
    )
    assert set(record["scores"]) == {"psnr_luma", "ssim_luma", "feature_distance"}


def test_what_does_not_fit_is_one_sentence(run, tmp_path):
    same = tmp_path / "generator.keras"
    small_translators.linear().save(same)
    data = f"crops:{tmp_path / 'data'}"
    pairs = small_translators.pairs(tmp_path / "pairs", train=2, test=2)
    cases = [
        ((str(same),), {"dataset": data}, "judge a network that enlarges.*keeps their size"),
        ((run,), {"metrics": ["frechet"]}, "frechet does not apply to pictures that are enlarged"),
        ((run,), {"dataset": pairs}, "enlarges, and pairs:.* holds pictures of one size"),
        ((), {"dataset": data, "samples": "file.npz"}, "what they were made of is not known"),
    ]
    for arguments, options, message in cases:
        with pytest.raises(UsageError, match=message) as error:
            evaluate(*arguments, **options, say=lambda _: None)
        assert "\n" not in str(error.value)


def test_a_picture_too_small_for_a_window_is_left_out_and_no_change_is_claimed(run, tmp_path):
    for split in ("train", "test"):
        small_translators.save(picture(5, 16, 14), tmp_path / "data" / split / "small.png")
    dataset = f"crops:{tmp_path / 'data'}"
    about = json.loads((pathlib.Path(run) / "config.json").read_text())
    shutil.rmtree(tmp_path / "data" / "test")
    about["data_fingerprint"] = load(dataset, image_size=32).fingerprint
    record, _ = enlarging.evaluate(run, None, dataset, 0, about, ["ssim_luma"])
    assert record["protocol"]["reference_count"] == 2
    (note,) = record["protocol"]["notes"]
    assert "no test split" in note


def test_what_taught_a_run_does_not_judge_it():
    def features(**config):
        return judge.unseen(config)

    assert features(perceptual_features="efficientnet_lite0", perceptual_weight=0.1) != "imagenet"
    assert features(perceptual_features="efficientnet_lite0", perceptual_weight=0.0) == "imagenet"
    assert features(perceptual_features="efficientnet_lite1", perceptual_weight=0.1) == "imagenet"
