"""Segmentation agreement: the scores, and a segmenter that learns once."""

import numpy as np
import pytest

from zoo.metrics import segmenter


def test_the_scores_are_those_of_the_table_of_labels():
    wanted = np.array([[[0, 0, 0, 1]]], "uint8")
    found = np.array([[[0, 0, 2, 1]]], "uint8")
    assert segmenter.agreement(found, wanted) == pytest.approx(
        {
            "label_pixel_accuracy": 3 / 4,
            "label_class_accuracy": (2 / 3 + 1) / 2,
            # Label 2 is nowhere wanted, so it has no part in the mean.
            "label_iou": (2 / 3 + 1) / 2,
        }
    )
    worse = segmenter.agreement(np.array([[[0, 0, 1, 1]]], "uint8"), wanted)
    assert worse["label_iou"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert set(segmenter.agreement(wanted, wanted).values()) == {1.0}


def test_large_pictures_are_made_smaller():
    images = np.arange(2 * 600 * 300 * 3).reshape(2, 600, 300, 3).astype("uint8")
    assert segmenter.smaller(images).shape == (2, 200, 100, 3)
    assert segmenter.smaller(images[..., 0]).shape == (2, 200, 100)
    assert segmenter.smaller(images)[0, 0, 0, 0] == round(images[0, :3, :3, 0].mean())
    assert segmenter.smaller(images[:, :256]).shape == (2, 128, 150, 3), "by one number"


def scenes(count, seed):
    """Pictures of odd sides, and the labels that their brightness shows."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, (count, 5, 7)).repeat(8, axis=1).repeat(8, axis=2)[:, :36, :51]
    images = 40 + 80 * labels[..., None] + random.normal(0, 10, (*labels.shape, 3))
    return np.clip(images, 0, 255).astype("uint8"), labels.astype("uint8")


@pytest.mark.slow  # trains one
def test_a_segmenter_learns_and_is_kept(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ZOO_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(segmenter, "STEPS", 40)
    monkeypatch.setattr(segmenter, "WIDTHS", (8, 8, 8, 8))
    data = *scenes(16, 0), ("a", "b", "c"), "fingerprint"
    first = segmenter.segmenter("pairs:here", *data)
    assert "trained in" in capsys.readouterr().err
    images, labels = scenes(4, 1)
    scores = first.agreement(images, labels)
    assert scores["label_pixel_accuracy"] > 0.8
    shuffled = first.agreement(images[::-1], labels)
    assert shuffled["label_pixel_accuracy"] < scores["label_pixel_accuracy"] - 0.2
    again = segmenter.segmenter("pairs:here", *data)
    assert again.hash == first.hash and not capsys.readouterr().err
    (path,) = tmp_path.rglob("segmenter-*.npz")
    path.write_bytes(path.read_bytes()[:-9])
    assert segmenter.segmenter("pairs:here", *data).hash == first.hash
    assert "so the segmenter is trained again" in capsys.readouterr().err
