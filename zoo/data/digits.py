"""`digits`: the handwritten digits inside scikit-learn, which need no download."""

import numpy as np

from zoo.data import Dataset
from zoo.data.cache import fingerprint
from zoo.data.images import prepare_all
from zoo.errors import UsageError, nearest

IMAGE_SIZE = 32
SPLITS = ("train", "test")


def load(name, *, split, image_size, channels, resize, data_dir=None, strict=False):
    """Loads 1,618 training or 179 test digits, 0 to 9; arguments as in `zoo.data.load`.

    They are the test part of Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits" (UCI
    Machine Learning Repository, 1998): 8x8 counts of ink from 0 to 16, enlarged here by Lanczos
    interpolation before rounding to uint8, so that strokes are smooth.

    Returns:
        `Dataset` with samples uint8 `(n, image_size, image_size, channels)`, 32x32x1 by default.

    Raises:
        UsageError: there is no such split.
    """
    from sklearn.datasets import load_digits

    if split not in SPLITS:
        raise UsageError(f"digits has no split {split!r}.{nearest(split, SPLITS)}")
    counts, labels = load_digits(return_X_y=True)
    # RandomState, because its stream is frozen across numpy versions: the split never changes.
    order = np.random.RandomState(0).permutation(len(counts))
    tenth = len(counts) // 10
    chosen = np.sort(order[tenth:] if split == "train" else order[:tenth])
    samples = np.stack([_enlarge(x, image_size or IMAGE_SIZE) for x in counts[chosen]])
    samples = np.concatenate(list(prepare_all(samples, None, channels, resize)))
    labels = labels[chosen].astype("int32")
    class_names = tuple("0123456789")
    return Dataset(name, samples, labels, class_names, fingerprint(samples, labels, class_names))


def _enlarge(counts, size):
    from PIL import Image

    image = Image.fromarray((counts.reshape(8, 8) * (255 / 16)).astype("float32"))
    # Lanczos overshoots at edges, in floating point beyond the range of uint8.
    image = np.asarray(image.resize((size, size), Image.Resampling.LANCZOS))
    return np.clip(np.rint(image), 0, 255).astype("uint8")[..., None]
