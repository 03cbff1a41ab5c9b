"""Fills holes in picture files: by a network that has learnt it, or by search with a generator."""

import contextlib
import dataclasses
import functools
import os

import numpy as np
from PIL import Image

from zoo import backend, config_file
from zoo.data import deep, images
from zoo.drawing import pictures
from zoo.errors import UsageError, one_of
from zoo.outputs import examples, filling, placing
from zoo.outputs.generate import labels_in_turn, load_generator
from zoo.outputs.latent_search import CHUNK, STEPS, LatentSearch, check
from zoo.progress import Progress, say
from zoo.runs import assembly, checkpoints, network_files, networks
from zoo.seeds import MOST

# Answers of a search for each picture.
ANSWERS = 8
# In a mask, from this grey on a pixel is a hole; after resizing, where this much of it is one.
WHITE = 128
TOUCHED = 13


@dataclasses.dataclass(frozen=True)
class Holed:
    """A picture with a hole, of the size of the generator.

    Attributes:
        name: str, path below the output folder, without extension.
        picture: uint8 `(height, width, channels)`.
        hole: bool `(height, width)`, True at unknown pixels.
        own: uint8 `(height, width, 4)`, the picture with its alpha, if it has one beside a mask.
    """

    name: str
    picture: np.ndarray
    hole: np.ndarray
    own: np.ndarray | None = None

    def with_alpha(self, answer):
        """Returns an answer with the picture's own alpha; what was filled in is opaque."""
        if self.own is None:
            return answer
        colours = np.broadcast_to(answer, (*answer.shape[:2], 3))
        drawn = np.concatenate([colours, np.full_like(colours[..., :1], 255)], axis=-1)
        return np.where(self.hole[..., np.newaxis], drawn, self.own)


class Networks:
    """What fills holes for a run or a file, loaded once and kept from one picture to the next.

    Args:
        source: run directory, or path of a network file.
        generator: keras.Model of that source, if it is already loaded.
        say: function called with a sentence if the search does without a discriminator.

    Attributes:
        generator: keras.Model.
        learnt: bool, whether it has learnt to fill holes; otherwise a search does.

    Raises:
        UsageError: it cannot be loaded.
    """

    def __init__(self, source, generator=None, say=say):
        self.source, self.say = source, say
        self.generator = load_generator(source) if generator is None else generator
        self.learnt = network_files.fills(self.generator)

    @functools.cached_property
    def search(self):
        """The `LatentSearch`, which compiles its step once."""
        loss = (config_file.read(self.source) or {}).get("loss") or "non_saturating"
        discriminator = discriminator_of(self.source, self.generator, self.say)
        return LatentSearch(self.generator, discriminator, loss)


