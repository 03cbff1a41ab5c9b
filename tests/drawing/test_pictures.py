"""Pictures: every tile where it belongs, every pixel kept, nothing half written."""

import os
import re

import numpy as np
import pytest
from PIL import Image

from zoo import files
from zoo.drawing import pictures
from zoo.errors import UsageError


def tiles(count, size=64, channels=1):
    values = np.arange(1, count + 1, dtype="uint8")[:, None, None, None] * 10
    return np.broadcast_to(values, (count, size, size, channels)).copy()


def test_grid_puts_tiles_row_by_row_with_gaps_between_and_none_around():
    sheet = pictures.grid(tiles(5), columns=3, padding=2)
    assert sheet.shape == (2 * 64 + 2, 3 * 64 + 4, 1) and sheet.dtype == np.uint8
    for i in range(5):
        top, left = i // 3 * 66, i % 3 * 66
        assert (sheet[top : top + 64, left : left + 64] == 10 * (i + 1)).all()
    assert (sheet[64:66] == pictures.GAP).all() and (sheet[:, 64:66] == pictures.GAP).all()
    assert (sheet[66:, 132:] == pictures.GAP).all()


@pytest.mark.parametrize("count, rows, columns", [(1, 1, 1), (2, 1, 2), (7, 3, 3), (64, 8, 8)])
def test_grid_is_nearly_square_by_default(count, rows, columns):
    assert pictures.grid(tiles(count, 64) // 3, padding=0).shape == (rows * 64, columns * 64, 1)


def test_grid_is_no_wider_than_its_images():
    assert pictures.grid(tiles(2), columns=8, padding=0).shape == (64, 128, 1)


@pytest.mark.parametrize("size, scale", [(8, 8), (28, 3), (32, 2), (64, 1), (256, 1)])
def test_small_tiles_are_enlarged_by_whole_pixels(size, scale):
    image = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), "uint8")
    sheet = pictures.grid(image)
    assert sheet.shape == (size * scale, size * scale, 3)
    for i in range(scale):
        np.testing.assert_array_equal(sheet[i::scale, i::scale], image[0])


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((4, 8, 8, 1), "float32"),
        np.zeros((4, 8, 8), "uint8"),
        np.zeros((4, 8, 8, 2), "uint8"),
        np.zeros((0, 8, 8, 1), "uint8"),
    ],
    ids=["float", "no channels", "two channels", "none"],
)
def test_grid_refuses_what_is_not_images(images):
    with pytest.raises(UsageError, match=re.escape(str(images.shape))):
        pictures.grid(images)


@pytest.mark.parametrize("wrong", [{"columns": 0}, {"scale": 0}, {"padding": -1}])
def test_grid_refuses_impossible_layouts(wrong):
    with pytest.raises(UsageError, match="Received"):
        pictures.grid(tiles(4), **wrong)


def test_side_by_side_keeps_both_pictures_also_of_other_sizes_and_channels():
    left, right = np.full((4, 3, 1), 7, "uint8"), np.full((6, 5, 3), (1, 2, 3), "uint8")
    sheet = pictures.side_by_side(left, right, gap=2)
    assert sheet.shape == (6, 10, 3)
    assert (sheet[:4, :3] == 7).all() and (sheet[:, 5:] == (1, 2, 3)).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_png_gives_back_every_pixel(tmp_path, channels):
    image = np.random.default_rng(0).integers(0, 256, (5, 7, channels), "uint8")
    path = pictures.save_png(tmp_path / "deep" / "x.png", image)
    with Image.open(path) as picture:
        np.testing.assert_array_equal(np.asarray(picture).reshape(image.shape), image)
    assert path.read_bytes() == pictures.png_bytes(image)


def test_png_says_what_it_shows(tmp_path):
    image = np.zeros((4, 4, 1), "uint8")
    path = pictures.save_png(tmp_path / "x.png", image, "Zwölf Äpfel → 1 & 2")
    with Image.open(path) as picture:
        assert picture.info["Description"] == "Zwölf Äpfel → 1 & 2"
    assert b"Description" not in pictures.png_bytes(image)


