"""`folder:PATH` with folders as users have them."""

import os
import shutil
import time

import numpy as np
import pytest
from pictures import (
    BLUE,
    GREEN,
    RED,
    WHITE,
    halves,
    make_ignored,
    make_readable,
    make_unreadable,
    picture,
    save,
)
from PIL import Image

from zoo import progress
from zoo.data import cache, folder, images, load
from zoo.errors import UsageError

pytestmark = pytest.mark.faults


def find_colours(data):
    return data.samples[:, data.samples.shape[1] // 2, data.samples.shape[2] // 2]


def test_every_kind_of_picture_shows_its_colour(tmp_path):
    expected = make_readable(tmp_path / "in")
    data = load(f"folder:{tmp_path / 'in'}", image_size=24)
    assert data.skipped == ()
    assert data.samples.shape == (len(expected), 24, 24, 3)
    assert data.samples.dtype == np.uint8
    assert data.labels is None
    assert data.class_names == ()
    for name, colour in zip(sorted(expected), find_colours(data), strict=True):
        np.testing.assert_allclose(colour, expected[name], atol=3, err_msg=name)


def test_unreadable_files_are_skipped_with_path_and_reason(tmp_path):
    reasons = make_unreadable(tmp_path / "in")
    readable = make_readable(tmp_path / "in")
    make_ignored(tmp_path / "in")
    data = load(f"folder:{tmp_path / 'in'}", image_size=16)
    assert len(data.samples) == len(readable)
    assert [path for path, _ in data.skipped] == sorted(reasons)
    for path, reason in data.skipped:
        assert reasons[path] in reason
        assert reason
        assert "\n" not in reason
    assert load(f"folder:{tmp_path / 'in'}", image_size=16).skipped == data.skipped


def test_strict_names_the_first_unreadable_files_and_how_many(tmp_path):
    reasons = make_unreadable(tmp_path / "in")
    save(picture(RED), tmp_path / "in" / "good.png")
    for _ in ("decoded", "cached"):
        with pytest.raises(UsageError, match=f"{len(reasons)} files") as error:
            load(f"folder:{tmp_path / 'in'}", strict=True)
        assert "bomb.png" in str(error.value)
        assert f"{len(reasons) - 3} more" in str(error.value)
    assert len(load(f"folder:{tmp_path / 'in'}").samples) == 1


def test_strict_accepts_a_folder_without_faults(tmp_path):
    save(picture(RED), tmp_path / "in" / "good.png")
    make_ignored(tmp_path / "in")
    assert len(load(f"folder:{tmp_path / 'in'}", strict=True).samples) == 1


def test_a_name_that_is_not_unicode_is_read_and_reported(tmp_path):
    folder = os.fsencode(tmp_path / "in")
    os.mkdir(folder)
    with open(folder + b"/\xff\xfe.png", "wb") as file:
        picture(RED).save(file, "PNG")
    with open(folder + b"/\xfe.png", "wb") as file:
        file.write(b"no")
    for _ in ("decoded", "cached"):
        data = load(f"folder:{tmp_path / 'in'}")
        assert len(data.samples) == 1
        assert os.fsencode(data.skipped[0][0]) == b"\xfe.png"


@pytest.mark.parametrize(
    ("orientation", "side"),
    # The side of the picture where red, the stored left half, must appear.
    [(1, "left"), (2, "right"), (3, "right"), (6, "top"), (8, "bottom")],
)
def test_rotation_by_exif_is_applied(tmp_path, orientation, side):
    exif = Image.Exif()
    exif[274] = orientation
    save(halves(RED, BLUE), tmp_path / "in" / "a.png", exif=exif)
    (image,) = load(f"folder:{tmp_path / 'in'}", image_size=40).samples
    halves_of_image = {
        "left": image[:, :20],
        "right": image[:, 20:],
        "top": image[:20],
        "bottom": image[20:],
    }
    assert [half for half, part in halves_of_image.items() if (part == RED).all()] == [side]


def test_sub_folders_are_classes_in_the_order_of_their_names(tmp_path):
    save(picture(RED), tmp_path / "in" / "кот" / "1.png")
    save(picture(GREEN), tmp_path / "in" / "b" / "deep" / "er" / "2.png")
    save(picture(BLUE), tmp_path / "in" / "a" / "3.png")
    save(picture(BLUE), tmp_path / "in" / "a" / "4.png")
    (tmp_path / "in" / "empty").mkdir()
    (tmp_path / "in" / "broken").mkdir()
    (tmp_path / "in" / "broken" / "5.png").write_bytes(b"no")
    make_ignored(tmp_path / "in")
    data = load(f"folder:{tmp_path / 'in'}")
    assert data.class_names == ("a", "b", "кот")
    assert data.labels.tolist() == [0, 0, 1, 2]
    assert data.labels.dtype == np.int32
    np.testing.assert_array_equal(find_colours(data), [BLUE, BLUE, GREEN, RED])
    again = load(f"folder:{tmp_path / 'in'}")
    assert again.labels.tolist() == [0, 0, 1, 2]
    assert again.class_names == data.class_names


NAMES = [
    "日本語",
    "عربي",
    "हिन्दी",
    "with space",
    "a,b",
    "-x",
    "<b>",
    "\U0001f408",
    "null",
    "é" * 60,
]


def test_class_names_are_in_any_script(tmp_path):
    name = folder_of_splits(tmp_path / "in", *(f"{folder}/1.png" for folder in NAMES))
    data = load(name)
    assert data.class_names == tuple(sorted(NAMES))
    assert data.labels.tolist() == list(range(len(NAMES)))


def test_class_names_are_composed_however_a_system_writes_them(tmp_path):
    mac, others = "cafe\u0301", "caf\u00e9"
    name = folder_of_splits(tmp_path / "in", f"train/{mac}/1.png", "train/b/2.png")
    folder_of_splits(tmp_path / "in", f"test/{others}/3.png", f"test/{mac}/4.png")
    train, test = load(name), load(name, split="test")
    assert train.class_names == test.class_names == ("b", others)
    assert train.labels.tolist() == [0, 1] and test.labels.tolist() == [1, 1]


def test_a_class_folder_that_is_no_unicode_has_a_name_that_can_be_written(tmp_path):
    folder_of_splits(tmp_path / "in", "a/1.png")
    folder = os.fsencode(tmp_path / "in") + b"/\xff\xfe"
    os.mkdir(folder)
    with open(folder + b"/1.png", "wb") as file:
        picture(RED).save(file, "PNG")
    data = load(f"folder:{tmp_path / 'in'}")
    assert data.class_names == ("\\xff\\xfe", "a") and sorted(data.labels) == [0, 1]


def test_a_path_that_is_no_unicode_is_one_sentence(tmp_path):
    with pytest.raises(UsageError, match="no UTF-8"):
        load(f"folder:{tmp_path}/\udcff")


def test_tens_of_thousands_of_classes_take_a_moment():
    paths = [f"class {i}/{j}.png" for i in range(50_000) for j in range(2)]
    start = time.process_time()
    work = folder._Pictures("in", dict.fromkeys(paths, (1, 2, 3)), [], ((8, 8), 3, "crop", None))
    labels, names = work.describe(paths)
    assert time.process_time() - start < 5
    assert len(names) == 50_000 and np.bincount(labels).tolist() == [2] * 50_000


def test_one_class_is_a_class(tmp_path):
    data = load(folder_of_splits(tmp_path / "in", "a/1.png", "a/2.png"))
    assert data.class_names == ("a",) and data.labels.tolist() == [0, 0]


def test_linked_class_folders_are_read_and_loops_end(tmp_path):
    save(picture(RED), tmp_path / "elsewhere" / "1.png")
    save(picture(BLUE), tmp_path / "in" / "b" / "2.png")
    (tmp_path / "in" / "a").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in" / "b" / "up").symlink_to(tmp_path / "in")
    (tmp_path / "elsewhere" / "self").symlink_to(tmp_path / "elsewhere")
    data = load(f"folder:{tmp_path / 'in'}")
    assert data.class_names == ("a", "b")
    assert len(data.samples) == 2
    assert [path for path, _ in data.skipped] == ["a/self", "b/up"]


@pytest.mark.parametrize("case", ["missing", "file", "empty", "ignored", "unreadable", "mixed"])
def test_a_folder_without_a_data_set_is_refused(tmp_path, case, cache_folder):
    folder = tmp_path / "in"
    messages = {"missing": "does not exist", "file": "not a folder", "unreadable": "cannot be used"}
    if case == "file":
        folder.write_bytes(b"")
    elif case != "missing":
        folder.mkdir()
    if case == "ignored":
        make_ignored(folder)
    if case == "unreadable":
        make_unreadable(folder)
    if case == "mixed":
        save(picture(RED), folder / "loose.png")
        save(picture(RED), folder / "class" / "1.png")
        messages["mixed"] = "both pictures"
    with pytest.raises(UsageError, match=messages.get(case, "no pictures")):
        load(f"folder:{folder}")
    assert not list(cache_folder.rglob("*.npy"))


@pytest.mark.parametrize("split", ["test", "val", "trian"])
def test_a_folder_has_no_test_split(tmp_path, split):
    save(picture(RED), tmp_path / "in" / "1.png")
    with pytest.raises(UsageError, match=f"has no split '{split}'. Expected 'train'"):
        load(f"folder:{tmp_path / 'in'}", split=split)


def folder_of_splits(root, *paths):
    """Writes a red picture to each path."""
    for path in paths:
        save(picture(RED), root / path)
    return f"folder:{root}"


def test_sub_folders_train_and_test_are_splits_and_a_note_says_so(tmp_path):
    name = folder_of_splits(tmp_path / "in", "Train/1.png", "Train/2.png")
    save(picture(BLUE), tmp_path / "in" / "TEST" / "deep" / "3.png")
    train, test = load(name), load(name, split="test")
    np.testing.assert_array_equal(find_colours(train), [RED, RED])
    np.testing.assert_array_equal(find_colours(test), [BLUE])
    assert train.labels is None and test.labels is None and train.class_names == ()
    for data in (train, test):
        (note,) = data.notes
        assert "its sub-folders Train and TEST are taken as splits, not as classes." in note


def test_classes_lie_within_the_splits_and_are_numbered_by_train(tmp_path):
    name = folder_of_splits(
        tmp_path / "in", "train/a/1.png", "train/b/2.png", "train/c/x/3.png", "test/c/4.png"
    )
    save(picture(RED), tmp_path / "in" / "test" / "a" / "5.png")
    train, test = load(name), load(name, split="test")
    assert train.class_names == test.class_names == ("a", "b", "c")
    assert train.labels.tolist() == [0, 1, 2]
    assert test.labels.tolist() == [0, 2]
    assert train.fingerprint == load(f"folder:{tmp_path / 'in' / 'train'}").fingerprint


def test_what_cannot_be_read_of_train_makes_no_class_of_test(tmp_path):
    name = folder_of_splits(
        tmp_path / "in", "train/a/1.png", "train/c/3.png", "test/a/4.png", "test/b/5.png"
    )
    (tmp_path / "in" / "train" / "b").mkdir()
    (tmp_path / "in" / "train" / "b" / "2.png").write_bytes(b"no")
    assert load(name).class_names == ("a", "c")
    with pytest.raises(UsageError, match=r"classes that train lacks.*called a, c\..*: 'b'\."):
        load(name, split="test")


def test_test_is_numbered_anew_when_train_gets_a_class(tmp_path):
    name = folder_of_splits(
        tmp_path / "in", "train/a/1.png", "train/b/2.png", "train/c/3.png", "test/a/4.png"
    )
    save(picture(RED), tmp_path / "in" / "test" / "c" / "5.png")
    (tmp_path / "in" / "train" / "b" / "2.png").write_bytes(b"no")
    assert load(name, split="test").labels.tolist() == [0, 1]
    save(picture(RED), tmp_path / "in" / "train" / "b" / "2.png")
    test = load(name, split="test")
    assert test.labels.tolist() == [0, 2] and test.class_names == ("a", "b", "c")


@pytest.mark.parametrize(
    ("extra", "received"), [("test/new/3.png", "'new'"), ("test/3.png", "pic")]
)
def test_a_class_that_only_test_has_is_refused(tmp_path, extra, received):
    name = folder_of_splits(tmp_path / "in", "train/a/1.png", "train/b/2.png", extra)
    with pytest.raises(UsageError, match=f"train lacks.*called a, b. Received: {received}"):
        load(name, split="test")


def test_a_single_sub_folder_in_a_split_is_no_class(tmp_path):
    # As in the sets for super-resolution: train/T91, test/Set5, test/Set14.
    name = folder_of_splits(
        tmp_path / "in", "train/T91/1.png", "test/Set5/2.png", "test/Set14/3.png"
    )
    assert load(name).labels is None
    test = load(name, split="test")
    assert test.labels is None and test.count == 2


@pytest.mark.parametrize("other", ["val", "valid", "Validation"])
def test_a_split_for_validation_serves_where_there_is_none_for_testing(tmp_path, other):
    name = folder_of_splits(tmp_path / "in", "train/1.png")
    save(picture(BLUE), tmp_path / "in" / other / "2.png")
    data = load(name, split="test")
    np.testing.assert_array_equal(find_colours(data), [BLUE])
    assert f"{other} serves as test split" in data.notes[0]
    save(picture(GREEN), tmp_path / "in" / "test" / "3.png")
    np.testing.assert_array_equal(find_colours(load(name, split="test")), [GREEN])
    np.testing.assert_array_equal(find_colours(load(name, split=other.lower())), [BLUE])


@pytest.mark.parametrize("others", [["test", "cat"], ["training"], ["trainA"]])
def test_other_sub_folders_beside_train_make_all_of_them_classes(tmp_path, others):
    name = folder_of_splits(tmp_path / "in", "train/1.png", *(f"{other}/2.png" for other in others))
    data = load(name)
    assert data.class_names == tuple(sorted(["train", *others])) and data.notes == ()


def test_test_and_val_alone_are_classes(tmp_path):
    assert load(folder_of_splits(tmp_path / "in", "test/1.png", "val/2.png")).class_names


def test_train_alone_is_a_split(tmp_path):
    name = folder_of_splits(tmp_path / "in", "train/a/1.png", "train/b/2.png")
    data = load(name)
    assert data.class_names == ("a", "b")
    assert "its sub-folder train is taken as a split" in data.notes[0]
    with pytest.raises(UsageError, match=r"has no split 'test'. Expected 'train'"):
        load(name, split="test")


def test_splits_that_differ_in_case_alone_are_refused(tmp_path):
    name = folder_of_splits(tmp_path / "in", "train/1.png", "Train/2.png")
    if len(os.listdir(tmp_path / "in")) == 1:
        pytest.skip("the file system does not tell them apart")
    with pytest.raises(UsageError, match=r"upper and lower case. Received: Train, train"):
        load(name)


def test_pictures_beside_classes_within_a_split_are_refused(tmp_path):
    name = folder_of_splits(tmp_path / "in", "train/1.png", "train/a/2.png", "test/3.png")
    with pytest.raises(UsageError, match="train holds both pictures"):
        load(name)


def test_each_split_lists_and_refuses_its_own_unreadable_files(tmp_path):
    name = folder_of_splits(tmp_path / "in", "train/1.png", "test/2.png")
    (tmp_path / "in" / "test" / "bad.png").write_bytes(b"no")
    (tmp_path / "in" / "test" / "dangling.png").symlink_to("nothing.png")
    assert load(name, strict=True).skipped == ()
    bad = os.path.join("test", "bad.png")
    assert [path for path, _ in load(name, split="test").skipped] == [
        bad,
        os.path.join("test", "dangling.png"),
    ]
    with pytest.raises(UsageError, match=bad):
        load(name, split="test", strict=True)


def test_the_splits_do_not_drive_each_other_out_of_the_cache(tmp_path, monkeypatch):
    name = folder_of_splits(tmp_path / "in", "train/1.png", "test/2.png")
    before = [load(name, split=split).fingerprint for split in ("train", "test")]
    monkeypatch.setattr(images, "open_picture", lambda *_: pytest.fail("decoded again"))
    assert [load(name, split=split).fingerprint for split in ("train", "test")] == before


def gradient(width, height):
    """Red grows from left to right and green from top to bottom, both by one a pixel."""
    array = np.zeros((height, width, 3), "uint8")
    array[..., 0] += np.arange(width, dtype="uint8")
    array[..., 1] += np.arange(height, dtype="uint8")[:, None]
    return Image.fromarray(array)


def slopes(image):
    """Returns how fast red changes to the right and green downwards, mid-picture."""
    height, width, _ = image.shape
    part = image[height // 4 : -height // 4 or None, width // 4 : -width // 4 or None].astype(float)
    return np.diff(part[..., 0], axis=1).mean(), np.diff(part[..., 1], axis=0).mean()


@pytest.mark.parametrize(
    ("resize", "size", "right", "down"),
    [
        # Of 160x80 pixels (width x height).
        ("crop", (40, 80), 2, 2),
        ("crop", (40, 20), 2, 2),
        ("crop", (20, 80), 2, 2),
        ("pad", (40, 80), 2, 2),
        ("pad", (80, 80), 2, 2),
        ("pad", (40, 120), 2, 2),
        ("stretch", (40, 80), 2, 2),
        ("stretch", (80, 40), 4, 1),
        ("stretch", (20, 80), 2, 4),
    ],
)
def test_sizes_are_height_and_width_and_the_proportions_stay(tmp_path, resize, size, right, down):
    save(gradient(160, 80), tmp_path / "in" / "1.png")
    (image,) = load(f"folder:{tmp_path / 'in'}", image_size=size, resize=resize).samples
    assert image.shape == (*size, 3)
    np.testing.assert_allclose(slopes(image), (right, down), rtol=0.08)
    if resize == "crop":
        np.testing.assert_allclose(image.mean((0, 1))[:2], (79.5, 39.5), atol=1.5)


def test_padding_of_any_size_is_centred(tmp_path):
    save(picture(RED, (40, 40)), tmp_path / "in" / "1.png")
    for size, rows, columns in [("20x60", (0, 20), (20, 40)), ("60x20", (20, 40), (0, 20))]:
        (image,) = load(f"folder:{tmp_path / 'in'}", image_size=size, resize="pad").samples
        expected = np.zeros_like(image)
        expected[slice(*rows), slice(*columns)] = RED
        np.testing.assert_array_equal(image, expected)


def test_a_square_by_any_name_is_one_entry_of_the_cache(photographs, monkeypatch):
    first = load(f"folder:{photographs}", image_size=16)
    monkeypatch.setattr(images, "open_picture", lambda *_: pytest.fail("decoded again"))
    for size in ("16", "16x16", (16, 16), [16, 16]):
        assert load(f"folder:{photographs}", image_size=size).fingerprint == first.fingerprint


def test_the_stamps_of_square_sizes_are_those_of_before(photographs, cache_folder):
    load(f"folder:{photographs}", image_size=16)
    group = cache.stamp_of(os.path.realpath(photographs), (16, 3, "crop"))
    assert (cache_folder / "folder" / group).is_dir()


def test_alpha_is_kept_only_when_asked_for(tmp_path):
    folder = tmp_path / "in"
    save(picture((10, 20, 30, 255), mode="RGBA"), folder / "a.png")
    save(picture((200, 100, 50, 128), mode="RGBA"), folder / "b.png")
    save(picture((255, 0, 0, 0), mode="RGBA"), folder / "c.png")
    save(picture(200, mode="L"), folder / "d.png")
    save(picture((100, 102), mode="LA"), folder / "e.png")
    save(picture((0, 255, 255, 0), mode="CMYK"), folder / "f.tif")
    clear = picture(RED).quantize(2)
    save(clear, folder / "g.png", transparency=clear.getpixel((0, 0)))
    deep = Image.fromarray(np.full((40, 40), 0x8001, "uint16"))
    save(deep, folder / "h.png")
    lab = picture((128, 150, 100), mode="LAB")
    save(lab, folder / "i.tif")
    expected = [
        (10, 20, 30, 255),
        (200, 100, 50, 128),
        (0, 0, 0, 0),
        (200, 200, 200, 255),
        (100, 100, 100, 102),
        (255, 0, 0, 255),
        (0, 0, 0, 0),
        (128, 128, 128, 255),
        (*lab.convert("RGB").getpixel((0, 0)), 255),
    ]
    for size in (24, 40):
        data = load(f"folder:{folder}", image_size=size, channels=4)
        assert data.samples.shape == (9, size, size, 4) and data.skipped == ()
        np.testing.assert_allclose(find_colours(data), expected, atol=3)
    np.testing.assert_array_equal(find_colours(load(f"folder:{folder}"))[2], WHITE)
    assert load(f"folder:{folder}", channels=4).fingerprint != load(f"folder:{folder}").fingerprint


def test_colours_that_do_not_show_do_not_bleed_into_those_that_do(tmp_path):
    image = Image.new("RGBA", (40, 40), (0, 255, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 20, 40))
    save(image, tmp_path / "in" / "1.png")
    (small,) = load(f"folder:{tmp_path / 'in'}", image_size=15, channels=4).samples
    assert small[..., 1].max() == 0
    assert set(small[..., 3].ravel().tolist()) > {0, 255}


def test_with_alpha_pictures_are_padded_with_nothing(tmp_path):
    save(picture(RED, (20, 10)), tmp_path / "in" / "1.png")
    (image,) = load(f"folder:{tmp_path / 'in'}", image_size=20, channels=4, resize="pad").samples
    assert not image[:5].any() and not image[15:].any()
    assert (image[5:15] == (*RED, 255)).all()


def thirds(size=(90, 30)):
    image = picture(GREEN, size)
    image.paste(RED, (0, 0, 30, 30))
    image.paste(BLUE, (60, 0, 90, 30))
    return image


def test_crop_cuts_the_centre_out(tmp_path):
    save(thirds(), tmp_path / "in" / "1.png")
    (image,) = load(f"folder:{tmp_path / 'in'}", image_size=30).samples
    np.testing.assert_array_equal(image, np.full((30, 30, 3), GREEN))


def test_pad_centres_the_whole_picture_on_black(tmp_path):
    save(thirds(), tmp_path / "in" / "1.png")
    (image,) = load(f"folder:{tmp_path / 'in'}", image_size=30, resize="pad").samples
    assert (image[:10] == 0).all()
    assert (image[20:] == 0).all()
    np.testing.assert_array_equal(image[15, [2, 15, 27]], [RED, GREEN, BLUE])


def test_stretch_ignores_the_proportions(tmp_path):
    save(thirds(), tmp_path / "in" / "1.png")
    (image,) = load(f"folder:{tmp_path / 'in'}", image_size=30, resize="stretch").samples
    for row in (0, 15, 29):
        np.testing.assert_array_equal(image[row, [2, 15, 27]], [RED, GREEN, BLUE])


@pytest.mark.parametrize("resize", images.RESIZES)
@pytest.mark.parametrize("size", [(5000, 1), (1, 5000), (1, 1)])
def test_extreme_proportions_survive_every_way_to_resize(tmp_path, resize, size):
    save(picture(GREEN, size), tmp_path / "in" / "1.png")
    (image,) = load(f"folder:{tmp_path / 'in'}", image_size=8, resize=resize).samples
    assert image.shape == (8, 8, 3)
    assert (image == GREEN).all(axis=-1).any()


def test_shrinking_averages_instead_of_picking_pixels(tmp_path):
    board = (np.indices((256, 256)).sum(0) % 2 * 255).astype("uint8")
    save(Image.fromarray(board), tmp_path / "in" / "1.png")
    data = load(f"folder:{tmp_path / 'in'}", image_size=32, channels=1)
    assert data.samples.shape == (1, 32, 32, 1)
    assert np.abs(data.samples.astype(int) - 127).max() <= 2


def test_grey_images_use_luma(tmp_path):
    save(picture(RED), tmp_path / "in" / "1.png")
    assert (load(f"folder:{tmp_path / 'in'}", channels=1).samples == 76).all()


@pytest.fixture
def photographs(tmp_path):
    for number, colour in enumerate([RED, GREEN, BLUE]):
        save(picture(colour), tmp_path / "in" / str(number % 2) / f"{number}.bmp")
    return tmp_path / "in"


def test_the_second_load_decodes_nothing_and_is_equal(photographs, monkeypatch):
    first = load(f"folder:{photographs}")
    monkeypatch.setattr(images, "open_picture", lambda *_: pytest.fail("decoded again"))
    second = load(f"folder:{photographs}")
    np.testing.assert_array_equal(first.samples, second.samples)
    np.testing.assert_array_equal(first.labels, second.labels)
    assert first.fingerprint == second.fingerprint
    assert first.class_names == second.class_names


def test_every_preparation_has_its_own_cache(photographs):
    shapes = [
        load(f"folder:{photographs}", image_size=size, channels=channels).samples.shape
        for size, channels in [(8, 3), (8, 1), (16, 3), (8, 3)]
    ]
    assert shapes == [(3, 8, 8, 3), (3, 8, 8, 1), (3, 16, 16, 3), (3, 8, 8, 3)]


@pytest.mark.parametrize("change", ["content", "quietly", "removed", "added", "moved"])
def test_a_changed_folder_is_decoded_again_and_has_a_new_fingerprint(photographs, change):
    before = load(f"folder:{photographs}")
    path = photographs / "0" / "0.bmp"
    state = path.stat()
    if change == "content":
        save(picture(WHITE), path)
    elif change == "quietly":
        # Same number of bytes, and the modification time is set back.
        save(picture(WHITE), path)
        assert path.stat().st_size == state.st_size
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    elif change == "removed":
        path.unlink()
    elif change == "added":
        save(picture(WHITE), photographs / "0" / "9.bmp")
    elif change == "moved":
        path.rename(photographs / "1" / "9.bmp")
    after = load(f"folder:{photographs}")
    assert after.fingerprint != before.fingerprint


def test_equal_pictures_have_an_equal_fingerprint_wherever_they_lie(photographs, tmp_path):
    before = load(f"folder:{photographs}")
    shutil.copytree(photographs, tmp_path / "copy")
    assert load(f"folder:{tmp_path / 'copy'}").fingerprint == before.fingerprint
    os.utime(photographs / "0" / "0.bmp")
    assert load(f"folder:{photographs}").fingerprint == before.fingerprint


def test_the_cache_keeps_only_the_newest_state_of_a_folder(photographs, cache_folder):
    load(f"folder:{photographs}")
    save(picture(WHITE), photographs / "0" / "0.bmp")
    load(f"folder:{photographs}")
    assert len(list(cache_folder.rglob("image.npy"))) == 1


@pytest.mark.parametrize("name", ["image.npy", "label.npy", "about.json"])
@pytest.mark.parametrize("damage", ["cut", "removed", "garbage"])
def test_a_damaged_cache_is_made_again(photographs, cache_folder, name, damage):
    before = load(f"folder:{photographs}")
    expected = before.samples.copy()
    (path,) = cache_folder.rglob(name)
    content = path.read_bytes()
    path.unlink()
    if damage == "cut":
        path.write_bytes(content[:-10])
    elif damage == "garbage":
        path.write_bytes(b"garbage")
    after = load(f"folder:{photographs}")
    np.testing.assert_array_equal(after.samples, expected)
    assert after.labels.tolist() == [0, 0, 1]


def test_a_cache_folder_that_cannot_be_written_is_replaced_by_a_temporary_one(
    photographs, tmp_path, monkeypatch, capsys
):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("ZOO_CACHE_DIR", str(tmp_path / "file" / "cache"))
    first = load(f"folder:{photographs}")
    assert "ZOO_CACHE_DIR" in capsys.readouterr().err
    monkeypatch.setattr(images, "open_picture", lambda *_: pytest.fail("decoded again"))
    assert load(f"folder:{photographs}").fingerprint == first.fingerprint


def test_a_full_disk_is_a_sentence_and_leaves_nothing_behind(photographs, cache_folder):
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(UsageError, match="ZOO_CACHE_DIR"):
            load(f"folder:{photographs}")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not [path for path in cache_folder.rglob("*") if path.is_file()]
    assert len(load(f"folder:{photographs}").samples) == 3


def test_an_interrupted_preparation_leaves_nothing_behind(photographs, cache_folder, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(images, "open_picture", interrupt)
        with pytest.raises(KeyboardInterrupt):
            load(f"folder:{photographs}")
    assert not [path for path in cache_folder.rglob("*") if path.is_file()]
    assert len(load(f"folder:{photographs}").samples) == 3


def test_what_a_killed_process_left_is_removed_after_a_day(photographs, cache_folder):
    load(f"folder:{photographs}")
    (entry,) = [path.parent for path in cache_folder.rglob("image.npy")]
    old, new = entry.parent / ".part-old", entry.parent / ".part-new"
    for path in (old, new):
        path.mkdir()
    os.utime(old, (0, 0))
    save(picture(WHITE), photographs / "0" / "0.bmp")
    load(f"folder:{photographs}")
    assert not old.exists()
    assert new.exists()


def test_a_slow_preparation_tells_how_far_it_is(capsys, monkeypatch):
    now = iter(range(0, 1000, 20))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(now))
    batches = [{"image": np.zeros((5, 1, 1, 1), "uint8")}] * 3
    cache.write(("group",), "stamp", batches, lambda: (None, (), (), ()), 15)
    assert "10 of 15, 20 s left" in capsys.readouterr().err


def test_an_entry_that_another_process_finished_first_stays(cache_folder):
    def store(value):
        batches = [{"image": np.full((2, 1, 1, 1), value, "uint8")}]
        return cache.write(("group",), "stamp", batches, lambda: (None, (), (), ()), 2)

    assert store(1) == store(2)
    assert cache.find(("group",), "stamp")["fields"]["image"].max() == 1
