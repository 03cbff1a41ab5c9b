"""Noise to pictures: grids of samples, walks through latent space, nearest neighbours."""

import numpy as np

from zoo import sampling
from zoo.drawing import pictures
from zoo.tasks.task import Drawn, Task

GRID = 64  # images in a grid
STEPS = 8  # images in a row of a walk
ROWS = 4  # rows of a walk without classes
CLASSES = 10  # rows at most of one with classes
AREA = CLASSES * STEPS * 64**2  # pixels of a walk at most, but for its first row
PAIRS = 8  # samples in a row beside their neighbours


class Pictures(Task):
    """Pictures out of noise, and perhaps a class."""

    fields = ("image",)
    judged = True
    advice = "Choose a data set of pictures, such as mnist or folder:PATH."

    def draw(self, model, dataset, config):
        columns = model.num_classes if model.num_classes and 5 <= model.num_classes <= 16 else 8
        count = columns * (GRID // columns + (GRID % columns > 0))
        fake, real = model.generate(count, seed=0), real_samples(dataset, count)
        picture = pictures.grid(sampling.to_uint8(fake), columns)
        comparison = pictures.side_by_side(pictures.grid(real, columns), picture)
        share = diversity(fake, real / np.float32(127.5) - 1, model.num_classes or 1)
        return Drawn(picture, comparison, share)

    def walk(self, model, dataset):
        """Draws the averaged generator's samples on the way from one latent point to another.

        Without classes each row has two points of its own, those of the samples that `draw` shows
        first; with classes each row is the way between the same two, in one class.

        Args:
            model: a GAN of pictures.
            dataset: the `zoo.data.Dataset` it trains on.

        Returns:
            `(picture, description)`: uint8 HWC, and a sentence.
        """
        labels, description = None, "Each row leads from one latent point, left, to another, right."
        wanted = min(model.num_classes, CLASSES) if model.num_classes else ROWS
        rows = min(wanted, max(1, AREA // (STEPS * np.prod(model.image_shape[:2]))))
        if model.num_classes:
            shown = np.linspace(0, model.num_classes - 1, rows).astype("int32")
            labels = shown.repeat(STEPS)
            names = ", ".join(str(dataset.class_names[label]) for label in shown)
            description = (
                "Every row leads the same way from one latent point, left, to another, right, each "
                f"in a class of its own; from the top: {names}."
            )
        ends = sampling.latents(2 if model.num_classes else 2 * rows, model.latent_dim, seed=0)
        # `sampling.walk` goes on, from the second end back to the first.
        ways = [sampling.walk(ends[i : i + 2], STEPS - 1)[:STEPS] for i in range(0, len(ends), 2)]
        z = np.concatenate(ways * (rows // len(ways)))
        # Of large pictures those that fill a chunk cost more than compiling one of another size.
        chunk = sampling.CHUNK if rows == wanted else STEPS
        images = sampling.run_generator(model.ema_generator, z, labels, chunk)
        return pictures.grid(sampling.to_uint8(images), STEPS), description


def diversity(fake, real, classes=1):
    """Returns how much generated samples differ from one another, against what real ones do.

    Args:
        fake: float `(n, ...)`, of the classes 0, 1, ... in turn.
        real: float `(m, ...)`, of any class.
        classes: int, samples of which are compared only within each.

    Returns:
        float, the ratio of the root mean square deviations from the mean sample; NaN where samples
        are not finite or real ones do not differ.
    """
    within = [np.var(fake[i::classes], axis=0).mean() for i in range(min(classes, len(fake)))]
    spread = np.var(real, axis=0).mean()
    return float(np.sqrt(np.mean(within) / spread)) if spread else float("nan")


def real_samples(dataset, count):
    """Returns `count` real samples, or all there are, the same each time."""
    chosen = np.random.default_rng(0).permutation(len(dataset.samples))[:count]
    return dataset.samples[np.sort(chosen)]


def neighbours(samples, train, distance, which):
    """Draws some samples at random, and the closest of all, above their nearest neighbours.

    Args:
        samples: uint8 `(n, h, w, c)`. train: uint8 `(t, h, w, c)`.
        distance: float `(n,)`, of each sample to the nearest of `train`, in whatever features.
        which: int `(n,)`, that one's index.

    Returns:
        uint8 HWC.
    """
    count = min(PAIRS, len(samples))
    anyone = np.sort(np.random.default_rng(0).permutation(len(samples))[:count])
    closest = np.argsort(distance, kind="stable")[:count]
    rows = [
        pictures.grid(np.concatenate([samples[chosen], train[which[chosen]]]), count)
        for chosen in (anyone, closest)
    ]
    titles = "Random samples", f"The closest of {len(samples):,} samples"
    titles = [f"{title}, above their nearest training pictures" for title in titles]
    return pictures.titled(list(zip(titles, rows, strict=True)))
