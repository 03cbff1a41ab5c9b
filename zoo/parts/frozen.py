"""Frozen networks that turn pictures into maps of features, for losses and discriminators.

No part keeps one where Keras looks for weights: names and seeds determine them, so they belong to
no player, no optimizer, no checkpoint and no export.
"""

import keras
import numpy as np
from keras import layers

from zoo.metrics import efficientnet

# "random" has random weights and needs no package.
NAMES = (*(f"efficientnet_{version}" for version in efficientnet.VERSIONS), "random")
STRIDES = (4, 8, 16, 32)


def pyramid(name, random):
    """Returns a frozen network, and the root mean square of each of its maps on photographs.

    The network takes RGB, float32 `(n, height, width, 3)` in [-1, 1], of any size, and returns a
    list of four maps with the strides `STRIDES`, as `zoo.metrics.efficientnet.network` describes.

    Args:
        name: str, one of `NAMES`.
        random: numpy Generator, from which "random" draws its weights.

    Raises:
        UsageError: the package with the weights is not installed, or its file is damaged.
    """
    if name == "random":
        return _random_pyramid(random), (1.0, 1.0, 1.0, 1.0)
    version = name.removeprefix("efficientnet_")
    return efficientnet.network("pyramid", version), efficientnet.VERSIONS[version].scales


def sha256(name):
    """Returns the SHA-256 in hex of a network's file of weights, or None where it has no file."""
    version = efficientnet.VERSIONS.get(name.removeprefix("efficientnet_"))
    return version.sha256 if version else None


def _random_pyramid(random):
    """Returns a network of random weights from RGB to four maps with strides 4 to 32."""
    images = keras.Input((None, None, 3), dtype="float32")
    x, maps, kernels = images, [], []
    for i in range(5):
        layer = layers.Conv2D(
            16 * 2 ** min(i, 3), 3, 2, "same", kernel_initializer="zeros", dtype="float32"
        )
        inputs = x.shape[-1]
        x = layers.LeakyReLU(0.2, dtype="float32")(layer(x))
        kernel = random.normal(0, (2 / (9 * inputs)) ** 0.5, (3, 3, inputs, layer.filters))
        kernels.append((layer, kernel.astype("float32")))
        if i:
            maps.append(x)
    network = keras.Model(images, maps, name="random_features")
    for layer, kernel in kernels:
        layer.set_weights([kernel, np.zeros(layer.filters, "float32")])
    return network
