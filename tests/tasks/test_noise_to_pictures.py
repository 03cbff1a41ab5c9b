"""The walk through latent space, and samples beside what they are nearest to."""

import helpers
import numpy as np

from zoo import sampling
from zoo.data import Dataset
from zoo.drawing import pictures
from zoo.tasks import pictures as views
from zoo.tasks.task import task_of

TILE = 64 + 2  # with the gap after it
WALK = task_of("pictures").walk


def tile(sheet, row, column):
    return sheet[row * TILE :][:64, column * TILE :][:, :64]


def test_a_walk_leads_from_one_sample_to_the_next_and_changes_nothing():
    gan = helpers.small("vanilla")
    before = [helpers.numpy(v) for v in gan.variables]
    sheet, description = WALK(gan, None)
    assert sheet.shape == (views.ROWS * TILE - 2, views.STEPS * TILE - 2, 1)
    shown = sampling.to_uint8(gan.generate(2 * views.ROWS, seed=0)).repeat(4, 1).repeat(4, 2)
    for row in range(views.ROWS):
        tiles = [tile(sheet, row, column).astype(int) for column in range(views.STEPS)]
        assert np.abs(tiles[0] - shown[2 * row]).max() <= 1
        assert np.abs(tiles[-1] - shown[2 * row + 1]).max() <= 1
        # The walk has steps, and none of them is large.
        distance = np.abs(tiles[-1] - tiles[0]).mean()
        steps = [np.abs(a - b).mean() for a, b in zip(tiles[1:], tiles[:-1], strict=True)]
        assert min(steps) > 0 and max(steps) < 0.5 * distance
    assert "Each row leads from one latent point" in description
    for variable, value in zip(gan.variables, before, strict=True):
        np.testing.assert_array_equal(helpers.numpy(variable), value)


def test_of_large_pictures_there_is_one_row(monkeypatch):
    gan = helpers.small("vanilla")
    sheet, _ = WALK(gan, None)
    monkeypatch.setattr(views, "AREA", 1)
    row, _ = WALK(gan, None)
    assert row.shape == (64, *sheet.shape[1:])
    assert np.abs(row.astype(int) - sheet[:64]).max() <= 1


def test_with_classes_every_row_is_the_same_walk_in_a_class_of_its_own():
    gan = helpers.small("conditional")
    images = np.zeros((3, *gan.image_shape), "uint8")
    fields = {"image": images, "label": np.arange(3, dtype="int32")}
    dataset = Dataset("x", fields, ("zero", "one", "two"))
    sheet, description = WALK(gan, dataset)
    assert sheet.shape == (3 * TILE - 2, views.STEPS * TILE - 2, 1)
    assert description.endswith("from the top: zero, one, two.")
    for column, point in ((0, 0), (views.STEPS - 1, 1)):
        z = sampling.latents(2, gan.latent_dim, seed=0)[[point] * 3]
        expected = sampling.to_uint8(sampling.run_generator(gan.ema_generator, z, np.arange(3)))
        for row in range(3):
            picture = tile(sheet, row, column)[::4, ::4].astype(int)
            assert np.abs(picture - expected[row]).max() <= 1


def test_neighbours_are_below_the_samples_they_belong_to():
    samples = np.arange(100, 120, dtype="uint8")[:, None, None, None].repeat(64, 1).repeat(64, 2)
    train = np.arange(200, 250, dtype="uint8")[:, None, None, None].repeat(64, 1).repeat(64, 2)
    which = np.arange(20)[::-1] + 3
    distance = np.full(20, 9.0)
    distance[[4, 15, 7]] = 0.25, 0, 1
    sheet = views.neighbours(samples, train, distance, which)[..., 0]
    # A line of text, too, has pixels of many greys, but no rows of tiles.
    rows = np.flatnonzero([len(set(line[16:80])) == 1 and line[16] >= 100 for line in sheet])
    tops = rows[np.insert(np.diff(rows) > 1, 0, True)]
    assert len(tops) == 4 and len(rows) == 4 * 64
    anyone, below, closest, nearest = (
        [int(sheet[top, 16 + TILE * i]) for i in range(views.PAIRS)] for top in tops
    )
    assert len(set(anyone)) == views.PAIRS and closest[:3] == [115, 104, 107]
    for above, under in ((anyone, below), (closest, nearest)):
        assert [value - 200 for value in under] == [which[value - 100] for value in above]
    # This also holds for a few small pictures in colour.
    few, many = (images[:, :8, :8].repeat(3, -1) for images in (samples[:3], train))
    assert views.neighbours(few, many, distance[:3], which[:3]).shape[-1] == 3


def test_titles_are_written_above_their_pictures_and_not_cut_off():
    picture = np.full((40, 60, 3), (255, 0, 0), "uint8")
    sheet = pictures.titled([("short", picture), ("a long title " * 9, picture)])
    red = (sheet == (255, 0, 0)).all(-1)
    assert red.sum() == 2 * 40 * 60
    text = (sheet > 150).all(-1)
    assert text.any() and not text[:, :10].any() and not text[:, -10:].any()
    top = np.flatnonzero(red.any(1))[0]
    assert text[:top].any() and not text[-40:].any()
