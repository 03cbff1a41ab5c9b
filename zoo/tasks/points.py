"""Noise to numbers, points or signals: plots, and scores against the known distribution."""

import numpy as np

from zoo import sampling
from zoo.drawing import plots
from zoo.tasks.pictures import diversity, real_samples
from zoo.tasks.task import Drawn, Task

CLOUD = 5000  # numbers or points in a picture
CURVES = 50  # signals in a picture
SCORED = 10_000  # samples behind a score


class Points(Task):
    """Numbers on the line or points in the plane."""

    fields = ("sample",)
    samples_flags = "--count=64 --format=npz --out=samples.npz"
    advice = "Choose gaussian, ring8 or grid25."

    def draw(self, model, dataset, config):
        fake, real = model.generate(CLOUD, seed=0), real_samples(dataset, CLOUD)
        if real.shape[1] == 1:
            picture = plots.density_picture(fake, mixture(config), judge(model))
        else:
            picture = plots.scatter_picture(fake, real, centres(dataset))
        return Drawn(picture, picture, diversity(fake, real))

    def picture(self, samples):
        return plots.samples_picture(samples)

    def scores(self, model, dataset, config):
        return known_scores(model.generate(SCORED, seed=1), dataset.name, config)


class Signals(Points):
    """Signals of a few points."""

    advice = "Choose sine."

    def draw(self, model, dataset, config):
        fake, real = model.generate(CURVES, seed=0), real_samples(dataset, CURVES)
        picture = plots.signals_picture(real, fake)
        return Drawn(picture, picture, diversity(fake, real))


def known_scores(samples, dataset, config):
    """Returns scores against the known distribution of a data set, name -> float.

    Args:
        samples: float32 `(n, d)`.
        dataset: str, name of the data set.
        config: the config of a run, which may hold the `target` of `gaussian`.
    """
    if dataset == "gaussian":
        from zoo.metrics import one_dimensional as metrics

        target = mixture(config)
        return {
            "wasserstein": metrics.wasserstein(samples, target),
            "kolmogorov_smirnov": metrics.kolmogorov_smirnov(samples, target.cdf),
            "mean_error": metrics.mean_error(samples, target),
            "std_error": metrics.std_error(samples, target),
        }
    from zoo.data import synthetic

    if dataset == "sine":
        from zoo.metrics.sine import sine_scores

        return sine_scores(samples, synthetic.sine_parameters(SCORED, seed=1))
    from zoo.metrics.modes import mode_coverage

    return mode_coverage(samples, *synthetic.modes(dataset))


def mixture(config):
    """Returns the density of the data set `gaussian`."""
    from zoo.data.synthetic import Mixture

    return Mixture.parse(config.get("target") or "normal(4, 1.25)")


def centres(dataset):
    """Returns the centres of the modes, or None if the data set has none."""
    from zoo.data import synthetic

    return synthetic.modes(dataset.name)[0] if dataset.name in ("ring8", "grid25") else None


def judge(model):
    """Returns the discriminator as a function from numbers `(m, 1)` to logits `(m, 1)`.

    Several discriminators give their mean. None if they judge several numbers at once.
    """
    if model.packing > 1 or model.minibatch_std:
        return None

    def logits(x):
        values = sampling.run_generator(model.discriminator, np.asarray(x, "float32"), chunk=512)
        return values.mean(axis=1, keepdims=True)

    return logits
