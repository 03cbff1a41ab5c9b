"""Perceptual distance: pictures compared in the features of a frozen trained network.

Johnson, Alahi, Fei-Fei: "Perceptual Losses for Real-Time Style Transfer and Super-Resolution", ECCV
2016, arXiv:1603.08155. Ledig et al. 2017, section 2.2.1.
"""

import keras
import numpy as np
from keras import ops

from zoo.errors import UsageError
from zoo.parts import frozen
from zoo.parts.part import Part
from zoo.settings import Setting


class Perceptual(Part):
    """A distance in the features of EfficientNet-Lite, trained on ImageNet (Tan and Le 2019).

    Ledig et al. 2017 and Johnson et al. 2016 take one map of VGG. Here it is the mean over the
    first maps of strides 4, 8, 16 and 32 of

        E(f(drawn) - f(target))^2

    where each map is divided by its root mean square on photographs, so that all count alike.
    Unrelated photographs are about 1 to 2 apart. The network is neither trained nor saved.

    Args:
        perceptual_weight: float, weight of the distance in the loss of the player that draws. At 0
            there is no network, and its package is not needed.
        perceptual_features: "efficientnet_lite0" or "efficientnet_lite1", each from a package of
            its own; or "random", of a small network with random weights, which needs none.
        perceptual_maps: int, how many of the four maps are compared, the largest first.
    """

    settings = {
        "perceptual_weight": Setting(float, 0.0, least=0.0),
        "perceptual_features": Setting(str, "efficientnet_lite0", choices=frozen.NAMES),
        "perceptual_maps": Setting(int, 3, least=1, most=len(frozen.STRIDES)),
    }

    @classmethod
    def dependencies(cls, values):
        sha256 = frozen.sha256(values["perceptual_features"])
        return {"perceptual_hash": sha256} if sha256 and values["perceptual_weight"] else {}

    def build(self, game):
        # A part is no layer, so the network's weights are none of the game's.
        self.network = None
        drawing = any(p.makes and p.name not in game.idle() for p in game.players)
        if self.perceptual_weight and drawing:
            random = np.random.default_rng((game.seed, 2016))
            try:
                network, self.scales = frozen.pyramid(self.perceptual_features, random)
            except UsageError as error:
                raise UsageError(
                    "The perceptual distance lacks its network, and --set perceptual_weight=0 "
                    f"does without it. {error}"
                ) from None
            # Nothing else prunes what is not asked for under PyTorch.
            self.network = keras.Model(network.inputs[0], network.outputs[: self.perceptual_maps])
            self.network.trainable = False

    def distance(self, drawn, target):
        """Returns the distance between pictures, float32 scalar.

        Args:
            drawn, target: float `(n, height, width, 1 or 3)` in [-1, 1]. The gradient flows to
                `drawn` alone.
        """
        pairs = zip(self.maps(drawn), self.maps(ops.stop_gradient(target)), strict=True)
        return sum(ops.mean(ops.square(a - b)) for a, b in pairs) / self.perceptual_maps

    def maps(self, images):
        """Returns the maps of pictures, each divided by its root mean square, a list of float32."""
        images = ops.cast(images, "float32")
        if images.shape[-1] == 1:
            images = ops.concatenate([images] * 3, axis=-1)
        maps = self.network(images, training=False)
        maps = maps if isinstance(maps, list | tuple) else [maps]
        return [x / scale for x, scale in zip(maps, self.scales, strict=False)]
