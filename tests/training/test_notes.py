"""What a run says about its data before its first step."""

import os

import helpers
import numpy as np
import pytest

from zoo.data import Dataset
from zoo.data.batches import batches
from zoo.data.crops import Crops
from zoo.errors import UsageError
from zoo.runs import assembly, config
from zoo.runs.csv_files import read_csv
from zoo.training import notes, train


def dataset_of(*counts):
    labels = np.repeat(np.arange(len(counts)), counts).astype("int32")
    images = np.random.default_rng(0).integers(0, 256, (len(labels), 16, 16, 1)).astype("uint8")
    names = tuple(f"class {i}" for i in range(len(counts)))
    return Dataset("folder:x", {"image": images, "label": labels}, names)


def told(dataset, model="conditional", **settings):
    resolved = config.resolve(model, "folder:x", overrides={"batch_size": 1, **settings})
    return notes.notes(dataset, resolved)


def test_very_unequal_classes_are_told_with_their_counts():
    (line,) = told(dataset_of(70, 3, 400))
    assert "from 3 samples (class 1) to 400 (class 2)" in line
    assert "--set even_classes=true" in line
    assert told(dataset_of(70, 3, 400), even_classes=True) == []
    assert told(dataset_of(150, 30)) == told(Dataset("x", {"image": dataset_of(200).samples})) == []
    assert told(dataset_of(400, 3), model="vanilla") == []


def test_pictures_of_one_colour_are_told():
    images = np.full((500, 16, 16, 3), 7, "uint8")
    (line,) = told(Dataset("folder:x", {"image": images}))
    assert line.startswith("100 pictures of folder:x (image) are all the same")
    images[-1] = 8
    assert told(Dataset("folder:x", {"image": images})) == []


def test_few_samples_are_told_with_what_helps():
    (line,) = told(dataset_of(10), model="dcgan", epochs=20)
    assert line.startswith("10 samples are little") and "--set augment=flip,color" in line
    assert "20 epochs of them are 200 steps" in line and "--epochs=100" in line
    (line,) = told(dataset_of(1), model="dcgan", epochs=2000, augment="flip")
    assert line == "1 sample is little to learn from and soon known by heart"
    assert told(dataset_of(100), model="dcgan", epochs=1) == []


def test_few_crops_are_told_with_the_pictures_that_they_are_of():
    pixels = np.random.default_rng(0).integers(0, 256, (3 * 40 * 60, 3)).astype("uint8")
    crops = Crops(pixels, np.array([[40, 60]] * 3), (20, 20))
    (line,) = told(Dataset("crops:x", {"high": crops}), model="srgan", epochs=1000)
    assert line == "18 crops of 3 pictures are little to learn from and soon known by heart"
    crops = Crops(pixels[:2400], np.array([[40, 60]]), (40, 60))
    (line,) = told(Dataset("crops:x", {"high": crops}), model="srgan", epochs=1000)
    assert line.startswith("1 crop of 1 picture is little")


def test_what_fills_no_batch_is_told():
    (line,) = told(dataset_of(100), batch_size=30, n_critic=2)
    assert line.startswith("40 of 100 samples fill no batch")


def test_a_run_says_its_notes_once_and_draws_classes_evenly(tmp_path, monkeypatch, capsys):
    name = helpers.picture_folder(tmp_path / "in", 6, ("a", "b"))
    for i in range(1, 6):
        (tmp_path / "in" / "b" / f"{i:03}.png").unlink()
    seen = []

    def watched(*arguments):
        for batch in batches(*arguments):
            seen.append(batch["label"].tolist())
            yield batch

    monkeypatch.setattr(train.batches, "batches", watched)
    settings = {"image_size": 16, "width": 4, "batch_size": 4, "max_minutes": 1e-9}
    for even in (False, True):
        resolved = config.resolve("conditional", name, overrides=settings | {"even_classes": even})
        train.start(resolved, source=assembly.Source(), runs_dir=tmp_path, name=f"{even}")
        lines = [line for line in capsys.readouterr().out.splitlines() if "unequal" in line]
        assert len(lines) == (not even)
        assert (sorted(seen[0]) == [0, 0, 1, 1]) == even
        seen.clear()


def test_a_single_picture_trains_with_augmentation(tmp_path, capsys):
    name = helpers.picture_folder(tmp_path / "in", 1)
    settings = {"image_size": 16, "width": 4, "batch_size": 1, "epochs": 3, "augment": "flip"}
    resolved = config.resolve("dcgan", name, overrides=settings)
    session = train.start(resolved, source=assembly.Source(), runs_dir=tmp_path)
    rows = read_csv(session.directory / "metrics.csv")
    assert all(float(row[f"{side}_loss"]) > 0 for row in rows for side in "dg") and len(rows) == 3
    assert "note: 1 sample is little" in capsys.readouterr().out


def test_file_names_that_are_no_unicode_end_no_run(tmp_path):
    name = helpers.picture_folder(tmp_path / "in", 2)
    with open(os.fsencode(tmp_path / "in") + b"/\xfe.png", "wb") as file:
        file.write(b"no")
    settings = {"image_size": 16, "width": 4, "batch_size": 2, "max_minutes": 1e-9}
    resolved = config.resolve("dcgan", name, overrides=settings)
    session = train.start(resolved, source=assembly.Source(), runs_dir=tmp_path)
    assert "\\udcfe.png" in (session.directory / "skipped.tsv").read_text()


def test_even_classes_need_classes(tmp_path):
    name = helpers.picture_folder(tmp_path / "in", 6)
    resolved = config.resolve("dcgan", name, overrides={"even_classes": True, "image_size": 16})
    with pytest.raises(UsageError, match="no classes to draw evenly"):
        train.start(resolved, source=assembly.Source(), runs_dir=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
