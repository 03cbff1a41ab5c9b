"""Scores of filled holes: within the hole alone, beside simple fillings."""

import json

import numpy as np
import pytest
from PIL import Image
from small_translators import painter

from zoo.errors import UsageError
from zoo.metrics import paired
from zoo.outputs import filling
from zoo.runs import config as configs
from zoo.scoring.evaluate import evaluate
from zoo.scoring.inpainting import masks


def test_the_masks_are_a_box_in_the_middle_and_strokes_that_differ():
    found = masks(20, (32, 48))
    rows, columns = np.nonzero(found["box"][0])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (8, 23, 12, 35)
    assert (found["box"] == found["box"][:1]).all()
    shares = found["brush"].mean(axis=(1, 2))
    assert shares.min() >= 0.1 and shares.max() <= 0.4
    assert len({mask.tobytes() for mask in found["brush"]}) == 20
    np.testing.assert_array_equal(masks(5, (32, 48))["brush"], found["brush"][:5])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with pictures of its own, 3 of them held out."""
    folder, random = tmp_path_factory.mktemp("holes"), np.random.default_rng(0)
    for split, count in (("train", 6), ("test", 3)):
        for i in range(count):
            small = random.integers(0, 256, (4, 4, 3)).astype("uint8")
            image = Image.fromarray(small).resize((32, 32), Image.Resampling.BILINEAR)
            (folder / "data" / split).mkdir(parents=True, exist_ok=True)
            image.save(folder / "data" / split / f"{i}.png")
    dataset = f"folder:{folder / 'data'}"
    config = configs.resolve("inpainting", dataset, overrides={"image_size": 32})
    config |= {"sample_shape": [32, 32, 3], "data_fingerprint": None, "backend": "none"}
    config |= {"channels": 3}
    (folder / "run").mkdir()
    (folder / "run" / "config.json").write_text(json.dumps(config))
    painter().save(folder / "run" / "generator.keras")
    return folder / "run"


def test_the_scores_are_those_of_the_hole_beside_baselines(run, tmp_path):
    said = []
    table = str(tmp_path / "results.csv")
    record = evaluate(str(run), metrics=["hole_psnr", "hole_ssim"], results=table, say=said.append)
    scores, baselines = record["scores"], record["baselines"]
    assert set(scores) == {f"{k}_hole_{m}" for k in ("box", "brush") for m in ("psnr", "ssim")}
    paths = sorted((run.parent / "data" / "test").iterdir())
    truth = np.stack([np.asarray(Image.open(path).copy()) for path in paths])
    holes = masks(3, (32, 32))["brush"]
    pairs = list(zip(truth, holes, strict=True))
    filled = np.stack([filling.filled(painter(), x, hole) for x, hole in pairs])
    expected = paired.psnr(filled, truth, holes)
    assert scores["brush_hole_psnr"] == pytest.approx(expected)
    smooth = np.stack([filling.simple(x, hole)["harmonic"] for x, hole in pairs])
    expected = paired.ssim(smooth, truth, holes)
    assert baselines["harmonic"]["brush_hole_ssim"] == pytest.approx(expected)
    assert baselines["harmonic"]["box_hole_psnr"] > scores["box_hole_psnr"]
    assert "baseline harmonic" in said[0] and "3 of its" in said[0]
    with open(table, encoding="utf-8") as file:
        assert "brush_hole_psnr" in file.read()
    kept = json.loads((run / "evaluation.json").read_text())["evaluations"]
    assert next(iter(kept.values()))["scores"] == scores


def test_what_cannot_be_scored_is_one_sentence(run):
    for options, message in (
        ({"dataset": f"crops:{run.parent / 'data'}"}, "no data set of single pictures"),
        ({"metrics": ["frechet"]}, "frechet does not apply to pictures whose holes are filled"),
    ):
        with pytest.raises(UsageError, match=message):
            evaluate(str(run), say=lambda _: None, **options)
