"""Translates pictures of any size with the networks of a run, one at a time."""

import functools
import os

import numpy as np
from PIL import Image

from zoo import backend, config_file, sampling
from zoo.data import deep, images, labels
from zoo.drawing import pictures
from zoo.errors import UsageError, nearest
from zoo.outputs import examples, placing, tiles
from zoo.progress import Progress, say
from zoo.runs import network_files, networks

FORMATS = ("png", "grid")
# Default number of rows of a grid.
ROWS = 16
# Largest side of a tile in a grid; larger pictures are scaled down.
TILE = 256


def translate(
    source,
    direction=None,
    inputs=None,
    format="png",
    count=None,
    out=None,
    overwrite=False,
    say=say,
    loaded=None,
    resize=None,
):
    """Translates pictures and writes them to files.

    For a network that takes any size, pictures keep their size. They are padded by reflection to
    sides that its strides divide, and the padding is cut off the result. For a network of fixed
    size, pictures are resized as in the run. A network that enlarges works in tiles and keeps
    alpha; see `zoo.outputs.tiles.enlarged`.

    Args:
        source: run directory, or path of a network file.
        direction: name of one of the run's networks, such as "a_to_b"; by default the first.
        inputs: picture file, or folder of pictures, including sub-folders; None for the run's own
            test split, or its train split if it has no test split. Pictures of the run's data that
            hold both sides are cut into input and target.
        format: "png" (a file per picture, with its name; for the run's own split three:
            `0000_input.png`, `0000_output.png` and, if there is a target, `0000_target.png`) or
            "grid" (one PNG, a row per picture: input, output and, if there is one, target).
        count: int, most pictures to translate, or None for all; in a grid 16.
        out: folder to write to, or a .png file for a grid or a single picture; by default
            `translated` in the run, or `translated`.
        overwrite: bool, whether to replace existing files. The inputs are never replaced.
        say: function called with sentences about behaviour that may surprise.
        loaded: dict of name -> keras.Model, networks of the source as `load_translator` gives them,
            where they are kept from one call to the next.
        resize: "crop", "pad" or "stretch", how `inputs` are brought to the size of the run; None to
            keep their size where the network allows it.

    Returns:
        list of str: the written paths.

    Raises:
        UsageError: no such network, no pictures, none that can be read, a file that exists, or
            `resize` where there is nothing to resize or no size is known. Nothing is written then.
    """
    if format not in FORMATS:
        raise UsageError(
            f"There is no format {format!r} of translated pictures.{nearest(format, FORMATS)}"
        )
    name, path = _chosen(source, direction, say)
    config = config_file.read(source) or {}
    network = (loaded or {}).get(name) or load_translator(path, name)
    channels, fixed_size = network.inputs[0].shape[-1], network_files.fixed_size(network)
    scale = tiles.factor(network)
    enlarges = scale > 1 and fixed_size is None
    learnt_size = images.parse_size(config.get("image_size"))
    if resize:
        _check_resize(resize, inputs, enlarges, fixed_size or learnt_size)
    elif fixed_size is not None:
        say(
            f"The network {name} takes pictures of {fixed_size[0]}x{fixed_size[1]} (height x "
            f"width) only, so each one is brought to this size ({config.get('resize', 'crop')})."
        )
    size = fixed_size or (learnt_size if resize else None)
    if inputs is None:
        chosen = examples.own(source, config, name, say, scale)
    else:
        pixel_range = deep.parse_range(config.get("pixel_range"))
        # Colours of labels are not mixed.
        method = Image.Resampling.NEAREST if config.get("labels") else Image.Resampling.LANCZOS
        fixed = size, channels, resize or config.get("resize", "crop"), pixel_range, method
        prepare = functools.partial(images.own_channels, pixel_range=pixel_range)
        if not enlarges:
            prepare = lambda image: images.prepare(image, *fixed)  # noqa: E731
        sides = examples.sides_of(config, inputs, say)
        known = config.get("class_names") if config.get("labels") and not sides else ()
        chosen = examples.of_files(inputs, out, _checked(prepare, known), sides)
    count = ROWS if count is None and format == "grid" else count
    if count is not None and len(chosen) > count:
        say(f"{count:,} of {len(chosen):,} pictures are translated; --count takes more.")
        chosen = chosen[:count]
    own = (name,) if len(networks.find(source)) > 1 else ()
    folder = out or placing.folder_of(source, "translated", *own)
    written = _Grid if format == "grid" else _Files
    writer = written(folder, chosen, inputs is None)
    placing.check_free(writer.paths, overwrite, [e.path for e in chosen if e.path])
    multiple = 1 if size is not None else network_files.multiple(network)
    run = functools.partial(tiles.enlarged, network)
    if not enlarges:
        run = lambda image: sampling.translated(network, image[np.newaxis], multiple)[0]  # noqa: E731
    skipped, large = [], 0
    with Progress("pictures", len(chosen)) as progress:
        for done, example in enumerate(chosen):
            try:
                columns = example.read()
                large += _much_larger(columns["input"], learnt_size) and not enlarges
                columns["output"] = _translated(run, columns["input"])
            except ValueError as error:
                skipped.append(f"{example.path or example.name}: {error}")
                continue
            writer.write(example, columns)
            progress(done + 1)
    examples.say_skipped(skipped, len(chosen), "translated")
    if large:
        height, width = learnt_size
        say(
            f"{large:,} of {len(chosen):,} pictures are much larger than the {height}x{width} that "
            f"{name} learnt from, and so may be what they show. If the results are poor, try "
            "--resize=crop, which brings pictures to that size."
        )
    return writer.finish()


