"""Network files hold no argument that has its default value, so that older Keras reads them."""

import json
import random
import zipfile

import h5py
import helpers
import keras
import numpy as np
import pytest
import small_generators
from keras import layers
from test_pretrained import FOLDER, NAMES

from zoo import keras_files

# What Keras 3.13 to 3.15 added to layers and initializers; Keras 3.12.0 refuses files that hold it.
UNKNOWN = ("quantization_config", "renorm", "renorm_clipping", "renorm_momentum")
UNKNOWN += ("input_axes", "output_axes")


def config_of(path):
    """The text of the config in a file."""
    if path.suffix == ".h5":
        with h5py.File(path) as file:
            return file.attrs["model_config"]
    with zipfile.ZipFile(path) as archive:
        return archive.read("config.json").decode()


def model():
    """Stock layers of many kinds, one of which reads its config itself, and one shared dtype."""
    z = keras.Input((4,), name="z")
    x = layers.Dense(16, "relu", kernel_initializer="he_normal")(z)
    x = layers.Reshape((2, 2, 4))(layers.Rescaling(2.0)(layers.Dropout(0.5, seed=1)(x)))
    x = layers.BatchNormalization(momentum=0.8, center=False)(x)
    x = layers.UpSampling2D(interpolation="bilinear")(layers.LeakyReLU(0.2)(x))
    return keras.Model(z, layers.Conv2DTranspose(1, 4, 2, "same", activation="tanh")(x))


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_file_without_defaults_is_the_same_network(tmp_path, suffix):
    network = model()
    network.save(tmp_path / f"plain{suffix}")
    path = keras_files.save(network, tmp_path / f"network{suffix}")
    assert [p.name for p in sorted(tmp_path.iterdir())] == [path.name, f"plain{suffix}"]
    text = config_of(path)
    assert '"momentum": 0.8' in text and '"center": false' in text and '"seed": 1' in text
    assert not [name for name in UNKNOWN if f'"{name}"' in text]
    assert '"epsilon"' not in text and '"offset"' in text  # Rescaling does not load without
    whole, less = (keras.models.load_model(tmp_path / f"{n}{suffix}") for n in ("plain", "network"))
    assert less.get_config() == whole.get_config()
    for a, b in zip(whole.weights, less.weights, strict=True):
        np.testing.assert_array_equal(helpers.numpy(a), helpers.numpy(b))


def test_one_network_has_one_config_whenever_it_is_written(tmp_path):
    path = keras_files.save(model(), tmp_path / "first.keras")
    texts = []
    for name in ("a", "b"):
        network = keras.models.load_model(path)  # other objects, at other addresses
        texts.append(config_of(keras_files.save(network, tmp_path / f"{name}.keras")))
    assert texts[0] == texts[1]
    assert '"shared_object_id": 1}' in config_of(path)


def test_an_argument_is_left_out_only_where_nothing_changes():
    def stripped(layer):
        config = keras.saving.serialize_keras_object(layer)
        less = keras_files.without_defaults(config)
        again = keras.saving.deserialize_keras_object(less)
        assert again.get_config() == layer.get_config()
        return less["config"]

    assert "use_bias" not in stripped(layers.Dense(3))
    assert stripped(layers.Dense(3, use_bias=False))["use_bias"] is False
    assert stripped(layers.ReLU(threshold=1.0))["threshold"] == 1.0
    # Equal numbers of another type are another value.
    assert "axis" not in stripped(layers.Concatenate())
    config = {"module": "keras.layers", "class_name": "Concatenate", "config": {"axis": -1.0}}
    assert keras_files.without_defaults(config) == config
    unknown = {"module": "mine", "class_name": "Dense", "config": {"use_bias": True}}
    assert keras_files.without_defaults(unknown) == unknown


def test_a_failed_save_leaves_the_older_file(tmp_path, monkeypatch):
    path = keras_files.save(small_generators.points(), tmp_path / "network.keras")
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keras_files, "strip", full)
    with pytest.raises(OSError, match="No space"):
        keras_files.save(small_generators.points(), path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name] and path.read_bytes() == before


def test_operations_between_layers_keep_what_they_do(tmp_path):
    image = keras.Input((None, None, 3), name="image")
    padded = keras.ops.pad(image, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    network = keras.Model(image, keras.ops.mean(padded, axis=(1, 2), keepdims=True))
    path = keras_files.save(network, tmp_path / "network.keras")
    x = np.random.default_rng(0).uniform(-1, 1, (2, 4, 5, 3)).astype("float32")
    loaded = keras.models.load_model(path)
    np.testing.assert_array_equal(helpers.numpy(loaded(x)), helpers.numpy(network(x)))


@pytest.mark.parametrize("name", NAMES)
def test_what_ships_holds_nothing_that_the_oldest_keras_refuses(name):
    text = config_of(FOLDER / f"{name}.keras")
    assert not [word for word in UNKNOWN if f'"{word}"' in text]
    assert keras_files.without_defaults(json.loads(text)) == json.loads(text)


def test_a_save_leaves_the_random_numbers_of_the_user_alone(tmp_path):
    random.seed(1)
    expected = random.random()
    random.seed(1)
    keras_files.save(model(), tmp_path / "network.keras")
    network = keras.Sequential([keras.Input((4,)), layers.Dense(3, kernel_initializer="he_normal")])
    random.seed(1)
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(network.layers[0])))
    keras_files.without_defaults(config)
    assert random.random() == expected
