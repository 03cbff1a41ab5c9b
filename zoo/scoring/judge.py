"""The judge of a run: it scores generated pictures during training."""

import dataclasses
import time

import numpy as np

import zoo
from zoo import sampling
from zoo.errors import UsageError
from zoo.metrics import extractors
from zoo.metrics.classifier import classifier
from zoo.metrics.features import Extractor
from zoo.metrics.splits import splits
from zoo.scoring.scores import Reference, prepare, scores, scores_of
from zoo.tasks.task import task_of

# Seed of the latent points scored during training. It differs from evaluate.py's default, so the
# choice of the best generator does not bias its evaluation.
TRAINING_SEED = 1


@dataclasses.dataclass
class Judge:
    """Scores a generator of pictures during training. Made by `find_judge`.

    Attributes:
        reference: `Reference`, by the same extractor.
        extractor: `zoo.metrics.features.Extractor`.
        samples: int, samples per score.
        floor: float, the Frechet distance of as many real pictures.
        seconds: float, approximate time of one score.
    """

    reference: Reference
    extractor: Extractor
    samples: int
    floor: float
    seconds: float

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


def find_judge(config, data_dir=None, say=print):
    """Prepares the scores of a run's pictures, before its first step.

    Features named by `score_features` are trained or loaded, however long that takes. By default
    the run uses `classifier:DATASET` if it is already trained on this machine. Otherwise, and also
    without held-out pictures, the run has no scores, and one line says how to get them.

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
        return _prepared(config, extractors.extractor(name, data_dir=data_dir), data_dir)
    why = f"{dataset} has no classes. Get them with --set score_features=imagenet, inception or raw"
    if len(config["class_names"]) > 1:
        name = f"classifier:{dataset}"
        why = (
            f"{name} has not been trained on this machine. Get them with "
            f"--set score_features={name}, which trains it first, for minutes"
        )
        try:
            extractor = classifier(dataset, data_dir=data_dir, only_cached=True)
            if extractor is not None:
                return _prepared(config, extractor, data_dir)
        except UsageError as error:
            why = str(error)
    say(f"no scores while training: {why.rstrip('.')}.")
    return None


def _prepared(config, extractor, data_dir):
    shape = config["sample_shape"]
    parts = splits(
        config["dataset"],
        image_size=tuple(shape[:2]),
        channels=shape[-1],
        resize=config["resize"],
        data_dir=data_dir,
    )
    # At most the count of the floor: more samples would score lower.
    count = min(config["score_samples"], len(parts.train.samples))
    start = time.monotonic()
    reference, real, _ = prepare(parts, extractor, count)
    share = count / (count + len(reference.features))
    seconds = share * (time.monotonic() - start)
    start = time.monotonic()
    floor = scores_of(*real, None, reference, ["frechet"])[0]["frechet"]
    return Judge(reference, extractor, count, floor, seconds + time.monotonic() - start)
