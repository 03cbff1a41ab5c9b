"""Degradation: the small pictures that a game enlarges, made of the large ones in each round.

Everything is computed on the device, from the game's own seed: batches hold the large pictures
alone, replicas and resumed runs see the same small ones.
"""

import math

import numpy as np
from keras import ops

from zoo.data import bicubic
from zoo.errors import UsageError, nearest
from zoo.parts.part import Part
from zoo.settings import Setting

KINDS = ("blur", "noise", "jpeg")  # in the order of application
BLUR = 0.75  # largest deviation of the blur, in pixels of the small picture
NOISE = 12.0  # largest deviation of the noise, in grey levels
QUALITY = (40.0, 95.0)  # of JPEG
BLOCK = 8
# The tables of the JPEG standard (ITU-T T.81, annex K.1) for luminance and chrominance.
_LUMA = (
    *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55),
    *(14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62),
    *(18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA = np.full((BLOCK, BLOCK), 99.0)
_CHROMA[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]
TABLES = np.stack([np.reshape(_LUMA, (BLOCK, BLOCK)), _CHROMA, _CHROMA], -1).astype("float32")
# From RGB to the Y, Cb and Cr of JPEG, without the offset of the last two.
_TO_YCC = np.array(
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], "float32"
)


class Degradation(Part):
    """The field `low`, made of the field `high`, in grey levels as a file would hold them.

    Args:
        scale: 2 or 4, how many times smaller both sides become.
        degradation: "bicubic", antialiased as by MATLAB's `imresize` (`zoo.data.bicubic`); or what
            is added to that, separated by commas: "blur" before (Gaussian, a deviation of up to
            0.75 small pixels), "noise" after (Gaussian, up to 12 grey levels) and "jpeg" at last
            (quality 40 to 95). The strength is drawn for each picture.
    """

    settings = {
        "scale": Setting(int, 4, least=2, most=4),
        "degradation": Setting(str, "bicubic"),
    }

    def __init__(self, **values):
        super().__init__(**values)
        self.kinds = parse(self.degradation)

    def check(self, game):
        height, width = game.sample_shape[:2]
        if self.scale not in (2, 4):
            raise UsageError(f"Pictures are enlarged 2 or 4 times. Received: scale={self.scale}.")
        if height % self.scale or width % self.scale:
            near = [max(8, round(side / 8) * 8) for side in (height, width)]
            raise UsageError(
                f"Crops are made {self.scale} times smaller. Expected sides that {self.scale} "
                f"divides, for example --set image_size={near[0]}x{near[1]}. "
                f"Received: {height}x{width}."
            )

    def before_round(self, game, batch):
        high = batch["high"]
        count = ops.shape(high)[0]
        if "blur" in self.kinds:
            high = blurred(high, game.uniform((count, 1, 1)) * BLUR * self.scale)
        rows, columns = (bicubic.matrix(side, side // self.scale) for side in high.shape[1:3])
        low = _along_columns(_along_rows(high, rows), columns)
        if "noise" in self.kinds:
            deviation = game.uniform((count, 1, 1, 1)) * NOISE / 127.5
            low = low + deviation * game.normal(ops.shape(low))
        low = _in_levels(low)
        if "jpeg" in self.kinds:
            least, most = QUALITY
            quality = least + (most - least) * game.uniform((count,))
            low = _in_levels(compressed(low, quality))
        return batch | {"low": low}


def parse(text):
    """Returns the kinds of a degradation besides "bicubic", in their order, a tuple of str.

    Raises:
        UsageError: there is no such kind.
    """
    names = {name.strip() for name in text.split(",")} - {""}
    for name in sorted(names - {"bicubic", *KINDS}):
        raise UsageError(f"There is no degradation {name!r}.{nearest(name, ('bicubic', *KINDS))}")
    return tuple(kind for kind in KINDS if kind in names)


def blurred(images, deviation):
    """Returns pictures `(n, h, w, c)` under a Gaussian of the deviation `(n, 1, 1)` in pixels."""
    deviation = ops.maximum(deviation, 0.1)

    def weights(side):
        distance = np.subtract.outer(np.arange(side), np.arange(side))[np.newaxis]
        distance = ops.convert_to_tensor(distance, "float32")
        values = ops.exp(-0.5 * ops.square(distance / deviation))
        return values / ops.sum(values, axis=2, keepdims=True)

    height, width = images.shape[1:3]
    return _along_columns(_along_rows(images, weights(height)), weights(width))


def compressed(images, quality):
    """Returns pictures as JPEG would give them back, without its halving of the colours.

    Args:
        images: float32 `(n, h, w, 1 or 3)` in [-1, 1].
        quality: float32 `(n,)` in [1, 100], as the IJG's encoder scales its tables.
    """
    _, height, width, channels = images.shape
    images = images * 127.5 - 0.5  # levels less 128
    if channels == 3:
        images = ops.matmul(images, _TO_YCC.T)
    images = ops.round(images)
    down, right = -height % BLOCK, -width % BLOCK
    # The last row and column again, as libjpeg fills blocks. `ops.pad` does it on PyTorch only.
    blocks = ops.concatenate([images, *[images[:, -1:]] * down], axis=1)
    blocks = ops.concatenate([blocks, *[blocks[:, :, -1:]] * right], axis=2)
    tall, wide = (height + down) // BLOCK, (width + right) // BLOCK
    blocks = ops.reshape(blocks, (-1, tall, BLOCK, wide, BLOCK, channels))
    cosines = ops.convert_to_tensor(_cosines())
    scale = ops.where(quality < 50, 50.0 / quality, 2.0 - quality / 50.0)
    tables = ops.convert_to_tensor(TABLES[..., :channels])
    tables = ops.clip(ops.floor(tables * ops.reshape(scale, (-1, 1, 1, 1)) + 0.5), 1.0, 255.0)
    tables = ops.reshape(tables, (-1, 1, BLOCK, 1, BLOCK, channels))
    values = ops.einsum("ui,vj,naibjc->naubvc", cosines, cosines, blocks)
    values = ops.round(values / tables) * tables
    blocks = ops.einsum("ui,vj,naubvc->naibjc", cosines, cosines, values)
    images = ops.reshape(blocks, (-1, tall * BLOCK, wide * BLOCK, channels))
    images = ops.round(images[:, :height, :width])
    if channels == 3:
        images = ops.matmul(images, np.linalg.inv(_TO_YCC).T)
    return (images + 0.5) / 127.5


def _cosines():
    """Returns the orthonormal cosines of a block, float32 `(frequency, place)`."""
    u, i = np.mgrid[:BLOCK, :BLOCK]
    values = np.cos((2 * i + 1) * u * math.pi / (2 * BLOCK)) * math.sqrt(2 / BLOCK)
    values[0] /= math.sqrt(2)
    return values.astype("float32")


def _along_rows(images, weights):
    equation = "ih,nhwc->niwc" if len(weights.shape) == 2 else "nih,nhwc->niwc"
    return ops.einsum(equation, weights, images)


def _along_columns(images, weights):
    equation = "jw,niwc->nijc" if len(weights.shape) == 2 else "njw,niwc->nijc"
    return ops.einsum(equation, weights, images)


def _in_levels(images):
    """Returns pictures in [-1, 1] rounded to the 256 levels of a file."""
    return ops.round((ops.clip(images, -1.0, 1.0) + 1) * 127.5) / 127.5 - 1
