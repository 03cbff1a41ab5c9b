"""What the page does with a network of noise, without the page."""

import functools
import os
import shlex
import tempfile

import numpy as np

from zoo import config_file, sampling
from zoo.drawing import pictures, plots
from zoo.errors import UsageError
from zoo.installation import as_typed
from zoo.outputs import directions, generate
from zoo.runs import network_files

GRID = 16  # samples in the grid
CLOUD = 1000  # points or signals in a plot
SIDE = 256  # pixels to which small pictures are enlarged, by whole factors
FRAMES = 12  # of a walk, from one seed to the next
MOST_SEEDS = 12  # of a walk


class Noise:
    """A network from noise to samples, loaded once.

    Args:
        source: run directory or generator file.
        flags: str, the flags that name it in a command, such as "--run=mnist5".
    """

    def __init__(self, source, flags):
        self.source, self.flags = source, flags
        self.generator = generate.load_generator(source)
        self.size = int(np.prod(self.generator.inputs[0].shape[1:]))
        self.draws_pictures = network_files.output_name(self.generator) == "images"
        self.directions = min(directions.COUNT, self.size)
        names, count = config_file.class_names(source), 0
        if len(self.generator.inputs) > 1:
            count = network_files.class_count(self.generator) or len(names)
        self.classes = [*names, *map(str, range(len(names), count))][:count]
        self.found = functools.cache(functools.partial(directions.principal, self.generator))

    def points(self, seeds, label=None, truncation=1.0, moves=(), mix=None):
        """Returns the edited points of some seeds, float32 `(n, size)`.

        Args:
            seeds: list of int.
            label: int or None, whose directions are taken.
            truncation: float in [0, 1].
            moves: sequence of float, how far along each direction.
            mix: `(seed, share)` or None.
        """
        z = sampling.latents(len(seeds), self.size, [int(seed) for seed in seeds])
        asked = {number: far for number, far in enumerate(moves, 1) if far}
        found = self.found(label or 0) if asked else None
        return directions.edited(z, found, truncation, asked, mix)

    def draw(self, z, label=None):
        """Returns samples of points: uint8 pictures `(n, h, w, c)`, or else float32."""
        labels = None if label is None else np.full(len(z), label, "int32")
        samples = sampling.run_generator(
            self.generator, directions.shaped(self.generator, z), labels, chunk=min(len(z), 16)
        )
        return sampling.to_uint8(samples) if self.draws_pictures else samples

    def grid(self, seed, label=None, truncation=1.0, count=GRID):
        """Returns `[(picture, "3"), ...]` of `count` seeds from `seed` on."""
        seeds = [_seed(seed) + i for i in range(count)]
        samples = self.draw(self.points(seeds, label, truncation), label)
        named = zip(samples, seeds, strict=True)
        return [(pictures.pillow(large(sample)), str(each)) for sample, each in named]

    def plot(self, seed, truncation=1.0):
        """Returns a picture of samples that are points or signals, uint8 `(h, w, c)`."""
        z = sampling.latents(CLOUD, self.size, _seed(seed)) * np.float32(truncation)
        return plots.samples_picture(self.draw(z))

    def walk(self, seeds, label=None, truncation=1.0, frames=FRAMES):
        """Writes a GIF through the seeds and back to the first. Returns its path."""
        if not 2 <= len(seeds) <= MOST_SEEDS:
            raise UsageError(
                f"A walk leads through 2 to {MOST_SEEDS} seeds. Received: {len(seeds)}."
            )
        z = sampling.walk(self.points(seeds, label, truncation), frames)
        path = os.path.join(tempfile.mkdtemp(prefix="ganzoo-walk-"), "walk.gif")
        pictures.save_gif(path, [large(image) for image in self.draw(z, label)], milliseconds=60)
        return path

    def command(self, seeds, label=None, truncation=1.0, moves=(), mix=None, walk=False):
        """Returns the command that makes the same samples, as people type it here."""
        words = [as_typed("python generate.py"), self.flags]
        if isinstance(seeds, int):
            words += [f"--seed={seeds}", f"--count={CLOUD}", "--format=npz"]
        else:
            in_a_row = seeds == list(range(seeds[0], seeds[-1] + 1)) and len(seeds) > 2
            listed = f"{seeds[0]}-{seeds[-1]}" if in_a_row else ",".join(map(str, seeds))
            words.append(f"--seeds={listed}")
            words.append("--walk" if walk else "--format=png" if len(seeds) == 1 else "")
        if label is not None:
            words.append(shlex.quote(f"--class={self.classes[label]}"))
        if truncation != 1:
            words.append(f"--truncation={truncation:g}")
        if mix is not None:
            words.append(f"--mix={mix[0]}:{mix[1]:g}")
        asked = [f"{number}:{far:g}" for number, far in enumerate(moves, 1) if far]
        words.append(f"--move={','.join(asked)}" if asked else "")
        return " ".join(filter(None, words))


def large(image, side=SIDE):
    """Returns a uint8 `(h, w, c)` picture whose pixels are repeated, up to `side` of them."""
    times = max(1, side // max(image.shape[:2]))
    return image.repeat(times, axis=0).repeat(times, axis=1)


def _seed(value):
    if value is None or value != int(value) or not 0 <= value <= 2**31 - 1:
        raise UsageError(f"Expected a seed, a whole number from 0 up. Received: {value}.")
    return int(value)
