"""`pairs:PATH`: pairs of pictures, such as a label map and the photograph that belongs to it."""

import os
import threading

import numpy as np
from PIL import Image

from zoo.data import Dataset, decode, images, scan
from zoo.data.labels import Colours
from zoo.errors import UsageError, one_of

IMAGE_SIZE = (128, 128)
CHANNELS = 3
DIRECTIONS = ("a_to_b", "b_to_a")
# The sub-folder that holds the numbers of instances beside label maps.
INSTANCES = "instances"
# The alpha of pixels at the edges of instances.
EDGE = 128
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
    labels=0,
):
    """Loads pairs of pictures; arguments as in `zoo.data.load`, `direction` and `labels`.

    The folder holds pictures that show both sides and are cut into a left and a right half; or two
    sub-folders of any names, where pictures with equal names belong together, whatever their
    extensions. Splits may lie around the pictures or sub-folders (train/A, train/B) or inside
    (A/train, B/train; trainA, trainB). Both sides are scaled and cut in the same way. Halves and
    partners that are missing, unequal or unreadable are skipped and listed. Files are chosen and
    read as in `zoo.data.folder`.

    Args:
        direction: "a_to_b" makes the left half, or the first sub-folder by name, the input;
            "b_to_a" makes the other one the input.
        labels: int, the labels that the inputs show at most, as flat colours or as numbers; 0 where
            they are pictures. Label maps are scaled without mixing their colours, which become the
            class names. Beside two sub-folders there may then be a third one, `instances`, whose
            pictures give each pixel the number (or any colour) of its instance; the edges between
            instances become half-transparent pixels of inputs with 4 channels.

    Returns:
        `Dataset` with the fields `input` and `target`, uint8 `(n, height, width, channels)`,
        128x128x3 by default, x4 with instances. A note says which side is which.

    Raises:
        UsageError: there is no such direction or split, the folder holds no pair, or it holds files
            without a pair and `strict` is set; or the inputs are no label maps, or show more labels
            than `labels`.
    """
    one_of("direction", direction, DIRECTIONS)
    root = scan.root_of(name)
    files, skipped = scan.scan(root)
    instances = {}
    if labels:
        instances = {path: files[path] for path in files if _of_instances(path)}
        files = {path: state for path, state in files.items() if path not in instances}
    splits = scan.sides(root, files, _EXPECTED)
    if not splits:
        why = "so there is nothing to learn from"
        raise UsageError(scan.complaint(root, skipped, why, _EXPECTED))
    chosen = scan.choose_split(name, split, list(splits))
    sides, _ = splits[chosen]
    others = [f for key, (_, folders) in splits.items() if key != chosen for f in folders]
    skipped = scan.outside(skipped, others)
    channels = channels or (4 if instances else CHANNELS)
    preparation = (image_size or IMAGE_SIZE, channels, resize, pixel_range)
    # The field that shows labels, before a swap.
    flat = {"a_to_b": "input", "b_to_a": "target"}[direction] if labels else None
    if "" in sides:
        work = _Halves(root, files, list(sides[""].values()), skipped, preparation, flat)
        first, second = "the left half of each picture", "the right half"
    else:
        instances = instances if channels == 4 else {}
        work = _Partners(root, files, sides, skipped, preparation, flat, instances)
        first, second = sides
    swapped = None
    if direction == "b_to_a":
        first, second = second, first
        # Both directions share the same cached files.
        swapped = {"input": "target", "target": "input"}
    note = f"{name}: the input is {first}, the target is {second}."
    identity = [chosen, *([flat] if flat else [])]
    dataset = Dataset(name, **decode.entry(work, "pairs", identity, strict, swapped, [note]))
    if labels and len(dataset.class_names) > labels:
        raise _too_many(name, labels, dataset.class_names)
    return dataset


def edges(instances):
    """Returns the pixels that touch another instance, bool `(h, w)` (Wang et al. 2018, 3.3).

    Args:
        instances: whole numbers `(h, w)`.
    """
    found = np.zeros(instances.shape, bool)
    down, across = instances[1:] != instances[:-1], instances[:, 1:] != instances[:, :-1]
    found[1:] |= down
    found[:-1] |= down
    found[:, 1:] |= across
    found[:, :-1] |= across
    return found


def _too_many(name, labels, colours):
    shown = ", ".join(colours[:8]) + (", ..." if len(colours) > 8 else "")
    return UsageError(
        f"The inputs of {name} show more labels than labels={labels} allows. Expected --set "
        f"labels={len(colours)}, or maps without the labels that do not belong there. "
        f"Received: {len(colours)} colours, {shown}."
    )


