"""Fills holes by a network that has learnt it, and by simple means for comparison."""

import importlib.util

import numpy as np

from zoo import sampling
from zoo.data import images
from zoo.outputs.blending import blended, with_scipy
from zoo.runs import network_files

# Most pixels that a network sees at once. Attention compares each place with each, so twice the
# pixels need four times the memory: here about a gigabyte.
MOST = 2**17
# Least side of what is seen around a hole of a larger picture.
AROUND = 256


def filled(network, picture, hole, most=MOST):
    """Returns a picture whose hole a network has filled, uint8 `(height, width, channels)`.

    A picture of more than `most` pixels is filled piece by piece: the network sees each connected
    part of the hole, with as much around it as there is room for.

    What is filled into a picture of grey pixels is grey, also by a network of colours.

    Args:
        network: keras.Model with the inputs `image` and `mask`.
        picture: uint8 `(height, width, channels)`.
        hole: bool `(height, width)`, True at unknown pixels. All others stay as they are.
        most: int, pixels that the network sees at once.

    Raises:
        ValueError: as `windows`.
    """
    answer, known = _in_pieces(network, picture, hole, most), picture[~hole]
    if picture.shape[-1] == 3 and known.size and (known == known[:, :1]).all():
        answer = answer.copy()
        answer[hole] = np.asarray(images.from_array(answer).convert("L").convert("RGB"))[hole]
    return answer


def _in_pieces(network, picture, hole, most):
    multiple = 1 if network_files.fixed_size(network) else network_files.multiple(network)

    def fill(picture, hole):
        return sampling.filled(network, picture[np.newaxis], hole[np.newaxis], multiple)[-1][0]

    if hole.size <= most:
        return fill(picture, hole)
    picture, unknown = picture.copy(), hole.copy()
    numbers, boxes = _parts(hole)
    for i, window in enumerate(windows(hole, most)):
        if not unknown[boxes[i]][numbers[boxes[i]] == i + 1].any():
            continue
        seen = fill(picture[window], unknown[window])
        # Parts of the hole of which too little is seen around have a window of their own.
        others = set(np.unique(numbers[window]).tolist()) - {0, i + 1}
        cut = [n for n in others if not _inside(boxes[n - 1], window, hole.shape)]
        done = unknown[window] & ~np.isin(numbers[window], cut)
        picture[window][done] = seen[done]
        unknown[window][done] = False
    return picture


def windows(hole, most=MOST):
    """Returns what a network sees to fill each connected part of a hole, a list of pairs of slices.

    Args:
        hole: bool `(height, width)`. most: int, pixels that the network sees at once.

    Raises:
        ValueError: a part of the hole alone spans more than that; one clause.
    """
    if hole.size <= most:
        return [tuple(slice(0, side) for side in hole.shape)]
    return [_window(box, hole.shape, most) for box in _parts(hole)[1]]


def simple(picture, hole):
    """Returns simple fillings of a hole, name -> uint8 `(height, width, channels)`.

    "mean" is the mean of the known pixels, "harmonic" the smoothest surface that meets them, and
    "telea" the method of Telea (2004), if OpenCV is installed.

    Args:
        picture: uint8 `(height, width, 1 or 3)`. hole: bool `(height, width)`.
    """
    mean = picture.copy()
    mean[hole] = np.rint(picture[~hole].mean(axis=0))
    fillings = {
        "mean": mean,
        "harmonic": blended(np.zeros((1, *picture.shape)), picture, hole)[0],
    }
    if importlib.util.find_spec("cv2") is not None:
        import cv2

        telea = cv2.inpaint(picture.squeeze(), hole.astype("uint8"), 3, cv2.INPAINT_TELEA)
        fillings["telea"] = telea.reshape(picture.shape)
    return fillings


def _parts(hole):
    """Returns the number of each pixel's connected part, from 1, and the box of each part."""
    ndimage = with_scipy("ndimage")
    numbers, _ = ndimage.label(hole, np.ones((3, 3)))
    return numbers, ndimage.find_objects(numbers)


def _window(box, size, most):
    """Returns slices of a picture around a box, of at most `most` pixels."""
    own = [part.stop - part.start for part in box]
    if own[0] * own[1] > most:
        raise ValueError(
            f"a part of its hole spans {own[1]}x{own[0]} pixels, and at most {most:,} can be seen "
            "at once; make the picture smaller"
        )
    sides = [min(side, max(AROUND, 2 * length)) for side, length in zip(size, own, strict=True)]
    if sides[0] * sides[1] > most:
        # The share of the room around the box that there is.
        extra = [side - length for side, length in zip(sides, own, strict=True)]
        a, b = extra[0] * extra[1], own[0] * extra[1] + own[1] * extra[0]
        c = own[0] * own[1] - most
        share = (-b + (b * b - 4 * a * c) ** 0.5) / (2 * a) if a else -c / b
        sides = [int(length + share * more) for length, more in zip(own, extra, strict=True)]
    window = []
    for part, length, side in zip(box, sides, size, strict=True):
        first = (part.start + part.stop - length) // 2
        first = min(max(first, 0), side - length)
        window.append(slice(first, first + length))
    return tuple(window)


def _inside(box, window, size):
    """Returns whether a box and as much again on each side, if there is, lies in a window."""
    return all(
        max(0, part.start - (part.stop - part.start)) >= seen.start
        and min(side, part.stop + (part.stop - part.start)) <= seen.stop
        for part, seen, side in zip(box, window, size, strict=True)
    )
