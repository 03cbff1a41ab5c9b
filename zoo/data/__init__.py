"""Data sets: `load` gives any of them by name as numpy arrays, one file per source beside this."""

import importlib
from dataclasses import dataclass

import numpy as np

from zoo.data.catalog import DATASETS
from zoo.errors import UsageError, nearest

# What stands before the colon of a name -> the module of zoo.data whose `load` knows it.
SOURCES = {
    "digits": "digits",
    "mnist": "tfds",
    "fashion_mnist": "tfds",
    "stacked_mnist": "stacked",
    "cifar10": "tfds",
    "cifar100": "tfds",
    "tfds": "tfds",
    "folder": "folder",
    "gaussian": "synthetic",
    "ring8": "synthetic",
    "grid25": "synthetic",
    "sine": "synthetic",
}


@dataclass(frozen=True, eq=False)
class Dataset:
    """Samples, and what is known about them.

    Attributes:
        name: str, as given to `load`.
        samples: uint8 `(n, height, width, channels)` for images, float32 `(n, d)` otherwise. May be
            a read-only view of a file, so copy before writing.
        labels: int32 `(n,)` with values below `len(class_names)`, or None.
        class_names: tuple of str, empty when unlabelled.
        fingerprint: str, SHA-256 in hex of samples, labels and class names as they stand here, so
            after preparation: equal for equal data, wherever it lies.
        skipped: tuple of (path, reason), the files that could not be used.
    """

    name: str
    samples: np.ndarray
    labels: np.ndarray | None
    class_names: tuple
    fingerprint: str
    skipped: tuple = ()


def load(
    name,
    *,
    split="train",
    image_size=None,
    channels=None,
    resize="crop",
    data_dir=None,
    strict=False,
    **options,
):
    """Loads a data set.

    Args:
        name: one of `catalog.DATASETS`, `tfds:NAME[/CONFIG][:VERSION]` or `folder:PATH`, or made-up
            vectors of `zoo.data.synthetic`.
        split: str, "train" or "test" or what the source has; TFDS slices such as `train[:10%]` too.
        image_size: int, side of the square images in pixels, or None for the source's own: 32 for
            digits, unchanged for small TFDS sets of one size, 64 for everything else.
        channels: 1 (grey, ITU-R 601 luma), 3 (grey is repeated), or None for the source's own.
        resize: "crop" scales the short side and cuts the centre out, "pad" scales the long side and
            centres on black, "stretch" ignores the proportions. All by antialiased Lanczos.
        data_dir: str, where prepared TFDS sets lie. Without it: $ZOO_DATA_DIR/tfds, $TFDS_DATA_DIR
            and ~/tensorflow_datasets, the first that has the set.
        strict: bool, refuse a folder with unreadable files instead of skipping them.
        **options: for made-up vectors, see `zoo.data.synthetic.load`.

    Returns:
        A `Dataset`.

    Raises:
        UsageError: the name, an option or the data is not as expected.
    """
    source, colon, argument = str(name).partition(":")
    takes_argument = source in ("tfds", "folder")
    if source not in SOURCES or bool(argument) != takes_argument or (colon and not takes_argument):
        raise UsageError(f"There is no data set {name!r}.{nearest(str(name).lower(), DATASETS)}")
    module = importlib.import_module(f"zoo.data.{SOURCES[source]}")
    if SOURCES[source] == "synthetic":
        if image_size is not None or channels is not None:
            raise UsageError(
                f"{name} has no image_size or channels: its samples are vectors. "
                f"Received: image_size={image_size!r}, channels={channels!r}."
            )
        return module.load(name, split=split, **options)

    if options:
        raise UsageError(f"The data set {name!r} has no option {', '.join(map(repr, options))}.")
    _check(image_size, channels, resize)
    return module.load(
        name,
        split=split,
        image_size=image_size,
        channels=channels,
        resize=resize,
        data_dir=data_dir,
        strict=strict,
    )


def _check(image_size, channels, resize):
    from zoo.data.images import RESIZES

    whole = isinstance(image_size, (int, np.integer)) and not isinstance(image_size, bool)
    if image_size is not None and not (whole and 1 <= image_size <= 4096):
        raise UsageError(
            f"Expected image_size as a whole number from 1 to 4096. Received: {image_size!r}."
        )
    if channels not in (None, 1, 3):
        raise UsageError(f"Expected channels 1 (grey) or 3 (colour). Received: {channels!r}.")
    if resize not in RESIZES:
        raise UsageError(f"There is no way to resize called {resize!r}.{nearest(resize, RESIZES)}")
