"""Pictures of 16 bits and of floating-point numbers, in the folders of all three kinds."""

import numpy as np
import pytest
from pictures import RED, picture, save
from PIL import Image

from zoo.data import deep, images, load
from zoo.errors import UsageError


def ramp(most, dtype="uint16", least=0):
    """A picture that grows from `least` at its left to `most` at its right edge."""
    return Image.fromarray(np.tile(np.linspace(least, most, 40), (40, 1)).astype(dtype))


def folder(tmp_path, *pictures):
    for i, image in enumerate(pictures):
        save(image, tmp_path / "in" / f"{i}.{'tif' if image.mode == 'F' else 'png'}")
    return f"folder:{tmp_path / 'in'}"


def grey(name, **options):
    """The values of the data set's first picture from left to right."""
    data = load(name, image_size=40, channels=1, **options)
    return data.samples[0, 20, :, 0].astype(int)


RISING = np.rint(np.linspace(0, 255, 40))


def test_twelve_of_sixteen_bits_are_stretched_by_a_range_and_told_of_without(tmp_path):
    name = folder(tmp_path, ramp(4095))
    assert grey(name).max() == 16
    for _ in ("decoded", "cached"):
        (note,) = load(name, image_size=40, channels=1).notes
        assert note.startswith(f"{name}: ") and "0 to 4,095 of 0 to 65,535" in note
        assert "--set pixel_range=0,4095" in note
    np.testing.assert_allclose(grey(name, pixel_range="0,4095"), RISING, atol=1)
    assert load(name, image_size=40, pixel_range=(0, 4095)).notes == ()


@pytest.mark.parametrize("most", [40_000, 65_535])
def test_a_range_in_use_needs_no_words(tmp_path, most):
    assert load(folder(tmp_path, ramp(3000), ramp(most))).notes == ()


def test_sixteen_bits_without_a_range_are_what_they_were(tmp_path):
    values = np.arange(65_536)
    image = Image.fromarray(values.reshape(256, 256).astype("uint16"))
    expected = (values * 255 + 32767) // 65535
    np.testing.assert_array_equal(images.prepare(image, None, 1, "crop").ravel(), expected)


def test_what_lies_outside_the_range_is_black_or_white(tmp_path):
    name = folder(tmp_path, ramp(3000, "float32", least=-1000))
    row = grey(name, pixel_range="-500, 1e3")
    assert (row[:5] == 0).all() and (row[-19:] == 255).all()
    assert (np.diff(row[6:20]) > 0).all()


def test_floating_point_pictures_need_a_range_and_the_sentence_names_theirs(tmp_path):
    name = folder(tmp_path, ramp(0.5, "float32"), ramp(3, "float32", least=-0.25))
    with pytest.raises(UsageError, match=r"pixel_range=-0.25,3\. Received: 2 .* from -0.25 to 3"):
        load(name)
    np.testing.assert_allclose(grey(name, pixel_range=(0, 0.5)), RISING, atol=1)


def test_beside_others_a_floating_point_picture_is_skipped_with_its_range(tmp_path):
    name = folder(tmp_path, ramp(0.5, "float32"), picture(RED))
    ((path, reason),) = load(name).skipped
    assert path == "0.tif" and "from 0 to 0.5" in reason and "pixel_range" in reason
    data = load(name, pixel_range="0,1")
    assert data.skipped == () and data.count == 2
    # Pictures of 8 bits keep their values.
    np.testing.assert_array_equal(data.samples[1, 0, 0], RED)


def test_a_picture_with_a_hole_is_skipped(tmp_path):
    holed = np.ones((4, 4), "float32")
    holed[0, 0] = np.nan
    name = folder(tmp_path, Image.fromarray(holed), picture(RED), ramp(1, "float32"))
    ((_, reason),) = load(name, pixel_range="0,1").skipped
    assert "not finite" in reason


@pytest.mark.parametrize("kind", ["folder", "pairs", "domains"])
def test_every_kind_of_folder_takes_a_range_and_keeps_it_apart_in_the_cache(tmp_path, kind):
    for side in "AB":
        for i in range(2):
            save(ramp(4095), tmp_path / "in" / side / f"{i}.png")
    name = f"{kind}:{tmp_path / 'in'}"
    dark, light = load(name), load(name, pixel_range="0,4095")
    assert dark.fingerprint != light.fingerprint == load(name, pixel_range="0,4095").fingerprint
    assert dark.fingerprint == load(name).fingerprint
    assert len(dark.notes) == len(light.notes) + 1
    for field in set(light.fields) - {"label"}:
        assert dark.fields[field].max() < 20 and light.fields[field].max() == 255


def test_a_range_for_pictures_of_8_bits_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"does nothing to pictures of 8 bits.*=0,4095"):
        load(folder(tmp_path, picture(RED)), pixel_range="0,4095")
    with pytest.raises(UsageError, match="no option 'pixel_range'"):
        load("digits", pixel_range="0,4095")


def test_colours_of_16_bits_are_told_of_and_not_stretched(tmp_path):
    # Pillow writes none, so the file is made by hand: a PNG of two pixels.
    import struct
    import zlib

    def chunk(kind, data):
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    pixels = struct.pack(">6H", 0, 100, 200, 4095, 4000, 3000)
    header = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    parts = (
        chunk(b"IHDR", header),
        chunk(b"IDAT", zlib.compress(b"\0" + pixels)),
        chunk(b"IEND", b""),
    )
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    (note,) = load(f"folder:{tmp_path / 'in'}").notes
    assert "from 0 to 4,095 of" in note and "convert them to 8 bits" in note
    with pytest.raises(UsageError, match=r"8 of the 16 bits.*convert it"):
        load(f"folder:{tmp_path / 'in'}", pixel_range="0,4095")


@pytest.mark.parametrize("value", ["", "4095", "5,5", "9,1", "0,nan", "0,1e999", "0,1,2", (1,), 3])
def test_nonsense_as_a_range_is_a_sentence(value):
    with pytest.raises(UsageError, match=r"LOW,HIGH.*0,4095\. Received: "):
        deep.parse_range(value)


def test_a_range_as_text_is_read_as_it_was():
    for ends in [(0.0, 4095.0), (-1e-7, 0.1), (-1000.0, 1e30)]:
        assert deep.parse_range(deep.range_text(ends)) == ends
    assert deep.range_text((0, 4095)) == "0,4095"
