"""Holes: their form, their place, and that each picture has its own."""

import helpers
import numpy as np
import pytest
from helpers import numpy, small

from zoo.errors import UsageError
from zoo.parts import holes

SIZE = (40, 64)


def boxes_of(masks):
    """The rows and columns of each hole, as two bool arrays `(n, side)`."""
    return masks.any(axis=2), masks.any(axis=1)


def test_a_box_is_a_rectangle_of_a_quarter_to_half_of_each_side():
    masks = holes.fixed(300, SIZE, ("box",))
    rows, columns = boxes_of(masks)
    assert (masks == rows[:, :, np.newaxis] & columns[:, np.newaxis, :]).all()
    for inside, side in ((rows, SIZE[0]), (columns, SIZE[1])):
        assert (np.abs(np.diff(inside.astype(int), axis=1)).sum(axis=1) <= 2).all(), "in one piece"
        lengths = inside.sum(axis=1)
        assert lengths.min() >= side / 4 and lengths.max() <= side / 2
        assert lengths.min() < 0.3 * side and lengths.max() > 0.45 * side
        assert inside.any(axis=0).all(), "it may lie anywhere"


def test_a_larger_hole_size_makes_larger_holes():
    for kinds in (("box",), ("brush",)):
        shares = [holes.fixed(40, SIZE, kinds, size).mean() for size in (0.2, 0.5, 0.8)]
        assert shares[0] < shares[1] / 2 and shares[1] < 0.8 * shares[2]


@pytest.mark.backend
def test_strokes_are_lines_with_round_ends():
    draws = np.zeros((1, holes.DRAWS), "float32")
    stroke = 2 + 4  # after the kind, the box and the number of strokes
    place, width, turned = slice(stroke, stroke + 2), stroke + 2, stroke + 3
    draws[0, place], draws[0, width] = 0.5, 1.0
    # One line, straight down: the first turns by -ANGLE.
    draws[0, turned] = holes.ANGLE[0] / (2 * np.pi)
    draws[0, stroke + 6] = 1.0
    size = (100, 100)
    (mask,) = numpy(holes.masks(draws, size, ("brush",)))[..., 0] > 0
    y, x = np.mgrid[:100, :100] + 0.5
    radius, length = 100 * holes.WIDTH[1] / 2, 100 * holes.LENGTH[1]
    along = np.clip(y - 50, 0, length)
    expected = np.hypot(y - 50 - along, x - 50) <= radius
    assert (mask != expected).sum() <= 4, "up to rounding at the edge"
    # A second line turns back.
    draws[0, stroke + 4] = 0.2
    (more,) = numpy(holes.masks(draws, size, ("brush",)))[..., 0] > 0
    assert (more & ~mask).sum() > 20 and not (mask & ~more).any()


def test_every_picture_has_a_hole_and_known_pixels_of_its_own():
    masks = holes.fixed(100, (16, 16))
    assert masks.any(axis=(1, 2)).all() and not masks.all(axis=(1, 2)).any()
    assert len({mask.tobytes() for mask in masks}) > 90
    rows, columns = boxes_of(masks)
    is_box = (masks == rows[:, :, np.newaxis] & columns[:, np.newaxis, :]).all(axis=(1, 2))
    assert 15 <= is_box.sum() <= 60, "a third are boxes alone"
    assert (holes.fixed(5, (16, 16)) == masks[:5]).all()
    assert (holes.fixed(5, (16, 16), seed=1) != masks[:5]).any()


def test_a_round_draws_a_hole_for_each_picture_anew():
    gan = small("inpainting")
    batch = helpers.fields(gan, helpers.data(gan, 8)[0])
    first, second = (numpy(gan.part["Holes"].before_round(gan, batch)["mask"]) for _ in range(2))
    assert first.shape == (8, 16, 16, 1) and set(np.unique(first)) == {0, 1}
    assert len({mask.tobytes() for mask in [*first, *second]}) == 16


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"holes": "box,bursh"}, "no kind of holes 'bursh'. Did you mean 'brush'"),
        ({"holes": ","}, "without holes teach nothing"),
        ({"hole_size": 1.0}, "`hole_size` is out of range"),
    ],
)
def test_a_wrong_setting_is_one_sentence(settings, message):
    with pytest.raises(UsageError, match=message) as error:
        small("inpainting", **settings)
    assert "\n" not in str(error.value)
