"""`crops:PATH`: pictures at their own size, and random crops that depend on seed and batch."""

import itertools

import numpy as np
import pytest
from PIL import Image

from zoo import data
from zoo.data import batches, images
from zoo.errors import UsageError
from zoo.runs import config
from zoo.training import notes


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("ZOO_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "cache"))


def save(path, height, width, level=0):
    """Writes a picture whose pixels say where they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    y, x = np.mgrid[:height, :width]
    image = np.stack([y, x, np.full_like(y, level)], axis=-1).astype("uint8")
    Image.fromarray(image).save(path)
    return image


@pytest.fixture
def folder(tmp_path):
    save(tmp_path / "a.png", 40, 60, 1)
    save(tmp_path / "sub" / "b.png", 20, 100, 2)
    save(tmp_path / "c.png", 16, 16, 3)
    return tmp_path


def load(folder, **options):
    return data.load(f"crops:{folder}", **{"image_size": 16} | options)


def test_pictures_keep_their_size_whatever_folder_they_lie_in(folder):
    crops = load(folder).fields["high"]
    assert crops.pictures == 3 and crops.shape == (9 + 7 + 1, 16, 16, 3)
    shapes = {int(crops.picture(i)[0, 0, 2]): crops.picture(i).shape for i in range(3)}
    assert shapes == {1: (40, 60, 3), 2: (20, 100, 3), 3: (16, 16, 3)}
    np.testing.assert_array_equal(crops.picture(0)[:, :, 0], np.mgrid[:40, :60][0])


def test_an_epoch_sees_a_picture_as_often_as_its_area_says(folder):
    dataset = load(folder)
    (batch,) = itertools.islice(batches.batches(dataset, 17, seed=1), 1)
    assert np.bincount(batch["high"][:, 0, 0, 2]).tolist() == [0, 9, 7, 1]


def test_crops_are_parts_of_pictures_at_any_place(folder):
    dataset, places = load(folder), set()
    for batch in itertools.islice(batches.batches(dataset, 17, seed=0), 60):
        for crop in batch["high"]:
            top, left, level = map(int, crop[0, 0])
            np.testing.assert_array_equal(crop[:, :, 0] - top, np.mgrid[:16, :16][0])
            np.testing.assert_array_equal(crop[:, :, 1] - left, np.mgrid[:16, :16][1])
            places.add((level, top, left))
    assert {top for level, top, _ in places if level == 1} == set(range(25))
    assert {left for level, _, left in places if level == 2} == set(range(85))
    assert {place for place in places if place[0] == 3} == {(3, 0, 0)}


def test_batch_t_is_the_same_wherever_the_stream_begins_and_differs_by_seed(folder):
    dataset = load(folder)
    straight = list(itertools.islice(batches.batches(dataset, 4, seed=3), 9))
    later = list(itertools.islice(batches.batches(dataset, 4, seed=3, start=5), 4))
    for one, other in zip(straight[5:], later, strict=True):
        np.testing.assert_array_equal(one["high"], other["high"])
    (other,) = itertools.islice(batches.batches(dataset, 4, seed=4), 1)
    assert not np.array_equal(straight[0]["high"], other["high"])


def test_it_is_an_array_of_the_middles(folder):
    crops = load(folder).fields["high"]
    assert crops[0].shape == (16, 16, 3) and crops[0][0, 0].tolist() == [12, 22, 1]
    assert crops[np.array([0, 9])].shape == (2, 16, 16, 3) and crops[:4].shape == (4, 16, 16, 3)


def test_what_holds_no_crop_is_skipped_and_listed(folder):
    dataset = load(folder, image_size=20)
    assert dataset.skipped == (("c.png", "its 16x16 pixels hold no crop of 20x20"),)
    with pytest.raises(UsageError, match=r"c\.png: its 16x16 pixels"):
        load(folder, image_size=20, strict=True)
    with pytest.raises(UsageError, match=r"cannot be used .* nothing to learn from"):
        load(folder, image_size=64)


def test_sub_folders_train_and_test_are_splits(tmp_path):
    save(tmp_path / "train" / "T91" / "a.png", 20, 20, 1)
    save(tmp_path / "test" / "Set5" / "b.png", 30, 20, 2)
    assert load(tmp_path).fields["high"].picture(0).shape == (20, 20, 3)
    assert load(tmp_path, split="test").fields["high"].picture(0).shape == (30, 20, 3)
    with pytest.raises(UsageError, match="no split 'val'"):
        load(tmp_path, split="val")


def test_a_folder_without_pictures_is_one_sentence(tmp_path):
    with pytest.raises(UsageError, match="holds no pictures: expected pictures in it") as error:
        load(tmp_path)
    assert "\n" not in str(error.value)
    with pytest.raises(UsageError, match="does not exist"):
        load(tmp_path / "none")


def test_crops_of_any_size_share_one_decoding_and_lie_on_the_disk(folder, monkeypatch):
    first = load(folder)
    monkeypatch.setattr(images, "open_picture", None)  # nothing is opened any more
    for options in ({"image_size": 20}, {"image_size": 16, "resize": "pad"}):
        again = load(folder, **options)
        assert again.fingerprint == first.fingerprint
    assert len(again.skipped) == 0 and len(load(folder, image_size=20).skipped) == 1
    assert first.nbytes > 0 == first.bytes_in_memory


def test_pictures_beside_splits_are_not_used_and_told(tmp_path):
    for i, name in enumerate(("train", "test", "more")):
        save(tmp_path / name / "a.png", 20, 20, i)
    dataset = load(tmp_path)
    assert dataset.fields["high"].pictures == 1
    assert any("1 pictures beside its splits test, train are not used" in x for x in dataset.notes)


def test_several_pictures_are_not_told_to_be_alike(tmp_path):
    for i in range(2):
        save(tmp_path / f"{i}.png", 240, 240, i)
    resolved = config.resolve("srgan", "crops:x", overrides={"batch_size": 1})
    assert notes.alike(load(tmp_path)) is None
    (tmp_path / "0.png").unlink()
    dataset = load(tmp_path)
    assert notes.alike(dataset) is None and dataset.count == 225
    assert notes.notes(dataset, resolved) == []
