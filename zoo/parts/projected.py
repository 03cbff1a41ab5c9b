"""Discriminators that see frozen features of a trained network instead of pixels.

Sauer, Chitta, Müller, Geiger: "Projected GANs Converge Faster", NeurIPS 2021, arXiv:2111.01007.
"""

import math

import keras
import numpy as np
from keras import layers, ops

from zoo.errors import UsageError
from zoo.parts import frozen
from zoo.parts.frozen import STRIDES
from zoo.parts.part import Part
from zoo.settings import Setting

# Channels of the mixed maps, from the largest map to the smallest: not fewer than the network has,
# or part of what tells samples apart is lost.
CHANNELS = (64, 128, 256, 512)


class Projected(Part):
    """Frozen features of a trained network as the input of the discriminator (Sauer et al. 2021).

    A trained network turns a picture into four maps with strides 4, 8, 16 and 32. Fixed random
    convolutions mix the channels of each map, and then each map with the enlarged next smaller one
    (section 3.2 there). The discriminator receives the four mixed maps.

    Nothing of this is trained, averaged or saved: the name of the network and the seed determine
    it. Pictures with alpha are laid over a random colour each, so that alpha is judged too.

    Args:
        discriminator_features: "efficientnet_lite0" or "efficientnet_lite1", features of a network
            trained on ImageNet; "random", of a small network with random weights, which needs no
            package; or "none", for a discriminator that sees pixels.
        feature_size: int, a power of two. Smaller pictures are enlarged to this side for the
            network.
    """

    settings = {
        "discriminator_features": Setting(
            str,
            "none",
            choices=("none", *frozen.NAMES),
        ),
        "feature_size": Setting(int, 128, least=32),
    }

    @classmethod
    def dependencies(cls, values):
        sha256 = frozen.sha256(values["discriminator_features"])
        return {"features_hash": sha256} if sha256 else {}

    @property
    def on(self):
        """Whether the discriminator sees features."""
        return self.discriminator_features != "none"

    def check(self, game):
        if not self.on:
            return
        if getattr(game, "packing", 1) > 1:
            raise UsageError(
                "The feature network takes one picture at a time. Expected packing=1, or "
                "discriminator_features=none. "
                f"Received: packing={game.packing}, "
                f"discriminator_features={self.discriminator_features}."
            )
        if self.feature_size & (self.feature_size - 1):
            raise UsageError(
                "Pictures are enlarged by whole factors. Expected a feature_size that is a power "
                f"of two, for example 128. Received: feature_size={self.feature_size}."
            )

    def map_shapes(self, image_shape):
        """Returns the shapes (side, side, channels) of the four maps.

        Args:
            image_shape: (side, side, channels) of the pictures.
        """
        side = max(image_shape[0], self.feature_size)
        return [(side // s, side // s, c) for s, c in zip(STRIDES, CHANNELS, strict=True)]

    def build(self, game):
        # A part is no layer, so the network's weights are none of the game's.
        self.network = self._frozen(game.image_shape, game.seed) if self.on else None

    def seen(self, game, samples):
        """Returns the four maps of samples, float32, or the samples where there are no features."""
        if not self.on:
            return samples
        if samples.shape[-1] == 4:
            samples = _over_random_colour(samples, game)
        return self.network(ops.cast(samples, "float32"), training=False)

    def flat(self, maps):
        """Returns maps side by side, float32 `(batch, features)`."""
        return ops.concatenate([ops.reshape(x, (-1, math.prod(x.shape[1:]))) for x in maps], axis=1)

    def maps(self, image_shape, flat):
        """Undoes `flat`.

        Args:
            image_shape: (side, side, channels) of the pictures.
            flat: float32 `(batch, features)`.
        """
        shapes = self.map_shapes(image_shape)
        ends = np.cumsum([math.prod(shape) for shape in shapes])[:-1]
        parts = ops.split(flat, [int(end) for end in ends], axis=1)
        return [ops.reshape(x, (-1, *shape)) for x, shape in zip(parts, shapes, strict=True)]

    def joined(self, game, discriminator):
        """Returns a discriminator of pictures from one of maps, for inference.

        Its input is float32 `(n, *image_shape)` in [-1, 1], and a label where there are classes.

        Args:
            game: the game.
            discriminator: functional model from maps, and perhaps a label, to logits.

        Raises:
            UsageError: the pictures have alpha.
        """
        if not self.on:
            return discriminator
        if game.image_shape[-1] == 4:
            raise UsageError(
                "This discriminator lays pictures with alpha over random colours, for which Keras "
                "has no layer. Expected pictures of 1 or 3 channels. Received: 4 channels."
            )
        images = keras.Input(game.image_shape, name="image")
        maps = self._frozen(game.image_shape, game.seed)(images)
        label = [
            keras.Input(x.shape[1:], dtype=x.dtype, name=x.name)
            for x in discriminator.inputs[len(maps) :]
        ]
        logits = discriminator([*maps, *label])
        return keras.Model([images, *label] if label else images, logits, name="discriminator")

    def _frozen(self, image_shape, seed):
        """Returns the frozen network of stock layers from images to four mixed maps.

        Images are float32 `(n, *image_shape)` in [-1, 1], without alpha; maps as in `map_shapes`.
        """
        random = np.random.default_rng((seed, 2021))
        features, scales = frozen.pyramid(self.discriminator_features, random)
        weights = {}

        def mixed(x, channels, name):
            options = {"use_bias": False, "kernel_initializer": "zeros", "dtype": "float32"}
            layer = layers.Conv2D(channels, 1, **options, name=name)
            y, inputs = layer(x), x.shape[-1]
            kernel = random.normal(0, inputs**-0.5, (1, 1, inputs, channels))
            weights[layer] = kernel.astype("float32")
            return y

        *sides, channels = image_shape
        images = x = keras.Input((*sides, min(channels, 3)), dtype="float32", name="image")
        if channels == 1:
            x = layers.Concatenate(dtype="float32", name="rgb")([x, x, x])
        if (factor := self.feature_size // image_shape[0]) > 1:
            x = layers.UpSampling2D(
                factor, interpolation="bilinear", dtype="float32", name="enlarged"
            )(x)
        maps = [
            layers.Rescaling(1 / scale, dtype="float32", name=f"scaled_{stride}")(x)
            for x, scale, stride in zip(features(x), scales, STRIDES, strict=True)
        ]
        maps = [
            mixed(x, channels, f"channels_{stride}")
            for x, channels, stride in zip(maps, CHANNELS, STRIDES, strict=True)
        ]
        for i in (2, 1, 0):
            stride, below = STRIDES[i], maps[i + 1]
            below = layers.UpSampling2D(
                2, interpolation="bilinear", dtype="float32", name=f"up_{stride}"
            )(below)
            below = mixed(below, CHANNELS[i], f"scales_{stride}")
            maps[i] = layers.Add(dtype="float32", name=f"sum_{stride}")([maps[i], below])
            maps[i] = layers.Rescaling(0.5**0.5, dtype="float32", name=f"mixed_{stride}")(maps[i])
        network = keras.Model(images, maps, name="features")
        for layer, kernel in weights.items():
            layer.set_weights([kernel])
        network.trainable = False
        return network


def _over_random_colour(images, game):
    colour = 2 * game.uniform((ops.shape(images)[0], 1, 1, 3)) - 1
    alpha = (images[..., 3:] + 1) / 2
    return alpha * images[..., :3] + (1 - alpha) * colour
