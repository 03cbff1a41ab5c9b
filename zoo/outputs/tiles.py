"""Enlarges pictures of any size in tiles: bounded memory, and the same result as in one piece."""

import functools
import itertools
import math

import numpy as np

from zoo import sampling
from zoo.data import bicubic
from zoo.progress import Progress
from zoo.runs import network_files

# Side of a tile without the border that it shares with its neighbours, in pixels of the small
# picture.
SIDE = 96
# Most pixels of a large picture. 3 bytes each have to fit into memory.
MOST = 2**29
# Layers that work on each pixel by itself.
POINTWISE = (
    *("InputLayer", "PReLU", "ReLU", "LeakyReLU", "Activation", "Add", "Concatenate", "Rescaling"),
    *("BatchNormalization", "Dropout", "Identity", "Multiply", "Subtract", "Average"),
)
_LUMA = (0.299, 0.587, 0.114)


def factor(network):
    """Returns how many times larger a network makes pictures, an int; 1 if it keeps their size.

    Args:
        network: keras.Model with the input `image`.
    """
    import keras

    shape = network.inputs[0].shape
    if None in shape[1:3]:
        # A U-Net takes no other sides, and would seem to enlarge them.
        side = network_files.multiple(network)
        side *= -(-64 // side)
        shape = (1, side, side, shape[-1])
    spec = keras.KerasTensor((1, *shape[1:]), dtype="float32")
    return max(1, network.compute_output_spec(spec).shape[1] // shape[1])


def reach(network):
    """Returns how far a network looks from a pixel, in pixels of its input.

    Returns:
        int, never too small; or None if a layer may look at the complete picture, or is called
        several times.
    """
    far = {}  # tensor -> (pixels of the input, how many times it is larger than that)
    for operation in network.operations:
        inputs = operation.input if isinstance(operation.input, list) else [operation.input]
        known = [far[id(x)] for x in inputs if id(x) in far] or [(0.0, 1.0)]
        pixels, scale = max(pixels for pixels, _ in known), known[0][1]
        name = type(operation).__name__
        if len(operation._inbound_nodes) > 1:
            return None
        if name in ("Conv2D", "DepthwiseConv2D", "SeparableConv2D"):
            size = (max(operation.kernel_size) - 1) * max(operation.dilation_rate)
            pixels, scale = pixels + size / 2 / scale, scale / max(operation.strides)
        elif name in ("AveragePooling2D", "MaxPooling2D"):
            pixels += (max(operation.pool_size) - 1) / 2 / scale
            scale /= max(operation.strides)
        elif name == "Conv2DTranspose":
            stride = max(operation.strides)
            pixels, scale = pixels + max(operation.kernel_size) / 2 / stride / scale, scale * stride
        elif name == "UpSampling2D":
            pixels, scale = pixels + 2 / scale, scale * max(operation.size)
        elif name not in POINTWISE:
            return None
        far[id(operation.output)] = pixels, scale
    return math.ceil(max(pixels for pixels, _ in far.values()))


def enlarged(network, image, side=SIDE):
    """Returns a picture enlarged by a network, in tiles where it is large.

    Neighbouring tiles overlap by what the network looks at beyond a pixel, and are cut in the
    middle of that. So each pixel is what it would be without tiles, up to rounding. A network with
    a layer that looks at the complete picture gets it in one piece.

    Alpha is enlarged by bicubic interpolation. Grey pictures, also of equal colours and with alpha,
    stay grey under a network of colours, and a grey network enlarges each colour by itself.

    Args:
        network: keras.Model with the input `image`, of any size.
        image: uint8 `(height, width, 1, 3 or 4)`.
        side: int, pixels of the picture in a tile.

    Returns:
        uint8, `factor(network)` times as high and wide, with the channels of `image`.

    Raises:
        ValueError: the large picture would have too many pixels; one clause.
    """
    scale, channels = factor(network), image.shape[-1]
    height, width = (scale * n for n in image.shape[:2])
    if height * width > MOST:
        raise ValueError(f"enlarged it would have {width}x{height} pixels, more than {MOST:,}")
    run = functools.partial(_in_tiles, network, scale, reach(network), side)
    if channels == 4:
        alpha = bicubic.resized(image[..., 3:], (height, width))
        colours = enlarged(network, image[..., :3], side)
        return np.concatenate([colours, alpha], axis=-1)
    if channels == 3 and (image == image[..., :1]).all():
        # A file may hold grey as three equal channels, and one with alpha always does.
        return np.repeat(enlarged(network, image[..., :1], side), 3, axis=-1)
    wanted = network.inputs[0].shape[-1]
    if wanted == channels:
        return run(image)
    if channels == 1:
        grey = run(np.repeat(image, 3, axis=-1)) @ np.array(_LUMA, "float32")
        return np.clip(np.rint(grey), 0, 255).astype("uint8")[..., np.newaxis]
    return np.concatenate([run(image[..., i : i + 1]) for i in range(3)], axis=-1)


def _in_tiles(network, scale, border, side, image):
    if border is None:
        return sampling.translated(network, image[np.newaxis])[0]
    rows, columns = (_cuts(length, side, border) for length in image.shape[:2])
    large = np.empty((image.shape[0] * scale, image.shape[1] * scale, image.shape[2]), "uint8")
    with Progress("tiles", len(rows) * len(columns)) as progress:
        for done, (row, column) in enumerate(itertools.product(rows, columns), 1):
            (tall, top, bottom), (wide, left, right) = row, column
            tile = sampling.translated(network, image[np.newaxis, tall, wide])[0]
            down = slice((top - tall.start) * scale, (bottom - tall.start) * scale)
            across = slice((left - wide.start) * scale, (right - wide.start) * scale)
            large[top * scale : bottom * scale, left * scale : right * scale] = tile[down, across]
            progress(done)
    return large


def _cuts(length, side, border):
    """Returns the tiles along one side: (slice of the picture, first pixel kept, end of those).

    All slices have one length, so a compiled network is compiled once.
    """
    window = side + 2 * border
    if length <= window:
        return [(slice(0, length), 0, length)]
    count = math.ceil((length - 2 * border) / side)
    starts = np.linspace(0, length - window, count).round().astype(int).tolist()
    middles = [(a + window + b) // 2 for a, b in itertools.pairwise(starts)]
    ends = zip(starts, [0, *middles], [*middles, length], strict=True)
    return [(slice(start, start + window), first, end) for start, first, end in ends]
