"""`crops:PATH`: your pictures at their own size, from which each batch takes random crops."""

import numpy as np

from zoo.data import Dataset, decode, images, scan
from zoo.errors import UsageError, listed

IMAGE_SIZE = (96, 96)
CHANNELS = 3
_EXPECTED = "pictures in it or in its sub-folders, with train and test around them if there are any"


class Crops:
    """Crops of pictures of any size, as an array of uint8 `(n, height, width, channels)`.

    An epoch takes each picture about as often as crops fit beside each other into it, so that all
    parts of all pictures are seen equally often. `n` is their number.

    Args:
        pixels: uint8 `(pixels of all pictures, channels)`, row by row, picture after picture.
        sizes: int `(pictures, 2)`, height and width of each. Pictures smaller than a crop are
            left out.
        size: (height, width) of a crop.

    Attributes:
        fits: bool `(pictures,)`, which of all pictures are not left out.
    """

    dtype = np.dtype("uint8")

    def __init__(self, pixels, sizes, size):
        self.pixels, self.size = pixels, tuple(size)
        counts = np.prod(sizes, axis=1)
        starts = np.cumsum(counts) - counts
        self.fits = (np.asarray(sizes) >= size).all(axis=1)
        self.sizes, self.starts, counts = (x[self.fits] for x in (sizes, starts, counts))
        self.of = np.repeat(np.arange(len(counts)), np.maximum(counts // np.prod(size), 1))

    @property
    def shape(self):
        return (len(self.of), *self.size, self.pixels.shape[1])

    @property
    def nbytes(self):
        return self.pixels.nbytes

    @property
    def pictures(self):
        """Number of pictures."""
        return len(self.sizes)

    def __len__(self):
        return len(self.of)

    def picture(self, i):
        """Returns picture `i`, uint8 `(h, w, channels)`."""
        height, width = self.sizes[i].tolist()
        start = int(self.starts[i])
        return self.pixels[start : start + height * width].reshape(height, width, -1)

    def __getitem__(self, chosen):
        """Returns the middles of the chosen crops' pictures, uint8 `(n, height, width, c)`."""
        which = self.of[chosen]
        return self.middle(which) if np.ndim(which) == 0 else self.middles(which)

    def middle(self, i):
        """Returns the middle of picture `i`, uint8 `(height, width, channels)`."""
        return self._cut(i, *((self.sizes[i] - self.size) // 2))

    def middles(self, pictures):
        """Returns the middles of pictures, uint8 `(n, height, width, channels)`."""
        return np.stack([self.middle(i) for i in pictures])

    def drawn(self, chosen, random):
        """Returns crops at random places, uint8 `(n, height, width, channels)`.

        Args:
            chosen: int `(n,)`, indices of crops, which decide on the picture.
            random: numpy Generator, which decides on the place.
        """
        which = self.of[chosen]
        places = random.integers(0, self.sizes[which] - self.size + 1)
        return np.stack([self._cut(i, *place) for i, place in zip(which, places, strict=True)])

    def _cut(self, i, top, left):
        height, width = self.size
        return self.picture(i)[top : top + height, left : left + width]


def load(
    name,
    *,
    split,
    image_size,
    channels,
    resize,
    data_dir=None,
    strict=False,
    pixel_range=None,
):
    """Loads pictures at their own size; arguments as in `zoo.data.load`.

    All pictures in the folder and its sub-folders count, whatever their sub-folders are called; but
    a sub-folder train makes splits of it and of those called test, val, valid or validation. Files
    are chosen and read as in `zoo.data.folder`. Nothing is resized, so `resize` means nothing.

    Args:
        image_size: (height, width) of the crops, 96x96 by default. Smaller pictures are skipped and
            listed.

    Returns:
        `Dataset` with the field `high`, `Crops` of 3 channels by default.

    Raises:
        UsageError: there is no such folder or split, it holds no picture that is large enough, or
            it holds files that cannot be used and `strict` is set.
    """
    root = scan.root_of(name)
    files, skipped = scan.scan(root)
    if not files:
        why = "so there is nothing to learn from"
        raise UsageError(scan.complaint(root, skipped, why, _EXPECTED))
    size = image_size or IMAGE_SIZE
    top, identity = scan.branches({path: path for path in files}), []
    notes, splits = [], [folder for folder in top if folder.lower() in scan.SPLITS]
    if scan.are_splits(splits):
        folders = {folder.lower(): folder for folder in splits}
        chosen = scan.choose_split(name, split, sorted(folders, key=scan.SPLITS.index))
        files = {path: files[path] for path in top[folders[chosen]].values()}
        if beside := sum(len(tree) for folder, tree in top.items() if folder not in splits):
            notes = [f"{name}: {beside:,} pictures beside its splits {listed(splits)} are not used"]
        others = [folder for folder in top if folder and folder != folders[chosen]]
        skipped, identity = scan.outside(skipped, others), [folders[chosen]]
    else:
        scan.choose_split(name, split, ["train"])
    # Whatever the crops, the pictures are decoded once.
    work = _Pictures(root, files, skipped, (None, channels or CHANNELS, None, pixel_range))
    entry = decode.entry(work, "crops", identity, strict, notes=notes)
    pixels, sizes = (entry["fields"][field] for field in ("pixels", "sizes"))
    sizes = np.ascontiguousarray(sizes).view("<i4")
    crops = Crops(pixels, sizes, size)
    left_out = {path for path, _ in entry["skipped"]}
    paths = [path for path in files if path not in left_out]
    small = [
        (path, f"its {width}x{height} pixels hold no crop of {size[1]}x{size[0]}")
        for path, (height, width), fits in zip(paths, sizes, crops.fits, strict=True)
        if not fits
    ]
    skipped = tuple(sorted([*entry["skipped"], *small]))
    if small and (strict or not crops.pictures):
        why = "and --strict allows none" if strict else "so there is nothing to learn from"
        why += "; smaller crops, --set image_size, may fit"
        raise UsageError(scan.complaint(root, skipped, why, _EXPECTED))
    return Dataset(name, **entry | {"fields": {"high": crops}, "skipped": skipped})


class _Pictures(decode.Work):
    """Pictures of any size: their pixels, and their sizes as the bytes of two int32."""

    joined = staticmethod(np.concatenate)

    def __init__(self, root, files, skipped, preparation):
        states = [(path, *state) for path, state in files.items()]
        super().__init__(root, list(files), states, skipped, _EXPECTED, preparation)

    def read(self, path):
        with self.reading(path) as file:
            array = self.prepared(images.open_picture(file))
            size = np.array([array.shape[:2]], "<i4").view("uint8")
            return {"pixels": array.reshape(-1, array.shape[-1]), "sizes": size}

    def describe(self, kept):
        return None, ()
