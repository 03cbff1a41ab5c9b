"""Segmentation agreement of pictures made of label maps, beside that of the real ones."""

import numpy as np
import pytest
import small_translators as small

from zoo.errors import UsageError
from zoo.metrics import segmenter
from zoo.scoring import evaluate

COLOURS = np.array([[0, 0, 0], [255, 80, 0], [0, 48, 255]], "uint8")


@pytest.fixture(scope="module", autouse=True)
def quick(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOO_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(segmenter, "STEPS", 60)
        patch.setattr(segmenter, "WIDTHS", (8, 8, 8, 8))
        yield


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Maps of three labels, and their negatives with noise as photographs."""
    folder, random = tmp_path_factory.mktemp("pairs"), np.random.default_rng(0)
    for split, count in (("train", 12), ("test", 4)):
        for i in range(count):
            labels = random.integers(0, 3, (4, 4)).repeat(8, axis=0).repeat(8, axis=1)
            photo = np.clip(255 - COLOURS[labels] + random.normal(0, 9, (32, 32, 3)), 0, 255)
            small.save(COLOURS[labels], folder / split / "labels" / f"{i}.png")
            small.save(photo.astype("uint8"), folder / split / "photos" / f"{i}.png")
    return f"pairs:{folder}"


def scored(folder, dataset, model="pix2pix", factor=-1.0, **settings):
    run = small.make_run(folder, model, [small.linear(factor)], dataset, **settings)
    messages = []
    return evaluate.evaluate(run, features="raw", say=messages.append), messages[0]


def test_the_agreement_stands_beside_that_of_the_real_pictures(dataset, tmp_path):
    record, table = scored(tmp_path / "right", dataset)
    scores, real = record["scores"], record["floor"]
    assert list(real) == list(segmenter.SCORES)
    for name in segmenter.SCORES:
        assert scores[name] > 0.8 and real[name] > 0.8
        assert scores[name] > record["baselines"]["mean"][name] + 0.2
    assert record["protocol"]["metrics"]["segmentation"] == 1
    assert any("the 3 labels" in note for note in record["protocol"]["notes"])
    assert "real targets" in table and "label_iou" in table
    # Maps shown as they are do not look like photographs of these labels.
    wrong, _ = scored(tmp_path / "wrong", dataset, factor=1.0)
    assert wrong["scores"]["label_iou"] < scores["label_iou"] - 0.2


def test_the_judge_is_the_same_however_the_run_reads_its_labels(dataset, tmp_path):
    record, _ = scored(tmp_path / "one", dataset)
    other, _ = scored(tmp_path / "two", dataset, model="pix2pixhd", labels=3)
    assert record["floor"] == other["floor"]
    for name in segmenter.SCORES:
        assert record["scores"][name] == pytest.approx(other["scores"][name])


def test_other_inputs_have_no_such_score(dataset, tmp_path):
    other = small.pairs(tmp_path / "smooth")
    record, table = scored(tmp_path / "run", other)
    assert not set(segmenter.SCORES) & set(record["scores"]) and not record["floor"]
    assert "label_iou" not in table and "real targets" not in table
    with pytest.raises(UsageError, match=r"segmentation does not apply.*no label maps"):
        evaluate.evaluate(str(tmp_path / "run"), metrics=["segmentation"], say=lambda _: None)
