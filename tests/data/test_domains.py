"""`domains:PATH`: two kinds of pictures in every layout, without pairs."""

import os
import pathlib

import numpy as np
import pytest
from pictures import BLUE, GREEN, RED, make_ignored, make_unreadable, picture, save

from zoo.data import images, load
from zoo.errors import UsageError

pytestmark = pytest.mark.faults

SHARED = os.environ.get("ZOO_DATA_DIR", "")


def make(root, **counts):
    """Writes so many pictures into each folder: red in the first by its last word, else blue.

    A double underscore stands for a folder in a folder.
    """
    for folder, count in counts.items():
        colour = RED if folder.rpartition("__")[2].endswith("A") or "cat" in folder else BLUE
        for number in range(count):
            save(picture(colour), root / folder.replace("__", "/") / f"{folder}{number}.png")
    return f"domains:{root}"


def check(data, count_a, count_b, names, folders=None):
    assert list(data.fields) == ["a", "b"] and data.independent
    assert data.class_names == names and data.labels is None
    assert [len(array) for array in data.fields.values()] == [count_a, count_b]
    for array, colour in zip(data.fields.values(), (RED, BLUE), strict=True):
        assert array.dtype == np.uint8
        assert (array == colour).all()
    (note,) = data.notes
    first, second = (os.path.join(*folder.split("__")) for folder in folders or names)
    expected = f"domain a is {names[0]} (folder {first}), domain b is {names[1]} (folder {second})."
    assert expected in note


@pytest.mark.parametrize(
    ("folders", "names", "test"),
    [
        ({"trainA": 3, "trainB": 5, "testA": 2, "testB": 4}, ("A", "B"), True),
        ({"trainA": 3, "TrainB": 5, "valA": 2, "valB": 4}, ("A", "B"), True),
        ({"trainA": 3, "trainB": 5}, ("A", "B"), False),
        ({"cat": 3, "dog": 5}, ("cat", "dog"), False),
        ({"train__cat": 3, "train__dog": 5, "test__cat": 2, "test__dog": 4}, ("cat", "dog"), True),
        ({"cat__train": 3, "dog__train": 5, "cat__test": 2, "dog__test": 4}, ("cat", "dog"), True),
    ],
)
def test_every_layout_gives_two_domains(tmp_path, folders, names, test):
    name = make(tmp_path / "in", **folders)
    make_ignored(tmp_path / "in")
    train = load(name, image_size="8x16", strict=True)
    check(train, 3, 5, names, list(folders)[:2])
    assert train.fields["a"].shape == (3, 8, 16, 3)
    assert train.count == 5
    if test:
        check(load(name, split="test"), 2, 4, names, list(folders)[2:])
        assert load(name, split="test").samples.shape[1:] == (128, 128, 3)
    else:
        with pytest.raises(UsageError, match=r"has no split 'test'. Expected 'train'"):
            load(name, split="test")


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        ({}, "holds no pictures: expected the sub-folders trainA and trainB"),
        ({"cat": 3}, "1 sub-folder: expected .*Received: cat"),
        ({"cat": 3, "dog": 3, "cow": 3}, "3 sub-folders: expected .*Received: cat, cow, dog"),
        ({"trainA": 3}, "trainA.* lie in 1 sub-folder: expected .*Received: A"),
        ({"trainA": 3, "trainB": 3, "testA": 3}, "testA.* lie in 1 sub-folder"),
        ({"trainA": 3, "trainB": 3, "extra": 3}, "Received: extra, trainA, trainB"),
        ({"testA": 3, "testB": 3}, "no pictures to train on"),
        ({"cat__train": 3, "dog": 3}, "only cat has sub-folders for the splits"),
        ({"train__cat": 2, "train__dog": 2, "test__cat": 2, "test__cow": 2}, "splits in .* differ"),
        ({"cat": 1, "dog": 3}, "domain cat .*too few.*Expected at least 2.*Received: 1"),
        ({"cat": 3, "dog": 1}, "domain dog .*too few"),
        ({"trainA": 3, "trainB": 1}, "domain B .*too few"),
    ],
)
def test_what_is_not_two_domains_is_refused(tmp_path, folders, message, cache_folder):
    (tmp_path / "in").mkdir()
    make(tmp_path / "in", **folders)
    with pytest.raises(UsageError, match=message) as error:
        load(f"domains:{tmp_path / 'in'}")
    assert "\n" not in str(error.value)
    assert not list(cache_folder.rglob("*.npy"))