def test_png_refuses_floats():
    with pytest.raises(UsageError, match="float32"):
        pictures.png_bytes(np.zeros((4, 4, 1), "float32"))


def test_gif_plays_all_frames_for_ever(tmp_path):
    frames = [np.full((8, 8, 3), value, "uint8") for value in (0, 100, 200)]
    path = pictures.save_gif(tmp_path / "x.gif", frames, milliseconds=120)
    with Image.open(path) as picture:
        assert (picture.n_frames, picture.info["duration"], picture.info["loop"]) == (3, 120, 0)
        picture.seek(2)
        assert np.asarray(picture.convert("RGB"))[0, 0].tolist() == [200, 200, 200]


def test_gif_refuses_no_frames(tmp_path):
    with pytest.raises(UsageError, match="at least one"):
        pictures.save_gif(tmp_path / "x.gif", [])
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    path = files.write_atomically(tmp_path / "x", b"old")

    def fail(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        files.write_atomically(path, b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["x"] and path.read_bytes() == b"old"


def test_timeline_sorts_by_step_and_ignores_the_rest(tmp_path):
    for name in (
        "step-0000200.png",
        "step-10000000.png",
        "step-0000003.png",
        "step-x.png",
        "a.png",
    ):
        (tmp_path / name).touch()
    assert [step for step, _ in pictures.timeline(tmp_path)] == [3, 200, 10_000_000]
    assert pictures.timeline(tmp_path / "missing") == []


def points(figure):
    path = re.search(r'<path style="stroke[^"]*" d="M([^"]*)"', figure)[1]
    return np.array([point.split() for point in path.split("L")], float)


def test_curves_places_points_to_scale():
    figure = pictures.curves({"loss": ([0, 1, 4], [0, 10, 5])}, "Loss")
    # The axis reaches a little beyond the data: from -0.6 to 10.6.
    expected = [[0, 946.4], [250, 53.6], [1000, 500]]
    np.testing.assert_allclose(points(figure), expected, atol=0.05)


def test_curves_of_many_points_keep_their_mean_and_their_extremes():
    y = np.sin(np.arange(10_000.0))
    figure = pictures.curves({"loss": (np.arange(10_000), y)}, "Loss")
    assert len(points(figure)) == 300 and 'class="band"' in figure
    assert abs(points(figure)[:, 1].mean() - 500) < 5
    band = re.search(r'class="band"[^>]*d="M([^"]*)Z"', figure)[1]
    heights = [float(point.split()[1]) for point in band.split("L")]
    assert min(heights) < 60 and max(heights) > 940


def test_curves_tell_what_they_leave_out():
    spike = [1.0, 2.0] * 60 + [1e9]
    figure = pictures.curves({"loss": (range(121), spike)}, "Loss")
    assert "Outside the drawing: 1 of 121 values" in figure
    assert np.ptp(points(figure)[:-1, 1]) > 300
    figure = pictures.curves({"loss": ([0, 1, 2, 3], [1, np.nan, np.inf, 2])}, "Loss")
    assert "2 values were not finite" in figure and len(points(figure)) == 2


@pytest.mark.parametrize("y", [[3.0], [0.0, 0.0], [1e-30, 2e-30], [1e30, -1e30]])
def test_curves_of_degenerate_ranges_are_drawn(y):
    figure = pictures.curves({"loss": (range(len(y)), y)}, "Loss")
    assert np.isfinite(points(figure.replace("h0", ""))).all()


def test_curves_without_points_are_empty():
    assert pictures.curves({}, "Loss") == ""
    assert pictures.curves({"loss": ([1], [np.nan])}, "Loss") == ""


def test_curves_escape_names():
    figure = pictures.curves({"<script>": ([0, 1], [0, 1])}, "<b>", x_label='"><i>')
    assert not re.search("<script|<b>|<i>", figure)
