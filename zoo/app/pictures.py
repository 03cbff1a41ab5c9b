"""What the page does with a visitor's picture, without the page."""

import os
import tempfile

import numpy as np
from PIL import Image

from zoo import config_file
from zoo.data import images, labels
from zoo.drawing.pictures import save_png
from zoo.errors import UsageError
from zoo.installation import as_typed
from zoo.outputs import tiles, translate
from zoo.runs import network_files, networks

LARGEST = 4_000_000  # pixels of an uploaded picture
CANVAS = 512  # largest side of a canvas to draw on, in pixels
DRAWN = 256  # side of a drawing for a network that says no size
RESIZE = "crop"
COLOURS = ("#000000", "#808080", "#d62728", "#ff7f0e", "#f2d024", "#2ca02c", "#1f77b4", "#8c564b")


class Pictures:
    """The networks of a run, or of a file, that turn pictures into pictures, loaded once.

    Args:
        source: run directory or network file.
        flags: str, the flags that name it in a command, such as "--run=maps".
        loaded: dict of name -> keras.Model, its networks, if they are already loaded.
    """

    def __init__(self, source, flags, loaded=None):
        self.source, self.flags = source, flags
        self.networks = loaded or {
            name: translate.load_translator(path, name)
            for name, path in networks.find(source).items()
        }
        self.directions = list(self.networks) if len(self.networks) > 1 else []
        network = next(iter(self.networks.values()))
        self.enlarges = tiles.factor(network) > 1
        config = config_file.read(source) or {}
        fixed = network_files.fixed_size(network)
        learnt = images.parse_size(config.get("image_size"))
        # Whether a picture can stay as it is or be brought to the size of the run.
        self.resizable = bool(learnt) and fixed is None and not self.enlarges
        self.size = tuple(fixed or learnt or images.parse_size(DRAWN))
        self.grey = network.inputs[0].shape[-1] == 1
        # The colours of label maps, which the inputs are.
        self.labels = list(config.get("class_names") or ()) if config.get("labels") else []

    @property
    def canvas(self):
        """The (height, width) of the canvas to draw on, in pixels."""
        times = max(1, CANVAS // max(self.size))
        return tuple(side * times for side in self.size)

    @property
    def colours(self):
        """What to draw with, names such as "#0030ff"."""
        return self.labels or list(COLOURS)

    def translated(self, path, direction=None, resized=False):
        """Writes what becomes of a picture file. Returns the path of a PNG file.

        Args:
            path: str, of the picture. direction: str, of a network, or None for the only one.
            resized: bool, whether to bring the picture to the size of the run first.
        """
        folder = tempfile.mkdtemp(prefix="ganzoo-")
        (made,) = translate.translate(
            self.source,
            direction=direction,
            inputs=checked(path),
            out=os.path.join(folder, "made.png"),
            say=lambda text: None,
            loaded=self.networks,
            resize=RESIZE if resized else None,
        )
        return made

    def enlarged(self, path):
        """Returns a picture by bicubic interpolation, a uint8 array, and as `translated`."""
        made = self.translated(path)
        with Image.open(path) as image, Image.open(made) as after:
            before = image.convert("RGB").resize(after.size, Image.Resampling.BICUBIC)
        return np.asarray(before), made

    def drawn(self, picture):
        """Writes a drawing as the networks take it. Returns the path of a PNG file.

        Args:
            picture: uint8 `(h, w, 4)`, transparent where nothing was drawn, which becomes white; or
                the first label, where the networks take label maps.
        """
        if picture is None or not picture[..., 3].any():
            raise UsageError("There is no drawing yet: draw one.")
        paper = Image.new("RGBA", picture.shape[1::-1], self.labels[0] if self.labels else "white")
        paper.alpha_composite(Image.fromarray(picture))
        # Labels are not mixed.
        how = Image.Resampling.NEAREST if self.labels else Image.Resampling.BOX
        small = np.asarray(paper.convert("RGB").resize(self.size[::-1], how))
        if self.labels:
            numbers = labels.numbers(small[np.newaxis], self.labels)[0]
            small = labels.levels(self.labels)[numbers].astype("uint8")
        elif self.grey:
            small = np.asarray(Image.fromarray(small).convert("L"))[..., np.newaxis]
        path = os.path.join(tempfile.mkdtemp(prefix="ganzoo-"), "drawing.png")
        save_png(path, small)
        return path

    def command(self, direction=None, resized=False):
        """Returns the command that does the same, as people type it here."""
        chosen = f" --direction={direction}" if direction else ""
        chosen += f" --resize={RESIZE}" if resized else ""
        return as_typed(f"python generate.py {self.flags} --input=PICTURE{chosen} --out=made.png")


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
