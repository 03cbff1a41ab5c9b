"""The pictures to translate or fill: files, or the pictures of a run's own data set."""

import collections
import dataclasses
import os
import sys
from collections.abc import Callable

import numpy as np

from zoo.data import bicubic, images, pairs, scan
from zoo.errors import UsageError, lacks_split
from zoo.runs import assembly

# Most pictures left out that a message names.
NAMED = 10


@dataclasses.dataclass(frozen=True)
class Example:
    """A picture to translate.

    Attributes:
        name: str, path below the output folder, without extension.
        read: function without arguments that returns column -> uint8 `(h, w, c)`: `input`, and
            `target` if there is one. It raises ValueError with the reason if the picture cannot be
            read.
        path: str, path of the file, or None.
    """

    name: str
    read: Callable
    path: str | None = None


def own(source, config, name, say, scale=1):
    """Returns the examples of a run's own test split, or of its train split if it has none.

    Args:
        source: str, the run directory.
        config: dict, the config of the run.
        name: str, name of the network, which says the side of unpaired data.
        say: function called with a sentence if there is no test split.
        scale: int, how many times the network enlarges. Of data that hold large pictures alone, the
            input is made by bicubic interpolation.

    Raises:
        UsageError: `source` is a file, or its data cannot be loaded.
    """
    if not os.path.isdir(source):
        raise UsageError(
            "It is not known which pictures are to be translated: a network file has no data of "
            f"its own. Name a picture or a folder by --input. Received: {source}."
        )
    try:
        dataset = assembly.load_data(config, assembly.Source(), split="test")
    except UsageError as error:
        if not lacks_split(error):
            raise
        dataset = assembly.load_data(config, assembly.Source())
        say(f"{dataset.name} has no test split, so pictures of the training are translated.")
    fields = dataset.fields
    if "high" in fields:
        return [_smaller(fields["high"], i, scale) for i in range(fields["high"].pictures)]
    columns = {"input": fields.get("input", fields.get(name.partition("_to_")[0]))}
    if "target" in fields:
        columns["target"] = fields["target"]

    def reader(i):
        return lambda: {column: np.asarray(array[i]) for column, array in columns.items()}

    return [Example(f"{i:04d}", reader(i)) for i in range(len(columns["input"]))]


def _smaller(crops, i, scale):
    def read():
        target, small = bicubic.shrunk(crops.picture(i), scale)
        return {"input": small, "target": target}

    return Example(f"{i:04d}", read)


def of_files(inputs, out, prepare, sides=None):
    """Returns the examples of a picture file, or of a folder.

    Args:
        inputs, out: as for `zoo.outputs.translate.translate`.
        prepare: function from a Pillow image to a uint8 array `(h, w, c)`.
        sides: as `sides_of` returns them.

    Raises:
        UsageError: there is no such file or folder, or no picture in it.
    """
    if os.path.isfile(inputs):
        root, relative_paths = os.path.split(inputs)
        relative_paths = [relative_paths]
    elif os.path.isdir(inputs):
        root, (files, skipped) = inputs, scan.scan(inputs)
        relative_paths = [
            path for path in files if not _lies_in(os.path.join(root, path), out, root)
        ]
        if not relative_paths:
            raise UsageError(
                f"There is no picture in {inputs}. Expected files such as .jpg or .png in it or in "
                f"its sub-folders. Received: {len(skipped)} that cannot be read, {len(files)} "
                "that can."
            )
    else:
        raise UsageError(
            f"There is no file or folder {inputs}. Expected --input=PATH of a picture, or of a "
            "folder of pictures."
        )

    def reader(path):
        def read():
            with images.reasons():
                picture = images.open_picture(path)
                parts = pairs.halves(picture) if sides else (picture,)
                fields = zip(sides or ("input",), parts, strict=True)
                return {field: prepare(part) for field, part in fields}

        return read

    stems = [os.path.splitext(path)[0] for path in relative_paths]
    alike = collections.Counter(stem.lower() for stem in stems)
    # Files with equal names keep their extensions.
    names = [
        stem if alike[stem.lower()] == 1 else path
        for stem, path in zip(stems, relative_paths, strict=True)
    ]
    paths = [os.path.join(root, path) for path in relative_paths]
    return [Example(n, reader(path), path) for n, path in zip(names, paths, strict=True)]


def say_skipped(skipped, count, done, most=NAMED):
    """Says which pictures were left out, if any.

    Args:
        skipped: list of str, a path and a reason each.
        count: int, how many pictures were given.
        done: str, what was done with the others, such as "translated".
        most: int, how many of them are named.

    Raises:
        UsageError: all were left out.
    """
    more = f"; and {len(skipped) - most:,} more" if len(skipped) > most else ""
    listed = "; ".join(skipped[:most]) + more
    if len(skipped) == count:
        raise UsageError(
            f"None of the pictures could be {done}, so nothing was written. Expected at least "
            f"one that can be. Received: {listed}."
        )
    if skipped:
        left_out = f"{len(skipped):,} of {count:,} were skipped: {listed}."
        print(f"warning: {left_out}", file=sys.stderr)


def sides_of(config, inputs, say):
    """Returns the fields of the left and the right half of the pictures, or None for no halves.

    Pictures of the run's own data, if each holds both sides, are cut as in training.

    Args:
        config: dict, the config of the run.
        inputs: str, a picture file or a folder.
        say: function called with a sentence if they are cut.

    Raises:
        UsageError: the data of the run are no longer pairs.
    """
    name = str(config.get("dataset"))
    root = scan.root_of(name)
    inside = os.path.realpath(inputs) + os.sep
    if not name.startswith("pairs:") or not inside.startswith(os.path.realpath(root) + os.sep):
        return None
    if not os.path.isdir(root) or not pairs.hold_both_sides(name):
        return None
    turned = config.get("direction") == "b_to_a"
    side = "right" if turned else "left"
    say(f"The pictures of {name} hold both sides: the {side} half is the input.")
    return ("target", "input") if turned else ("input", "target")


def _lies_in(path, folder, root):
    """Returns whether a path lies in a folder below `root`, such as earlier outputs."""
    if folder is None:
        return False
    folder, root = os.path.realpath(folder), os.path.realpath(root)
    below = folder.startswith(root + os.sep)
    return below and os.path.realpath(path).startswith(folder + os.sep)
