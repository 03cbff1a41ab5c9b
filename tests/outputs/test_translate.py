"""Translating pictures: whatever their size, under their names, and nothing lost."""

import json
import os
import pathlib
import subprocess
import sys

import helpers
import keras
import numpy as np
import pytest
import small_generators
import small_translators as small
from keras import layers
from PIL import Image

import zoo
from zoo import sampling
from zoo.data import images
from zoo.errors import UsageError
from zoo.outputs import translate as module
from zoo.outputs.generate import generate
from zoo.outputs.translate import translate, translates
from zoo.runs import network_files

ROOT = pathlib.Path(__file__).parents[2]


def quiet(_):
    pass


@pytest.fixture(scope="module")
def paired(tmp_path_factory):
    """A run of pairs, whose network draws the negative."""
    folder = tmp_path_factory.mktemp("paired")
    dataset = small.pairs(folder / "data", test=3)
    return small.make_run(folder / "run", "pix2pix", [small.linear()], dataset)


@pytest.fixture(scope="module")
def unpaired(tmp_path_factory):
    """A run whose a_to_b draws the negative and whose b_to_a halves the contrast."""
    folder = tmp_path_factory.mktemp("unpaired")
    dataset = small.domains(folder / "data", test=(3, 4))
    networks = [small.linear(), small.linear(0.5)]
    return small.make_run(folder / "run", "cyclegan", networks, dataset)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("ZOO_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.mark.backend
@pytest.mark.parametrize("size", [(32, 32), (33, 47), (1, 6)])
def test_a_picture_of_any_size_keeps_it(paired, tmp_path, size):
    image = small.picture(1, size)
    path = small.save(image, tmp_path / "one.png")
    (out,) = translate(paired, inputs=str(path), out=str(tmp_path / "out"))
    assert out == str(tmp_path / "out" / "one.png")
    np.testing.assert_array_equal(small.read(out), 255 - image)


def test_a_picture_is_continued_by_reflection():
    image = keras.Input((None, None, 1), name="image")
    mosaic = keras.Model(image, layers.UpSampling2D(4)(layers.AveragePooling2D(4)(image)))
    x = np.random.default_rng(0).integers(0, 256, (2, 6, 9, 1)).astype("uint8")
    result = sampling.translated(mosaic, x, network_files.multiple(mosaic))
    rest = np.pad(x.astype(float), [(0, 0), (0, 2), (0, 3), (0, 0)], "reflect")
    means = rest.reshape(2, 2, 4, 3, 4, 1).mean(axis=(2, 4))
    expected = means.repeat(4, axis=1).repeat(4, axis=2)[:, :6, :9]
    assert result.dtype == np.uint8 and np.abs(result - expected).max() < 0.51
    inside = sampling.translated(mosaic, x / np.float32(127.5) - 1, 4)
    assert inside.dtype == np.float32 and np.abs((inside + 1) * 127.5 - expected).max() < 1e-3


def test_pictures_of_more_than_8_bits_are_read_with_the_range_of_the_run(tmp_path):
    run = small.make_run(tmp_path / "run", "pix2pix", [small.linear()], pixel_range="0,4095")
    values = np.linspace(0, 4095, 32).astype("uint16")
    path = small.save(np.tile(values, (32, 1)), tmp_path / "one.png")
    (out,) = translate(run, inputs=str(path), out=str(tmp_path / "out"))
    expected = 255 - np.rint(values / 4095 * 255)
    np.testing.assert_allclose(small.read(out)[0, :, 0], expected, atol=1)


def test_names_and_folders_are_kept(paired, tmp_path):
    images = {name: small.picture(i) for i, name in enumerate(["x.png", "deep/er/x.bmp", "y.tif"])}
    for name, image in images.items():
        small.save(image, tmp_path / "in" / name)
    paths = translate(paired, inputs=str(tmp_path / "in"), out=str(tmp_path / "in" / "out"))
    for name, image in images.items():
        out = (tmp_path / "in" / "out" / name).with_suffix(".png")
        np.testing.assert_array_equal(small.read(out), 255 - image)
    assert len(paths) == 3
    # The outputs lie among the inputs, and are not translated again.
    again = translate(
        paired, inputs=str(tmp_path / "in"), out=str(tmp_path / "in" / "out"), overwrite=True
    )
    assert again == paths


def test_two_pictures_of_one_name_keep_their_extensions(paired, tmp_path):
    first, second = small.picture(1), small.picture(2)
    small.save(first, tmp_path / "in" / "x.png")
    small.save(second, tmp_path / "in" / "X.bmp")
    translate(paired, inputs=str(tmp_path / "in"), out=str(tmp_path / "out"))
    assert sorted(os.listdir(tmp_path / "out")) == ["X.bmp.png", "x.png.png"]
    np.testing.assert_array_equal(small.read(tmp_path / "out" / "X.bmp.png"), 255 - second)


def test_rotation_by_exif_is_applied_and_alpha_put_on_white(paired, tmp_path):
    image = small.picture(1, (32, 48))
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "in").mkdir()
    Image.fromarray(image).save(tmp_path / "in" / "turned.png", exif=exif)
    clear = np.zeros((32, 32, 4), "uint8")
    clear[:16] = [255, 0, 0, 255]
    small.save(clear, tmp_path / "in" / "clear.png")
    translate(paired, inputs=str(tmp_path / "in"), out=str(tmp_path / "out"))
    result = small.read(tmp_path / "out" / "turned.png")
    np.testing.assert_array_equal(result, 255 - np.rot90(image, -1))
    result = small.read(tmp_path / "out" / "clear.png")
    assert (result[:16] == [0, 255, 255]).all() and (result[16:] == 0).all(), "white becomes black"


