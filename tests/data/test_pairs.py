"""`pairs:PATH`: halves of pictures and pictures of equal names, in every layout."""

import os
import shutil

import numpy as np
import pytest
from pictures import BLUE, GREEN, RED, make_ignored, make_unreadable, picture, save
from PIL import Image

from zoo.data import images, load
from zoo.errors import UsageError

pytestmark = pytest.mark.faults

SHARED = os.environ.get("ZOO_DATA_DIR", "")


def both(first, second, size=(40, 40)):
    """A picture with one colour on its left and another on its right half."""
    image = picture(first, (2 * size[0], size[1]))
    image.paste(second, (size[0], 0, 2 * size[0], size[1]))
    return image


def make(root, *paths):
    """Writes a picture per path: of both sides, or red in folders with A and blue with B."""
    for path in paths:
        parts = path.split("/")[:-1]
        colours = {"A": RED, "B": BLUE}
        side = next((part[-1] for part in parts if part[-1] in "AB"), None)
        image = picture(colours[side]) if side else both(RED, BLUE)
        save(image, root / path)
    return f"pairs:{root}"


def colours(data):
    assert list(data.fields) == ["input", "target"]
    pixels = [array.reshape(-1, array.shape[-1]) for array in data.fields.values()]
    assert all((array == array[0]).all() for array in pixels)
    return [tuple(array[0].tolist()) for array in pixels]


@pytest.mark.parametrize(
    ("train", "test"),
    [
        # The first two of three pairs are for training.
        ("{n}.png", None),
        ("train/{n}.png", "test/{n}.png"),
        ("train/{n}.png", "val/{n}.png"),
        ("{side}/{n}.png", None),
        ("{side}/deep/{n}.png", None),
        ("train/{side}/{n}.png", "test/{side}/{n}.png"),
        ("{side}/train/{n}.png", "{side}/test/{n}.png"),
        ("{side}/TRAIN/{n}.png", "{side}/Test/{n}.png"),
        ("train{side}/{n}.png", "test{side}/{n}.png"),
    ],
)
def test_every_layout_gives_pairs_of_both_splits(tmp_path, train, test):
    for layout, numbers in ((train, (1, 2)), (test, (3,))):
        paths = {layout.format(n=n, side=side) for n in numbers for side in "AB"} if layout else ()
        name = make(tmp_path / "in", *paths)
    make_ignored(tmp_path / "in")
    data = load(name, image_size=8, strict=True)
    assert data.count == 2 and not data.independent
    assert data.labels is None and data.class_names == ()
    assert {array.shape for array in data.fields.values()} == {(2, 8, 8, 3)}
    assert {array.dtype for array in data.fields.values()} == {np.dtype("uint8")}
    assert colours(data) == [RED, BLUE]
    assert len(data.notes) == 1
    if test:
        data = load(name, image_size=8, split="test")
        assert data.count == 1 and colours(data) == [RED, BLUE]
    else:
        with pytest.raises(UsageError, match=r"has no split 'test'. Expected 'train'"):
            load(name, split="test")


@pytest.mark.parametrize("paths", [["1.png", "2.png"], ["A/1.png", "B/1.png"]])
def test_the_direction_swaps_the_sides_without_decoding_again(tmp_path, paths, monkeypatch):
    name = make(tmp_path / "in", *paths)
    forth = load(name)
    monkeypatch.setattr(images, "open_picture", lambda *_: pytest.fail("decoded again"))
    assert load(name, direction="a_to_b").fingerprint == forth.fingerprint
    back = load(name, direction="b_to_a")
    assert colours(forth) == colours(back)[::-1] == [RED, BLUE]
    assert back.fingerprint != forth.fingerprint
    assert load(name, direction="b_to_a").fingerprint == back.fingerprint
    sides = ["the left half", "the right half"] if len(paths[0]) == 5 else ["is A", "is B"]
    assert forth.notes[0].index(sides[0]) < forth.notes[0].index(sides[1])
    assert back.notes[0].index(sides[0]) > back.notes[0].index(sides[1])


def test_a_fingerprint_is_that_of_the_fields_as_they_stand(tmp_path):
    from zoo.data.cache import fingerprint

    name = make(tmp_path / "in", "1.png", "2.png")
    for direction in ("a_to_b", "b_to_a"):
        data = load(name, direction=direction)
        assert data.fingerprint == fingerprint(data.fields, ())
    # Another order on the disk and another direction give the same data.
    for path in ("1.png", "2.png"):
        save(both(BLUE, RED), tmp_path / "other" / path)
    assert load(f"pairs:{tmp_path / 'other'}").fingerprint == data.fingerprint
    shutil.copytree(tmp_path / "in", tmp_path / "copy")
    copy = load(f"pairs:{tmp_path / 'copy'}", direction="b_to_a")
    assert copy.fingerprint == data.fingerprint


