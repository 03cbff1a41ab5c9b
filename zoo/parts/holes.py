"""Holes: the unknown part of pictures, drawn anew for each picture in each round.

Everything is computed on the device, from the game's own seed: batches hold whole pictures,
replicas and resumed runs see the same holes.
"""

import math

import numpy as np
from keras import ops

from zoo.errors import UsageError, nearest
from zoo.parts.part import Part
from zoo.settings import Setting

KINDS = ("box", "brush")
STROKES = 4  # most strokes of a brush in a picture
LINES = 8  # most lines of a stroke
# Of a stroke, as shares of the smaller side of a picture where `hole_size` is 0.5.
WIDTH = (0.05, 0.15)
LENGTH = (0.05, 0.25)
# A line turns by so much from the one before, back and forth.
ANGLE = (2 * math.pi / 5 - 2 * math.pi / 15, 2 * math.pi / 5 + 2 * math.pi / 15)
_OF_BOX, _OF_STROKE = 4, 5
# Numbers of U(0, 1) that decide on the hole of a picture.
DRAWS = 2 + _OF_BOX + STROKES * (_OF_STROKE + 2 * LINES)


class Holes(Part):
    """The field `mask` beside the field `image`: 1 at unknown pixels, else 0.

    Args:
        holes: kinds of holes, separated by commas: "box" (a rectangle) and "brush" (strokes of
            joined lines with round ends, as of a hand that rubs; Yu et al. 2019, algorithm 1). If
            there are both, a third of the pictures have a box, a third strokes and a third both.
        hole_size: float, the largest side of a box as a share of the picture's; the smallest is
            half of that. The strokes become wider and longer with it.
    """

    settings = {
        "holes": Setting(str, "box,brush"),
        "hole_size": Setting(float, 0.5, least=0.1, most=0.9),
    }

    def __init__(self, **values):
        super().__init__(**values)
        self.kinds = parse(self.holes)

    def before_round(self, game, batch):
        draws = game.uniform((ops.shape(batch["image"])[0], DRAWS))
        size = game.sample_shape[:2]
        return batch | {"mask": masks(draws, size, self.kinds, self.hole_size)}


def parse(text):
    """Returns kinds of holes, a tuple of str in the order of `KINDS`.

    Raises:
        UsageError: there is no such kind, or none is named.
    """
    names = {name.strip() for name in text.split(",")} - {""}
    for name in sorted(names - set(KINDS)):
        raise UsageError(f"There is no kind of holes {name!r}.{nearest(name, KINDS)}")
    if not names:
        raise UsageError(f"Pictures without holes teach nothing.{nearest('', KINDS)}")
    return tuple(kind for kind in KINDS if kind in names)


def fixed(count, size, kinds=KINDS, hole_size=0.5, seed=0):
    """Returns holes that depend on their index and a seed alone, bool `(count, height, width)`.

    Args:
        count: int. size, kinds, hole_size: as for `masks`. seed: int.
    """
    draws = [np.random.default_rng((seed, i)).uniform(size=DRAWS) for i in range(count)]
    drawn = masks(ops.convert_to_tensor(np.asarray(draws, "float32")), size, kinds, hole_size)
    return ops.convert_to_numpy(drawn)[..., 0] > 0.5


def masks(draws, size, kinds=KINDS, hole_size=0.5):
    """Returns masks, float32 `(n, height, width, 1)`: 1 at unknown pixels, else 0.

    Args:
        draws: float32 `(n, DRAWS)` in [0, 1), a row for each mask.
        size: (height, width).
        kinds: tuple of `KINDS`.
        hole_size: float, as the setting of `Holes`.
    """
    kind, draws = draws[:, 0, None, None], draws[:, 1:]
    unknown = []
    if "box" in kinds:
        box = _box(draws[:, :_OF_BOX], size, hole_size)
        # Strokes alone in the last third.
        unknown.append(box * _share(kind < 2 / 3) if "brush" in kinds else box)
    if "brush" in kinds:
        strokes = _strokes(draws[:, _OF_BOX:], size, hole_size)
        unknown.append(strokes * _share(kind >= 1 / 3) if "box" in kinds else strokes)
    together = unknown[0] if len(unknown) == 1 else ops.maximum(*unknown)
    return ops.expand_dims(together, -1)


def _box(draws, size, hole_size):
    inside = []
    for side, length, place in zip(size, (0, 1), (2, 3), strict=True):
        length = ops.floor(side * hole_size * (0.5 + 0.5 * draws[:, length]) + 0.5)
        first = ops.floor(draws[:, place] * (side - length + 1))
        pixels = ops.arange(side, dtype="float32")[None, :]
        after = pixels >= first[:, None]
        inside.append(_share(ops.logical_and(after, pixels < (first + length)[:, None])))
    rows, columns = inside
    return rows[:, :, None] * columns[:, None, :]


def _strokes(draws, size, hole_size):
    height, width = size
    scale = min(size) * hole_size / 0.5
    count = ops.floor(1 + STROKES * draws[:, :1])
    draws = ops.reshape(draws[:, 1:], (-1, STROKES, _OF_STROKE + 2 * LINES))
    stroke, lines = draws[..., :_OF_STROKE], draws[..., _OF_STROKE:]
    y, x = height * stroke[..., 0], width * stroke[..., 1]
    radius = _between(WIDTH, stroke[..., 2]) * scale / 2
    # So narrow that no pixel's middle lies in it, a stroke would leave no hole.
    radius = ops.maximum(radius, 0.75)
    turned = 2 * math.pi * stroke[..., 3]
    drawn = _share(ops.arange(STROKES, dtype="float32")[None, :] < count)
    ends = ops.floor(1 + LINES * stroke[..., 4])
    rows = ops.reshape(ops.arange(height, dtype="float32") + 0.5, (1, 1, height, 1))
    columns = ops.reshape(ops.arange(width, dtype="float32") + 0.5, (1, 1, 1, width))
    unknown = 0.0
    for i in range(LINES):
        angle = _between(ANGLE, lines[..., 2 * i])
        angle = turned + (angle if i % 2 else -angle)
        length = _between(LENGTH, lines[..., 2 * i + 1]) * scale
        next_y = ops.clip(y + length * ops.cos(angle), 0.0, float(height))
        next_x = ops.clip(x + length * ops.sin(angle), 0.0, float(width))
        near = _near(rows, columns, (y, x), (next_y, next_x), radius)
        there = drawn * _share(float(i) < ends)
        unknown = ops.maximum(unknown, ops.max(near * there[:, :, None, None], axis=1))
        y, x = next_y, next_x
    return unknown


def _near(rows, columns, start, end, radius):
    """Returns 1 where a pixel's middle is within a radius of a line, `(n, strokes, h, w)`."""
    (y, x), (down, across) = (
        [values[:, :, None, None] for values in pair]
        for pair in (start, (end[0] - start[0], end[1] - start[1]))
    )
    from_y, from_x = rows - y, columns - x
    squared = ops.maximum(ops.square(down) + ops.square(across), 1e-6)
    along = ops.clip((from_y * down + from_x * across) / squared, 0.0, 1.0)
    distance = ops.square(from_y - along * down) + ops.square(from_x - along * across)
    return _share(distance <= ops.square(radius)[:, :, None, None])


def _between(limits, share):
    least, most = limits
    return least + (most - least) * share


def _share(condition):
    return ops.cast(condition, "float32")