def test_a_network_of_four_channels_sees_the_alpha(tmp_path):
    run = small.make_run(tmp_path / "run", "pix2pix", [small.linear(channels=4)])
    image = np.random.default_rng(0).integers(1, 256, (8, 8, 4)).astype("uint8")
    path = small.save(image, tmp_path / "x.png")
    (out,) = translate(run, inputs=str(path), out=str(tmp_path / "out"))
    np.testing.assert_array_equal(small.read(out), 255 - image)
    (grid,) = translate(run, inputs=str(path), format="grid", out=str(tmp_path / "grid.png"))
    assert small.read(grid).shape[-1] == 3


def test_what_cannot_be_read_is_named_and_the_rest_translated(paired, tmp_path, capsys):
    small.save(small.picture(1), tmp_path / "in" / "good.png")
    (tmp_path / "in" / "bad.jpg").write_text("no picture")
    paths = translate(paired, inputs=str(tmp_path / "in"), out=str(tmp_path / "out"), say=quiet)
    assert [os.path.basename(path) for path in paths] == ["good.png"]
    message = capsys.readouterr().err
    assert "warning: 1 of 2" in message and "bad.jpg: not a picture" in message


def test_where_nothing_can_be_read_nothing_is_written(paired, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "bad.jpg").write_text("no picture")
    for format in ("png", "grid"):
        with pytest.raises(UsageError, match=r"None of the pictures.*bad\.jpg"):
            translate(paired, inputs=str(tmp_path / "in"), format=format, out=str(tmp_path / "out"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no picture in"):
        translate(paired, inputs=str(tmp_path / "empty"))
    with pytest.raises(UsageError, match="no file or folder"):
        translate(paired, inputs=str(tmp_path / "gone"))
    assert not (tmp_path / "out").exists()


def test_the_memory_of_one_picture_too_large_costs_only_that_one(
    paired, tmp_path, monkeypatch, capsys
):
    for i, size in enumerate([(8, 8), (12, 8)]):
        small.save(small.picture(i, size), tmp_path / "in" / f"{i}.png")
    run, seen = sampling.translated, []

    def limited(network, images, *args):
        seen.append(images.shape)
        if images.shape[1] > 8:
            raise MemoryError
        return run(network, images, *args)

    monkeypatch.setattr(module.sampling, "translated", limited)
    paths = translate(paired, inputs=str(tmp_path / "in"), out=str(tmp_path / "out"), say=quiet)
    assert seen == [(1, 8, 8, 3), (1, 12, 8, 3)], "one at a time"
    assert len(paths) == 1 and "8x12 pixels" in capsys.readouterr().err


def test_existing_files_are_refused_and_inputs_never_replaced(paired, tmp_path):
    image = small.picture(1)
    path = small.save(image, tmp_path / "in" / "x.png")
    out = small.save(small.picture(2), tmp_path / "out" / "x.png")
    before = out.read_bytes()
    options = {"inputs": str(tmp_path / "in"), "out": str(tmp_path / "out")}
    with pytest.raises(UsageError, match=r"x\.png would be replaced"):
        translate(paired, **options)
    assert out.read_bytes() == before
    translate(paired, **options, overwrite=True)
    np.testing.assert_array_equal(small.read(out), 255 - image)
    (tmp_path / "link").symlink_to(tmp_path / "in")
    for place in (tmp_path / "in", tmp_path / "link"):
        with pytest.raises(UsageError, match=r"x\.png is one of the pictures given"):
            translate(paired, inputs=str(tmp_path / "in"), out=str(place), overwrite=True)
    np.testing.assert_array_equal(small.read(path), image)


def test_the_own_test_split_has_input_output_and_target(paired, tmp_path):
    paths = translate(paired, out=str(tmp_path / "out"), count=2)
    columns = ("input", "output", "target")
    assert [os.path.basename(p) for p in paths] == [
        f"{i:04}_{column}.png" for i in range(2) for column in columns
    ]
    given, drawn, target = map(small.read, paths[:3])
    np.testing.assert_array_equal(given, small.picture(100))
    np.testing.assert_array_equal(drawn, 255 - given)
    np.testing.assert_array_equal(target, drawn)
    with pytest.raises(UsageError, match="is a folder where several"):
        translate(paired, out=str(tmp_path / "one.png"))


@pytest.mark.parametrize(("direction", "count"), [("a_to_b", 3), ("b_to_a", 4)])
def test_a_direction_takes_its_own_side(unpaired, tmp_path, direction, count):
    paths = translate(unpaired, direction, out=str(tmp_path / "out"))
    assert len(paths) == 2 * count, "no targets are known"
    given, drawn = (small.read(path).astype(int) for path in paths[:2])
    assert (given.mean() < 100) == (direction == "a_to_b"), "a is dark"
    expected = 255 - given if direction == "a_to_b" else (given - 127.5) / 2 + 127.5
    assert np.abs(drawn - expected).max() <= 1


def test_without_a_direction_it_says_which_and_keeps_them_apart(unpaired):
    messages = []
    (first,) = translate(unpaired, format="grid", say=messages.append)
    (second,) = translate(unpaired, "b_to_a", format="grid", say=messages.append)
    assert "a_to_b" in messages[0] and "--direction=b_to_a" in messages[0] and len(messages) == 1
    assert [pathlib.Path(p).parent.name for p in (first, second)] == ["a_to_b", "b_to_a"]


@pytest.mark.parametrize("direction", ["a_to_b", "b_to_a"])
def test_pictures_of_the_run_s_data_that_hold_both_sides_are_cut(tmp_path, direction):
    left, right = small.picture(1, (32, 40)), small.picture(2, (32, 40))
    joined = np.concatenate([left, right], axis=1)
    for split in ("train", "test"):
        small.save(joined, tmp_path / "data" / split / "x.png")
    dataset = f"pairs:{tmp_path / 'data'}"
    run = small.make_run(
        tmp_path / "run", "pix2pix", [small.linear()], dataset, direction=direction
    )
    shown, target = (left, right) if direction == "a_to_b" else (right, left)
    notes = []
    inputs = str(tmp_path / "data" / "test")
    (out,) = translate(run, inputs=inputs, out=str(tmp_path / "out"), say=notes.append)
    np.testing.assert_array_equal(small.read(out), 255 - shown)
    side = "left" if direction == "a_to_b" else "right"
    assert notes == [f"The pictures of {dataset} hold both sides: the {side} half is the input."]
    (grid,) = translate(run, inputs=inputs, out=str(tmp_path), format="grid", say=quiet)
    grid = small.read(grid)[::2, ::2]  # small tiles are enlarged
    for place, image in zip((0, 41, 82), (shown, 255 - shown, target), strict=True):
        np.testing.assert_array_equal(grid[:, place : place + 40], image)
    # Pictures from other folders are not cropped, whatever their size.
    other = small.save(joined, tmp_path / "other" / "x.png")
    (out,) = translate(run, inputs=str(other), out=str(tmp_path / "out2"), say=quiet)
    np.testing.assert_array_equal(small.read(out), 255 - joined)


def test_a_run_without_a_test_split_translates_its_train_split(tmp_path):
    dataset = small.pairs(tmp_path / "data", test=0)
    run = small.make_run(tmp_path / "run", "pix2pix", [small.linear()], dataset)
    messages = []
    paths = translate(run, say=messages.append)
    assert len(paths) == 3 * 6 and "no test split" in messages[0]
    np.testing.assert_array_equal(small.read(paths[0]), small.picture(0))


def test_a_grid_has_a_row_for_each_picture(paired, tmp_path):
    sizes = [(40, 32), (16, 600)]
    for i, size in enumerate(sizes):
        small.save(small.picture(i, size), tmp_path / "in" / f"{i}.png")
    (path,) = translate(paired, inputs=str(tmp_path / "in"), format="grid", out=str(tmp_path / "g"))
    # Tiles of 40x256, the large one smaller, with 2 between them.
    assert small.read(path).shape == (2 * 40 + 2, 2 * 256 + 2, 3)
    (path,) = translate(paired, format="grid", out=str(tmp_path / "own.png"))
    assert path == str(tmp_path / "own.png")
    grid = small.read(path)
    assert grid.shape == (3 * 66 - 2, 3 * 66 - 2, 3), "small tiles are enlarged"
    np.testing.assert_array_equal(grid[:64, :64], small.picture(100).repeat(2, 0).repeat(2, 1))
    np.testing.assert_array_equal(grid[:64, 66:130], 255 - grid[:64, :64])


def test_a_grid_of_many_says_how_many_it_shows(unpaired, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "ROWS", 2)
    messages = []
    translate(unpaired, "a_to_b", format="grid", out=str(tmp_path), say=messages.append)
    assert "2 of 3 pictures are translated" in messages[0]


def test_a_network_of_fixed_size_gets_pictures_of_it_and_says_so(tmp_path):
    run = small.make_run(tmp_path / "run", "pix2pix", [small.linear(size=(16, 24))])
    path = small.save(np.full((50, 20, 3), 90, "uint8"), tmp_path / "x.png")
    messages = []
    (out,) = translate(run, inputs=str(path), out=str(tmp_path / "out"), say=messages.append)
    assert "16x24 (height x width) only" in messages[0]
    assert small.read(out).shape == (16, 24, 3) and (small.read(out) == 255 - 90).all()


def test_large_pictures_are_said_and_brought_to_the_size_of_the_run_where_asked(paired, tmp_path):
    large = small.picture(1, (96, 64))
    path = small.save(large, tmp_path / "in" / "large.png")
    small.save(small.picture(2, (40, 90)), tmp_path / "in" / "long.png")
    messages = []
    translate(paired, inputs=str(path.parent), out=str(tmp_path / "out"), say=messages.append)
    (said,) = messages
    assert said.startswith("1 of 2 pictures are much larger than the 32x32")
    assert small.read(tmp_path / "out" / "large.png").shape == (96, 64, 3)
    for resize in ("crop", "stretch"):
        messages.clear()
        options = {"inputs": str(path), "out": str(tmp_path / resize), "say": messages.append}
        (out,) = translate(paired, resize=resize, **options)
        brought = images.prepare(Image.fromarray(large), (32, 32), 3, resize)
        np.testing.assert_array_equal(small.read(out), 255 - brought)
        assert not messages


def test_resize_where_nothing_can_be_resized_is_one_sentence(paired, tmp_path):
    path = str(small.save(small.picture(1), tmp_path / "x.png"))
    with pytest.raises(UsageError, match="own pictures have its size already"):
        translate(paired, resize="crop", out=str(tmp_path / "out"))
    with pytest.raises(UsageError, match=r"does not know the size .*--run.*--resize=pad"):
        translate(f"{paired}/generator.keras", inputs=path, resize="pad", out=str(tmp_path / "out"))
    enlarging = small.make_run(tmp_path / "run", "pix2pix", [doubling()])
    with pytest.raises(UsageError, match="enlarges pictures of any size"):
        translate(enlarging, inputs=path, resize="crop", out=str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def doubling():
    image = keras.Input((None, None, 3), name="image")
    return keras.Model(image, layers.UpSampling2D(2)(image))


def test_a_network_file_is_enough(unpaired, tmp_path):
    path = small.save(small.picture(1), tmp_path / "x.png")
    source = f"{unpaired}/b_to_a.keras"
    assert translates(source)
    (out,) = translate(source, inputs=str(path), out=str(tmp_path / "out.png"))
    expected = (small.picture(1).astype(float) - 127.5) / 2 + 127.5
    assert np.abs(small.read(out) - expected).max() <= 1
    with pytest.raises(UsageError, match="no data of its own"):
        translate(source)
    with pytest.raises(UsageError, match="knows one direction"):
        translate(source, "b_to_a", inputs=str(path))


def test_directions_that_a_run_has_not_are_refused(paired, unpaired, tmp_path):
    with pytest.raises(UsageError, match="has learnt one direction, a_to_b"):
        translate(paired, "b_to_a")
    assert translate(paired, "a_to_b", out=str(tmp_path / "out"))
    with pytest.raises(UsageError, match="no direction 'a_to_c'"):
        translate(unpaired, "a_to_c")


def test_noise_and_pictures_are_not_mixed_up(paired, tmp_path):
    noise = small_generators.make_run(tmp_path / "noise", small_generators.pictures())
    assert not translates(noise) and not translates(f"{noise}/generator.keras")
    with pytest.raises(UsageError, match="does not make pictures of pictures"):
        translate(noise, inputs=str(tmp_path))
    assert translates(paired)
    with pytest.raises(UsageError, match="makes pictures of pictures, not of noise"):
        generate(paired)


CASES = {
    "seeds": (["--seeds=1"], "--seeds is for samples of noise"),
    "walk": (["--walk", "--class=3"], "--class and --walk are for samples of noise"),
    "npz": (["--format=npz"], "no array holds them"),
    "plain": (["--count=1", "--format=grid", "--out=mine.png"], "mine.png"),
    "resize": (["--input=large.png", "--resize=crop", "--out=small.png"], "small.png"),
    # A network of noise fills holes in its --input.
    "input": (["--generator=noise/generator.keras", "--input=x.png"], "no file or folder x.png"),
    "both": (
        ["--run=noise", "--direction=a_to_b", "--input=x"],
        "--direction is for pictures that are translated",
    ),
}
LOOP = """
import contextlib, io, json, sys
from zoo.cli import generate, programs
for arguments in json.load(sys.stdin):
    out, err = io.StringIO(), io.StringIO()
    sys.argv = ["generate.py", *arguments]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            programs.main(generate.run)
            code = 0
        except SystemExit as exit:
            code = exit.code or 0
    print(json.dumps([code, out.getvalue(), err.getvalue()]))
    for flag in programs.FLAGS:
        programs.FLAGS[flag].unparse()
    programs.FLAGS.unparse_flags()
"""


@pytest.mark.slow  # starts a process, in which the flags are defined
def test_flags_for_the_other_kind_are_one_sentence(unpaired, tmp_path):
    small_generators.make_run(tmp_path / "noise", small_generators.pictures())
    small.save(small.picture(1, (96, 64)), tmp_path / "large.png")
    cases = [
        arguments
        if any(x.startswith(("--run", "--gen")) for x in arguments)
        else [f"--run={unpaired}", *arguments]
        for arguments, _ in CASES.values()
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "KERAS_BACKEND": keras.config.backend()}
    done = subprocess.run(
        [sys.executable, "-c", LOOP],
        input=json.dumps(cases),
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    answers = map(json.loads, done.stdout.splitlines())
    for (name, (_, expected)), (code, out, err) in zip(CASES.items(), answers, strict=True):
        if name in ("plain", "resize"):
            assert code == 0 and expected in out and (tmp_path / expected).exists(), err
        else:
            assert code == 2 and expected in err and err.count("\n") == 1, (name, err)
    assert small.read(tmp_path / "small.png").shape == (32, 32, 3)


def model(name, **settings):
    extra = {"width": 4} | ({"blocks": 1} if name == "cyclegan" else {})
    return zoo.create(name, image_shape=(32, 32, 3), **extra, **settings)


@pytest.mark.slow  # compiles a network for each size
@pytest.mark.backend
@pytest.mark.parametrize("name", ["pix2pix", pytest.param("cyclegan", marks=helpers.not_on_jax)])
def test_a_model_translates_pictures_of_any_size(name):
    gan = model(name)
    count = len(gan.variables)
    network = gan.averaged[-1]
    direction = network if len(gan.averaged) > 1 else None
    x = np.stack([small.picture(i, (32, 32)) for i in range(3)])
    expected = keras.ops.convert_to_numpy(gan.network(f"ema_{network}")(x / np.float32(127.5) - 1))
    result = gan.translate(x, direction)
    assert result.dtype == np.uint8 and np.abs(result - (expected + 1) * 127.5).max() < 0.51
    wide = np.concatenate([x, x[:, :, :5]], axis=2)
    floats = gan.translate(wide / np.float32(127.5) - 1, direction)
    assert floats.dtype == np.float32 and floats.shape == wide.shape
    np.testing.assert_array_equal(gan.translate(wide, direction), sampling.to_uint8(floats))
    inference = gan.inference_network(network)
    again = sampling.translated(inference, wide, network_files.multiple(inference))
    assert np.abs(gan.translate(wide, direction).astype(int) - again).max() <= 1
    # The averaged weights draw, also after the copy was made, unless the others are asked for.
    for weight in gan.network(network).trainable_variables:
        weight.assign(weight * 3 + 0.1)
    np.testing.assert_array_equal(gan.translate(wide, direction), sampling.to_uint8(floats))
    assert np.abs(gan.translate(wide, direction, ema=False).astype(float) - again).max() > 5
    assert len(gan.variables) == count, "the copy is no part of the model"


@pytest.mark.parametrize("name", ["pix2pix", "cyclegan"])
def test_a_model_says_by_what_sides_must_be_divisible(name):
    gan = model(name)
    assert gan.multiple == network_files.multiple(gan.inference_network(gan.averaged[0]))


def test_what_a_model_cannot_translate_is_refused():
    gan, cycle = model("pix2pix"), model("cyclegan")
    good = np.zeros((1, 32, 32, 3), "uint8")
    wrong = [good[0], good[..., :1], good.astype("int32"), good[:0], np.full(good.shape, 3.0)]
    for given in [*wrong, np.full(good.shape, np.nan)]:
        with pytest.raises(UsageError, match="Expected pictures"):
            gan.translate(given)
    with pytest.raises(UsageError, match="knows one direction"):
        gan.translate(good, "a_to_b")
    with pytest.raises(UsageError, match="no direction 'b'"):
        cycle.translate(good, "b")


def test_label_maps_are_brought_to_the_size_of_the_run_without_mixing_labels(tmp_path):
    colours = np.array([[0, 0, 0], [255, 80, 0], [0, 48, 255]], "uint8")
    run = small.make_run(tmp_path / "run", "pix2pixhd", [small.linear()], labels=3)
    config = tmp_path / "run" / "config.json"
    names = ["#000000", "#0030ff", "#ff5000"]
    config.write_text(json.dumps(json.loads(config.read_text()) | {"class_names": names}))
    labels = np.random.default_rng(0).integers(0, 3, (10, 10)).repeat(9, 0).repeat(9, 1)
    path = small.save(colours[labels], tmp_path / "map.png")
    (out,) = translate(run, inputs=str(path), out=str(tmp_path / "out"), resize="crop", say=quiet)
    assert small.read(out).shape == (32, 32, 3)
    assert {*map(tuple, 255 - small.read(out).reshape(-1, 3))} == {*map(tuple, colours)}


def test_pictures_of_other_labels_than_a_run_has_learnt_are_skipped(tmp_path, capsys):
    run = small.make_run(tmp_path / "run", "pix2pixhd", [small.linear()], labels=2)
    path = pathlib.Path(run, "config.json")
    known = json.loads(path.read_text()) | {"class_names": ["#000000", "#010101"]}
    path.write_text(json.dumps(known))
    numbers = np.zeros((8, 8), "uint8")
    numbers[2:] = 1
    small.save(numbers, tmp_path / "maps" / "right.png")
    small.save(numbers * 7, tmp_path / "maps" / "wrong.png")
    written = translate(run, inputs=str(tmp_path / "maps"), out=str(tmp_path / "out"))
    assert [pathlib.Path(path).name for path in written] == ["right.png"]
    message = capsys.readouterr().err
    assert "wrong.png" in message and "such as #070707" in message and "2 labels" in message
