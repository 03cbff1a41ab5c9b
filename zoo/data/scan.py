"""Scans a folder of pictures: its files, and the roles of its sub-folders.

Paths are relative to the folder. A tree is a dict from the part of a path below some sub-folder to
the path itself.
"""

import os
import re
import stat

from zoo.data.catalog import located
from zoo.data.images import EXTENSIONS
from zoo.errors import UsageError, no_split

# Names of sub-folders that are splits. The first one after train that exists serves as "test".
SPLITS = ("train", "test", "val", "valid", "validation")
_DOMAIN = re.compile(rf"({'|'.join(SPLITS)})[ _-]?([ab])", re.IGNORECASE)


def root_of(name):
    """Returns the absolute path in a name such as `folder:PATH`.

    Raises:
        UsageError: it is no UTF-8, which the files of a run could not name.
    """
    root = located(name).partition(":")[2]
    try:
        root.encode()
    except UnicodeEncodeError:
        raise UsageError(
            "The path of a data set is no UTF-8. Expected names of folders that are; rename them. "
            f"Received: {root!r}."
        ) from None
    return root


def scan(root):
    """Lists the pictures under a folder, whatever their number and depth.

    Links are followed, but no folder is read twice. Hidden files and folders, and files without a
    picture's extension, are ignored.

    Returns:
        dict path -> (bytes, modification time, change time), times in ns, and a list of (path,
        reason why it cannot be used); both sorted.

    Raises:
        UsageError: the folder is missing, or is not a folder.
    """
    if not os.path.isdir(root):
        what = "is not a folder" if os.path.exists(root) else "does not exist"
        raise UsageError(
            f"The folder of pictures {root} {what}. Give the path of one that is, as in "
            "--dataset=folder:PATH."
        )
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
            is_picture = os.path.splitext(name)[1].lower() in EXTENSIONS
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
                # The change time too: it also shows new permissions, and new content behind an
                # unchanged modification time.
                files[path] = (info.st_size, info.st_mtime_ns, info.st_ctime_ns)
    return dict(sorted(files.items())), sorted(skipped)


def branches(tree):
    """Returns a dict sub-folder -> tree of its pictures; loose pictures are under ""."""
    result = {}
    for rest, path in tree.items():
        folder, _, below = rest.partition(os.sep) if os.sep in rest else ("", "", rest)
        result.setdefault(folder, {})[below] = path
    return dict(sorted(result.items()))


def refuse_mixed(root, tree, expected):
    """Raises UsageError if pictures lie beside sub-folders with pictures.

    Args:
        root: str, the folder that `tree` describes.
        tree: dict as from `branches`.
        expected: str, the layout that the message offers besides pictures alone.
    """
    loose = tree.get("", {})
    if loose and len(tree) > 1:
        raise UsageError(
            f"{root} holds both pictures ({len(loose)}, such as {next(iter(loose))!r}) and "
            f"sub-folders with pictures ({sum(map(len, tree.values())) - len(loose)}): expected "
            f"either pictures alone or {expected}, so move one kind elsewhere."
        )


def are_splits(names):
    """Returns whether sub-folders of these names are splits: train, perhaps with others.

    The others are those of `SPLITS`, in upper or lower case.

    Raises:
        UsageError: two names differ only in case.
    """
    names = list(names)
    splits = [name.lower() for name in names]
    if "train" not in splits or not set(splits) <= set(SPLITS):
        return False
    if len(set(splits)) < len(splits):
        raise UsageError(
            "Each split may have one sub-folder. Expected names that differ in more than upper and "
            f"lower case. Received: {', '.join(sorted(names))}."
        )
    return True


def choose_split(name, split, available):
    """Returns the one of the `available` splits, in lower case, that serves as `split`.

    Without a test split, a validation split serves as "test".

    Raises:
        UsageError: none of them serves.
    """
    wanted = str(split).lower()
    for candidate in SPLITS[1:] if wanted == "test" else (wanted,):
        if candidate in available:
            return candidate
    raise no_split(
        name,
        split,
        f"Expected {' or '.join(map(repr, available))}: other splits lie in sub-folders called "
        "test or val beside one called train, or are data sets of their own.",
    )


