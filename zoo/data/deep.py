"""Pictures of more than 8 bits, whole or floating-point: which values are black and white.

Without a `pixel_range`, whole numbers reach from 0, black, to 65535, white; what floating-point
numbers mean is not known.
"""

import math
import re

import numpy as np
from PIL import Image

from zoo.errors import UsageError

_FULL = (0, 65535)
# Pictures that use less than this part of their range are told of. 14 of 16 bits are one quarter.
_SMALL = 1 / 4
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_RANGE = re.compile(rf"\s*({_NUMBER})\s*,\s*({_NUMBER})\s*", re.ASCII)
# Key of a picture's `info`: Pillow has dropped its lower 8 bits.
HALVED = "zoo_halved"


def parse_range(value):
    """Reads a pixel range.

    Args:
        value: (low, high), the values of black and white, the same as text ("0,4095"), or None.

    Returns:
        (low, high) as float, or None for None.

    Raises:
        UsageError: for anything else, and unless low is below high.
    """
    if value is None:
        return None
    ends = value
    if isinstance(value, str):
        match = _RANGE.fullmatch(value)
        ends = match and [float(number) for number in match.groups()]
    pair = isinstance(ends, list | tuple) and len(ends) == 2
    if pair and all(isinstance(end, int | float | np.number) for end in ends):
        low, high = map(float, ends)
        if math.isfinite(high - low) and low < high:
            return low, high
    raise UsageError(
        "Expected pixel_range as LOW,HIGH, the values of black and white with the smaller one "
        f"first, for example 0,4095. Received: {value!r}."
    )


def range_text(ends):
    """Returns (low, high) as text that `parse_range` reads, such as 0,4095."""
    return ",".join(repr(float(end)).removesuffix(".0") for end in ends)


def is_deep(image):
    """Returns whether Pillow holds more than 8 bits of a pixel."""
    return image.mode == "F" or image.mode.startswith("I")


def halves_bits(image):
    """Returns whether Pillow will drop the lower 8 bits of a picture that is not decoded yet."""
    # It has no mode for colours of 16 bits. Tiles name the file's own mode, such as RGB;16B.
    own = (re.search(r";16[BLN]", str(tile[3])) for tile in image.tile)
    return not is_deep(image) and any(own)


def span(image):
    """Returns (least, greatest) value of a picture of more than 8 bits, as float.

    None for pictures of 8 bits, and for those with values that are not finite.
    """
    if image.info.get(HALVED):
        colours = np.asarray(image)[..., : 3 if image.mode.startswith("RGB") else 1]
        return float(colours.min()) * 256, float(colours.max()) * 256 + 255
    if not is_deep(image):
        return None
    values = np.asarray(image)
    ends = float(values.min()), float(values.max())
    return ends if all(map(math.isfinite, ends)) else None


def to_8_bits(image, pixel_range):
    """Returns a Pillow image of more than 8 bits as one of mode L; any other image unchanged.

    Args:
        image: PIL.Image.Image.
        pixel_range: (low, high), which become 0 and 255, with what lies outside; or None.

    Raises:
        ValueError: it is not known which values are black and white; the message says why.
    """
    if pixel_range and image.info.get(HALVED):
        raise ValueError(
            "Pillow reads only 8 of the 16 bits of its colours, so pixel_range cannot stretch "
            "them: convert it to 8 bits"
        )
    if not is_deep(image):
        return image
    values = np.asarray(image)
    if not np.isfinite(values).all():
        raise ValueError("some of its pixels are not finite numbers: replace them")
    low, high = pixel_range or _FULL
    if pixel_range is None:
        least, most = values.min(), values.max()
        if image.mode == "F" or least < low or most > high:
            kind = "floating-point" if image.mode == "F" else "whole"
            outside = "" if image.mode == "F" else ", some of them outside 0..65535"
            raise ValueError(
                f"its pixels are {kind} numbers from {_number(least)} to {_number(most)}{outside}: "
                "say which are black and white with --set pixel_range=LOW,HIGH"
            )
    scaled = (np.clip(values, low, high) - low) * (255 / (high - low))
    return Image.fromarray(np.rint(scaled).astype("uint8"))


class Spans:
    """The values that the pictures of a folder use, those of more than 8 bits.

    Args:
        pixel_range: (low, high) or None.
    """

    def __init__(self, pixel_range):
        self.pixel_range = pixel_range
        self.seen = []  # (least, greatest, whether Pillow dropped bits); threads append

    def add(self, image):
        """Takes note of the values of a Pillow image."""
        if ends := span(image):
            self.seen.append((*ends, image.info.get(HALVED, False)))

    @property
    def ends(self):
        """(least, greatest) of all values."""
        return min(seen[0] for seen in self.seen), max(seen[1] for seen in self.seen)

    def refuse_unknown(self, root, skipped):
        """Raises UsageError if a range would make at least half of the skipped files usable.

        Args:
            root: str, the folder.
            skipped: int, number of all files in it. None of them could be used.
        """
        if self.seen and self.pixel_range is None and 2 * len(self.seen) >= skipped:
            low, high = map(_number, self.ends)
            raise UsageError(
                f"Nothing says which values are black and white in the pictures under {root}. "
                "Expected --set pixel_range=LOW,HIGH, for example --set "
                f"pixel_range={_example(self.ends)}. Received: {len(self.seen):,} with values from "
                f"{low} to {high}."
            )

    def refuse_idle(self, root):
        """Raises UsageError if there is a range, but no such picture was seen."""
        if self.pixel_range and not self.seen:
            raise UsageError(
                f"pixel_range does nothing to pictures of 8 bits, and those under {root} have no "
                "more. Expected pictures of 16 bits or of floating-point numbers; leave it out. "
                f"Received: pixel_range={range_text(self.pixel_range)}."
            )

    def notes(self):
        """Returns a list: a sentence if the values are a small part of their range."""
        if not self.seen:
            return []
        (least, most), (low, high) = self.ends, self.pixel_range or _FULL
        if not 0 < most - least <= _SMALL * (high - low):
            return []
        advice = (
            "convert them to 8 bits, because Pillow reads no more of colours"
            if any(halved for *_, halved in self.seen)
            else f"--set pixel_range={_example(self.ends)} makes these black and white"
        )
        return [
            f"its pictures of more than 8 bits use only the values from {_number(least)} to "
            f"{_number(most)} of {_number(low)} to {_number(high)}, hardly any contrast; {advice}."
        ]


def _example(ends):
    return ",".join(_number(end).replace(",", "") for end in ends)


def _number(value):
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e15 else f"{value:.6g}"
