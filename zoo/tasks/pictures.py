"""Noise to pictures: grids of samples, walks through latent space, nearest neighbours."""

import numpy as np

from zoo import sampling
from zoo.drawing import pictures
from zoo.tasks.task import Drawn, Task

GRID = 64  # images in a grid
STEPS = 8  # images in a row of a walk
ROWS = 4  # rows of a walk without classes
CLASSES = 10  # most rows of a walk with classes
AREA = CLASSES * STEPS * 64**2  # most pixels of a walk, apart from its first row
PAIRS = 8  # samples in a row above their neighbours


class Pictures(Task):
    """Pictures from noise, with or without classes."""

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

    def picture(self, samples):
        return pictures.grid(sampling.to_uint8(samples))

    def walk(self, model, dataset):
        """Draws samples of the averaged generator on a path between latent points.

        Without classes each row has its own two points, those of the first samples that `draw`
        shows. With classes every row takes the same path, each in one class.

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
        # `sampling.walk` continues from the second end back to the first.
        ways = [sampling.walk(ends[i : i + 2], STEPS - 1)[:STEPS] for i in range(0, len(ends), 2)]
        z = np.concatenate(ways * (rows // len(ways)))
        # Padding a chunk with large pictures costs more than compiling another chunk size.
        chunk = sampling.CHUNK if rows == wanted else STEPS
        images = sampling.run_generator(model.ema_generator, z, labels, chunk)
        return pictures.grid(sampling.to_uint8(images), STEPS), description


def diversity(fake, real, classes=1):
    """Returns the diversity of generated samples relative to that of real ones.

    Args:
        fake: float `(n, ...)`, of the classes 0, 1, ... in turn.
        real: float `(m, ...)`, of any class.
        classes: int, number of classes; samples are compared only within a class.

    Returns:
        float, the ratio of the root mean square deviations from the mean sample; NaN if samples
        are not finite or all real samples are equal.
    """
    within = [np.var(fake[i::classes], axis=0).mean() for i in range(min(classes, len(fake)))]
    spread = np.var(real, axis=0).mean()
    return float(np.sqrt(np.mean(within) / spread)) if spread else float("nan")


def real_samples(dataset, count):
    """Returns up to `count` real samples, the same at each call."""
    chosen = np.random.default_rng(0).permutation(len(dataset.samples))[:count]
    return dataset.samples[np.sort(chosen)]


def neighbours(samples, train, distance, which):
    """Draws random samples, and the closest ones, above their nearest neighbours.

    Args:
        samples: uint8 `(n, h, w, c)`. train: uint8 `(t, h, w, c)`.
        distance: float `(n,)`, from each sample to the nearest of `train`, in any features.
        which: int `(n,)`, index of the nearest.

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
