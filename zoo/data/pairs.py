"""`pairs:PATH`: pairs of pictures, such as a label map and the photograph that belongs to it."""

import os

from zoo.data import Dataset, decode, images, scan
from zoo.errors import UsageError, one_of

IMAGE_SIZE = (128, 128)
CHANNELS = 3
DIRECTIONS = ("a_to_b", "b_to_a")
# The least ratio of width to height of a picture that holds two side by side.
_NARROWEST = 1.2
_EXPECTED = (
    "pictures that hold the input on their left and the target on their right half, or two "
    "sub-folders whose pictures have equal names, with train and test around or inside of them if "
    "there are splits"
)


def load(
    name,
    *,
    split,
    image_size,
    channels,
    resize,
    data_dir=None,
    strict=False,
    direction="a_to_b",
    pixel_range=None,
):
    """Loads pairs of pictures; arguments as in `zoo.data.load`, and `direction`.

    The folder holds pictures that show both sides and are cut into a left and a right half; or two
    sub-folders of any names, where pictures with equal names belong together, whatever their
    extensions. Splits may lie around the pictures or sub-folders (train/A, train/B) or inside
    (A/train, B/train; trainA, trainB). Both sides are scaled and cut in the same way. Halves and
    partners that are missing, unequal or unreadable are skipped and listed. Files are chosen and
    read as in `zoo.data.folder`.

    Args:
        direction: "a_to_b" makes the left half, or the first sub-folder by name, the input;
            "b_to_a" makes the other one the input.

    Returns:
        `Dataset` with the fields `input` and `target`, uint8 `(n, height, width, channels)`,
        128x128x3 by default. A note says which side is which.

    Raises:
        UsageError: there is no such direction or split, the folder holds no pair, or it holds files
            without a pair and `strict` is set.
    """
    one_of("direction", direction, DIRECTIONS)
    root = scan.root_of(name)
    files, skipped = scan.scan(root)
    splits = scan.sides(root, files, _EXPECTED)
    if not splits:
        why = "so there is nothing to learn from"
        raise UsageError(scan.complaint(root, skipped, why, _EXPECTED))
    chosen = scan.choose_split(name, split, list(splits))
    sides, _ = splits[chosen]
    others = [f for key, (_, folders) in splits.items() if key != chosen for f in folders]
    skipped = scan.outside(skipped, others)
    preparation = (image_size or IMAGE_SIZE, channels or CHANNELS, resize, pixel_range)
    if "" in sides:
        work = _Halves(root, files, list(sides[""].values()), skipped, preparation)
        first, second = "the left half of each picture", "the right half"
    else:
        work = _Partners(root, files, sides, skipped, preparation)
        first, second = sides
    swapped = None
    if direction == "b_to_a":
        first, second = second, first
        # Both directions share the same cached files.
        swapped = {"input": "target", "target": "input"}
    note = f"{name}: the input is {first}, the target is {second}."
    return Dataset(name, **decode.entry(work, "pairs", [chosen], strict, swapped, [note]))


def hold_both_sides(name):
    """Returns whether each picture of `pairs:PATH` holds both sides, rather than two folders.

    Raises:
        UsageError: there is no such folder, or its sub-folders do not make pairs.
    """
    root = scan.root_of(name)
    splits = scan.sides(root, scan.scan(root)[0], _EXPECTED)
    return any("" in sides for sides, _ in splits.values())


def halves(image):
    """Returns the left and the right half of a picture that holds both sides.

    Args:
        image: `PIL.Image`.

    Raises:
        ValueError: the picture is too narrow, or its width is odd.
    """
    width, height = image.size
    if width < _NARROWEST * height:
        raise ValueError(f"{width}x{height} pixels are too narrow for two side by side")
    if width % 2:
        raise ValueError(f"its width of {width} pixels is odd, so it has no equal halves")
    middle = width // 2
    return image.crop((0, 0, middle, height)), image.crop((middle, 0, width, height))


class _Halves(decode.Work):
    """Pictures that hold both sides side by side; an item is a path."""

    per_item = 2

    def __init__(self, root, files, paths, skipped, preparation):
        states = [(path, *files[path]) for path in paths]
        super().__init__(root, paths, states, skipped, _EXPECTED, preparation)

    def read(self, path):
        with self.reading(path) as file:
            sides = zip(("input", "target"), halves(images.open_picture(file)), strict=True)
            return {field: self.prepared(side) for field, side in sides}

    def describe(self, kept):
        return None, ()


class _Partners(decode.Work):
    """Pictures of equal names in two folders; an item is (first path, second path)."""

    per_item = 2

    def __init__(self, root, files, sides, skipped, preparation):
        skipped = list(skipped)
        stems = [self._stems(tree, skipped) for tree in sides.values()]
        for own, other, side in zip(stems, stems[::-1], list(sides)[::-1], strict=True):
            alone = sorted(own.keys() - other.keys())
            skipped += [(own[stem], f"no picture of its name lies in {side}") for stem in alone]
        items = [(path, stems[1][stem]) for stem, path in stems[0].items() if stem in stems[1]]
        states = [(path, *files[path]) for pair in items for path in pair]
        super().__init__(root, items, states, sorted(skipped), _EXPECTED, preparation)
        self.refuse_nothing(items)

    @staticmethod
    def _stems(tree, skipped):
        """Returns name without extension -> path; adds files with a taken name to `skipped`."""
        stems = {}
        for rest, path in tree.items():
            stem = os.path.splitext(rest)[0]
            if stem in stems:
                skipped.append((path, f"it has the name of {stems[stem]}"))
            else:
                stems[stem] = path
        return stems

    def read(self, pair):
        pictures = []
        for path in pair:
            with self.reading(path) as file:
                pictures.append(images.open_picture(file))
        sizes = [f"{picture.width}x{picture.height}" for picture in pictures]
        if sizes[0] != sizes[1]:
            raise decode.Unusable(
                pair[0], f"it has {sizes[0]} pixels, its partner {pair[1]} has {sizes[1]}"
            )
        arrays = {}
        for field, path, picture in zip(("input", "target"), pair, pictures, strict=True):
            with self.reading(path):
                arrays[field] = self.prepared(picture)
        return arrays

    def describe(self, kept):
        return None, ()
