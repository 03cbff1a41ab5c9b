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
from zoo.progress import Progress
from zoo.runs import network_files

GRID = 16  # least samples in the grid
COLUMNS = 8  # of the grid; more or fewer where classes have their own
CHUNK = 16  # samples drawn at once
CLOUD = 1000  # points or signals in a plot
SIDE = 256  # pixels to which small pictures are enlarged, by whole factors
FRAMES = 12  # of a walk, from one seed to the next
MOST_SEEDS = 12  # of a walk


class Noise:
    """A network from noise to samples, loaded once.

    Args:
        source: run directory or generator file.
        flags: str, the flags that name it in a command, such as "--run=mnist5".
        generator: keras.Model of that source, if it is already loaded.
    """

    def __init__(self, source, flags, generator=None):
        self.source, self.flags = source, flags
        self.generator = generate.load_generator(source) if generator is None else generator
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
        """Returns samples of points: uint8 pictures `(n, h, w, c)`, or else float32.

        Args:
            z: float32 `(n, size)`.
            label: int, or int32 `(n,)`; None without classes.
        """
        labels = None if label is None else np.broadcast_to(np.int32(label), len(z))
        points, chunk = directions.shaped(self.generator, z), min(len(z), CHUNK)
        parts = []
        with Progress("samples", len(z)) as progress:
            for start in range(0, len(z), chunk):
                part = slice(start, start + chunk)
                chosen = None if labels is None else labels[part]
                parts.append(sampling.run_generator(self.generator, points[part], chosen, chunk))
                progress(min(start + chunk, len(z)))
        samples = np.concatenate(parts)
        return sampling.to_uint8(samples) if self.draws_pictures else samples

    def row(self, first, classes=()):
        """Returns the seeds of a grid from one seed on, and the class of each.

        Args:
            first: int. classes: list of int, which take turns; without any all do.

        Returns:
            list of int, and int32 `(n,)`, None without classes: as `generate` takes turns.
        """
        turns = list(classes) or list(range(len(self.classes)))
        count = GRID if not turns or len(turns) > GRID else -(-GRID // len(turns)) * len(turns)
        seeds = [checked(first) + i for i in range(count)]
        if not turns:
            return seeds, None
        return seeds, np.array([turns[seed % len(turns)] for seed in seeds], "int32")

    def grid(self, first, classes=(), truncation=1.0):
        """Returns `[(picture, "3"), ...]`, a sample for each seed of `row`, and how many columns.

        Each class has columns of its own, and its name stands behind the seed.
        """
        seeds, labels = self.row(first, classes)
        samples = self.draw(self.points(seeds, None, truncation), labels)
        names, turns = [str(seed) for seed in seeds], 1
        if labels is not None:
            names = [f"{n}: {self.classes[k]}" for n, k in zip(names, labels, strict=True)]
            turns = min(len(classes) or len(self.classes), GRID)
        shown = [pictures.pillow(large(sample)) for sample in samples]
        return list(zip(shown, names, strict=True)), turns * max(1, COLUMNS // turns)

    def plot(self, seed, truncation=1.0, label=None):
        """Returns a picture of samples that are points or signals, uint8 `(h, w, c)`."""
        z = sampling.latents(CLOUD, self.size, checked(seed)) * np.float32(truncation)
        return plots.samples_picture(self.draw(z, label))

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

    def command(self, seeds, classes=(), truncation=1.0, moves=(), mix=None, walk=False):
        """Returns the command that makes the same samples, as people type it here.

        Args:
            seeds: list of int; or one, of a plot.
            classes: list of int, which take turns; without any all do.
            truncation, moves, mix: as for `points`.
            walk: bool, whether it is a walk.
        """
        words = [as_typed("python generate.py"), self.flags]
        if isinstance(seeds, int):
            words += [f"--seed={seeds}", f"--count={CLOUD}", "--format=npz"]
        else:
            in_a_row = seeds == list(range(seeds[0], seeds[-1] + 1)) and len(seeds) > 2
            listed = f"{seeds[0]}-{seeds[-1]}" if in_a_row else ",".join(map(str, seeds))
            words.append(f"--seeds={listed}")
            words.append("--walk" if walk else "--format=png" if len(seeds) == 1 else "")
        if classes:
            # A name with a comma would be taken for several.
            plain = not any("," in self.classes[k] for k in classes) or len(classes) == 1
            listed = ",".join(self.classes[k] if plain else str(k) for k in classes)
            words.append(shlex.quote(f"--class={listed}"))
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


def checked(seed):
    """Returns a seed as int. Raises UsageError if it is none."""
    if seed is None or seed != int(seed) or not 0 <= seed <= 2**31 - 1:
        raise UsageError(f"Expected a seed, a whole number from 0 up. Received: {seed}.")
    return int(seed)
