"""Translator: a game whose networks turn pictures into pictures."""

import numpy as np

from zoo import sampling
from zoo.drawing import pictures
from zoo.errors import UsageError, nearest
from zoo.game.game import Game


class Translator(Game):
    """Base of the variants that turn pictures into pictures, with one network per direction.

    Attributes:
        multiple: int, the divisor of both sides that the networks require. Other pictures are
            padded by reflection, and the padding is cut off the result.
    """

    @property
    def multiple(self):
        raise NotImplementedError(f"{type(self).__name__} must tell its `multiple`.")

    def translate(self, images, direction=None, ema=True):
        """Translates pictures of any size.

        For pictures of another size than in training, the first call builds a copy of the network
        in float32.

        Args:
            images: uint8, or float in [-1, 1], of shape `(n, height, width, channels)`.
            direction: name of a network, such as "a_to_b", if there are several; by default the
                first.
            ema: bool, whether to use the averaged network instead of the current one.

        Returns:
            uint8, or float32 in [-1, 1], as `images` are, of their shape or `scale` times as large.

        Raises:
            UsageError: there is no such direction, or `images` are not such pictures.
        """
        name = self._chosen(direction)
        images = np.asarray(images)
        self._check(images)
        network = self.network(f"ema_{name}" if ema else name)
        if images.shape[1:3] != network.inputs[0].shape[1:3]:
            weights = network.get_weights()
            network = self._for_any(name)
            network.set_weights(weights)
        return sampling.translated(network, images, self.multiple)

    def show(self, images, direction=None, ema=True):
        """Returns pictures beside their translations as a `PIL.Image`, which a notebook displays.

        Args:
            images, direction, ema: as those of `translate`.
        """
        sides = [np.asarray(images), self.translate(images, direction, ema)]
        columns = [x if x.dtype == np.uint8 else sampling.to_uint8(x) for x in sides]
        times = columns[1].shape[1] // columns[0].shape[1]  # more than 1 where it enlarges
        columns[0] = columns[0].repeat(times, axis=1).repeat(times, axis=2)
        return pictures.pillow(pictures.rows_of(columns))

    def _for_any(self, name):
        # Hidden from Keras, which would count its weights as the model's own.
        made = self.__dict__.setdefault("_networks_for_any_size", {})
        if name not in made:
            made[name] = self.inference_network(name)
            made[name].trainable = False
        return made[name]

    def _chosen(self, direction):
        if direction is None:
            return self.averaged[0]
        if len(self.averaged) == 1:
            raise UsageError(
                f"{type(self).__name__} has one network, which knows one direction, so none can be "
                f"asked for. Expected direction=None. Received: direction={direction!r}."
            )
        if direction not in self.averaged:
            raise UsageError(
                f"{type(self).__name__} has no direction {direction!r}."
                f"{nearest(direction, self.averaged)}"
            )
        return direction

    def _check(self, images):
        channels = self.image_shape[-1]
        right = images.dtype == np.uint8 or images.dtype.kind == "f"
        if not right or images.ndim != 4 or images.shape[-1] != channels or not images.size:
            raise UsageError(
                "Expected pictures as uint8, or as float numbers in [-1, 1], of shape (n >= 1, "
                f"height, width, {channels}). Received: {images.dtype} of shape {images.shape}."
            )
        # This form also refuses NaN.
        if images.dtype.kind == "f" and not np.abs(images).max() <= 1.01:
            raise UsageError(
                "Expected pictures of float numbers in [-1, 1]; give those of 0 to 255 as uint8. "
                f"Received: numbers from {images.min():.3g} to {images.max():.3g}."
            )
