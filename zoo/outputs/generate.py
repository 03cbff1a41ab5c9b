"""Draws samples with a generator file and writes them as pictures, arrays or a walk."""

import io
import math
import os
import unicodedata

import numpy as np

from zoo import config_file, sampling
from zoo.errors import UsageError, nearest
from zoo.outputs import directions, placing
from zoo.runs import directory, network_files
from zoo.seeds import MOST

SUFFIXES = {"png": "", "grid": ".png", "npz": ".npz", "walk": ".gif"}


def generate(
    source,
    count=16,
    seed=0,
    classes=None,
    format="grid",
    frames=12,
    out=None,
    overwrite=False,
    truncation=1.0,
    move=None,
    mix=None,
):
    """Draws samples and writes them to files.

    A sample depends only on its seed, its index and its class. The same three give the same picture
    on the same backend, whatever else is drawn.

    Args:
        source: run directory with a `generator.keras`, or path of a generator file.
        count: int, number of samples from a single `seed`: indices 0 to count - 1.
        seed: int, or a list of ints, each for its sample of index 0 (`count` is then unused).
            See `zoo.sampling.latents`.
        classes: str or None, names or indices of classes, separated by commas, for a model with
            classes. They take turns; by default all classes do. A sample's turn is its index, or
            its seed where a list of seeds is given.
        format: "png" (a file per sample), "grid" (one PNG; classes that take turns keep their
            columns), "npz" (`images` uint8 NHWC, or float32 `samples` if they are not pictures;
            `labels` int32 for a model with classes; `seeds` int64; `indices` int32), or "walk" (a
            GIF along a spherical path through the samples and back to the first).
        frames: int, frames of a walk from one sample to the next.
        out: file or folder to write to; by default `generated` in the run, or `generated`.
        overwrite: bool, whether to replace existing files.
        truncation, move, mix: as for `zoo.outputs.directions.edits`.

    Returns:
        list of str: the written paths.

    Raises:
        UsageError: a class the model does not have, samples that the format cannot hold, a file
            that exists, or a generator that cannot be loaded. Nothing is written then.
    """
    if format not in SUFFIXES:
        raise UsageError(f"There is no format {format!r}.{nearest(format, SUFFIXES)}")
    seeds, indices = _names(count, seed)
    if format == "walk" and (len(seeds) < 2 or frames < 1):
        raise UsageError(
            "A walk leads through at least 2 seeds, with at least 1 frame from one to the next. "
            f"Received: {len(seeds)} seeds, {frames} frames."
        )
    generator = load_generator(source)
    if network_files.translates(generator):
        raise UsageError(
            f"{source} makes pictures of pictures, not of noise. Translate some with --input=FILE "
            "or --input=FOLDER."
        )
    if network_files.fills(generator):
        raise UsageError(
            f"{source} fills holes in pictures. Expected --input=PICTURE and --mask=MASK, or a "
            "picture with a transparent part."
        )
    is_image = network_files.output_name(generator) == "images"
    if format != "npz" and not is_image:
        raise UsageError(
            f"Samples of shape {tuple(generator.outputs[0].shape[1:])} are not pictures with 1 or "
            f"3 channels, so {format} cannot show them; use --format=npz, which holds them as "
            "`samples`."
        )
    turns = indices if np.ndim(seed) == 0 else seeds
    labels = labels_in_turn(generator, source, classes, turns)
    if out is None:
        out = placing.folder_of(source, "generated", "")
    paths = _paths(out, format, seeds, indices, labels, np.ndim(seed) == 0)
    placing.check_free(paths, overwrite)

    latent_dim = generator.inputs[0].shape[1:]
    z = sampling.latents(len(seeds), int(np.prod(latent_dim)), seed)
    label = 0 if labels is None else int(labels[0])
    if edit := directions.edits(generator, label, truncation, move, mix):
        z = edit(z)
    if format == "walk":
        z, labels = sampling.walk(z, frames), _nearest_labels(labels, frames)
    samples = _draw(generator, z.reshape(-1, *latent_dim), labels, is_image)
    os.makedirs(os.path.dirname(os.path.abspath(paths[0])), exist_ok=True)
    if format == "npz":
        arrays = {"images" if is_image else "samples": samples, "seeds": seeds, "indices": indices}
        _save_npz(paths[0], arrays if labels is None else arrays | {"labels": labels})
    else:
        _save_pictures(paths, format, samples, labels)
    return list(dict.fromkeys(paths))


def load_generator(source):
    """Loads the generator of a run directory or a generator file, in safe mode.

    Returns:
        keras.Model with input `z`, or `[z, label]`.

    Raises:
        UsageError: it is missing, damaged, or holds code or objects that Keras does not load.
    """
    try:
        return network_files.load(directory.find_generator(source))
    except UsageError:
        raise
    except ValueError as error:
        raise UsageError(str(error)) from error


def _names(count, seed):
    single = np.ndim(seed) == 0
    if not 1 <= (count if single else len(seed)) <= MOST or np.min(seed) < 0:
        raise UsageError(
            f"Expected 1 to {MOST} samples and seeds from 0 up. "
            f"Received: {f'count={count}, seed={seed}' if single else f'{len(seed)} seeds'}."
        )
    if single:
        return np.full(count, seed, "int64"), np.arange(count, dtype="int32")
    return np.asarray(seed, "int64"), np.zeros(len(seed), "int32")


