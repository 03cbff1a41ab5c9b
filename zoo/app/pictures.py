"""What the page does with a visitor's picture, without the page."""

import os
import tempfile

import numpy as np
from PIL import Image

from zoo.data import images
from zoo.errors import UsageError
from zoo.installation import as_typed
from zoo.outputs import inpaint, tiles, translate
from zoo.outputs.latent_search import STEPS
from zoo.runs import networks

LARGEST = 4_000_000  # pixels of an uploaded picture
ANSWERS = 4


class Pictures:
    """The networks of a run, or of a file, that turn pictures into pictures.

    Args:
        source: run directory or network file.
        flags: str, the flags that name it in a command, such as "--run=maps".
    """

    def __init__(self, source, flags):
        self.source, self.flags = source, flags
        found = networks.find(source)
        self.directions = list(found) if len(found) > 1 else []
        name, path = next(iter(found.items()))
        self.enlarges = tiles.factor(translate.load_translator(path, name)) > 1

    def translated(self, path, direction=None):
        """Returns the uint8 array of what becomes of a picture file."""
        with tempfile.TemporaryDirectory(prefix="ganzoo-") as folder:
            (made,) = translate.translate(
                self.source,
                direction=direction,
                inputs=checked(path),
                out=os.path.join(folder, "made.png"),
                say=lambda text: None,
            )
            return _array(made)

    def enlarged(self, path):
        """Returns a picture file by bicubic interpolation, and by the network, uint8 arrays."""
        after = self.translated(path)
        with Image.open(path) as image:
            before = image.convert("RGB").resize(after.shape[1::-1], Image.Resampling.BICUBIC)
        return np.asarray(before), after

    def command(self, direction=None):
        """Returns the command that does the same, as people type it here."""
        chosen = f" --direction={direction}" if direction else ""
        return as_typed(f"python generate.py {self.flags} --input=PICTURE{chosen} --out=made.png")


def brought(picture, size):
    """Returns the middle of a uint8 `(h, w, 3)` picture at another (height, width)."""
    return images.prepare(Image.fromarray(picture), size, 3, "crop")


def reduced(picture, hole, size):
    """Returns a picture and its hole at the (height, width) of a network, as `filled` takes them.

    Where pixels were only repeated, as on the canvas, they are taken back exactly. A pixel is part
    of the hole if any of its copies is.
    """
    (height, width), times = size, max(1, picture.shape[0] // size[0])
    if picture.shape[:2] != (height * times, width * times):
        return picture, hole
    blocks = hole.reshape(height, times, width, times)
    return picture[::times, ::times], blocks.any(axis=(1, 3))


def completed(source, picture, hole):
    """Returns a picture whose hole a network has filled that has learnt it, a uint8 array.

    Args:
        source: run directory or network file.
        picture: uint8 `(h, w, 3)`.
        hole: bool `(h, w)`, True where it is to be filled.
    """
    (answer,) = _filled(source, picture, hole)
    return answer


def filled(source, picture, hole, seed=0, label=None):
    """Returns answers of a search for a picture with a hole, a list of uint8 arrays, best first.

    Args:
        source: run directory or generator file.
        picture: uint8 `(h, w, 3)`.
        hole: bool `(h, w)`, True where it is to be filled.
        seed: int, of the search.
        label: str or None, name of a class; by default all are tried.
    """
    options = {"count": ANSWERS, "seed": int(seed), "classes": label, "resize": "crop"}
    return _filled(source, picture, hole, **options, steps=STEPS)


def _filled(source, picture, hole, **options):
    if not hole.any():
        raise UsageError("There is no hole yet: paint over what is to be filled in.")
    with tempfile.TemporaryDirectory(prefix="ganzoo-") as folder:
        picture_path, mask_path = (os.path.join(folder, n) for n in ("picture.png", "mask.png"))
        image = Image.fromarray(picture)
        if (picture == picture[..., :1]).all():
            image = image.convert("L")
        image.save(picture_path)
        Image.fromarray(hole.astype("uint8") * 255).save(mask_path)
        _, *answers = inpaint.inpaint(
            source,
            picture_path,
            mask_path,
            **options,
            out=os.path.join(folder, "filled"),
            say=lambda text: None,
        )
        return [_array(path) for path in answers]


def checked(path):
    """Returns the path of an uploaded picture. Raises UsageError without one, or a huge one."""
    if not path:
        raise UsageError("There is no picture yet: upload one.")
    try:
        with Image.open(path) as image:
            width, height = image.size
    except (OSError, ValueError) as error:
        raise UsageError(
            "The file is no picture that can be read. Expected PNG, JPEG, WebP or the like."
        ) from error
    if width * height > LARGEST:
        raise UsageError(
            f"The picture is too large for this page. Expected at most {LARGEST:,} pixels, or "
            f"`{as_typed('python generate.py')} --input=FILE`. Received: {width}x{height}."
        )
    return path


def _array(path):
    with Image.open(path) as image:
        return np.asarray(image)
