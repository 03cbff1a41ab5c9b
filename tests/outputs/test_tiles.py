"""Enlarging in tiles: as in one piece, whatever the picture, and alpha and rotation kept."""

import pathlib

import keras
import numpy as np
import pytest
import small_translators
from helpers import small
from keras import layers
from PIL import Image

from zoo import sampling
from zoo.data import bicubic
from zoo.errors import UsageError
from zoo.outputs import tiles
from zoo.outputs.translate import translate

pytestmark = pytest.mark.backend


def random_network(channels=3, **settings):
    gan = small("srgan", **{"image_shape": (16, 16, channels), "kernel_size": 3} | settings)
    network = gan.inference_network("generator")
    random = np.random.default_rng(0)
    network.set_weights([random.normal(0, 0.2, w.shape) for w in network.weights])
    return network


def doubling(channels=3):
    """Returns a network that repeats each pixel."""
    image = keras.Input((None, None, channels), name="image")
    return keras.Model(image, layers.UpSampling2D(2)(image))


def opened(path):
    with Image.open(path) as image:
        image.load()
        return image


def picture(*shape):
    return np.random.default_rng(0).integers(0, 256, shape).astype("uint8")


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("size", [(40, 31), (1, 90), (90, 1), (5, 5)])
def test_tiles_are_as_the_whole(scale, size):
    network, image = random_network(scale=scale), picture(*size, 3)
    whole = sampling.translated(network, image[np.newaxis])[0]
    assert whole.std() > 20, "a flat picture shows no seam"
    parts = tiles.enlarged(network, image, side=7)
    assert parts.shape == (size[0] * scale, size[1] * scale, 3) == whole.shape
    # Sums are made in another order.
    assert np.abs(parts.astype(int) - whole).max() <= 1


def test_with_a_smaller_overlap_there_are_seams(monkeypatch):
    network, image = random_network(), picture(40, 31, 3)
    whole = sampling.translated(network, image[np.newaxis])[0]
    assert tiles.reach(network) >= 2
    monkeypatch.setattr(tiles, "reach", lambda network: 1)
    parts = tiles.enlarged(network, image, side=7)
    assert np.abs(parts.astype(int) - whole).max() > 5


def test_the_network_sees_tiles_of_one_bounded_size(monkeypatch):
    network, seen = random_network(), []
    run = sampling.translated
    monkeypatch.setattr(
        sampling, "translated", lambda net, x, *a: (seen.append(x.shape), run(net, x, *a))[1]
    )
    tiles.enlarged(network, picture(60, 45, 3), side=20)
    assert len(seen) == 6 and len(set(seen)) == 1
    assert max(seen[0][1:3]) == 20 + 2 * tiles.reach(network)


@pytest.mark.parametrize(("settings", "pixels"), [({}, 6), ({"blocks": 3}, 10), ({"scale": 2}, 5)])
def test_the_reach_is_the_sum_of_the_kernels(settings, pixels):
    # Never too small, and at most two pixels too large.
    assert pixels <= tiles.reach(random_network(**settings)) <= pixels + 2


def test_a_network_that_looks_at_everything_gets_the_picture_in_one_piece():
    image = keras.Input((None, None, 3), name="image")
    x = layers.UpSampling2D(2)(layers.GroupNormalization(groups=-1)(image))
    network = keras.Model(image, x)
    assert tiles.reach(network) is None and tiles.factor(network) == 2
    given = picture(30, 30, 3)
    whole = sampling.translated(network, given[np.newaxis])[0]
    np.testing.assert_array_equal(tiles.enlarged(network, given, side=8), whole)


def test_the_factor_of_networks_that_keep_the_size_is_one():
    assert tiles.factor(small_translators.linear()) == 1
    assert tiles.factor(small_translators.linear(size=(32, 48))) == 1
    assert tiles.factor(doubling()) == 2


def test_alpha_is_enlarged_beside_the_colours():
    image = picture(6, 7, 4)
    drawn = tiles.enlarged(doubling(), image)
    np.testing.assert_array_equal(drawn[::2, ::2, :3], image[..., :3])
    np.testing.assert_array_equal(drawn[..., 3:], bicubic.resized(image[..., 3:], (12, 14)))


def test_grey_stays_grey_and_a_grey_network_keeps_colours():
    grey, colours = picture(6, 7, 1), picture(6, 7, 3)
    np.testing.assert_array_equal(tiles.enlarged(doubling(), grey)[::2, ::2], grey)
    np.testing.assert_array_equal(tiles.enlarged(doubling(1), colours)[::2, ::2], colours)


