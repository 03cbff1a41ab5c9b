"""The judge of a run: it scores generated pictures during training."""

import time

import numpy as np

import zoo
from zoo import sampling
from zoo.errors import UsageError
from zoo.metrics import extractors
from zoo.metrics.classifier import classifier
from zoo.metrics.efficientnet import FEATURES, LEAST, MOST, check_installed
from zoo.metrics.splits import splits
from zoo.progress import say
from zoo.scoring.scores import REFERENCE, compares_whole, prepare, scores, scores_of
from zoo.tasks.task import task_of

# Seed of the latent points scored during training. It differs from evaluate.py's default, so the
# choice of the best generator does not bias its evaluation.
TRAINING_SEED = 1
# What a discriminator sees -> the extractor with the same features.
SEEN = {"efficientnet_lite0": "imagenet", "efficientnet_lite1": "imagenet_lite1"}
# Of EfficientNet-Lite on one core of 2023, for a pixel.
SECONDS = 1e-6
NO_SCORES = "no scores while training: {}."


class Judge:
    """Scores a generator of pictures during training. Made by `find_judge`.

    Attributes:
        samples: int, samples per score, at most the pictures of the floor: more would score lower.
        reference: `Reference` of the real pictures; None before `prepare`.
        floor: float, the Frechet distance of real pictures; None before `prepare`.
        seconds: float, approximate time of a score; before `prepare` with the time of that.
    """

    def __init__(self, parts, features, samples, extractor=None):
        """The extractor called `features` is made when it is first needed, if it is not given."""
        self._parts, self._features, self._extractor = parts, features, extractor
        whole = compares_whole(parts, features)
        real = len(parts.loaded.samples) // 2 if whole else len(parts.train.samples)
        self.samples = min(samples, real)
        self.reference = self.floor = None
        side = min(max(min(parts.loaded.samples.shape[1:3]), LEAST), MOST)
        count = self.samples + min(len(parts.loaded.samples), REFERENCE)
        self.seconds = SECONDS * side**2 * count

    @property
    def extractor(self):
        """`zoo.metrics.features.Extractor`."""
        if self._extractor is None:
            self._extractor = extractors.extractor(self._features)
        return self._extractor

    @property
    def protocol(self):
        """The values that two scores must share to be comparable."""
        return {
            "samples": self.samples,
            "features": self.extractor.name,
            "features_hash": self.extractor.hash[:12],
        }

    def prepare(self):
        """Computes the features of the real pictures, once.

        Raises:
            UsageError: there are too few pictures, or the features are not available.
        """
        if self.reference is not None:
            return
        start = time.monotonic()
        reference, real, _ = prepare(self._parts, self.extractor, self.samples)
        seconds = time.monotonic() - start
        given = real.features, real.probabilities, None, real.reference
        self.floor = scores_of(*given, ["frechet"])[0]["frechet"]
        self.reference = reference
        self.seconds = seconds * self.samples / (self.samples + len(reference.features))

    def score(self, model):
        """Returns the Frechet distance of a GAN's averaged generator, a float.

        It uses the same latent points each time. None if samples are not finite.
        """
        images = model.generate(self.samples, seed=TRAINING_SEED)
        if not np.isfinite(images).all():
            return None
        self.prepare()
        images = sampling.to_uint8(images)
        return scores(images, None, self.reference, self.extractor, ["frechet"])["frechet"]


def find_judge(config, data_dir=None, say=say):
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
    own = {"pixel_range": config.get("pixel_range"), "data_dir": data_dir}
    if name is not None:
        return _prepared(config, name, extractors.extractor(name, **own), data_dir)
    names = config["class_names"]
    try:
        name = default_features(dataset, config["sample_shape"][-1], names, config)
        if name in extractors.PRETRAINED:
            return _later(config, name, data_dir)
        if len(names) > 1:
            extractor = classifier(dataset, **own, only_cached=True)
            if extractor is not None:
                return _prepared(config, name, extractor, data_dir)
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
    say(NO_SCORES.format(why.rstrip(".")))
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


def _prepared(config, features, extractor, data_dir):
    judge = Judge(_splits(config, data_dir), features, config["score_samples"], extractor)
    judge.prepare()
    return judge


def _later(config, features, data_dir):
    """Returns a judge that sees the real pictures only when a score is due."""
    check_installed("lite1" if features == "imagenet_lite1" else "lite0")
    parts = _splits(config, data_dir)
    judge = Judge(parts, features, config["score_samples"])
    least = min(judge.samples, len(parts.held_out.samples) if parts.own else judge.samples)
    if least < FEATURES:
        raise UsageError(
            f"the features {features} need {FEATURES:,} pictures in score_samples, and in either "
            f"split or in half of the data. Received: {least:,}"
        )
    return judge


def _splits(config, data_dir):
    shape = config["sample_shape"]
    return splits(
        config["dataset"],
        image_size=tuple(shape[:2]),
        channels=shape[-1],
        resize=config["resize"],
        pixel_range=config.get("pixel_range"),
        data_dir=data_dir,
    )


def unseen(config):
    """Returns the name of the extractor whose features a run has not learnt from."""
    return "imagenet_lite1" if learnt_from(config) == "imagenet" else "imagenet"


def learnt_from(config):
    """Returns the name of the extractor whose features a run has learnt from, or None."""
    return SEEN.get(config.get("perceptual_features")) if config.get("perceptual_weight") else None
