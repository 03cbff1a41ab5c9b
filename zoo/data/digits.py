"""`digits`: the handwritten digits in scikit-learn, without a download."""

import functools
import importlib.util
import pathlib

import numpy as np

from zoo.data import Dataset
from zoo.data.cache import fingerprint
from zoo.data.images import fit, prepare_all
from zoo.errors import nearest, no_split

IMAGE_SIZE = 32
SPLITS = ("train", "test")
CLASS_NAMES = tuple("0123456789")


def load(name, *, split, image_size, channels, resize, data_dir=None, strict=False):
    """Loads 1,618 training or 179 test digits, 0 to 9; arguments as in `zoo.data.load`.

    They are the test part of Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits" (UCI
    Machine Learning Repository, 1998): 8x8 counts of ink from 0 to 16, enlarged here by Lanczos
    interpolation before rounding to uint8, so that strokes are smooth.

    Returns:
        `Dataset` with images uint8 `(n, height, width, channels)`, 32x32x1 by default, and labels
        int32 `(n,)`.

    Raises:
        UsageError: there is no such split.
    """
    if split not in SPLITS:
        raise no_split(name, split, nearest(split, SPLITS))
    size = image_size or (IMAGE_SIZE, IMAGE_SIZE)
    # Small sets are kept in memory too.
    prepared = _prepared if max(size) <= 2 * IMAGE_SIZE else _prepared.__wrapped__
    samples, labels, digest = prepared(split, size, channels, resize)
    return Dataset(name, {"image": samples.copy(), "label": labels.copy()}, CLASS_NAMES, digest)


@functools.lru_cache(maxsize=8)
def _prepared(split, size, channels, resize):
    """Returns samples, labels and their fingerprint."""
    counts, labels = _read()
    # RandomState, because its stream is frozen across numpy versions: the split never changes.
    order = np.random.RandomState(0).permutation(len(counts))
    tenth = len(counts) // 10
    chosen = np.sort(order[tenth:] if split == "train" else order[:tenth])
    samples = np.stack([_enlarge(x, size, resize) for x in counts[chosen]])
    samples = np.concatenate(list(prepare_all(samples, None, channels, resize)))
    labels = labels[chosen].astype("int32")
    return samples, labels, fingerprint({"image": samples, "label": labels}, CLASS_NAMES)


def _read():
    """Returns the counts of ink `(n, 64)` and the labels `(n,)`."""
    # Reads its file directly if there is one: importing sklearn.datasets takes a second.
    package = importlib.util.find_spec("sklearn")
    if package and package.origin:
        path = pathlib.Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz"
        if path.is_file():
            table = np.loadtxt(path, delimiter=",")
            return table[:, :-1], table[:, -1]
    from sklearn.datasets import load_digits

    return load_digits(return_X_y=True)


def _enlarge(counts, size, resize):
    from PIL import Image

    image = Image.fromarray((counts.reshape(8, 8) * (255 / 16)).astype("float32"))
    # Lanczos overshoots at edges: in floating point, values leave the range of uint8.
    image = np.asarray(fit(image, size, resize))
    return np.clip(np.rint(image), 0, 255).astype("uint8")[..., None]
