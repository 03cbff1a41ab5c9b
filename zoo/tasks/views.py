"""What a model has learned, as a picture and as scores: one function for each, for any data set."""

from typing import NamedTuple

import numpy as np

from zoo import sampling
from zoo.drawing import pictures

GRID = 64  # images in a grid
STEPS = 8  # images in a row of a walk
ROWS = 4  # rows of a walk without classes
CLASSES = 10  # rows at most of one with classes
AREA = CLASSES * STEPS * 64**2  # pixels of a walk at most, but for its first row
PAIRS = 8  # samples in a row beside their neighbours
CLOUD = 5000  # numbers or points in a picture
CURVES = 50  # signals in a picture
SCORED = 10_000  # samples behind a score


class Drawn(NamedTuple):
    """Samples as a person and an alarm see them.

    Attributes:
        picture: uint8 HWC, generated samples.
        comparison: uint8 HWC, the same beside real ones. For data that are not images both are one
            picture, which shows real and generated together.
        diversity: float, how much samples of one class differ, as a share of what real samples of
            all classes do: 0 where each is the same.
    """

    picture: np.ndarray
    comparison: np.ndarray
    diversity: float


def draw(model, dataset, config):
    """Draws the averaged generator's samples of fixed latent points.

    Args:
        model: a GAN.
        dataset: the `zoo.data.Dataset` it trains on.
        config: the config of the run.

    Returns:
        `Drawn`.
    """
    shape = dataset.samples.shape[1:]
    if len(shape) == 3:
        columns = model.num_classes if model.num_classes and 5 <= model.num_classes <= 16 else 8
        count = columns * (GRID // columns + (GRID % columns > 0))
        fake, real = model.generate(count, seed=0), real_samples(dataset, count)
        picture = pictures.grid(sampling.to_uint8(fake), columns)
        comparison = pictures.side_by_side(pictures.grid(real, columns), picture)
        share = diversity(fake, real / np.float32(127.5) - 1, model.num_classes or 1)
        return Drawn(picture, comparison, share)

    from zoo.drawing import plots

    if shape == (1,):
        fake, real = model.generate(CLOUD, seed=0), real_samples(dataset, CLOUD)
        picture = plots.density_picture(fake, mixture(config), judge(model))
    elif shape == (2,):
        fake, real = model.generate(CLOUD, seed=0), real_samples(dataset, CLOUD)
        picture = plots.scatter_picture(fake, real, centres(dataset))
    else:
        fake, real = model.generate(CURVES, seed=0), real_samples(dataset, CURVES)
        picture = plots.signals_picture(real, fake)
    return Drawn(picture, picture, diversity(fake, real))


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


def walk(model, dataset):
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
            "Every row leads the same way from one latent point, left, to another, right, each in "
            f"a class of its own; from the top: {names}."
        )
    ends = sampling.latents(2 if model.num_classes else 2 * rows, model.latent_dim, seed=0)
    # `sampling.walk` goes on, from the second end back to the first.
    ways = [sampling.walk(ends[i : i + 2], STEPS - 1)[:STEPS] for i in range(0, len(ends), 2)]
    z = np.concatenate(ways * (rows // len(ways)))
    # Of large pictures those that fill a chunk cost more than compiling one of another size.
    chunk = sampling.CHUNK if rows == wanted else STEPS
    images = sampling.run_generator(model.ema_generator, z, labels, chunk)
    return pictures.grid(sampling.to_uint8(images), STEPS), description


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


def score(model, dataset, config):
    """Returns the scores that the data set's known distribution allows, name -> float.

    Computed on 10,000 samples of the averaged generator. Images have none here.
    """
    if dataset.name not in ("gaussian", "ring8", "grid25", "sine"):
        return {}
    samples = model.generate(SCORED, seed=1)
    if dataset.name == "gaussian":
        from zoo.metrics import one_dimensional as metrics

        target = mixture(config)
        return {
            "wasserstein": metrics.wasserstein(samples, target),
            "kolmogorov_smirnov": metrics.kolmogorov_smirnov(samples, target.cdf),
            "mean_error": metrics.mean_error(samples, target),
            "std_error": metrics.std_error(samples, target),
        }
    from zoo.data import synthetic

    if dataset.name == "sine":
        from zoo.metrics.sine import sine_scores

        return sine_scores(samples, synthetic.sine_parameters(SCORED, seed=1))
    from zoo.metrics.modes import mode_coverage

    return mode_coverage(samples, *synthetic.modes(dataset.name))


def real_samples(dataset, count):
    """Returns `count` real samples, or all there are, the same each time."""
    chosen = np.random.default_rng(0).permutation(len(dataset.samples))[:count]
    return dataset.samples[np.sort(chosen)]


def mixture(config):
    """Returns the density of the data set `gaussian`."""
    from zoo.data.synthetic import Mixture

    return Mixture.parse(config.get("target") or "normal(4, 1.25)")


def centres(dataset):
    """Returns the centres of the modes, or None where the data set has none."""
    from zoo.data import synthetic

    return synthetic.modes(dataset.name)[0] if dataset.name in ("ring8", "grid25") else None


def judge(model):
    """Returns the discriminator as a function of numbers `(m, 1)` to logits `(m, 1)`.

    Of several discriminators their mean. None where they judge several numbers at once.
    """
    if model.packing > 1 or model.minibatch_std:
        return None

    def logits(x):
        found = sampling.run_generator(model.discriminator, np.asarray(x, "float32"), chunk=512)
        return found.mean(axis=1, keepdims=True)

    return logits