def test_pictures_may_lie_deeper_in_a_domain(tmp_path):
    check(load(make(tmp_path / "in", cat__deep=2, dog__er=3)), 2, 3, ("cat", "dog"))


def test_loose_pictures_are_no_domains(tmp_path):
    for number in range(4):
        save(picture(RED), tmp_path / "in" / f"{number}.png")
    with pytest.raises(UsageError, match=r"lie in no sub-folders: expected .*Received: 4 pictures"):
        load(f"domains:{tmp_path / 'in'}")
    save(picture(RED), tmp_path / "in" / "cat" / "5.png")
    with pytest.raises(UsageError, match="both pictures"):
        load(f"domains:{tmp_path / 'in'}")


def test_unreadable_pictures_are_skipped_listed_and_refused_when_strict(tmp_path):
    name = make(tmp_path / "in", cat=3, dog=2)
    reasons = make_unreadable(tmp_path / "in" / "cat")
    data = load(name)
    check(data, 3, 2, ("cat", "dog"))
    assert [path for path, _ in data.skipped] == sorted(os.path.join("cat", p) for p in reasons)
    with pytest.raises(UsageError, match=f"{len(reasons)} files.*--strict"):
        load(name, strict=True)


def test_a_domain_of_which_one_picture_can_be_read_is_refused(tmp_path):
    name = make(tmp_path / "in", cat=2, dog=3)
    (tmp_path / "in" / "cat" / "cat0.png").write_bytes(b"no")
    with pytest.raises(UsageError, match=r"domain cat .*cat0.png: not a picture.*Received: 1"):
        load(name)


def test_the_cache_holds_domains_of_unequal_size_and_sees_changes(tmp_path, monkeypatch):
    name = make(tmp_path / "in", cat=300, dog=2)
    first = load(name, image_size=4)
    check(first, 300, 2, ("cat", "dog"))
    with monkeypatch.context() as patch:
        patch.setattr(images, "open_picture", lambda *_: pytest.fail("decoded again"))
        again = load(name, image_size=4)
    check(again, 300, 2, ("cat", "dog"))
    assert again.fingerprint == first.fingerprint
    # Moving a picture to the other domain gives different data.
    os.rename(tmp_path / "in" / "dog" / "dog0.png", tmp_path / "in" / "cat" / "x.png")
    save(picture(GREEN), tmp_path / "in" / "dog" / "new.png")
    assert load(name, image_size=4).fingerprint != first.fingerprint


def test_renamed_domains_are_decoded_with_their_new_names(tmp_path):
    name = make(tmp_path / "in", cat=2, dog=2)
    first = load(name)
    os.rename(tmp_path / "in" / "dog", tmp_path / "in" / "wolf")
    second = load(name)
    assert second.class_names == ("cat", "wolf") and second.fingerprint != first.fingerprint


@pytest.mark.skipif(not os.path.isdir(f"{SHARED}/day2night"), reason="needs $ZOO_DATA_DIR")
def test_day_is_brighter_than_night():
    name = f"domains:{SHARED}/day2night"
    for split, counts in (("train", (119, 120)), ("test", (80, 80))):
        data = load(name, image_size=16, split=split)
        assert tuple(map(len, data.fields.values())) == counts and data.skipped == ()
        assert data.class_names == ("A", "B")
        assert data.fields["a"].mean() > data.fields["b"].mean() + 20


@pytest.mark.skipif(not os.path.isdir(f"{SHARED}/cats_and_dogs"), reason="needs $ZOO_DATA_DIR")
def test_cats_and_dogs_are_domains_and_classes(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for path in sorted(pathlib.Path(SHARED, "cats_and_dogs", name).iterdir())[::50]:
            (tmp_path / name / path.name).symlink_to(path)
    domains = load(f"domains:{tmp_path}", image_size=8)
    classes = load(f"folder:{tmp_path}", image_size=8)
    assert domains.class_names == classes.class_names == ("cat", "dog")
    for number, field in enumerate("ab"):
        assert len(domains.fields[field]) > 20
        np.testing.assert_array_equal(
            domains.fields[field], classes.samples[classes.labels == number]
        )
