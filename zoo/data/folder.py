"""`folder:PATH`: a person's own pictures, in one folder or in one sub-folder per class."""

import os
import stat
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from zoo.data import Dataset, cache, images
from zoo.errors import UsageError

IMAGE_SIZE = 64
CHANNELS = 3
_WINDOW = 256


def load(name, *, split, image_size, channels, resize, data_dir=None, strict=False):
    """Loads a folder of pictures; arguments as in `zoo.data.load`.

    Pictures directly in the folder are unlabelled; otherwise each sub-folder with pictures, however
    deep inside, is a class, numbered in the order of their names. Files without a picture's
    extension and hidden files are not looked at. Files that cannot be read are skipped and listed.
    The pictures are decoded once into the cache; later loads only map that file, as long as names,
    sizes and times of the files are the same.

    Returns:
        `Dataset` with samples uint8 `(n, image_size, image_size, channels)`, 64x64x3 by default.

    Raises:
        UsageError: the folder is missing or holds no readable picture, or not only readable ones
            when strict; pictures lie beside class folders; the split is not "train".
    """
    if split != "train":
        raise UsageError(
            f"A folder has only the split 'train': give the pictures of another one as its own "
            f"folder:PATH. Received: split={split!r} for {name!r}."
        )
    root = os.path.abspath(os.path.expanduser(name.partition(":")[2]))
    files, skipped = _scan(root)
    preparation = (image_size or IMAGE_SIZE, channels or CHANNELS, resize)
    group = ("folder", cache.stamp_of(os.path.realpath(root), preparation))
    stamp = cache.stamp_of([(path, *state) for path, state in files.items()], skipped)
    entry = cache.find(group, stamp)
    if entry is None:
        work = _Decoding(root, list(files), skipped, preparation)
        path = cache.write(group, stamp, work.batches(), work.describe, len(files))
        entry = cache.read(path)
    if strict and entry["skipped"]:
        raise UsageError(_complaint(root, entry["skipped"], "and --strict allows none"))
    return Dataset(name, **entry)


class _Decoding:
    """Decodes files in threads and keeps account of which could be used."""

    def __init__(self, root, files, skipped, preparation):
        self.root, self.files, self.skipped = root, files, list(skipped)
        self.preparation = preparation
        self.kept = []

    def batches(self):
        with warnings.catch_warnings(), ThreadPoolExecutor(min(16, _processors())) as pool:
            # Pillow warns about odd metadata, and about large pictures, which `read` refuses.
            warnings.simplefilter("ignore")
            for start in range(0, len(self.files), _WINDOW):
                part = self.files[start : start + _WINDOW]
                arrays = []
                for path, result in zip(part, pool.map(self._read, part), strict=True):
                    if isinstance(result, ValueError):
                        self.skipped.append((path, str(result)))
                    else:
                        self.kept.append(path)
                        arrays.append(result)
                if arrays:
                    yield np.stack(arrays)

    def _read(self, path):
        try:
            return images.read(os.path.join(self.root, path), *self.preparation)
        except ValueError as error:
            return error

    def describe(self):
        skipped = sorted(self.skipped)
        if not self.kept:
            raise UsageError(_complaint(self.root, skipped, "so there is nothing to learn from"))
        classes = [path.split(os.sep)[0] if os.sep in path else None for path in self.kept]
        if classes[0] is None:
            return None, (), skipped
        class_names = sorted(set(classes))
        number = {name: i for i, name in enumerate(class_names)}
        return np.array([number[name] for name in classes], "int32"), class_names, skipped


def _scan(root):
    """Lists pictures as {relative path: state}, sorted, and [(relative path, why not)]."""
    if not os.path.isdir(root):
        what = "is not a folder" if os.path.exists(root) else "does not exist"
        raise UsageError(f"The folder of pictures {root} {what}: give folder:PATH of one that is.")
    files, skipped, seen, todo = {}, [], set(), [""]
    while todo:
        here = todo.pop()
        try:
            info = os.stat(os.path.join(root, here))
            if (info.st_dev, info.st_ino) in seen:
                skipped.append((here, "a link to a folder that is read already"))
                continue
            seen.add((info.st_dev, info.st_ino))
            names = sorted(os.listdir(os.path.join(root, here)), reverse=True)
        except OSError as error:
            skipped.append((here or ".", error.strerror))
            continue
        for name in names:
            path = os.path.join(here, name)
            is_picture = os.path.splitext(name)[1].lower() in images.EXTENSIONS
            if name.startswith("."):
                continue
            try:
                info = os.stat(os.path.join(root, path))
            except OSError as error:
                if is_picture:
                    skipped.append((path, error.strerror))
                continue
            if stat.S_ISDIR(info.st_mode):
                todo.append(path)
            elif is_picture and not stat.S_ISREG(info.st_mode):
                skipped.append((path, "not a regular file"))
            elif is_picture:
                # The change time too: it also tells of new permissions, and of new content behind
                # a kept modification time.
                files[path] = (info.st_size, info.st_mtime_ns, info.st_ctime_ns)
    loose = [path for path in files if os.sep not in path]
    if loose and len(loose) < len(files):
        raise UsageError(
            f"{root} holds both pictures ({len(loose)}, such as {loose[0]!r}) and sub-folders with "
            f"pictures ({len(files) - len(loose)}): expected either pictures alone or one "
            "sub-folder per class, so move one kind elsewhere."
        )
    if not files:
        raise UsageError(_complaint(root, sorted(skipped), "so there is nothing to learn from"))
    return dict(sorted(files.items())), sorted(skipped)


def _complaint(root, skipped, why, shown=3):
    if not skipped:
        return (
            f"The folder {root} holds no pictures: expected files such as .jpg or .png in it, or "
            "in one sub-folder per class."
        )
    files = "1 file" if len(skipped) == 1 else f"{len(skipped):,} files"
    first = "; ".join(f"{path}: {reason}" for path, reason in skipped[:shown])
    more = f"; and {len(skipped) - shown:,} more" if len(skipped) > shown else ""
    return (
        f"{files} under {root} cannot be used ({first}{more}), {why}: repair or remove what cannot "
        "be read, or take a folder of good pictures."
    )


def _processors():
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
