"""Random crops and mirror images of the training data, before any network sees them."""

from keras import ops

from zoo.parts.part import Part
from zoo.settings import Setting


class Jitter(Part):
    """Random crops of enlarged images, and mirror images (Isola et al. 2017, appendix 6.2).

    Fields that belong to each other, such as an input and its target, get the same crop.

    Args:
        jitter: float, share by which images are enlarged before a random part of the original size
            is cut out; 0 for none. pix2pix enlarges 256 pixels to 286, a share of 0.117.
        mirror: bool, whether half of the images are mirrored left to right.
    """

    settings = {
        "jitter": Setting(float, 0.0, least=0.0, most=1.0),
        "mirror": Setting(bool, False),
    }

    def before_round(self, game, batch):
        if not self.jitter and not self.mirror:
            return batch
        moved, draws = dict(batch), None
        for name in game.jittered:
            if draws is None or not game.paired:
                draws = game.uniform((ops.shape(batch[name])[0], 3))
            moved[name] = self._moved(batch[name], draws, name in game.flat)
        return moved

    def _moved(self, images, draws, flat):
        _, height, width, channels = images.shape
        tall, wide = (round(side * (1 + self.jitter)) for side in (height, width))
        if self.jitter and not flat:
            images = ops.image.resize(images, (tall, wide), interpolation="bilinear")

        def places(draw, larger, size):
            first = ops.floor(draw * (larger - size + 1))
            return ops.cast(first, "int32")[:, None] + ops.arange(size, dtype="int32")[None, :]

        rows, columns = places(draws[:, 0], tall, height), places(draws[:, 1], wide, width)
        if self.mirror:
            columns = ops.where(draws[:, 2:] < 0.5, ops.flip(columns, axis=1), columns)
        if self.jitter and flat:
            # The pixel that is nearest in the picture before it was enlarged.
            rows, columns = (
                (2 * rows + 1) * height // (2 * tall),
                (2 * columns + 1) * width // (2 * wide),
            )
            tall, wide = height, width
        batch = ops.shape(images)[0]
        first = ops.arange(batch, dtype="int32")[:, None, None] * (tall * wide)
        index = first + rows[:, :, None] * wide + columns[:, None, :]
        pixels = ops.reshape(images, (-1, channels))
        taken = ops.take(pixels, ops.reshape(index, (-1,)), axis=0)
        return ops.reshape(taken, (-1, height, width, channels))
