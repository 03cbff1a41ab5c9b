"""`domains:PATH`: pictures of two kinds, such as photographs and paintings, without pairs."""

from zoo.data import Dataset, decode, images, scan
from zoo.errors import UsageError

IMAGE_SIZE = (128, 128)
CHANNELS = 3
_EXPECTED = (
    "the sub-folders trainA and trainB (testA and testB), or two sub-folders of any names, with "
    "train and test around or inside of them if there are splits"
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
    pixel_range=None,
):
    """Loads two domains of pictures, in any numbers; arguments as in `zoo.data.load`.

    The folder holds trainA and trainB, and perhaps testA and testB; or two sub-folders of any
    names, where the first by name is `a`. Splits may lie around them (train/cat, train/dog) or
    inside (cat/train, dog/train). A note says which domain is which. Files are chosen and read as
    in `zoo.data.folder`.

    Returns:
        `Dataset` with the independent fields `a` and `b`, uint8 `(n, height, width, channels)`,
        128x128x3 by default, and the names of the two domains as class names.

    Raises:
        UsageError: there are not two domains, a domain has fewer than two pictures that can be
            read, or there is no such split.
    """
    root = scan.root_of(name)
    files, skipped = scan.scan(root)
    splits = scan.sides(root, files, _EXPECTED)
    if not splits:
        why = "so there is nothing to learn from"
        raise UsageError(scan.complaint(root, skipped, why, _EXPECTED))
    if "" in splits["train"][0]:
        raise UsageError(
            f"The pictures in {root} lie in no sub-folders: expected {_EXPECTED}. "
            f"Received: {len(files)} pictures."
        )
    chosen = scan.choose_split(name, split, list(splits))
    sides, _ = splits[chosen]
    others = [f for key, (_, folders) in splits.items() if key != chosen for f in folders]
    preparation = (image_size or IMAGE_SIZE, channels or CHANNELS, resize, pixel_range)
    skipped = scan.outside(skipped, others)
    work = _Domains(root, files, sides, skipped, preparation)
    first, second = (f"{side} (folder {scan.folder_of(tree)})" for side, tree in sides.items())
    note = f"{name}: domain a is {first}, domain b is {second}."
    entry = decode.entry(work, "domains", [chosen], strict, notes=[note])
    return Dataset(name, **entry, independent=True)


class _Domains(decode.Work):
    """The pictures of both domains; an item is (field, path)."""

    def __init__(self, root, files, sides, skipped, preparation):
        items = [
            (field, path)
            for field, tree in zip("ab", sides.values(), strict=True)
            for path in tree.values()
        ]
        states = [(field, path, *files[path]) for field, path in items]
        super().__init__(root, items, states, skipped, _EXPECTED, preparation)
        self.names = list(sides)

    def read(self, item):
        field, path = item
        with self.reading(path) as file:
            return {field: self.prepared(images.open_picture(file))}

    def describe(self, kept):
        fields = [field for field, _ in kept]
        for field, name in zip("ab", self.names, strict=True):
            if fields.count(field) < 2:
                broken = "; ".join(f"{path}: {reason}" for path, reason in self.skipped[:3])
                raise UsageError(
                    f"The domain {name} in {self.root} has too few pictures that can be read, so "
                    "there is nothing to learn. Expected at least 2; add more, or repair those "
                    f"that cannot ({broken or 'none'}). Received: {fields.count(field)}."
                )
        return None, self.names