def sides(root, files, expected):
    """Finds the two sides of pairs or of domains.

    The layouts are `A` and `B` (any two names), perhaps with `train` and `test` around them or
    inside them, and `trainA`, `trainB`, `testA`, `testB`.

    Args:
        root: str, the folder.
        files: the paths of its pictures.
        expected: str, what the folder must hold, for messages.

    Returns:
        dict split in lower case -> (dict side -> tree, list of the folders that make up the split).
        The sides are sorted by name. Loose pictures are a single side, "". A folder without splits
        is "train" with an empty list of folders.

    Raises:
        UsageError: the sub-folders are not two, or not the same two in all splits.
    """
    top = branches({path: path for path in files})
    refuse_mixed(root, top, "sub-folders alone")
    if are_splits(top):
        result = {}
        for folder, tree in top.items():
            inside = branches(tree)
            refuse_mixed(os.path.join(root, folder), inside, "sub-folders alone")
            result[folder.lower()] = inside, [folder]
    elif top and all(_DOMAIN.fullmatch(folder) for folder in top):
        result = {}
        for folder, tree in top.items():
            split, side = _DOMAIN.fullmatch(folder).groups()
            inside, folders = result.setdefault(split.lower(), ({}, []))
            if side.upper() in inside:
                raise UsageError(
                    f"{root} holds two folders for the same side. Expected one for each side of a "
                    f"split, so merge or rename them. Received: {', '.join(top)}."
                )
            inside[side.upper()] = tree
            folders.append(folder)
    else:
        result = _splits_inside(root, top, expected)

    names = None
    for inside, folders in result.values():
        if set(inside) != {""} and len(inside) != 2:
            raise UsageError(_not_two(root, inside, folders, expected))
        names = names or set(inside)
        if set(inside) != names:
            raise UsageError(
                f"The splits in {root} differ. Expected the same sub-folders in each. Received: "
                f"{' and '.join(', '.join(tree) or 'none' for tree, _ in result.values())}."
            )
    if result and "train" not in result:
        raise UsageError(f"{root} holds no pictures to train on: expected {expected}.")
    return {split: (dict(sorted(inside.items())), f) for split, (inside, f) in result.items()}


def folder_of(tree):
    """Returns the sub-folder that a tree belongs to."""
    rest, path = next(iter(tree.items()))
    return path.removesuffix(rest).rstrip(os.sep)


def _splits_inside(root, top, expected):
    """Returns the splits as `sides` does, where the folders at the top are the sides."""
    inside = {side: branches(tree) for side, tree in top.items() if side}
    split_up = [side for side, tree in inside.items() if are_splits(filter(None, tree))]
    if len(top) != 2 or not split_up:
        return {"train": (top, [])} if top else {}
    if len(split_up) == 1:
        raise UsageError(
            f"In {root} only {split_up[0]} has sub-folders for the splits: expected {expected}."
        )
    result = {}
    for side, tree in inside.items():
        refuse_mixed(os.path.join(root, side), tree, "sub-folders alone")
        for folder, below in tree.items():
            trees, folders = result.setdefault(folder.lower(), ({}, []))
            trees[side] = below
            folders.append(os.path.join(side, folder))
    return result


def _not_two(root, inside, folders, expected):
    where = f" ({', '.join(folders)})" if folders else ""
    return (
        f"The pictures in {root}{where} lie in {len(inside)} sub-folder{'s' * (len(inside) != 1)}: "
        f"expected {expected}. Received: {', '.join(inside)}."
    )


def outside(skipped, folders):
    """Returns the entries of `skipped`, (path, reason), that lie in none of the folders."""
    starts = tuple(folder + os.sep for folder in folders)
    return [(path, reason) for path, reason in skipped if not (path + os.sep).startswith(starts)]


def complaint(root, skipped, why, expected, shown=3):
    """Returns the message about a folder that holds unusable files, or no pictures at all.

    Args:
        root: str, the folder.
        skipped: sequence of (path, reason).
        why: str, the consequence.
        expected: str, what the folder must hold.
        shown: int, how many files the message names.
    """
    if not skipped:
        return f"The folder {root} holds no pictures: expected {expected}."
    files = "1 file" if len(skipped) == 1 else f"{len(skipped):,} files"
    first = "; ".join(f"{path}: {reason}" for path, reason in skipped[:shown])
    more = f"; and {len(skipped) - shown:,} more" if len(skipped) > shown else ""
    return (
        f"{files} under {root} cannot be used ({first}{more}), {why}: repair or remove what cannot "
        f"be used. Expected {expected}."
    )