def inpaint(
    source,
    inputs,
    mask=None,
    count=None,
    seed=0,
    classes=None,
    resize=None,
    steps=STEPS,
    out=None,
    overwrite=False,
    say=say,
    loaded=None,
):
    """Fills the holes of pictures and writes several answers for each.

    A run that has learnt to fill holes gives one answer, for a picture of any size; the others
    search for several. Pictures are read one at a time, and those of a folder that cannot be filled
    are left out and named at the end. The known pixels of an answer are those of the picture as the
    run takes it: in 8 bits, and resized if that is asked for. A picture with a mask keeps its own
    alpha, and what is filled in is opaque.

    Args:
        source: run directory, or path of a generator file. A search with such a file has no
            discriminator, so the known pixels alone decide.
        inputs: picture file, or folder of pictures, including sub-folders.
        mask: picture file, white where the picture is to be filled in; for a folder of pictures
            also a folder of masks of the same names. None for the pictures' own transparency.
        count: int, answers for each picture, at most 64; by default 8 of a search.
        seed: int, of the points that the searches begin with.
        classes: str or None, as for `zoo.outputs.generate.generate`. Each class in turn is tried;
            by default all are.
        resize: "crop", "pad" or "stretch", see `zoo.data.load`, which brings pictures to the size
            of the run. None to refuse others in a search, and to fill them as they are by a run
            that has learnt it.
        steps: int, most steps of a search.
        out: folder to write to; by default `inpainted` in the run, or `inpainted`. It gets
            `NAME_0.png`, `NAME_1.png`, ..., the one that fits best first, and `NAME_overview.png`:
            picture, mask, answers.
        overwrite: bool, whether to replace existing files. The inputs are never replaced.
        say: function called with sentences about what happens.
        loaded: `Networks` of the source, where they are kept from one call to the next.

    Returns:
        list of str: the written paths; the overview of a picture comes before its answers.

    Raises:
        UsageError: the run draws no pictures, or it translates them; a picture or a mask is
            missing; no picture can be read and filled; a file exists. Nothing is written then.
    """
    if not (count is None or 1 <= count <= CHUNK) or not 1 <= steps <= MOST or seed < 0:
        raise UsageError(
            f"Expected 1 to {CHUNK} answers for a picture, at least 1 step, and a seed from 0 up. "
            f"Received: count={count}, steps={steps}, seed={seed}."
        )
    if resize is not None:
        one_of("resize", resize, images.RESIZES)
    if out and (os.path.isfile(out) or os.path.splitext(out)[1].lower() in images.EXTENSIONS):
        raise UsageError(
            "Each picture gets several answers and an overview, so --out is a folder. "
            f"Received: {out}."
        )
    loaded = loaded or Networks(source, say=say)
    generator, learnt = loaded.generator, loaded.learnt
    config = config_file.read(source) or {}
    if learnt:
        size, channels = _taken(generator, config, resize, source)
        count = _one_answer(count, classes, source)
    else:
        size, channels = _drawn(generator, source)
        count = ANSWERS if count is None else count
        labels = _labels(generator, source, classes, count, seed, say)
    chosen = _pictures(inputs, mask, out)
    masks = _masks(inputs, mask, chosen)
    preparation = size, channels, resize, deep.parse_range(config.get("pixel_range"))
    folder = out or placing.folder_of(source, "inpainted")
    paths = [_paths(folder, example.name, count) for example in chosen]
    given = [e.path for e in chosen] + [path for path in masks if path]
    placing.check_free([path for each in paths for path in each], overwrite, given)
    if resize is not None:
        say(f"Pictures and masks are brought to {size[0]}x{size[1]} (height x width): {resize}.")
    written, skipped = [], []
    with Progress("pictures", len(chosen)) as pictures_done:
        for done, (example, path, places) in enumerate(zip(chosen, masks, paths, strict=True), 1):
            try:
                each = _read(example, path, preparation, source)
                answers = _by_network(generator, each) if learnt else None
            except UsageError as error:
                if len(chosen) == 1:
                    raise
                skipped.append(_named(example.path, error))
                continue
            written += places
            if learnt:
                _save(places, each, answers)
                pictures_done(done)
                continue
            place = f" ({done:,} of {len(chosen):,})" if len(chosen) > 1 else ""
            with Progress(f"{each.name}{place}: steps", steps) as progress:
                found = loaded.search(
                    each.picture, each.hole, count, seed, labels, steps, progress=progress
                )
            _save(places, each, found.images)
            say(_described(each.name, found, steps, config_file.class_names(source)))
    examples.say_skipped(skipped, len(chosen), "filled", most=3)
    return written


def fills(source):
    """Returns whether a run directory, or a network file, has learnt to fill holes.

    Raises:
        UsageError: the file cannot be read.
    """
    if os.path.isdir(source):
        return networks.fills(config_file.read(source) or {})
    return network_files.fills(load_generator(source))


def _by_network(network, each):
    """Returns the answer of a network to a picture, uint8 `(1, height, width, channels)`.

    Raises:
        UsageError: a part of the hole, or the picture, is too large.
    """
    try:
        filling.windows(each.hole)
    except ValueError as error:
        raise UsageError(
            f"{each.name} cannot be filled: {error}. Expected a smaller picture; --resize brings "
            "it to the size of the run."
        ) from None
    try:
        return filling.filled(network, each.picture, each.hole)[np.newaxis]
    except Exception as error:
        if not backend.out_of_memory(error):
            raise
        height, width = each.hole.shape
        raise UsageError(
            f"The memory is not enough to fill {each.name}, of {width}x{height} pixels. Expected a "
            "smaller picture; --resize brings it to the size of the run."
        ) from None


