"""What the page does with a visitor's picture with a hole, without the page."""

import os
import tempfile

import numpy as np
from PIL import Image

from zoo.data import images
from zoo.errors import UsageError
from zoo.installation import as_typed
from zoo.outputs import inpaint
from zoo.outputs.latent_search import STEPS

ANSWERS = 4


class Holes:
    """What fills holes for a run or a file, loaded once.

    Args:
        source: run directory or network file.
        flags: str, the flags that name it in a command, such as "--run=mnist5".
        network: keras.Model of that source, if it is already loaded.
    """

    def __init__(self, source, flags, network=None):
        self.source, self.flags = source, flags
        self.networks = inpaint.Networks(source, network, say=_silent)
        # The (height, width) of what a search draws.
        self.size = None
        if not self.networks.learnt:
            self.size = tuple(self.networks.generator.outputs[0].shape[1:3])

    def filled(self, picture, hole, seed=0):
        """Returns answers for a picture with a hole, a list of uint8 arrays, the best first.

        Args:
            picture: uint8 `(h, w, 3)`; a search takes the middle of it, at the size that it draws.
            hole: bool `(h, w)`, True where it is to be filled in.
            seed: int, of a search.
        """
        seen, options = hole, {}
        if self.size is not None:
            mask = images.fit(Image.fromarray(hole.astype("uint8") * 255), self.size, "crop")
            seen = np.asarray(mask) >= inpaint.TOUCHED
            options = {"count": ANSWERS, "seed": int(seed), "resize": "crop", "steps": STEPS}
        if not seen.any():
            where = ", in the middle of the picture" if hole.any() else ""
            raise UsageError(f"There is no hole yet: paint over what is to be filled in{where}.")
        if seen.all():
            raise UsageError("There is nothing but hole: leave some of the picture.")
        with tempfile.TemporaryDirectory(prefix="ganzoo-") as folder:
            picture_path, mask_path = (
                os.path.join(folder, name) for name in ("picture.png", "mask.png")
            )
            image = Image.fromarray(picture)
            if (picture == picture[..., :1]).all():
                image = image.convert("L")
            image.save(picture_path)
            Image.fromarray(hole.astype("uint8") * 255).save(mask_path)
            _, *answers = inpaint.inpaint(
                self.source,
                picture_path,
                mask_path,
                **options,
                out=os.path.join(folder, "filled"),
                say=_silent,
                loaded=self.networks,
            )
            return [_array(path) for path in answers]

    def command(self, seed=0):
        """Returns the command that does the same, as people type it here."""
        words = f"python generate.py {self.flags} --input=PICTURE --mask=MASK"
        if self.size is not None:
            words += f" --resize=crop --count={ANSWERS} --seed={int(seed)}"
        return as_typed(words)


def _silent(text):
    """Says nothing: the page has no place for it."""


def _array(path):
    with Image.open(path) as image:
        return np.asarray(image)
