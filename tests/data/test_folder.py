"""`folder:PATH` against folders as they are found in the wild."""

import os
import shutil
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from zoo.data import cache, images, load
from zoo.errors import UsageError

pytestmark = pytest.mark.faults

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def picture(colour, size=(40, 40), mode="RGB"):
    return Image.new(mode, size, colour)


def halves(first, second):
    """A picture whose left half is `first` and whose right half is `second`."""
    image = picture(first)
    image.paste(second, (20, 0, 40, 40))
    return image


def save(image, path, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)


def header_of_a_large_png(path, width, height):
    """A valid PNG that claims a size, as a decompression bomb does, without being large."""

    def chunk(kind, data):
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(999))) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def make_readable(folder):
    """Writes one picture of each readable kind; returns {file name: expected colour}."""
    expected = {}

    def add(name, colour, image, **options):
        save(image, folder / name, **options)
        expected[name] = colour

    add("l.png", (200,) * 3, picture(200, mode="L"))
    add("la.png", (255 - 155 * 102 // 255,) * 3, picture((100, 102), mode="LA"))
    add("rgba-clear.png", WHITE, picture((255, 0, 0, 0), mode="RGBA"))
    add("rgba-half.png", (255, 127, 127), picture((255, 0, 0, 128), mode="RGBA"))
    add("rgba.webp", BLUE, picture((0, 0, 255, 255), mode="RGBA"), lossless=True)
    add("palette.png", RED, picture(RED).convert("P"))
    clear = picture(RED).quantize(2)
    add("palette-clear.png", WHITE, clear, transparency=clear.getpixel((0, 0)))
    add("key-colour.png", WHITE, picture(GREEN), transparency=GREEN)
    add("cmyk.jpg", RED, picture((0, 255, 255, 0), mode="CMYK"), quality=95)
    add("cmyk.tif", GREEN, picture((255, 0, 255, 0), mode="CMYK"))
    deep = Image.fromarray(np.full((40, 40), 0x8001, "uint16"))
    add("16-bit.png", (128,) * 3, deep)
    add("16-bit.tif", (128,) * 3, deep)
    add("16-bit.pgm", (128,) * 3, deep)
    add("1-bit.png", WHITE, picture(1, mode="1"))
    add("1x1.png", GREEN, picture(GREEN, (1, 1)))
    add("thin.png", BLUE, picture(BLUE, (3000, 1)))
    frames = [picture(BLUE), picture(GREEN)]
    add("animated.gif", RED, picture(RED), save_all=True, append_images=frames)
    add("animated.png", RED, picture(RED), save_all=True, append_images=frames)
    add("animated.webp", RED, picture(RED), save_all=True, append_images=frames, lossless=True)
    add("really-a-png.jpg", GREEN, picture(GREEN), format="PNG")
    add("UPPER.PNG", GREEN, picture(GREEN))
    for name in ("кот", "猫", "قطة", "बिल्ली", "\U0001f408", " with  spaces ", "a'b\"c$(d);e"):
        add(f"{name}.png", BLUE, picture(BLUE))
    return expected


def make_unreadable(folder):
    """Writes one file of each kind that cannot be used; returns {file name: part of the reason}."""
    folder.mkdir(parents=True, exist_ok=True)
    expected = {}

    def add(name, reason, content=None):
        if content is not None:
            (folder / name).write_bytes(content)
        expected[name] = reason

    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), "uint8")
    save(Image.fromarray(noise), folder / "whole.jpg")
    save(Image.fromarray(noise), folder / "whole.png")
    for kind in ("jpg", "png"):
        content = (folder / f"whole.{kind}").read_bytes()
        (folder / f"whole.{kind}").unlink()
        add(f"cut.{kind}", "", content[: len(content) // 2])
    add("zero.jpg", "empty", b"")
    add("text.png", "not a picture", b"this is no picture\n" * 20)
    add("page.jpg", "not a picture", b"<!doctype html><title>404</title>")
    add("postscript.png", "not a picture", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    header_of_a_large_png(folder / "bomb.png", 20000, 20000)
    add("bomb.png", "allowed")
    header_of_a_large_png(folder / "large.png", 10000, 10000)
    add("large.png", "10000x10000 pixels")
    save(Image.fromarray(np.full((4, 4), 0.5, "float32")), folder / "float.tif")
    add("float.tif", "floating-point")
    save(Image.fromarray(np.full((4, 4), 10**6, "int32")), folder / "wide.tif")
    add("wide.tif", "0..65535")
    (folder / "dangling.png").symlink_to("nothing.png")
    add("dangling.png", "No such file")
    (folder / "loop.png").symlink_to("loop.png")
    add("loop.png", "symbolic links")
    os.mkfifo(folder / "pipe.png")
    add("pipe.png", "not a regular file")
    return expected


def make_ignored(folder):
    for name in ("a.txt", "manifest.tsv", "b.json", "c.html", "d.py", "README", ".hidden.png"):
        (folder / name).write_bytes(b"not a picture")
    save(picture(RED), folder / ".git" / "e.png")


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


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_files_and_folders_without_permission_are_skipped_until_it_is_given(tmp_path):
    for name in ("a/1.png", "a/2.png", "b/3.png"):
        save(picture(RED), tmp_path / "in" / name)
    (tmp_path / "in" / "a" / "2.png").chmod(0)
    (tmp_path / "in" / "b").chmod(0)
    data = load(f"folder:{tmp_path / 'in'}")
    assert data.skipped == (("a/2.png", "Permission denied"), ("b", "Permission denied"))
    (tmp_path / "in" / "b").chmod(0o755)
    (tmp_path / "in" / "a" / "2.png").chmod(0o644)
    assert len(load(f"folder:{tmp_path / 'in'}").samples) == 3


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
    # Where red, the left half of what is stored, belongs: at the top, bottom, left or right.
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


def test_a_folder_has_no_test_split(tmp_path):
    save(picture(RED), tmp_path / "in" / "1.png")
    with pytest.raises(UsageError, match="split"):
        load(f"folder:{tmp_path / 'in'}", split="test")


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
    monkeypatch.setattr(images, "read", lambda *_: pytest.fail("decoded again"))
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
        # As many bytes, and the modification time set back.
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
    assert len(list(cache_folder.rglob("samples.npy"))) == 1


@pytest.mark.parametrize("name", ["samples.npy", "labels.npy", "about.json"])
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
    monkeypatch.setattr(images, "read", lambda *_: pytest.fail("decoded again"))
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
        patch.setattr(images, "read", interrupt)
        with pytest.raises(KeyboardInterrupt):
            load(f"folder:{photographs}")
    assert not [path for path in cache_folder.rglob("*") if path.is_file()]
    assert len(load(f"folder:{photographs}").samples) == 3


def test_what_a_killed_process_left_is_removed_after_a_day(photographs, cache_folder):
    load(f"folder:{photographs}")
    (entry,) = [path.parent for path in cache_folder.rglob("samples.npy")]
    old, new = entry.parent / ".part-old", entry.parent / ".part-new"
    for path in (old, new):
        path.mkdir()
    os.utime(old, (0, 0))
    save(picture(WHITE), photographs / "0" / "0.bmp")
    load(f"folder:{photographs}")
    assert not old.exists()
    assert new.exists()


def test_a_slow_preparation_tells_how_far_it_is(capsys, monkeypatch):
    now = iter(range(0, 1000, 3))
    monkeypatch.setattr(cache.time, "monotonic", lambda: next(now))
    batches = [np.zeros((5, 1, 1, 1), "uint8")] * 2
    cache.write(("group",), "stamp", batches, lambda: (None, (), ()), 10)
    assert "5 of 10" in capsys.readouterr().err


def test_an_entry_that_another_process_finished_first_stays(cache_folder):
    def store(value):
        batches = [np.full((2, 1, 1, 1), value, "uint8")]
        return cache.write(("group",), "stamp", batches, lambda: (None, (), ()), 2)

    assert store(1) == store(2)
    assert cache.find(("group",), "stamp")["samples"].max() == 1