@pytest.mark.parametrize("alpha", [False, True])
def test_grey_of_equal_colours_stays_grey(alpha):
    grey = np.repeat(picture(6, 7, 1), 3, axis=-1)
    opacity = np.full((6, 7, 1), 255, "uint8")
    image = np.concatenate([grey, opacity], axis=-1) if alpha else grey
    large = tiles.enlarged(random_network(), image)
    assert large.shape == (24, 28, image.shape[-1]) and large[..., 0].std() > 5
    np.testing.assert_array_equal(large[..., :3], large[..., :1].repeat(3, axis=-1))


def test_an_enormous_result_is_refused(monkeypatch):
    monkeypatch.setattr(tiles, "MOST", 100)
    with pytest.raises(ValueError, match="enlarged it would have 14x12 pixels, more than 100"):
        tiles.enlarged(doubling(), picture(6, 7, 3))


@pytest.fixture(scope="module")
def network_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("network") / "generator.keras"
    doubling().save(path)
    return str(path)


def test_files_of_every_kind_keep_what_they_are(network_file, tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture(6, 10, 3)).save(folder / "turned.png", exif=exif)
    Image.fromarray(picture(6, 10, 4)).save(folder / "alpha.png")
    Image.fromarray(picture(6, 10, 1)[..., 0]).save(folder / "grey.png")
    deep = picture(6, 10, 1)[..., 0].astype("uint16") * 257
    Image.fromarray(deep).save(folder / "deep.png")
    Image.fromarray(picture(1, 3000, 3)).save(folder / "line.png")
    (folder / "broken.png").write_bytes(b"no picture")
    paths = translate(network_file, inputs=str(folder), out=str(out), say=lambda _: None)
    assert len(paths) == 5
    drawn = {path.stem: opened(path) for path in out.iterdir()}
    assert {name: image.size for name, image in drawn.items()} == {
        **{"turned": (12, 20), "alpha": (20, 12), "grey": (20, 12), "deep": (20, 12)},
        "line": (6000, 2),
    }
    modes = {name: image.mode for name, image in drawn.items()}
    assert modes == {"turned": "RGB", "alpha": "RGBA", "grey": "L", "deep": "L", "line": "RGB"}
    np.testing.assert_array_equal(np.asarray(drawn["deep"])[::2, ::2], deep // 257)


def test_a_grid_holds_pictures_of_any_kind(network_file, tmp_path):
    for name, channels in (("grey", 1), ("alpha", 4), ("colour", 3)):
        image = picture(20, 30, channels)
        Image.fromarray(image[..., 0] if channels == 1 else image).save(tmp_path / f"{name}.png")
    (path,) = translate(
        network_file,
        inputs=str(tmp_path),
        out=str(tmp_path / "grid.png"),
        format="grid",
        say=lambda _: None,
    )
    assert opened(path).mode == "RGB"


def test_a_picture_that_grows_too_large_is_named(network_file, tmp_path, monkeypatch):
    monkeypatch.setattr(tiles, "MOST", 100)
    Image.fromarray(picture(20, 30, 3)).save(tmp_path / "large.png")
    with pytest.raises(
        UsageError, match=r"large\.png: enlarged it would have 60x40 pixels"
    ) as error:
        translate(network_file, inputs=str(tmp_path), out=str(tmp_path / "out"))
    assert "\n" not in str(error.value) and not (tmp_path / "out").exists()


def test_without_input_the_runs_own_pictures_are_made_small_and_enlarged(tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_CACHE_DIR", str(tmp_path / "cache"))
    for split in ("train", "test"):
        path = tmp_path / "data" / split / "one.png"
        small_translators.save(picture(35, 50, 3), path)
    run = small_translators.make_run(
        tmp_path / "run", "srgan", [doubling()], f"crops:{tmp_path / 'data'}", image_size=32
    )
    paths = translate(run, out=str(tmp_path / "out"), say=lambda _: None)
    names = ["0000_input", "0000_output", "0000_target"]
    assert sorted(pathlib.Path(path).stem for path in paths) == names
    sizes = {opened(path).size for path in paths}
    assert sizes == {(25, 17), (50, 34)}


@pytest.mark.parametrize("side", [128, 256])
def test_a_network_that_halves_more_often_than_a_small_picture_allows_does_not_enlarge(side):
    network = small("pix2pix", image_shape=(side, side, 3)).inference_network("generator")
    assert tiles.factor(network) == 1
    assert tiles.factor(random_network(scale=4)) == 4


def test_a_layer_that_is_called_twice_is_not_understood():
    image, layer = keras.Input((None, None, 1), name="image"), layers.Conv2D(1, 3, padding="same")
    assert tiles.reach(keras.Model(image, layer(image))) == 1
    assert tiles.reach(keras.Model(image, layer(layer(image)))) is None