def _check_resize(resize, inputs, enlarges, size):
    if inputs is None:
        raise UsageError(
            "The run's own pictures have its size already. Leave out --resize, or name others by "
            f"--input. Received: --resize={resize}."
        )
    if enlarges:
        raise UsageError(
            "This network enlarges pictures of any size, so none is brought to another first. "
            f"Leave out --resize. Received: --resize={resize}."
        )
    if size is None:
        raise UsageError(
            "A network file that takes any size does not know the size that it learnt from. Leave "
            f"out --resize, or name the run by --run. Received: --resize={resize}."
        )


def _much_larger(image, size):
    """Returns whether both sides of a picture are more than one and a half times as long."""
    return size is not None and all(
        side > 1.5 * learnt for side, learnt in zip(image.shape, size, strict=False)
    )


def translates(source):
    """Returns whether a run directory, or a network file, turns pictures into pictures.

    Raises:
        UsageError: the file cannot be read.
    """
    if os.path.isdir(source):
        return networks.translates(config_file.read(source) or {})
    return network_files.translates(load(source))


def load(path, name="generator"):
    """Loads a network file.

    Raises:
        UsageError: it cannot be used.
    """
    try:
        return network_files.load(path, name)
    except ValueError as error:
        raise UsageError(str(error)) from error


def load_translator(path, name="generator"):
    """Loads a network file that turns pictures into pictures.

    Raises:
        UsageError: it cannot be used, or does something else.
    """
    network = load(path, name)
    if not network_files.translates(network):
        raise UsageError(
            f"{path} does not make pictures of pictures: expected one input called `image`. "
            f"Received: {', '.join(x.name for x in network.inputs)}."
        )
    # So no backend keeps values for gradients.
    network.trainable = False
    return network


def _chosen(source, direction, say):
    """Returns `(name, path)` of the network that translates."""
    paths = networks.find(source)
    if direction is None:
        name = next(iter(paths))
        if len(paths) > 1:
            others = " or ".join(f"--direction={other}" for other in paths if other != name)
            say(f"The direction is {name}; {others} gives the other.")
        return name, paths[name]
    if not os.path.isdir(source):
        raise UsageError(
            "A network file knows one direction, so none can be asked for. Leave out --direction, "
            f"or name the run by --run. Received: --direction={direction}."
        )
    if len(paths) == 1:
        learnt = (config_file.read(source) or {}).get("direction") or "a_to_b"
        if direction == learnt:
            return next(iter(paths.items()))
        raise UsageError(
            f"The run {source} has learnt one direction, {learnt}. Leave out --direction, or train "
            f"another with --set direction={direction}. Received: --direction={direction}."
        )
    if direction not in paths:
        raise UsageError(
            f"The run {source} has no direction {direction!r}.{nearest(direction, paths)}"
        )
    return direction, paths[direction]


def _translated(run, image):
    try:
        return run(image)
    except Exception as error:
        if not backend.out_of_memory(error):
            raise
        height, width = image.shape[:2]
        raise ValueError(
            f"the memory is not enough for its {width}x{height} pixels; make it smaller"
        ) from None


def _checked(prepare, known):
    """Returns `prepare`, which then refuses pictures that do not show the labels of `known`."""
    if not known:
        return prepare

    def prepared(image):
        array = prepare(image)
        labels.check(array, known)
        return array

    return prepared


class _Files:
    """Writes a file per picture, or a file per column for a run's own split."""

    def __init__(self, out, examples, own):
        self.own, self.out, self.single = own, out, None
        if _is_file(out):
            if own or len(examples) > 1:
                raise UsageError(
                    "--out is a folder where several pictures are written as files of their own. "
                    f"Received: {out}."
                )
            self.single = out
        self.paths = [self._path(e, column) for e in examples for column in self._columns()]
        self.written = []

    def _columns(self):
        return ("input", "output", "target") if self.own else ("output",)

    def _path(self, example, column):
        name = f"{example.name}_{column}" if self.own else example.name
        return self.single or os.path.join(self.out, f"{name}.png")

    def write(self, example, columns):
        for column in self._columns():
            if column in columns:
                path = self._path(example, column)
                pictures.save_png(path, columns[column])
                self.written.append(path)

    def finish(self):
        return self.written


class _Grid:
    """Writes one picture with a row per example."""

    def __init__(self, out, examples, own):
        kind = "test" if own else "input"
        path = out if _is_file(out) else os.path.join(out, f"grid_{kind}_count{len(examples)}.png")
        self.paths, self.rows = [path], []

    def write(self, example, columns):
        row = [columns[name] for name in ("input", "output", "target") if name in columns]
        self.rows.append([_tile(image) for image in row])

    def finish(self):
        # Pictures that are enlarged keep their channels, so grey may stand beside colour.
        height, width, channels = np.max([tile.shape for row in self.rows for tile in row], axis=0)
        self.rows = [
            [np.broadcast_to(tile, (*tile.shape[:2], channels)) for tile in row]
            for row in self.rows
        ]
        columns = [
            np.stack([pictures.centred(tile, height, width) for tile in column])
            for column in zip(*self.rows, strict=True)
        ]
        pictures.save_png(self.paths[0], pictures.rows_of(columns, across=1))
        return self.paths


def _tile(image):
    image = pictures.opaque(image)
    if max(image.shape[:2]) <= TILE:
        return image
    scale = TILE / max(image.shape[:2])
    size = [max(1, round(side * scale)) for side in image.shape[:2]]
    return images.prepare(images.from_array(image), size, image.shape[-1], "stretch")


def _is_file(out):
    return os.path.splitext(out)[1].lower() == ".png" and not os.path.isdir(out)