def _of_instances(path):
    return INSTANCES in (folder.lower() for folder in path.split(os.sep)[:-1])


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


class _Pairs(decode.Work):
    """Pairs, of which one side may be label maps.

    Attributes:
        flat: name of the field of label maps, or None.
    """

    per_item = 2

    def __init__(self, root, items, states, skipped, preparation, flat):
        super().__init__(root, items, states, skipped, _EXPECTED, preparation)
        self.flat, self._colours, self._lock = flat, Colours(), threading.Lock()

    def side(self, field, picture):
        """Returns a picture as the array of a field, without mixing the colours of label maps."""
        if field != self.flat:
            return self.prepared(picture)
        array = self.prepared(picture, method=Image.Resampling.NEAREST)
        with self._lock:
            self._colours.add(array)
        return array

    def describe(self, kept):
        if not self.flat:
            return None, ()
        try:
            return None, self._colours.found(256)
        except ValueError as error:
            raise UsageError(
                f"The inputs in {self.root} are no label maps, as --set labels=N takes them: "
                f"{error}. Expected a few flat colours, at most 256, at best as PNG; the other "
                "direction, if the labels are on the other side; or --set labels=0."
            ) from None


class _Halves(_Pairs):
    """Pictures that hold both sides side by side; an item is a path."""

    def __init__(self, root, files, paths, skipped, preparation, flat):
        states = [(path, *files[path]) for path in paths]
        super().__init__(root, paths, states, skipped, preparation, flat)

    def read(self, path):
        with self.reading(path) as file:
            sides = zip(("input", "target"), halves(images.open_picture(file)), strict=True)
            return {field: self.side(field, side) for field, side in sides}


class _Partners(_Pairs):
    """Pictures of equal names in two folders; an item is (first path, second path).

    Where there are instances, it is (first path, second path, path of the instances).
    """

    def __init__(self, root, files, sides, skipped, preparation, flat, instances):
        skipped = list(skipped)
        stems = [self._stems(tree, skipped) for tree in sides.values()]
        for own, other, side in zip(stems, stems[::-1], list(sides)[::-1], strict=True):
            alone = sorted(own.keys() - other.keys())
            skipped += [(own[stem], f"no picture of its name lies in {side}") for stem in alone]
        items = [(path, stems[1][stem]) for stem, path in stems[0].items() if stem in stems[1]]
        if instances:
            side = list(sides)[flat == "target"]
            numbered = {_without(path, INSTANCES): path for path in instances}
            own = {item: numbered.get(_without(item[flat == "target"], side)) for item in items}
            skipped += [
                (item[0], f"{INSTANCES} holds none of its name") for item in items if not own[item]
            ]
            items = [(*item, own[item]) for item in items if own[item]]
        every = files | instances
        states = [(path, *every[path]) for item in items for path in item]
        super().__init__(root, items, states, sorted(skipped), preparation, flat)
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

    def read(self, item):
        pair, pictures = item[:2], []
        for path in item:
            with self.reading(path) as file:
                pictures.append(images.open_picture(file))
        sizes = [f"{picture.width}x{picture.height}" for picture in pictures]
        for path, size in zip(item[1:], sizes[1:], strict=True):
            if size != sizes[0]:
                raise decode.Unusable(
                    pair[0], f"it has {sizes[0]} pixels, its partner {path} has {size}"
                )
        arrays = {}
        for field, path, picture in zip(("input", "target"), pair, pictures, strict=False):
            with self.reading(path):
                arrays[field] = self.side(field, picture)
        if item[2:]:
            with self.reading(item[2]):
                size, _, resize, _ = self.preparation
                found = edges(_instances(pictures[2], size, resize))
                arrays[self.flat] = arrays[self.flat].copy()
                arrays[self.flat][..., 3] = np.where(found, EDGE, 255)
        return arrays


def _without(path, side):
    """Returns the parts of a path without the folder of its side and the extension, a tuple."""
    *folders, name = path.split(os.sep)
    kept = [folder for folder in folders if folder.lower() != side.lower()]
    return (*kept, os.path.splitext(name)[0])


def _instances(picture, size, resize):
    """Returns the numbers of instances of a Pillow image, int32 of that size."""
    array = np.asarray(picture).astype("int32")
    if array.ndim == 3:
        array = array @ np.array([1, 256, 65536, 0][: array.shape[-1]], "int32")
    numbers = images.fit(Image.fromarray(array), size, resize, Image.Resampling.NEAREST)
    return np.asarray(numbers, "int32")
