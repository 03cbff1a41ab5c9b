"""Data sets: `load` returns any of them by name as numpy arrays. Each source has its own file."""

import importlib
from dataclasses import dataclass

from zoo.data.catalog import DATASETS
from zoo.errors import UsageError, nearest

# Data set name up to its colon -> the module of zoo.data whose `load` knows it.
SOURCES = {
    "digits": "digits",
    "mnist": "tfds",
    "fashion_mnist": "tfds",
    "stacked_mnist": "stacked",
    "cifar10": "tfds",
    "cifar100": "tfds",
    "tfds": "tfds",
    "folder": "folder",
    "pairs": "pairs",
    "domains": "domains",
    "crops": "crops",
    "gaussian": "synthetic",
    "ring8": "synthetic",
    "grid25": "synthetic",
    "sine": "synthetic",
}
# Sources whose names continue after a colon.
_WITH_ARGUMENT = ("tfds", "folder", "pairs", "domains", "crops")
_PICTURE_OPTIONS = ("image_size", "channels", "resize", "data_dir", "strict")
# Further options of single sources of pictures.
_OWN_OPTIONS = {
    "folder": ("pixel_range",),
    "pairs": ("pixel_range", "direction", "labels"),
    "domains": ("pixel_range",),
    "crops": ("pixel_range",),
}


@dataclass(frozen=True, eq=False)
class Dataset:
    """Examples as named fields, with metadata.

    The name of a field is its type:

    - `image`: uint8 `(n, height, width, channels)`.
    - `label`: int32 `(n,)`, indices into `class_names`.
    - `sample`: float32 `(n, d)`, made-up vectors: points and signals.
    - `input` and `target`: images of equal shape, where input i belongs to target i.
    - `a` and `b`: images of two domains, in any numbers and without pairs.
    - `high`: `zoo.data.crops.Crops`, pictures of any size behind the shape of their crops.

    Attributes:
        name: str, as given to `load`.
        fields: dict field name -> array. May be read-only views of files, so copy before writing.
        class_names: tuple of str, names of the labels, which are colours where `input` is a label
            map, or of the domains a and b; else empty.
        fingerprint: str, SHA-256 in hex of the prepared fields and the class names: equal for equal
            data, wherever it lies.
        skipped: tuple of (path, reason), the files that could not be used.
        notes: tuple of str, sentences for the programs to print on how the data was understood.
        independent: bool, whether the fields are drawn independently of each other, as with
            domains. Otherwise row i of every field belongs to example i.

    Raises:
        UsageError: there is no field besides `label`, or aligned fields have unequal lengths.
    """

    name: str
    fields: dict
    class_names: tuple = ()
    fingerprint: str = ""
    skipped: tuple = ()
    notes: tuple = ()
    independent: bool = False

    def __post_init__(self):
        counts = {field: len(array) for field, array in self.fields.items()}
        if not set(counts) - {"label"} or (not self.independent and len(set(counts.values())) > 1):
            raise UsageError(
                f"The fields of {self.name} do not make a data set. Expected at least one besides "
                "`label`, and equal numbers in all of them unless they are independent. "
                f"Received: {counts}."
            )

    @property
    def samples(self):
        """The first field that is not `label`."""
        return next(array for field, array in self.fields.items() if field != "label")

    @property
    def labels(self):
        """The field `label`, or None."""
        return self.fields.get("label")

    @property
    def count(self):
        """Number of examples in an epoch: the length of the largest field."""
        return max(map(len, self.fields.values()))

    @property
    def nbytes(self):
        """Bytes of all fields together."""
        return sum(array.nbytes for array in self.fields.values())

    @property
    def bytes_in_memory(self):
        """Bytes of the fields that are not on the disk, mapped, and read as they are needed."""
        from zoo.data.cache import maps_file

        return sum(array.nbytes for array in self.fields.values() if not maps_file(array))


