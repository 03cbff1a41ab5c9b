"""Networks from pictures to pictures with known results, and hand-made runs of them."""

import json

import keras
import numpy as np
from keras import layers
from PIL import Image

from zoo.runs import config as configs

# What `Game.averaged` says of the models.
NETWORKS = {
    "pix2pix": ("generator",),
    "pix2pixhd": ("generator",),
    "cyclegan": ("a_to_b", "b_to_a"),
    "discogan": ("a_to_b", "b_to_a"),
    "srgan": ("generator",),
}


def linear(factor=-1.0, channels=3, step=4, size=(None, None)):
    """Returns a network that multiplies a picture by `factor`, -1 for its negative.

    It also downsamples and upsamples the picture by `step` and adds the result times zero. So, like
    a U-Net, it fails on sides that `step` does not divide.
    """
    image = keras.Input((*size, channels), name="image")
    kernel = keras.initializers.Constant(factor * np.eye(channels)[np.newaxis, np.newaxis])
    x = layers.Conv2D(channels, 1, use_bias=False, kernel_initializer=kernel)(image)
    y = image
    for _ in range(step.bit_length() - 1):
        y = layers.Conv2D(channels, 2, 2, "same", kernel_initializer="zeros")(y)
    y = layers.UpSampling2D(step)(y)
    return keras.Model(image, layers.Add()([x, y]))


def make_run(folder, model, networks, dataset="pairs:none", **settings):
    """Writes a run directory of `model` with these networks, in its order; returns its path."""
    folder.mkdir(parents=True)
    for name, network in zip(NETWORKS[model], networks, strict=True):
        network.save(folder / f"{name}.keras")
    config = configs.resolve(model, dataset, overrides={"image_size": 32} | settings)
    config |= {"sample_shape": [32, 32, 3], "data_fingerprint": None, "backend": "none"}
    (folder / "config.json").write_text(json.dumps(config))
    return str(folder)


def picture(seed, size=(32, 32), low=0, high=256):
    """Returns a smooth uint8 picture `(*size, 3)` of random colours."""
    small = np.random.default_rng(seed).integers(low, high, (4, 4, 3)).astype("uint8")
    return np.asarray(Image.fromarray(small).resize(size[::-1], Image.Resampling.BILINEAR))


def save(image, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
    return path


def read(path):
    with Image.open(path) as image:
        return np.asarray(image)


def pairs(folder, train=6, test=4):
    """Writes pairs of pictures and their negatives; returns the name of the data set."""
    for split, count, first in (("train", train, 0), ("test", test, 100)):
        for i in range(count):
            image = picture(first + i)
            save(image, folder / split / "a" / f"{i:03}.png")
            save(255 - image, folder / split / "b" / f"{i:03}.png")
    return f"pairs:{folder}"


def domains(folder, train=8, test=(5, 7)):
    """Writes dark pictures, a, and light ones, b: negatives of others; returns the data set."""
    for split, counts, first in (("train", (train, train), 0), ("test", test, 100)):
        for side, count in zip("AB", counts, strict=True):
            for i in range(count):
                image = picture(first + i + 1000 * (side == "B"), high=120)
                image = 255 - image if side == "B" else image
                save(image, folder / f"{split}{side}" / f"{i:03}.png")
    return f"domains:{folder}"


def painter(size=(None, None), channels=3, step=4):
    """Returns a network that fills a hole with the known pixel's mean of a patch of 3x3 around.

    It also halves and doubles the picture, so it fails on sides that `step` does not divide.
    """
    image = keras.Input((*size, channels), name="image")
    mask = keras.Input((*size, 1), name="mask")
    known = layers.Multiply()([image, layers.Rescaling(-1.0, 1.0)(mask)])
    near = layers.AveragePooling2D(3, 1, "same")(known)
    small = layers.Conv2D(channels, step, step, kernel_initializer="zeros")(known)
    near = layers.Add()([near, layers.UpSampling2D(step)(small)])
    return keras.Model([image, mask], layers.Add()([known, layers.Multiply()([near, mask])]))
