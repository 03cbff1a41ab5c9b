"""`folder:PATH`: your own pictures, in one folder or in one sub-folder per class."""

import os
import unicodedata

import numpy as np

from zoo.data import Dataset, decode, images, scan
from zoo.errors import UsageError, listed

IMAGE_SIZE = (64, 64)
CHANNELS = 3
_EXPECTED = "files such as .jpg or .png in it, or in one sub-folder per class"


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
    """Loads a folder of pictures; arguments as in `zoo.data.load`.

    Pictures directly in the folder are unlabelled. Otherwise each sub-folder with pictures, at any
    depth, is a class, and the classes are numbered in the order of their names. Hidden files and
    files without a picture's extension are ignored. Files that cannot be read are skipped and
    listed. The pictures are decoded once into the cache; later loads only map the cached file, as
    long as names, sizes and times of the pictures' files are the same.

    Sub-folders are splits instead of classes if one is called train and all others are called test,
    val, valid or validation (in upper or lower case); a note says so. Each split then holds
    pictures or class folders as above. The classes are those of train; a train split with a single
    sub-folder has none. The split "test" is test, or else a validation split.

    Returns:
        `Dataset` with images uint8 `(n, height, width, channels)`, 64x64x3 by default, and labels
        int32 `(n,)` where there are classes.

    Raises:
        UsageError: the folder is missing or holds no readable picture; a picture is unreadable and
            `strict` is set; pictures lie beside class folders; there is no such split; the split
            has a class that train lacks.
    """
    root = scan.root_of(name)
    files, skipped = scan.scan(root)
    if not files:
        why = "so there is nothing to learn from"
        raise UsageError(scan.complaint(root, skipped, why, _EXPECTED))
    preparation = (image_size or IMAGE_SIZE, channels or CHANNELS, resize, pixel_range)
    top = scan.branches({path: path for path in files})
    scan.refuse_mixed(root, top, "one sub-folder per class")
    if not scan.are_splits(top):
        scan.choose_split(name, split, ["train"])
        work = _Pictures(root, files, skipped, preparation)
        return Dataset(name, **_entry(work, strict))

    folders = {folder.lower(): folder for folder in top}
    chosen = scan.choose_split(name, split, sorted(folders, key=scan.SPLITS.index))
    trees = {key: scan.branches(top[folder]) for key, folder in folders.items()}
    for key in {"train", chosen}:
        scan.refuse_mixed(os.path.join(root, folders[key]), trees[key], "one sub-folder per class")

    def split_of(key, class_names=None):
        others = [folder for other, folder in folders.items() if other != key]
        here = {path: files[path] for path in top[folders[key]].values()}
        reasons = scan.outside(skipped, others)
        work = _Pictures(root, here, reasons, preparation, folders[key], class_names)
        return _entry(work, strict)

    labelled = len(trees["train"]) > 1
    if chosen == "train":
        entry = split_of("train", None if labelled else ())
    else:
        # The readable pictures of the train split decide the classes.
        class_names = split_of("train")["class_names"] if labelled else ()
        strange = sorted(set(map(class_name, trees[chosen])) - set(class_names))
        if labelled and strange:
            what = listed(map(repr, filter(None, strange))) or "pictures without one"
            raise UsageError(
                f"The split {folders[chosen]} of {name} has classes that {folders['train']} lacks. "
                f"Expected sub-folders called {listed(class_names)}. Received: {what}."
            )
        entry = split_of(chosen, class_names)
    notes = (_note(name, folders, chosen), *entry["notes"])
    return Dataset(name, **entry | {"notes": notes})


def _entry(work, strict):
    return decode.entry(work, "folder", [work.folder] if work.folder else [], strict)


def _note(name, folders, chosen):
    names = [folders[key] for key in scan.SPLITS if key in folders]
    if len(names) == 1:
        return f"{name}: its sub-folder {names[0]} is taken as a split, not as a class."
    serves = f"; {folders[chosen]} serves as test split" if chosen not in ("train", "test") else ""
    several = f"{', '.join(names[:-1])} and {names[-1]}"
    return f"{name}: its sub-folders {several} are taken as splits, not as classes{serves}."


def class_name(folder):
    """Returns the name of a class as people write it, given that of its folder.

    One letter may have several spellings: macOS writes é as e and an accent, others as one
    character, which it becomes here. Bytes that are no UTF-8 become text such as \\xff.
    """
    text = os.fsencode(folder).decode("utf-8", "backslashreplace")
    return unicodedata.normalize("NFC", text)


class _Pictures(decode.Work):
    """The pictures of one split; those in sub-folders are labelled.

    Args:
        folder: str, folder of the split, or None for the root.
        class_names: sequence of str, () for unlabelled pictures, None for the names of the
            sub-folders.
    """

    def __init__(self, root, files, skipped, preparation, folder=None, class_names=None):
        start = len(folder) + 1 if folder else 0
        folders = {
            path: path[start:].partition(os.sep)[0] for path in files if os.sep in path[start:]
        }
        names = {name: class_name(name) for name in set(folders.values())}
        self.classes = {path: names[name] for path, name in folders.items()}
        states = [(path, *state) for path, state in files.items()]
        # Older entries have the names of such folders as their classes.
        other = sorted(name for folder, name in names.items() if name != folder)
        states += [other] if other else []
        # The files do not show classes that were decided elsewhere.
        states += [list(class_names)] if class_names is not None else []
        super().__init__(root, list(files), states, skipped, _EXPECTED, preparation)
        self.folder, self.class_names = folder, class_names

    def read(self, path):
        with self.reading(path) as file:
            return {"image": self.prepared(images.open_picture(file))}

    def describe(self, kept):
        if self.class_names == () or kept[0] not in self.classes:
            return None, ()
        classes = [self.classes[path] for path in kept]
        class_names = self.class_names or sorted(set(classes))
        number = {name: i for i, name in enumerate(class_names)}
        return np.array([number[name] for name in classes], "int32"), class_names
