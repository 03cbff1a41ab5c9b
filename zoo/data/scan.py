"""Scans a folder of pictures: its files, and the roles of its sub-folders.

Paths are relative to the folder. A tree of them is a dict of what remains of a path below some
sub-folder -> path.
"""

import os
import re
import stat

from zoo.data.images import EXTENSIONS
from zoo.errors import UsageError

# Names that make sub-folders splits, in the order in which the split "test" looks for its own.
SPLITS = ("train", "test", "val", "valid", "validation")
_DOMAIN = re.compile(rf"({'|'.join(SPLITS)})[ _-]?([ab])", re.IGNORECASE)


def root_of(name):
    """Returns the absolute path in a name such as `folder:PATH`."""
    return os.path.abspath(os.path.expanduser(name.partition(":")[2]))


def scan(root):
    """Lists the pictures under a folder, whatever their number and depth.

    Links are followed, but no folder is read twice. Hidden files and folders, and files without a
    picture's extension, are not looked at.

    Returns:
        dict path -> (bytes, time of modification, time of change), and a list of (path, why it
        cannot be used); both sorted.

    Raises:
        UsageError: the folder is missing, or no folder.
    """
    if not os.path.isdir(root):
        what = "is not a folder" if os.path.exists(root) else "does not exist"
        raise UsageError(f"The folder of pictures {root} {what}: give the path of one that is.")
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
                # The change time too: it also tells of new permissions, and of new content behind
                # a kept modification time.
                files[path] = (info.st_size, info.st_mtime_ns, info.st_ctime_ns)
    return dict(sorted(files.items())), sorted(skipped)


def branches(tree):
    """Returns sub-folder -> tree of what lies in it; pictures beside sub-folders under ""."""
    result = {}
    for rest, path in tree.items():
        folder, _, below = rest.partition(os.sep) if os.sep in rest else ("", "", rest)
        result.setdefault(folder, {})[below] = path
    return dict(sorted(result.items()))


def refuse_mixed(root, tree, expected):
    """Raises UsageError if pictures lie beside sub-folders with pictures, as classes cannot.

    Args:
        root: str, the folder whose `branches` they are.
        tree: dict as from `branches`.
        expected: str, what the sub-folders would stand for, for the message.
    """
    loose = tree.get("", {})
    if loose and len(tree) > 1:
        raise UsageError(
            f"{root} holds both pictures ({len(loose)}, such as {next(iter(loose))!r}) and "
            f"sub-folders with pictures ({sum(map(len, tree.values())) - len(loose)}): expected "
            f"either pictures alone or {expected}, so move one kind elsewhere."
        )


def are_splits(names):
    """Returns whether sub-folders of these names are splits: `train`, and at most test and val.

    Raises:
        UsageError: two names differ in nothing but case.
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
    """Returns which of the `available` splits, in lower case, serves as `split`.

    Where there is no test split, one for validation serves.

    Raises:
        UsageError: none does.
    """
    wanted = str(split).lower()
    for candidate in SPLITS[1:] if wanted == "test" else (wanted,):
        if candidate in available:
            return candidate
    raise UsageError(
        f"{name} has no split {split!r}. Expected {' or '.join(map(repr, available))}: other "
        "splits lie in sub-folders called test or val beside one called train, or are data sets "
        "of their own."
    )


def sides(root, files, expected):
    """Tells the two sides of pictures apart, of pairs or of domains.

    The layouts are `A` and `B` (any two names), each with `train` and `test` around them or inside
    of them, and `trainA`, `trainB`, `testA`, `testB`. Pictures that lie loose have no sides.

    Args:
        root: str, the folder.
        files: paths in it.
        expected: str, what the folder must hold, for messages.

    Returns:
        dict split in lower case -> (dict side -> tree, the folders that make up the split). The
        first side comes first by name. Loose pictures have one side, "". A folder without splits
        is "train", of which no folders are named.

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
    """Returns the sub-folder whose tree it is."""
    rest, path = next(iter(tree.items()))
    return path.removesuffix(rest).rstrip(os.sep)


def _splits_inside(root, top, expected):
    """As `sides`, where the folders at the top are the sides."""
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
    """Returns those of `skipped`, a list of (path, reason), that lie in none of the folders."""
    starts = tuple(folder + os.sep for folder in folders)
    return [(path, reason) for path, reason in skipped if not (path + os.sep).startswith(starts)]


def complaint(root, skipped, why, expected, shown=3):
    """Returns the sentence about a folder whose files cannot be used, or that holds none.

    Args:
        root: str, the folder.
        skipped: sequence of (path, reason).
        why: str, what follows from it.
        expected: str, what the folder must hold.
        shown: int, how many files are named.
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
