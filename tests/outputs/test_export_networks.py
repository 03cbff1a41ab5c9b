"""Exporting networks from pictures to pictures: of any size, each under its name."""

import importlib.util
import json
import os
import subprocess
import sys

import helpers
import keras
import numpy as np
import pytest
import small_generators
import small_translators as small
from keras import layers, ops

import zoo
from zoo.errors import UsageError
from zoo.outputs import keras_alone
from zoo.outputs import loading_code as loading_code_module
from zoo.outputs.export import FORMATS, export, files_of
from zoo.outputs.loading_code import loading_code
from zoo.runs import assembly, checkpoints, network_files
from zoo.runs import config as configs

BACKEND = keras.config.backend()


def has(*modules):
    return all(importlib.util.find_spec(module) for module in modules)


QUICK = "tensorflow" if has("tensorflow") else BACKEND
needs_onnx = pytest.mark.skipif(
    not has("tensorflow", "tf2onnx", "onnxruntime"), reason="the onnx extra is not installed"
)


@pytest.fixture(scope="module")
def unpaired(tmp_path_factory):
    networks = [small.linear(), small.linear(0.5)]
    return small.make_run(tmp_path_factory.mktemp("runs") / "unpaired", "cyclegan", networks)


def reflecting():
    image = keras.Input((None, None, 3), name="image")
    x = ops.pad(image, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    return keras.Model(image, layers.Conv2D(3, 3, activation="tanh")(x))


# The input table


@pytest.mark.parametrize("name", network_files.INPUTS)
def test_an_input_of_every_name_is_drawn_checked_and_pasted_as_its_type(name):
    kind = network_files.INPUTS[name]
    drawn = keras_alone._drawn(kind, (5,) if kind.kind == "class" else (5, 6), 3, random())
    assert drawn.dtype == kind.dtype
    space = {"np": np}
    exec(f"x = {loading_code_module._random(name, (5, 6), 3)}", space)
    assert space["x"].dtype == kind.dtype and len(space["x"]) == 5
    if kind.kind == "class":
        assert sorted(set(drawn)) == sorted(set(space["x"])) == [0, 1, 2]
    if kind.kind == "picture":
        assert max(np.abs(drawn).max(), np.abs(space["x"]).max()) <= 1


def random():
    return np.random.default_rng(0)


def one(shape, name="odd"):
    x = keras.Input(shape, name=name)
    return keras.Model(x, layers.Dense(2)(x))


def test_an_input_of_no_known_name_is_known_by_its_shape():
    assert network_files.input_names(one((None, None, 3))) == ("image",)
    assert network_files.input_names(one((8, 8, 1), "input_layer")) == ("image",)
    assert network_files.input_names(one((1, 1, 7))) == ("z",)
    assert network_files.input_names(one((7,))) == ("z",)
    assert network_files.input_names(one((7,)), "discriminator") == ("sample",)
    assert network_files.input_names(one((7,), "sample")) == ("sample",)
    labelled = small_generators.pictures(classes=4, names=("noise", "digit"))
    assert network_files.input_names(labelled) == ("z", "label")


def test_strides_say_by_what_sides_must_be_divisible():
    assert network_files.multiple(small.linear(step=8)) == 8
    assert network_files.multiple(small.linear(step=1)) == 1
    image = keras.Input((None, None, 3))
    nested = small.linear(step=4)(layers.MaxPooling2D(2)(image))
    doubled = layers.Conv2DTranspose(3, 4, 2, "same")(layers.UpSampling2D(2)(nested))
    assert network_files.multiple(keras.Model(image, doubled)) == 8
    assert network_files.fixed_size(small.linear()) is None
    assert network_files.fixed_size(small.linear(size=(16, 24))) == (16, 24)


def test_a_network_of_unknown_channels_is_refused(tmp_path):
    image = keras.Input((8, 8, None), name="image")
    keras.Model(image, layers.Rescaling(2.0)(image)).save(tmp_path / "x.keras")
    with pytest.raises(ValueError, match="must fix the size of its input `image`"):
        network_files.load(tmp_path / "x.keras")


# Exports


@pytest.mark.slow  # starts Keras in other processes
def test_every_network_is_exported_under_its_name_and_its_lines_run(unpaired, tmp_path):
    messages = []
    paths = export(unpaired, ["keras", "h5"], str(tmp_path / "out"), QUICK, messages.append)
    expected = [files_of(name)[f] for name in ("a_to_b", "b_to_a") for f in ("keras", "h5")]
    assert [os.path.basename(path) for path in paths] == expected
    assert sorted(os.listdir(tmp_path / "out")) == sorted(expected)
    for code, factor in zip(messages, (-1, -1, 0.5, 0.5), strict=True):
        assert "any that 4 divides" in code
        space = {}
        exec(code, space)
        assert space["image"].shape == space["images"].shape == (2, 32, 32, 3)
        np.testing.assert_allclose(space["images"], factor * space["image"], atol=1e-6)
        network = space["a_to_b" if factor == -1 else "b_to_a"]
        assert network.input_shape == (None, None, None, 3)


@pytest.mark.slow  # starts Keras in other processes
def test_a_file_of_a_direction_keeps_its_name(unpaired, tmp_path):
    export(f"{unpaired}/b_to_a.keras", ["keras"], str(tmp_path), QUICK, lambda _: None)
    assert os.listdir(tmp_path) == ["b_to_a.keras"]


REPLAY = """
import json, sys
import numpy as np
results = {{}}
for name, lines in json.loads({blocks!r}).items():
    space = {{}}
    exec(lines, space)
    for size in ((32, 32), (64, 96)):
        x = np.random.default_rng(0).uniform(-1, 1, (3, *size, 3)).astype("float32")
        exec(lines.replace(lines[lines.index("image = "):].splitlines()[0], "image = x"),
             given := {{"x": x}})
        results[f"{{name}}.{{size[0]}}"] = np.asarray(given["images"])
np.savez({out!r}, **results)
"""


@pytest.mark.slow  # TensorFlow starts three times.
@needs_onnx
@pytest.mark.parametrize("model", ["pix2pix", "cyclegan"])
def test_every_format_takes_any_size_and_any_batch(model, tmp_path):
    # Real networks, with instance normalisation and padding by reflection.
    extra = {"blocks": 1, "padding": "reflect"} if model == "cyclegan" else {}
    gan = zoo.create(model, image_shape=(32, 32, 3), width=4, **extra)
    networks = [gan.inference_network(name) for name in gan.averaged]
    run = small.make_run(tmp_path / "run", model, networks, width=4, **extra)
    formats = ["keras", "savedmodel", "onnx"]
    messages = []
    source = run if model == "pix2pix" else f"{run}/a_to_b.keras"
    export(source, formats, str(tmp_path / "out"), say=messages.append)
    out = str(tmp_path / "out.npz")
    code = REPLAY.format(blocks=json.dumps(dict(zip(formats, messages, strict=True))), out=out)
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.modules['zoo'] = None\n{code}"],
        env=os.environ | {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    with np.load(out) as results:
        for size in ((32, 32), (64, 96)):
            x = random().uniform(-1, 1, (3, *size, 3)).astype("float32")
            expected = helpers.numpy(networks[0](x))
            assert expected.std() > 0.01
            for name in formats:
                np.testing.assert_allclose(results[f"{name}.{size[0]}"], expected, atol=2e-5)


@pytest.mark.slow  # builds the larger networks
def test_h5_is_refused_for_what_it_cannot_hold(tmp_path):
    run = small.make_run(tmp_path / "run", "cyclegan", [reflecting(), reflecting()])
    with pytest.raises(UsageError, match=r"Pad.*Leave out h5.*work") as caught:
        export(run, ["keras", "h5"], backend=QUICK)
    assert "\n" not in str(caught.value) and f"{run}/a_to_b.keras" in str(caught.value)
    assert os.listdir(f"{run}/export") == []
    export(run, ["keras"], backend=QUICK, say=lambda _: None)
    assert sorted(os.listdir(f"{run}/export")) == ["a_to_b.keras", "b_to_a.keras"]


def test_an_artefact_that_takes_one_size_only_is_found_out(tmp_path):
    small.linear().save(tmp_path / "original.keras")
    reference = str(tmp_path / "reference.npz")
    facts = keras_alone.convert(
        str(tmp_path / "original.keras"), str(tmp_path), ["keras"], reference
    )
    assert facts["shape"] == [32, 32, 3] and facts["any_size"] == 4
    assert keras_alone.check({"keras": str(tmp_path / "generator.keras")}, reference) == {
        "keras": 0
    }
    small.linear(size=(32, 32)).save(tmp_path / "fixed.keras")
    with pytest.raises(ValueError, match="keras artefact of the generator does not work"):
        keras_alone.check({"keras": str(tmp_path / "fixed.keras")}, reference)
    # Square, as in the original, and also wide.
    image = keras.Input((None, None, 3), name="image")
    column = ops.cumsum(ops.ones_like(image), axis=2)
    keras.Model(image, -image - ops.relu(column - 32)).save(tmp_path / "wide.keras")
    assert keras_alone.check({"keras": str(tmp_path / "wide.keras")}, reference)["keras"] > 1


def trained(folder, model, **extra):
    """Writes a run with a checkpoint; returns `(path, gan)`."""
    dataset = small.pairs(folder / "data", test=0) if model == "pix2pix" else None
    dataset = dataset or small.domains(folder / "data", test=(0, 0))
    settings = {"image_size": 32, "width": 4, **extra}
    resolved = configs.resolve(model, dataset, overrides=settings)
    resolved = assembly.complete(resolved, assembly.load_data(resolved, assembly.Source()))
    gan = assembly.build(resolved)
    run = folder / "run"
    networks = [gan.inference_network(name) for name in gan.averaged]
    small.make_run(run, model, networks, dataset)
    (run / "config.json").write_text(json.dumps(resolved))
    checkpoints.save(run / "checkpoints", gan, {"step": 1})
    return str(run), gan


@pytest.mark.slow  # two processes start, with networks of many layers
def test_a_discriminator_of_two_pictures_is_exported_with_the_names_of_its_inputs(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("ZOO_CACHE_DIR", str(tmp_path / "cache"))
    run, gan = trained(tmp_path, "pix2pix", patch_halvings=2)
    messages = []
    export(run, ["keras"], say=messages.append, discriminator=True)
    assert sorted(os.listdir(f"{run}/export")) == ["discriminator.keras", "generator.keras"]
    assert all(text in messages[1] for text in ("image = ", "judged = ", "[image, judged]"))
    space = {}
    exec(messages[1], space)
    assert space["logits"].shape == (2, 8, 8, 1)
    expected = gan.discriminator([space["image"], space["judged"]])
    np.testing.assert_allclose(space["logits"], helpers.numpy(expected), atol=1e-4)


def test_a_game_without_a_discriminator_says_so(unpaired, tmp_path):
    with pytest.raises(UsageError, match=r"no network called discriminator.*d_a, d_b") as caught:
        export(unpaired, ["keras"], str(tmp_path / "out"), QUICK, discriminator=True)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_run_that_lacks_one_of_its_networks_exports_none(tmp_path):
    run = small.make_run(tmp_path / "run", "cyclegan", [small.linear(), small.linear()])
    os.remove(f"{run}/b_to_a.keras")
    with pytest.raises(UsageError, match=r"has no b_to_a\.keras yet"):
        export(run, ["keras"], backend=QUICK)


@pytest.mark.parametrize("format", [name for name in FORMATS if name != "web"])
def test_the_lines_name_what_they_load(format):
    code = loading_code(format, "/x", ["image"], [64, 64, 3], 0, "images", "a_to_b", any_size=64)
    compile(code, "lines", "exec")
    assert "uniform(-1, 1, (2, 64, 64, 3))" in code and "any that 64 divides" in code
    free = loading_code(format, "/x", ["image"], [64, 64, 3], 0, "images", "a_to_b", any_size=1)
    assert "height and width may be any\n" in free
    fixed = loading_code(format, "/x", ["image"], [64, 64, 3], 0, "images", "a_to_b")
    assert "(16, 64, 64, 3)" in fixed and "divides" not in fixed


@pytest.mark.slow  # TensorFlow starts twice.
def test_both_networks_replace_older_folders(unpaired, tmp_path):
    for _ in range(2):
        paths = export(unpaired, ["savedmodel"], str(tmp_path), "tensorflow", lambda _: None)
    assert sorted(os.listdir(tmp_path)) == sorted(os.path.basename(path) for path in paths)
