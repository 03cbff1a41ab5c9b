"""Holes filled by a network: large pictures piece by piece, sentences, and simple fillings."""

import pathlib

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image
from small_translators import painter

from zoo.errors import UsageError
from zoo.outputs import filling
from zoo.outputs import inpaint as module
from zoo.outputs.inpaint import inpaint
from zoo.runs import network_files

RANDOM = np.random.default_rng(0)


def quiet(_):
    pass


def save(array, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return str(path)


def read(path):
    with Image.open(path) as file:
        return np.asarray(file)


@pytest.fixture(scope="module")
def network():
    return painter()


@pytest.fixture(scope="module")
def path(network, tmp_path_factory):
    path = str(tmp_path_factory.mktemp("network") / "generator.keras")
    network.save(path)
    return path


def picture(size, channels=3):
    return RANDOM.integers(0, 256, (*size, channels)).astype("uint8")


def test_a_large_picture_is_filled_piece_by_piece_as_in_one(network, monkeypatch):
    monkeypatch.setattr(filling, "AROUND", 16)
    image, hole = picture((60, 90)), np.zeros((60, 90), bool)
    hole[3:8, 2:9] = hole[30:33, 5:85] = hole[50:58, 40:44] = True
    hole[RANDOM.random(hole.shape) < 0.01] = True
    whole = filling.filled(network, image, hole)
    pieces = filling.windows(hole, 30 * 84)
    sizes = [(rows.stop - rows.start) * (columns.stop - columns.start) for rows, columns in pieces]
    assert len(sizes) > 3 and max(sizes) <= 30 * 84
    np.testing.assert_array_equal(filling.filled(network, image, hole, 30 * 84), whole)
    np.testing.assert_array_equal(whole[~hole], image[~hole])
    assert (whole[hole] != image[hole]).any()


def test_a_part_of_a_hole_that_is_too_large_is_one_sentence(path, tmp_path, monkeypatch):
    monkeypatch.setattr(filling.windows, "__defaults__", (400,))
    mask = np.zeros((40, 60), "uint8")
    mask[5:30, 10:40] = 255
    files = save(picture((40, 60)), tmp_path / "p.png"), save(mask, tmp_path / "m.png")
    with pytest.raises(UsageError, match=r"a part of its hole spans 30x25 pixels.*--resize"):
        inpaint(path, *files, out=str(tmp_path / "out"), say=quiet)
    assert not (tmp_path / "out").exists()


def test_pictures_are_read_one_at_a_time_and_broken_ones_left_out(
    path, tmp_path, monkeypatch, capsys
):
    mask = np.zeros((8, 8), "uint8")
    mask[2:4, 1:5] = 255
    mask, folder, out = save(mask, tmp_path / "m.png"), tmp_path / "in", tmp_path / "out"
    for name, size in (("a", (8, 8)), ("c", (8, 9)), ("d", (8, 8))):
        save(picture(size), folder / f"{name}.png")
    (folder / "b.png").write_bytes(b"no picture")
    order = []
    for name in ("_read", "_save"):
        own = getattr(module, name)
        watched = lambda *given, name=name, own=own: order.append(name) or own(*given)  # noqa: E731
        monkeypatch.setattr(module, name, watched)
    written = inpaint(path, str(folder), mask, out=str(out), say=quiet)
    assert order == ["_read", "_save", "_read", "_read", "_read", "_save"]
    names = [f"{stem}_{kind}.png" for stem in "ad" for kind in ("overview", "0")]
    assert [pathlib.Path(file).name for file in written] == names
    assert sorted(file.name for file in out.iterdir()) == sorted(names)
    message = capsys.readouterr().err
    assert "warning: 2 of 4 were skipped" in message and "b.png cannot be used: not a" in message
    assert f"{folder / 'c.png'}: The size of {mask} is not that" in message
    for name in "ad":
        (folder / f"{name}.png").unlink()
    with pytest.raises(UsageError, match=r"None of the pictures could be filled.*b\.png.*c\.png"):
        inpaint(path, str(folder), mask, out=str(tmp_path / "none"), say=quiet)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("size", [(1, 50), (50, 1), (5, 7), (32, 64)])
@pytest.mark.parametrize("kind", ["RGB", "RGBA", "L", "I;16"])
def test_strange_pictures_are_filled_at_their_size(path, tmp_path, size, kind):
    hole = np.zeros(size, bool)
    hole.flat[2:4] = True
    if kind == "I;16":
        image = RANDOM.integers(0, 65536, size).astype("uint16")
    else:
        image = picture(size, {"RGB": 3, "RGBA": 4, "L": 1}[kind]).squeeze(
            -1 if kind == "L" else ()
        )
    mask = save(hole.astype("uint8") * 255, tmp_path / "m.png")
    if kind == "RGBA":
        image[..., 3], mask = np.where(hole, 0, 255), None
    overview, answer = inpaint(
        path, save(image, tmp_path / "p.png"), mask, out=str(tmp_path / "out"), say=quiet
    )
    filled = read(answer)
    assert filled.shape == (*size, 3) and read(overview).ndim == 3
    if kind in ("RGB", "RGBA"):
        np.testing.assert_array_equal(filled[~hole], image[..., :3][~hole])


@pytest.mark.parametrize("kind", ["RGBA", "LA"])
@pytest.mark.parametrize("resize", [None, "stretch"])
def test_a_picture_with_a_mask_keeps_its_own_alpha(path, tmp_path, kind, resize):
    image, hole = picture((16, 20), 4), np.zeros((16, 20), bool)
    hole[3:9, 4:12] = True
    image[:8, :, 3], image[8:, :, 3] = 0, 255
    if kind == "LA":
        image[..., :3] = image[..., :1]
    source, size = path, (16, 20)
    if resize:
        source, size = str(tmp_path / "fixed.keras"), (32, 40)
        painter(size).save(source)
        hole = hole.repeat(2, 0).repeat(2, 1)
    given = str(tmp_path / "p.png")
    Image.fromarray(image).convert(kind).save(given)
    mask = save(hole[:: size[0] // 16, :: size[1] // 20].astype("uint8") * 255, tmp_path / "m.png")
    out = str(tmp_path / "out")
    overview, answer = inpaint(source, given, mask, resize=resize, out=out, say=quiet)
    filled = read(answer)
    assert filled.shape == (*size, 4) and read(overview).shape[-1] == 3
    assert (filled[hole][:, 3] == 255).all()
    if resize is None:
        np.testing.assert_array_equal(filled[~hole], image[~hole])
    else:
        assert filled[0, 0, 3] == 0 and filled[-1, -1, 3] == 255


def test_what_is_filled_into_a_grey_picture_is_grey():
    image, mask = (
        keras.Input((None, None, 3), name="image"),
        keras.Input((None, None, 1), name="mask"),
    )
    colour = layers.Conv2D(3, 1)
    network = keras.Model([image, mask], colour(layers.Concatenate()([image, mask])))
    colour.set_weights([np.zeros((1, 1, 4, 3)), np.array([0.5, 0.0, -0.5])])
    grey, hole = picture((12, 12), 1).repeat(3, axis=-1), np.zeros((12, 12), bool)
    hole[3:8, 2:9] = True
    filled = filling.filled(network, grey, hole)
    np.testing.assert_array_equal(filled, filled[..., :1].repeat(3, axis=-1))
    np.testing.assert_array_equal(filled[~hole], grey[~hole])
    grey[0, 0] = 0, 0, 200
    coloured = filling.filled(network, grey, hole)
    assert (coloured[hole] != coloured[hole][:, :1]).any()


def test_what_a_network_of_one_answer_cannot_do_is_one_sentence(path, tmp_path):
    mask = np.zeros((8, 8), "uint8")
    mask[2:4] = 255
    files = save(picture((8, 8)), tmp_path / "p.png"), save(mask, tmp_path / "m.png")
    options = {"out": str(tmp_path / "out"), "say": quiet}
    for given, message in (
        ({"count": 2}, "has learnt one answer.*--count=2"),
        ({"classes": "a"}, "without classes.*--class=a"),
        ({"resize": "crop"}, "takes pictures of any size.*--resize=crop"),
    ):
        with pytest.raises(UsageError, match=message):
            inpaint(path, *files, **given, **options)
    fixed = str(tmp_path / "fixed.keras")
    painter((16, 16)).save(fixed)
    with pytest.raises(UsageError, match=r"pictures of 16x16.*--resize=crop.*of 8x8"):
        inpaint(fixed, *files, **options)
    _, answer = inpaint(fixed, *files, resize="stretch", **options)
    assert read(answer).shape == (16, 16, 3)


def test_parallel_branches_do_not_add_up_their_strides(network):
    assert network_files.fills(network) and not network_files.translates(network)
    assert network_files.multiple(network) == 4
    image = keras.Input((None, None, 3))
    branches = [layers.Conv2D(3, 3, 2, "same")(image) for _ in range(3)]
    assert network_files.multiple(keras.Model(image, layers.Add()(branches))) == 2


def test_simple_fillings_leave_known_pixels_as_they_are():
    image, hole = picture((12, 12)), np.zeros((12, 12), bool)
    hole[3:7, 4:9] = True
    fillings = filling.simple(image, hole)
    assert {"mean", "harmonic"} <= set(fillings)
    for filled in fillings.values():
        assert filled.shape == image.shape and filled.dtype == np.uint8
        np.testing.assert_array_equal(filled[~hole], image[~hole])
    assert (fillings["mean"][hole] == np.rint(image[~hole].mean(axis=0))).all()
