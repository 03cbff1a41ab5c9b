"""The judge of a run: it scores generated pictures during training."""

import functools
import time

import numpy as np

import zoo
from zoo import sampling
from zoo.errors import UsageError
from zoo.metrics import extractors
from zoo.metrics.classifier import classifier
from zoo.metrics.efficientnet import LEAST, MOST
from zoo.metrics.splits import splits
from zoo.scoring.scores import prepare, scores, scores_of
from zoo.tasks.task import task_of

# Seed of the latent points scored during training. It differs from evaluate.py's default, so the
# choice of the best generator does not bias its evaluation.
TRAINING_SEED = 1
# What a discriminator sees -> the extractor with the same features.
SEEN = {"efficientnet_lite0": "imagenet", "efficientnet_lite1": "imagenet_lite1"}
# Of EfficientNet-Lite on one core of 2023, for a pixel.
SECONDS = 1e-6


class Judge:
    """Scores a generator of pictures during training. Made by `find_judge`.

    The features of the real pictures are computed when they are first needed.

    Attributes:
        extractor: `zoo.metrics.features.Extractor`.
        samples: int, samples per score, at most the pictures of the floor: more would score lower.
    """

    def __init__(self, parts, extractor, samples):
        self.extractor = extractor
        self.samples = min(samples, len(parts.train.samples))
        self._parts = parts
        self._seconds = None

    @property
    def reference(self):
        """The `Reference` of the real pictures, by the same extractor."""
        return self._prepared[0]

    @property
    def floor(self):
        """The Frechet distance of as many real pictures, or of half of them, a float."""
        return self._prepared[1]

    @property
    def seconds(self):
        """The approximate time of a score, with that of what must be prepared for it."""
        if self._seconds is not None:
            return self._seconds
        side = min(max(min(self._parts.train.samples.shape[1:3]), LEAST), MOST)
        return (2 * self.samples + len(self._parts.held_out.samples)) * side**2 * SECONDS

    @property
    def protocol(self):
        """The values that two scores must share to be comparable."""
        return {
            "samples": self.samples,
            "features": self.extractor.name,
            "features_hash": self.extractor.hash[:12],
        }

    def score(self, model):
        """Returns the Frechet distance of a GAN's averaged generator, a float.

        It uses the same latent points each time. None if samples are not finite.
        """
        images = model.generate(self.samples, seed=TRAINING_SEED)
        if not np.isfinite(images).all():
            return None
        images = sampling.to_uint8(images)
        return scores(images, None, self.reference, self.extractor, ["frechet"])["frechet"]

    def prepare(self):
        """Computes the features of the real pictures.

        Raises:
            UsageError: there are too few pictures for a score.
        """
        start = time.monotonic()
        reference, _ = self._prepared
        share = self.samples / (self.samples + len(reference.features))
        self._seconds = share * (time.monotonic() - start)

    @functools.cached_property
    def _prepared(self):
        reference, real, _ = prepare(self._parts, self.extractor, self.samples)
        given = real.features, real.probabilities, None, real.reference
        return reference, scores_of(*given, ["frechet"])[0]["frechet"]


def find_judge(config, data_dir=None, say=print):
    """Returns the judge of a run's pictures, before its first step.

    Features named by `score_features` are trained or loaded, however long that takes. By default
    colour photographs are scored by `default_features`, which are computed when the first score is
    due; other pictures by `classifier:DATASET` if it is already trained on this machine. Otherwise,
    and if there are too few pictures, the run has no scores, and one line says how to get them.

    Args:
        config: the completed config of a run.
        data_dir: str, folder of prepared data sets.
        say: function called with that line.

    Returns:
        `Judge`, or None.

    Raises:
        UsageError: the features of `score_features` are not available.
    """
    dataset, name = config["dataset"], config["score_features"]
    judged = task_of(zoo.get(config["model"]).task).judged
    if name is not None and not judged:
        raise UsageError(
            f"What {config['model']} draws is not scored by features while it trains: leave out "
            f"score_features. Received: score_features={name!r}."
        )
    if config["score_every"] is None or not judged:
        return None
    if name is not None:
        return _judge(config, extractors.extractor(name, data_dir=data_dir), data_dir)
    names = config["class_names"]
    try:
        name = default_features(dataset, config["sample_shape"][-1], names, config)
        if name in extractors.PRETRAINED:
            return _judge(config, extractors.extractor(name), data_dir, later=True)
        if len(names) > 1:
            extractor = classifier(dataset, data_dir=data_dir, only_cached=True)
            if extractor is not None:
                return _judge(config, extractor, data_dir)
            why = (
                f"{name} has not been trained on this machine. Get them with "
                f"--set score_features={name}, which trains it first, for minutes"
            )
        else:
            why = (
                f"{dataset} has no classes. Get them with --set score_features=imagenet, inception "
                "or raw"
            )
    except UsageError as error:
        why = str(error)
    say(f"no scores while training: {why.rstrip('.')}.")
    return None


def default_features(dataset, channels, class_names, config):
    """Returns the name of the features by which pictures are scored, unless others are named.

    Colour photographs have features of ImageNet, but never those that trained the discriminator:
    it would be scored by what it has learned to satisfy. Others have those of a classifier of the
    data, or are compared pixel by pixel if they have no classes.

    Args:
        dataset: str, name of the data set.
        channels: int, 1, 3 or 4.
        class_names: names of the data's classes.
        config: dict, the config of the run; empty if it is not known.
    """
    # Its three digits are no photograph, and their classifier names each of the 1,000 modes.
    if channels == 3 and dataset != "stacked_mnist":
        seen = SEEN.get(config.get("discriminator_features"))
        return "imagenet_lite1" if seen == "imagenet" else "imagenet"
    return f"classifier:{dataset}" if len(class_names) > 1 else "raw"


def _judge(config, extractor, data_dir, later=False):
    shape = config["sample_shape"]
    parts = splits(
        config["dataset"],
        image_size=tuple(shape[:2]),
        channels=shape[-1],
        resize=config["resize"],
        data_dir=data_dir,
    )
    judge = Judge(parts, extractor, config["score_samples"])
    if later:
        if parts.own:
            counts = len(parts.train.samples), len(parts.held_out.samples)
        else:
            counts = (len(parts.whole.samples) // 2,)
        if min(judge.samples, *counts) < extractor.dim:
            raise UsageError(
                f"{extractor.dim:,} features need as many pictures of score_samples, and in either "
                "split or half of the data. "
                f"Received: {', '.join(f'{n:,}' for n in (judge.samples, *counts))}"
            )
    else:
        judge.prepare()
    return judge
