"""The formats of other libraries: weights in 8 bits, and folders that a server reads."""

import importlib.util
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import small_translators
from small_generators import make_run, pictures, points

from zoo.errors import UsageError
from zoo.outputs import converters, keras_alone, placing
from zoo.outputs import export as export_module

needs_tensorflow = pytest.mark.skipif(
    not importlib.util.find_spec("tensorflow"), reason="TensorFlow is not installed"
)


def test_weights_are_rounded_by_the_scale_of_the_axis_that_loses_least():
    rng = np.random.default_rng(0)
    values = rng.uniform(-1, 1, (3, 40, 5)).astype("float32")
    values *= np.logspace(-3, 1, 40)[:, np.newaxis]  # one scale for all would lose the small ones
    values[:, 7] = 0
    whole, scale, axis = converters.rounded(values)
    assert (whole.dtype, scale.shape, axis) == (np.int8, (40,), 1)
    again = whole * scale[:, np.newaxis]
    assert np.abs(again - values).max(axis=(0, 2)) == pytest.approx(0, abs=10 / 127 / 2 + 1e-6)
    assert (np.abs(again - values) <= scale[:, np.newaxis] / 2 + 1e-7).all()
    assert np.isfinite(scale).all() and (again[:, 7] == 0).all()


def test_a_network_that_loses_too_much_in_int8_is_refused(tmp_path):
    np.savez(tmp_path / "reference.npz", outputs=np.ones(1))
    reference = tmp_path / "reference.npz"
    export_module._check_differences({"onnx": 1e-7, "onnx_int8": [0.5, 40.0]}, reference)
    for mean in (2.5, np.nan):
        with pytest.raises(UsageError, match=r"generator: onnx_int8 by .* of 255 levels.*nothing"):
            export_module._check_differences({"onnx_int8": [mean, 40.0]}, reference)


def test_the_difference_in_levels_is_that_of_the_range(tmp_path, monkeypatch):
    expected = np.linspace(0, 51, keras_alone.MANY)[:, np.newaxis]
    arrays = {"z": np.zeros((7, 1)), "outputs": np.zeros((7, 1))}
    arrays |= {"int8/z": expected, "int8/outputs": expected}
    np.savez(tmp_path / "reference.npz", **arrays)
    loaders = keras_alone.converters.LOADERS
    monkeypatch.setitem(loaders, "x_int8", lambda path: lambda inputs: inputs["z"] + 1.0)
    found = keras_alone.check({"x_int8": "path"}, str(tmp_path / "reference.npz"))
    assert found == {"x_int8": pytest.approx([5.0, 5.0])}


def test_litert_of_pictures_of_any_size_is_refused(tmp_path):
    small_translators.linear().save(tmp_path / "a_to_b.keras")
    arguments = (str(tmp_path / "a_to_b.keras"), str(tmp_path), ["tflite_int8"], "none.npz")
    with pytest.raises(ValueError, match=r"any size.*Leave out tflite: onnx") as caught:
        keras_alone.convert(*arguments, network="a_to_b")
    assert "\n" not in str(caught.value)


def test_formats_that_hold_the_same_are_written_once_and_copied(tmp_path, monkeypatch):
    written = []

    def write(model, names, output, path):
        written.append(path)
        os.makedirs(f"{path}/variables")
        pathlib.Path(path, "saved_model.pb").write_text("graph")

    for name in ("savedmodel", "serving"):
        assert keras_alone.converters.WRITERS[name].__name__ == "save_savedmodel"
        monkeypatch.setitem(keras_alone.converters.WRITERS, name, write)
    pictures().save(tmp_path / "original.keras")
    formats = ["serving", "keras", "savedmodel"]
    arguments = str(tmp_path / "original.keras"), str(tmp_path), formats
    keras_alone.convert(*arguments, str(tmp_path / "reference.npz"))
    assert written == [str(tmp_path / "generator.serving")]
    for name in ("serving", "savedmodel"):
        folder = tmp_path / f"generator.{name}"
        assert (folder / "saved_model.pb").read_text() == "graph" and (
            folder / "variables"
        ).is_dir()


def test_a_server_finds_each_export_as_the_next_version(tmp_path):
    folder = tmp_path / "generator_serving"
    assert placing.next_version(folder) == str(folder / "1")
    for name in ("1", "9", "notes"):
        (folder / name).mkdir()
    assert placing.next_version(folder) == str(folder / "10")
    assert placing.is_artefact(folder, "serving")
    (tmp_path / "other" / "thing").mkdir(parents=True)
    assert not placing.is_artefact(tmp_path / "other", "serving")


SERVED = """
import sys
sys.modules["keras"] = sys.modules["zoo"] = None
import tensorflow as tf
signature = tf.saved_model.load({path!r}).signatures["serving_default"]
inputs = {{name: (spec.shape.as_list(), spec.dtype.name)
          for name, spec in signature.structured_input_signature[1].items()}}
assert inputs == {{"z": ([None, 6], "float32"), "label": ([None], "int32")}}, inputs
for size in (1, 7):
    images = signature(z=tf.zeros((size, 6)), label=tf.zeros(size, tf.int32))["images"]
    assert images.shape == (size, 8, 8, 1), images.shape
"""


@pytest.mark.slow  # TensorFlow starts three times.
@needs_tensorflow
def test_a_served_generator_has_an_input_for_each_name(tmp_path):
    run = make_run(tmp_path / "run", pictures(classes=4))
    for version in "1", "2":
        (path,) = export_module.export(run, ["serving"], backend="tensorflow", say=lambda _: None)
        assert path == f"{run}/export/generator_serving/{version}"
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", SERVED.format(path=path)],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow  # TensorFlow starts twice.
@needs_tensorflow
def test_points_become_litert_too(tmp_path):
    run = make_run(tmp_path / "run", points())
    said = []
    export_module.export(run, ["tflite", "tflite_int8"], backend="tensorflow", say=said.append)
    assert "differs by at most" in said[0] and "levels in the mean" in said[1]


@pytest.mark.slow  # starts TensorFlow with PyTorch or JAX
@needs_tensorflow
def test_litert_knows_the_sides_of_what_is_doubled(tmp_path):
    """As in cats_and_dogs: Keras's way to double ended in a network that could not be written."""
    code = """
import sys
import keras, numpy as np
from keras import layers
from zoo.outputs import converters

z = keras.Input((4,), name="z")
x = layers.Reshape((2, 2, 1))(z)
x = y = layers.Conv2D(4, 3, padding="same")(layers.UpSampling2D(2)(x))
x = layers.Conv2D(4, 3, padding="same")(layers.UpSampling2D(2)(x))
y = layers.Conv2D(4, 4, activation="sigmoid")(y)
network = keras.Model(z, layers.Multiply()([x, y]))
converters.save_tflite(network, ["z"], "images", sys.argv[1])
run = converters.LOADERS["tflite"](sys.argv[1])
for count in (1, 7):
    given = np.random.default_rng(0).normal(size=(count, 4)).astype("float32")
    np.testing.assert_allclose(run({"z": given}), network.predict(given, verbose=0), atol=1e-5)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "network.tflite")],
        env=os.environ | {"KERAS_BACKEND": "tensorflow"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