def _taken(network, config, resize, source):
    """Returns the (height, width) that pictures must have, or None, and the channels."""
    channels, size = network.inputs[0].shape[-1], network_files.fixed_size(network)
    if size is None and resize is not None:
        if not config.get("image_size"):
            raise UsageError(
                f"The network in {source} takes pictures of any size, so there is none to bring "
                f"them to. Leave out --resize. Received: --resize={resize}."
            )
        size = images.parse_size(config["image_size"])
    return size, channels


def _one_answer(count, classes, source):
    if classes is not None:
        raise UsageError(
            f"{source} fills holes without classes, so none can be asked for. Leave out --class. "
            f"Received: --class={classes}."
        )
    if count not in (None, 1):
        raise UsageError(
            f"{source} has learnt one answer for each hole. Leave out --count, or search for "
            "several with a run that draws pictures of noise, such as one of dcgan. "
            f"Received: --count={count}."
        )
    return 1


def _drawn(generator, source):
    """Returns the (height, width) and channels of what a generator of pictures draws."""
    if network_files.translates(generator):
        raise UsageError(
            f"{source} makes pictures of pictures, and holes are filled by a search for the right "
            "noise. Expected a run that draws pictures of noise, such as one of dcgan."
        )
    shape = tuple(generator.outputs[0].shape[1:])
    if len(shape) != 3 or shape[-1] not in (1, 3):
        raise UsageError(
            f"{source} cannot fill holes in pictures. Expected a run that draws pictures of 1 or 3 "
            f"channels. Received: samples of shape {shape}."
        )
    return shape[:2], shape[-1]