def labels_in_turn(generator, source, classes, turns):
    """Returns the labels, int32 `(n,)`, or None for a generator without classes.

    Args:
        generator: keras.Model.
        source: str, whose config names the classes.
        classes: str or None, as for `generate`.
        turns: int `(n,)`, the turn of each sample.

    Raises:
        UsageError: the generator does not have such classes.
    """
    if len(generator.inputs) == 1:
        if classes is not None:
            raise UsageError(
                "This generator has no classes, so none can be asked for. Leave out --class or use "
                f"a run of a model with classes. Received: --class={classes}."
            )
        return None
    names = config_file.class_names(source)
    count = network_files.class_count(generator) or len(names)
    names = [*names, *map(str, range(len(names), count))][:count]
    if classes is None and not count:
        raise UsageError(
            "Neither the generator nor a config.json says how many classes there are. Ask for some "
            "with --class, such as --class=0,1,2."
        )
    chosen = list(range(count)) if classes is None else _class_indices(classes, names)
    return np.asarray([chosen[turn % len(chosen)] for turn in turns.tolist()], "int32")


def _class_indices(classes, names):
    # A name may hold a comma.
    # One letter may be written as one character or as two, and look the same.
    names, classes = [_composed(name) for name in names], _composed(classes)
    requested = [classes] if classes in names else [part.strip() for part in classes.split(",")]
    indices = []
    for name in requested:
        if name in names:
            indices.append(names.index(name))
        elif name.isdecimal() and (not names or int(name) < len(names)):
            indices.append(int(name))
        else:
            valid = nearest(name, names) if names else " Expected whole numbers from 0 up."
            raise UsageError(f"There is no class {name!r}.{valid} An index works as well.")
    return indices


def _composed(text):
    return unicodedata.normalize("NFC", text)


def _paths(out, format, seeds, indices, labels, single):
    suffix = SUFFIXES[format] or ".png"
    extension = os.path.splitext(out)[1].lower()
    is_file = (
        extension == suffix and not os.path.isdir(out) and (format != "png" or len(seeds) == 1)
    )
    if is_file:
        return [out]
    if extension in (".png", ".npz", ".gif", ".jpg", ".jpeg", ".npy") or os.path.isfile(out):
        expected = "a folder" if format == "png" else f"a {suffix} file or a folder"
        raise UsageError(f"--out is {expected} for {format}. Received: {out}.")
    if format == "png":
        names = [f"seed{s}" for s in seeds]
        if single:
            names = [f"{name}_{i:04d}" for name, i in zip(names, indices, strict=True)]
        if labels is not None:
            names = [f"{name}_class{c}" for name, c in zip(names, labels, strict=True)]
        return [os.path.join(out, f"{name}.png") for name in names]
    if single:
        what = f"seed{seeds[0]}_count{len(seeds)}"
    else:
        runs = np.split(seeds, np.where(np.diff(seeds) != 1)[0] + 1)
        parts = [str(r[0]) if len(r) == 1 else f"{r[0]}-{r[-1]}" for r in runs]
        shown = parts if len(parts) <= 8 else [*parts[:8], f"and{len(seeds)}"]
        what = f"seeds{'_'.join(shown)}"
    return [os.path.join(out, f"{'samples' if format == 'npz' else format}_{what}{suffix}")]


def _nearest_labels(labels, frames):
    if labels is None:
        return None
    position = np.arange(len(labels) * frames) / frames
    return labels[np.floor(position + 0.5).astype(int) % len(labels)]


def _draw(generator, z, labels, is_image):
    # In pieces, so memory holds only finished uint8 pictures.
    parts = []
    for start in range(0, len(z), 16 * sampling.CHUNK):
        piece = slice(start, start + 16 * sampling.CHUNK)
        part = sampling.run_generator(
            generator, z[piece], None if labels is None else labels[piece]
        )
        parts.append(sampling.to_uint8(part) if is_image else part)
    return np.concatenate(parts)


def _save_npz(path, arrays):
    from zoo.files import write_atomically

    file = io.BytesIO()
    np.savez(file, **arrays)
    write_atomically(path, file.getvalue())


def _columns(labels):
    """Returns the number of tiles per row that keeps each class in its own columns.

    Args:
        labels: int32 `(n,)` or None.

    Returns:
        int, or None if no class has a second turn.
    """
    count = 0 if labels is None else len(np.unique(labels))
    turns = 2 <= count <= 16 and count < len(labels)
    if not turns or (labels != np.resize(labels[:count], len(labels))).any():
        return None
    return count * max(1, round(math.sqrt(len(labels)) / count))


def _save_pictures(paths, format, images, labels):
    from zoo.drawing import pictures

    if format == "grid":
        pictures.save_png(paths[0], pictures.grid(images, _columns(labels)))
    elif format == "walk":
        tiles = [pictures.grid(image[np.newaxis]) for image in images]
        pictures.save_gif(paths[0], tiles, milliseconds=60)
    else:
        for path, image in zip(paths, images, strict=True):
            pictures.save_png(path, image)