def test_an_unknown_direction_is_guessed(tmp_path):
    with pytest.raises(UsageError, match=r"no direction 'a_to_a'.*Valid: a_to_b, b_to_a"):
        load(make(tmp_path / "in", "1.png"), direction="a_to_a")


def marked(width, height):
    """A picture in which no two pixels are equal, to see where each of them goes."""
    array = np.random.default_rng(0).integers(0, 256, (height, width, 3), "uint8")
    return Image.fromarray(array)


@pytest.mark.parametrize("resize", images.RESIZES)
@pytest.mark.parametrize("size", [(24, 24), (16, 40), None])
def test_both_sides_have_the_same_geometry(tmp_path, resize, size):
    side = marked(50, 70)
    double = Image.new("RGB", (100, 70))
    double.paste(side, (0, 0))
    double.paste(side, (50, 0))
    save(double, tmp_path / "halves" / "1.png")
    for folder in "AB":
        save(side, tmp_path / "folders" / folder / "1.png")
    prepared = images.prepare(side, size or (128, 128), 3, resize)
    for layout in ("halves", "folders"):
        data = load(f"pairs:{tmp_path / layout}", image_size=size, resize=resize)
        for array in data.fields.values():
            np.testing.assert_array_equal(array, prepared[None])


@pytest.mark.parametrize("channels", [1, 4])
def test_channels_are_those_of_both_sides(tmp_path, channels):
    data = load(make(tmp_path / "in", "1.png"), channels=channels)
    assert [array.shape for array in data.fields.values()] == [(1, 128, 128, channels)] * 2


def test_pictures_that_are_no_pair_are_skipped_with_a_reason(tmp_path):
    folder = tmp_path / "in"
    # The sizes of two pictures are compared before their pixels are read.
    expected = make_unreadable(folder) | dict.fromkeys(("float.tif", "wide.tif"), "too narrow")
    name = make(folder, "good.png")
    for path, size in {"square.png": (60, 60), "tall.png": (40, 80), "1.1.png": (66, 60)}.items():
        save(picture(RED, size), folder / path)
        expected[path] = "too narrow for two"
    save(picture(RED, (81, 40)), folder / "odd.png")
    expected["odd.png"] = "81 pixels is odd"
    save(picture(RED, (72, 60)), folder / "just.png")
    data = load(name)
    assert data.count == 2
    assert [path for path, _ in data.skipped] == sorted(expected)
    for path, reason in data.skipped:
        assert expected[path] in reason
    assert load(name).skipped == data.skipped
    with pytest.raises(UsageError, match=f"{len(expected)} files.*--strict"):
        load(name, strict=True)


def test_rotation_by_exif_comes_before_the_halves(tmp_path):
    exif = Image.Exif()
    exif[274] = 8
    # Stored with red at the top, which is on the left when the picture is turned.
    stored = both(RED, BLUE).rotate(-90, expand=True)
    save(stored, tmp_path / "in" / "1.png", exif=exif)
    assert colours(load(f"pairs:{tmp_path / 'in'}")) == [RED, BLUE]


def test_partners_that_do_not_fit_are_skipped_with_a_reason(tmp_path):
    folder = tmp_path / "in"
    name = make(folder, *(f"{side}/{number}.png" for side in "AB" for number in range(4)))
    save(picture(RED), folder / "A" / "lonely.png")
    save(picture(BLUE), folder / "B" / "only.png")
    save(picture(RED, (50, 40)), folder / "A" / "1.png")
    (folder / "B" / "2.png").write_bytes(b"no")
    save(picture(RED), folder / "A" / "3.jpg")
    (folder / "B" / "3.png").unlink()
    save(picture(BLUE), folder / "B" / "3.webp", lossless=True)
    (folder / "B" / "linked.png").symlink_to("nothing.png")
    data = load(name)
    assert data.count == 2
    join = os.path.join
    reasons = {path: reason for path, reason in data.skipped}
    assert reasons.keys() == {
        join("A", "1.png"),
        join("A", "3.png"),
        join("A", "lonely.png"),
        join("B", "2.png"),
        join("B", "linked.png"),
        join("B", "only.png"),
    }
    assert "50x40" in reasons[join("A", "1.png")] and "40x40" in reasons[join("A", "1.png")]
    assert join("B", "1.png") in reasons[join("A", "1.png")]
    assert "has the name of" in reasons[join("A", "3.png")]
    assert "no picture of its name lies in B" in reasons[join("A", "lonely.png")]
    assert "not a picture" in reasons[join("B", "2.png")]
    assert "no picture of its name lies in A" in reasons[join("B", "only.png")]
    assert load(name).skipped == data.skipped
    with pytest.raises(UsageError, match=r"6 files.*--strict"):
        load(name, strict=True)