def _labels(generator, source, classes, count, seed, say):
    """Returns a label for each search, int32 `(n,)`, n at least `count`; None without classes."""
    turns = np.arange(max(count, network_files.class_count(generator) or 1000))
    labels = labels_in_turn(generator, source, classes, turns)
    if labels is None:
        return None
    tried = np.unique(labels)
    if len(tried) > CHUNK:
        tried = np.random.default_rng(seed).permutation(tried)[:CHUNK]
        say(f"{CHUNK} of {len(np.unique(labels)):,} classes are tried; --class names others.")
    return np.tile(tried, -(-count // len(tried)))[:CHUNK]


def _pictures(inputs, mask, out):
    """Returns the pictures as examples, without the masks that lie among them."""
    chosen = examples.of_files(inputs, out, None)
    if mask is None or not os.path.isdir(inputs):
        return chosen
    mask = os.path.realpath(mask)
    real = [(example, os.path.realpath(example.path)) for example in chosen]
    chosen = [e for e, path in real if path != mask and not path.startswith(mask + os.sep)]
    if not chosen:
        raise UsageError(f"There is no picture in {inputs} beside the mask. Expected some to fill.")
    return chosen


def _masks(inputs, mask, chosen):
    """Returns the path of the mask of each picture, or None where its own alpha is the mask."""
    if mask is None:
        return [None] * len(chosen)
    if os.path.isfile(mask):
        return [mask] * len(chosen)
    if not os.path.isdir(mask):
        raise UsageError(
            f"There is no file or folder {mask}. Expected --mask=PATH of a picture that is white "
            "where something is to be filled in."
        )
    if os.path.isfile(inputs):
        raise UsageError(
            f"--mask={mask} is a folder, and --input={inputs} is one picture. Expected a picture "
            "for both, or a folder for both."
        )
    named = {example.name: example.path for example in examples.of_files(mask, None, None)}
    missing = [example.name for example in chosen if example.name not in named]
    if missing:
        raise UsageError(
            f"There is no mask of the name {missing[0]} in {mask}"
            f"{f', nor of {len(missing) - 1} more' if missing[1:] else ''}. Expected a mask with "
            "the name of each picture, the ending apart."
        )
    return [named[example.name] for example in chosen]


def _read(example, mask, preparation, source):
    """Returns the picture of an example as `Holed`."""
    size, channels, resize, pixel_range = preparation
    picture = _opened(example.path)
    own = picture.height, picture.width
    if mask is not None:
        with _sentences(mask):
            grey = images.prepare(_opened(mask), None, 1, None)[..., 0]
        hole, name = grey >= WHITE, mask
    elif picture.has_transparency_data:
        hole = np.asarray(picture.convert("RGBA"))[..., 3] < 255
        name = f"the transparency of {example.path}"
    else:
        raise UsageError(
            f"It is not known where the hole is: {example.path} has no transparency. Expected "
            "--mask=FILE, a picture that is white where something is to be filled in."
        )
    check(hole, own, name)
    if size is None:
        size = own
    if own != size and resize is None:
        raise UsageError(
            f"{source} draws pictures of {size[0]}x{size[1]} (height x width). Expected one of "
            "this size, or --resize=crop, pad or stretch, which brings picture and mask to it. "
            f"Received: {example.path} of {own[0]}x{own[1]}."
        )
    with _sentences(example.path):
        coloured = channels == 1 and _is_coloured(picture, hole)
        if coloured:
            raise UsageError(
                f"{source} makes grey pictures, and {example.path} has colours. Expected a grey "
                "picture, or a run that draws pictures of 3 channels."
            )
        array = images.prepare(picture, size, channels, resize or "stretch", pixel_range)
        whole = images.own_channels(picture, pixel_range)
        whole = whole if mask is not None and whole.shape[-1] == 4 else None
    if own != size:
        shrunk = images.fit(Image.fromarray(hole.astype("uint8") * 255), size, resize)
        hole = np.asarray(shrunk) >= TOUCHED
        check(hole, size, f"{name}, resized,")
        if whole is not None:
            whole = np.asarray(images.fit(images.from_array(whole), size, resize))
    return Holed(example.name, array, hole, whole)


def _named(path, error):
    """Returns what is wrong with a picture, with its path in front unless the words name it."""
    text = str(error).rstrip(".")
    return text if path in text else f"{path}: {text}"


def _opened(path):
    with _sentences(path):
        return images.open_picture(path)


@contextlib.contextmanager
def _sentences(path):
    """Turns the reason why a picture cannot be used into a UsageError that names the file."""
    try:
        yield
    except UsageError:
        raise
    except ValueError as error:
        raise UsageError(
            f"{path} cannot be used: {error}. Expected a picture that can be read."
        ) from None


def _is_coloured(picture, hole):
    """Returns whether known pixels of a picture have a colour, which a grey copy would lose."""
    if picture.mode in ("1", "L", "LA", "F") or picture.mode.startswith("I"):
        return False
    colours = np.asarray(picture.convert("RGB"))[~hole]
    return bool((colours != colours[:, :1]).any())


def _paths(folder, name, count):
    stem = os.path.join(folder, name)
    return [f"{stem}_overview.png", *(f"{stem}_{i}.png" for i in range(count))]


def discriminator_of(source, generator, say):
    """Returns the discriminator for inference, or None, and says why, if there is none."""
    why = None
    if not os.path.isdir(source):
        why = "a generator file holds none"
    elif not checkpoints.listing(os.path.join(source, "checkpoints")):
        why = f"{source} has no checkpoint"
    else:
        try:
            network = assembly.trained(source).inference_discriminator()
        except UsageError as error:
            why = str(error).partition(". ")[0]
        else:
            if network.inputs[0].shape[1:] == generator.outputs[0].shape[1:]:
                return network
            why = "it judges several pictures at once"
    say(f"The search goes without the prior of a discriminator (weight 0): {why}.")
    return None


def _save(paths, each, answers):
    overview, *others = paths
    _save_overview(overview, each, answers)
    for path, image in zip(others, answers, strict=True):
        pictures.save_png(path, each.with_alpha(image))


def _save_overview(path, each, answers):
    mask = np.repeat(each.hole[..., np.newaxis].astype("uint8") * 255, answers.shape[-1], axis=-1)
    shown = np.where(each.hole[..., np.newaxis], np.uint8(128), each.picture)
    pictures.save_png(path, pictures.grid(np.stack([shown, mask, *answers]), 2 + len(answers)))


def _described(name, found, steps, class_names):
    text = f"{name}: {found.steps} of {steps} steps, context loss "
    text += f"{found.losses[0]:.4g}"
    if len(found.losses) > 1:
        text += f" to {found.losses[-1]:.4g}"
    if found.labels is not None:
        known = [class_names[i] if i < len(class_names) else str(i) for i in found.labels]
        text += f", classes {', '.join(known)}"
    return text