def load(
    name,
    *,
    split="train",
    image_size=None,
    channels=None,
    resize="crop",
    pixel_range=None,
    data_dir=None,
    strict=False,
    **options,
):
    """Loads a data set.

    Args:
        name: one of `catalog.DATASETS`, `tfds:NAME[/CONFIG][:VERSION]`, `folder:PATH`,
            `pairs:PATH`, `domains:PATH` or `crops:PATH`, or made-up vectors of
            `zoo.data.synthetic`.
        split: str, "train", "test" or another split of the source; also TFDS slices such as
            `train[:10%]`. In folders, the sub-folder `train` or `test`; without `test`, one called
            `val`, `valid` or `validation` serves.
        image_size: int, the side of square images in pixels; or (height, width); or either as text,
            "64" or "64x128", with the height first as in Keras's `image_size`. None for the
            source's own size: 32 for digits, unchanged for small TFDS sets of one size, 128 for
            pairs and domains, 96 for crops, 64 for everything else.
        channels: 1 (grey, ITU-R 601 luma), 3 (grey is repeated), 4 (the alpha of transparent
            pictures is kept; fully transparent pixels become black), or None for the source's own,
            which is never 4. Without 4, transparent parts are put on white.
        resize: "crop" scales the picture until it covers the size and cuts the centre out, "pad"
            scales until it fits and centres it on black (with 4 channels: on transparent black),
            "stretch" ignores the proportions. All use antialiased Lanczos.
        pixel_range: for pictures in folders, as `folder:` and its like: (low, high), or the same as
            text "LOW,HIGH", the values that are black and white in pictures of 16 bits or of
            floating-point numbers. Without it, 0 and 65535 are, and floating-point pictures are
            not used.
        data_dir: str, folder of prepared TFDS sets. Without it, the first of $ZOO_DATA_DIR/tfds,
            $TFDS_DATA_DIR and ~/tensorflow_datasets that has the set.
        strict: bool, whether to refuse a folder with unusable files instead of skipping them.
        **options: `direction` and `labels` for pairs, see `zoo.data.pairs`; for made-up vectors see
            `zoo.data.synthetic.load`. `options_of` lists them.

    Returns:
        A `Dataset`.

    Raises:
        UsageError: the name, an option or the data is not as expected.
    """
    valid, source = options_of(name), _source_of(name)
    if pixel_range is not None:
        from zoo.data.deep import parse_range

        options["pixel_range"] = parse_range(pixel_range)
    module = importlib.import_module(f"zoo.data.{SOURCES[source]}")
    if SOURCES[source] == "synthetic":
        if image_size is not None or channels is not None:
            raise UsageError(
                f"{name} has no image_size or channels: its samples are vectors. "
                f"Received: image_size={image_size!r}, channels={channels!r}."
            )
        return module.load(name, split=split, **options)

    for option in options:
        if option not in valid:
            raise UsageError(
                f"The data set {name!r} has no option {option!r}.{nearest(option, valid)}"
            )
    return module.load(
        name,
        split=split,
        image_size=_checked(image_size, channels, resize),
        channels=channels,
        resize=resize,
        data_dir=data_dir,
        strict=strict,
        **options,
    )


def options_of(name):
    """Returns the options that `load` takes for a data set besides `split`, a tuple of str.

    Args:
        name: str, as for `load`.

    Raises:
        UsageError: there is no such data set.
    """
    source = _source_of(name)
    if SOURCES[source] == "synthetic":
        from zoo.data import synthetic

        return synthetic.options_of(source)
    return (*_PICTURE_OPTIONS, *_OWN_OPTIONS.get(source, ()))


def _source_of(name):
    source, colon, argument = str(name).partition(":")
    complete = bool(argument) if source in _WITH_ARGUMENT else not colon
    if source not in SOURCES or not complete:
        raise UsageError(f"There is no data set {name!r}.{nearest(str(name).lower(), DATASETS)}")
    return source


def _checked(image_size, channels, resize):
    """Returns the size as None or (height, width)."""
    from zoo.data.images import CHANNELS, RESIZES, parse_size

    size = parse_size(image_size)
    if channels is not None and (isinstance(channels, bool) or channels not in CHANNELS):
        raise UsageError(
            "Expected channels 1 (grey), 3 (colour) or 4 (colour and alpha). "
            f"Received: {channels!r}."
        )
    if resize not in RESIZES:
        raise UsageError(f"There is no way to resize called {resize!r}.{nearest(resize, RESIZES)}")
    return size