def test_only_the_split_that_is_read_lists_its_files(tmp_path):
    name = make(tmp_path / "in", "A/train/1.png", "B/train/1.png", "A/test/2.png", "B/test/2.png")
    (tmp_path / "in" / "B" / "test" / "3.png").symlink_to("nothing.png")
    assert load(name, strict=True).skipped == ()
    assert [p for p, _ in load(name, split="test").skipped] == [os.path.join("B", "test", "3.png")]


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ([], "holds no pictures: expected pictures that hold the input on their left"),
        (["A/1.png"], "1 sub-folder: expected .*two sub-folders.*Received: A"),
        (["A/1.png", "B/1.png", "C1/1.png"], "3 sub-folders: .*Received: A, B, C1"),
        (["1.png", "A/1.png"], "both pictures"),
        (["A/1.png", "B/2.png"], "2 files .* cannot be used .*two sub-folders whose pictures have"),
        (["train/A/1.png", "train/B/1.png", "test/2.png"], "splits in .* differ"),
        (["train/A/1.png", "train/B/1.png", "test/A/2.png"], "1 sub-folder.*Received: A"),
        (["A/train/1.png", "A/test/1.png", "B/1.png"], "only A has sub-folders for the splits"),
        (["A/train/1.png", "A/0.png", "B/train/1.png"], "A holds both pictures"),
        (["testA/1.png", "testB/1.png"], "no pictures to train on"),
        (["trainA/1.png", "train_A/2.png", "trainB/1.png"], "two folders for the same side"),
    ],
)
def test_a_folder_that_holds_no_pairs_is_told_what_it_must_hold(
    tmp_path, paths, message, cache_folder
):
    (tmp_path / "in").mkdir()
    make(tmp_path / "in", *paths)
    with pytest.raises(UsageError, match=message) as error:
        load(f"pairs:{tmp_path / 'in'}")
    assert "\n" not in str(error.value)
    assert not list(cache_folder.rglob("*.npy"))


def test_pictures_that_are_all_single_are_told_what_pairs_are(tmp_path):
    for number in range(5):
        save(picture(RED, (60, 60)), tmp_path / "in" / f"{number}.png")
    with pytest.raises(UsageError, match=r"5 files .*too narrow.*Expected pictures that hold"):
        load(f"pairs:{tmp_path / 'in'}")


@pytest.mark.parametrize("case", ["missing", "file"])
def test_a_path_that_is_no_folder_is_refused(tmp_path, case):
    if case == "file":
        (tmp_path / "in").write_bytes(b"")
    with pytest.raises(UsageError, match="does not exist" if case == "missing" else "not a folder"):
        load(f"pairs:{tmp_path / 'in'}")


@pytest.mark.parametrize(
    "paths", [["1.png", "2.png"], ["A/1.png", "A/2.png", "B/1.png", "B/2.png"]]
)
def test_a_picture_that_changes_is_decoded_again(tmp_path, paths):
    name = make(tmp_path / "in", *paths)
    before = load(name).fingerprint
    save(both(RED, GREEN) if "2.png" in paths else picture(GREEN), tmp_path / "in" / paths[-1])
    assert load(name).fingerprint != before


def test_a_damaged_cache_of_several_fields_is_made_again(tmp_path, cache_folder):
    name = make(tmp_path / "in", "1.png", "2.png")
    before = load(name)
    for field in ("input", "target"):
        (path,) = cache_folder.rglob(f"{field}.npy")
        content = path.read_bytes()
        for damage in (content[:-10], b"garbage", b"", None):
            path.unlink()
            if damage is not None:
                path.write_bytes(damage)
            after = load(name)
            assert after.fingerprint == before.fingerprint and colours(after) == [RED, BLUE]


def test_a_cache_whose_arrays_have_another_shape_is_made_again(tmp_path, cache_folder):
    name = make(tmp_path / "in", "1.png", "2.png")
    load(name)
    (path,) = cache_folder.rglob("target.npy")
    path.unlink()
    np.save(path, np.zeros((1, 128, 128, 3), "uint8"))
    assert colours(load(name)) == [RED, BLUE]


def test_progress_counts_pictures_of_both_sides(tmp_path, monkeypatch):
    from zoo.data import cache

    told = []

    class Recorded(cache.Progress):
        def __call__(self, done):
            told.append((done, self.total))

    monkeypatch.setattr(cache, "Progress", Recorded)
    load(make(tmp_path / "in", "1.png", "2.png", "3.png"))
    assert told[-1] == (6, 6)


@pytest.mark.skipif(not os.path.isdir(f"{SHARED}/facades"), reason="needs $ZOO_DATA_DIR/facades")
def test_facades_have_the_photograph_on_their_left():
    data = load(f"pairs:{SHARED}/facades", image_size=32)
    assert data.count == 400 and data.skipped == ()
    assert load(f"pairs:{SHARED}/facades", image_size=32, split="test").count == 100
    # Label maps are painted in a dozen saturated colours, mostly blue; photographs are greyish.
    saturation = {
        field: np.ptp(array.astype(int), axis=-1).mean() for field, array in data.fields.items()
    }
    assert saturation["target"] > 4 * saturation["input"]
