"""Untrained generators of stock layers and runs made by hand, for the tests of this folder."""

import json

import keras
from keras import layers

from zoo import sampling

SMOOTH = 12  # numbers in a latent point of `smooth`


def pictures(channels=1, classes=None, names=("z", "label"), groups=None):
    """Returns a generator of 8x8 pictures from 6 numbers and, with `classes`, a label.

    With `groups` it has a grouped convolution.
    """
    keras.utils.set_random_seed(0)
    z = keras.Input((6,), name=names[0])
    inputs, x = [z], z
    if classes:
        label = keras.Input((), dtype="int32", name=names[1])
        inputs, x = [z, label], layers.Concatenate()([z, layers.Embedding(classes, 4)(label)])
    spread = keras.initializers.RandomNormal(1.0, 0.3)
    x = layers.Reshape((4, 4, 8))(layers.Dense(128)(x))
    x = layers.ReLU()(layers.BatchNormalization(gamma_initializer=spread)(x))
    if groups:
        x = layers.Conv2D(8, 1, groups=groups)(x)
    x = layers.Conv2DTranspose(channels, 4, 2, "same", activation="tanh")(x)
    model = keras.Model(inputs if classes else z, x)
    # Large enough that a wrong label or a lost weight shows in every pixel.
    for variable in model.variables:
        variable.assign(variable * 3)
    return model


def smooth(channels=1, classes=None):
    """Returns a generator of 8x8 pictures without jumps, in which a search gets somewhere."""
    keras.utils.set_random_seed(0)
    z = keras.Input((SMOOTH,), name="z")
    inputs, x = z, layers.Dense(16, "tanh")(z)
    if classes:
        label = keras.Input((), dtype="int32", name="label")
        code = layers.Embedding(classes, 16, embeddings_initializer="random_normal")(label)
        inputs, x = [z, label], layers.Add()([x, layers.Rescaling(40.0)(code)])
    x = layers.Dense(64 * channels, "tanh")(x)
    return keras.Model(inputs, layers.Reshape((8, 8, channels))(x))


def sample(generator, seed, labels=None):
    """Returns the sample of a seed of a generator by `smooth`, uint8 `(8, 8, channels)`."""
    z = sampling.latents(1, SMOOTH, [seed])
    return sampling.to_uint8(sampling.run_generator(generator, z, labels))[0]


def points():
    """Returns a generator of pairs of numbers, which are not pictures."""
    keras.utils.set_random_seed(0)
    z = keras.Input((3,), name="z")
    return keras.Model(z, layers.Dense(2)(layers.Dense(8, "tanh")(z)))


def make_run(folder, model, **config):
    """Writes a run directory with `generator.keras` and `config.json`; returns its path as str."""
    folder.mkdir(parents=True)
    model.save(folder / "generator.keras")
    (folder / "config.json").write_text(json.dumps(config))
    return str(folder)
