"""Label maps: pictures whose few flat colours stand for labels, such as sky, tree and road.

A label map may be stored in colours, with a palette, or as numbers in grey levels: label 7 is then
the colour (7, 7, 7). The colours that occur are the labels.
"""

import collections

import numpy as np

from zoo.errors import UsageError

# A folder with more distinct colours than this holds noise, as JPEG leaves it.
MOST_EXACT = 256
# Levels around a colour, as a Euclidean distance, that count as its noise.
NOISE = 32.0
# In noisy maps those pixels count whose neighbours differ by at most so many levels: there are no
# mixed colours among them, as there are at the borders.
FLAT = 12
# The least share of them; in photographs it is small.
LEAST_FLAT = 0.25
# Of those, the least share of its own noise that is exactly a label's colour, the least share of
# all that belongs to a label, and the least that all labels together must explain.
STANDS_OUT, LEAST, EXPLAINED = 0.05, 1e-3, 0.95
# Labels that are looked for where no number is given.
MOST = 64
# Share of the flat pixels of a noisy map that may have no label's colour. In those of facades at
# most 0.01 have none, of all their pixels up to 0.42; in photographs nearly all.
STRANGE = 0.05


class Colours:
    """Counts the colours of pictures, added one by one."""

    def __init__(self):
        self.seen, self.flat, self.pixels = set(), collections.Counter(), 0

    def add(self, image):
        """Adds a uint8 picture `(h, w, 1, 3 or 4)`."""
        packed = _packed(image)
        self.pixels += len(packed)
        self.seen.update(np.unique(packed).tolist())
        values, counts = np.unique(packed[_flat(image).ravel()], return_counts=True)
        self.flat.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))

    def found(self, most):
        """Returns the labels' colours as names such as "#0030ff", sorted, a tuple of str.

        Args:
            most: int, the labels allowed.

        Raises:
            ValueError: there are more, or these are no label maps; the message says which.
        """
        chosen = self.seen
        if len(self.seen) > MOST_EXACT:
            packed = np.array(list(self.flat), "int64")
            weights = np.array(list(self.flat.values()), "float64")
            chosen, explained = _standing_out(packed, weights / max(weights.sum(), 1.0))
            if weights.sum() < LEAST_FLAT * self.pixels or explained < EXPLAINED:
                raise ValueError(
                    f"they hold {len(self.seen):,} colours, as photographs do, instead of a few "
                    "flat ones"
                )
        names = tuple(f"#{colour:06x}" for colour in sorted(int(x) for x in chosen))
        if len(names) > most:
            shown = ", ".join(names[:8])
            raise ValueError(f"they hold {len(names)} labels: {shown}, ...")
        return names


def few(images, most=MOST):
    """Returns the labels' colours of pictures that are label maps, or () for other pictures.

    Args:
        images: uint8 `(n, h, w, 1, 3 or 4)`. most: int, the labels allowed.
    """
    colours = Colours()
    for image in images:
        colours.add(image)
    try:
        names = colours.found(most)
    except ValueError:
        return ()
    return names if len(names) > 1 else ()


def levels(names):
    """Returns colours given as names, float32 `(labels, 3)` in 0..255.

    Raises:
        UsageError: a name is not like "#0030ff".
    """
    try:
        packed = [int(name.removeprefix("#"), 16) for name in names]
        if any(len(name) != 7 or not name.startswith("#") for name in names):
            raise ValueError
    except (ValueError, AttributeError):
        raise UsageError(
            f"The colours of labels are names such as #0030ff, one for each. Received: {names}."
        ) from None
    return np.array([[x >> 16, x >> 8 & 255, x & 255] for x in packed], "float32").reshape(-1, 3)


def numbers(images, names):
    """Returns the number of the label with the nearest colour, uint8 `(n, h, w)`.

    Args:
        images: uint8 `(n, h, w, 1, 3 or 4)`. names: the labels' colours, at most 256.
    """
    return np.stack([_distances(image, names)[0] for image in images])


def check(image, names):
    """Raises ValueError unless a picture shows the labels of these colours.

    Where two labels are close, as numbers are, every pixel must be a label. Where all are far from
    each other nearly all flat pixels must be: the others are noise in maps stored as JPEG.

    Args:
        image: uint8 `(h, w, 1, 3 or 4)`. names: the labels' colours.
    """
    colours = levels(names)
    apart = np.linalg.norm(colours[:, None] - colours[None], axis=-1)
    least = apart[apart > 0].min() if len(names) > 1 else 2 * NOISE
    _, distances = _distances(image, names)
    strange = distances >= min(least / 2, NOISE)
    flat = _flat(image)
    exact = least < NOISE or not flat.any()
    counted, allowed = (np.ones_like(flat), 0.0) if exact else (flat, STRANGE)
    share = strange[counted].mean()
    if share > allowed:
        example = f"#{int(_packed(image)[(strange & counted).ravel()][0]):06x}"
        raise ValueError(
            f"{share:.1%} of its pixels, such as {example}, have the colour of none "
            f"of the {len(names)} labels that the run has learnt"
        )


def _distances(image, names):
    """Returns the nearest label of each pixel, uint8 `(h, w)`, and its distance, float32."""
    values, places = np.unique(_packed(image), return_inverse=True)
    colours = np.stack([values >> 16, values >> 8 & 255, values & 255], axis=-1).astype("float32")
    distances = np.linalg.norm(colours[:, None] - levels(names)[None], axis=-1)
    shape = image.shape[:2]
    label = distances.argmin(axis=1).astype("uint8")[places].reshape(shape)
    return label, distances.min(axis=1)[places].reshape(shape)


def _packed(image):
    """Returns the colours of a picture's pixels as whole numbers, int64 `(h * w,)`."""
    image = np.asarray(image)
    if image.shape[-1] == 1:
        image = np.repeat(image, 3, axis=-1)
    red, green, blue = (image[..., i].astype("int64").ravel() for i in range(3))
    return red << 16 | green << 8 | blue


def _flat(image):
    """Returns the pixels that differ little from their neighbours, bool `(h, w)`."""
    levels = np.asarray(image)[..., :3].astype("int16")
    flat = np.ones(levels.shape[:2], bool)
    for axis in (0, 1):
        alike = np.abs(np.diff(levels, axis=axis)).max(axis=-1) <= FLAT
        first, last = [slice(None)] * 2, [slice(None)] * 2
        first[axis], last[axis] = slice(None, -1), slice(1, None)
        flat[tuple(first)] &= alike
        flat[tuple(last)] &= alike
    return flat


def _standing_out(packed, shares):
    """Returns the colours of noisy maps, int64, and the share of pixels that they explain."""
    colours = np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=-1).astype("float32")
    left, chosen, explained = shares.copy(), [], 0.0
    while len(left) and len(chosen) < MOST_EXACT:
        peak = int(left.argmax())
        near = np.linalg.norm(colours - colours[peak], axis=1) < NOISE
        around = left[near].sum()
        if around < LEAST or left[peak] < STANDS_OUT * around:
            break
        chosen.append(int(packed[peak]))
        explained += around
        left[near] = 0.0
    return np.array(chosen, "int64"), explained
