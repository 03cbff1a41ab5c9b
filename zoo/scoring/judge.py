"""The judge of a run of pictures: it scores the generator while it is trained."""

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

# Of the latent points scored while training: not those of evaluate.py's default, so that the
# generator chosen by the ones is not flattered by the others.
TRAINING_SEED = 1


@dataclasses.dataclass
class Judge:
    """Scores a generator of pictures while it is trained. Made by `find_judge`.

    Attributes:
        reference: `Reference`, by the same extractor.
        extractor: `zoo.metrics.features.Extractor`.
        samples: int, how many are drawn for a score.
        floor: float, the Frechet distance of as many real pictures.
        seconds: float, about what one score takes.
    """

    reference: Reference
    extractor: Extractor
    samples: int
    floor: float
    seconds: float

    @property
    def protocol(self):
        """What two scores must share to be compared."""
        return {
            "samples": self.samples,
            "features": self.extractor.name,
            "features_hash": self.extractor.hash[:12],
        }

    def score(self, model):
        """Returns the Frechet distance of a GAN's averaged generator, a float.

        The samples are those of the same latent points each time. None where they are not finite.
        """
        images = model.generate(self.samples, seed=TRAINING_SEED)
        if not np.isfinite(images).all():
            return None
        images = sampling.to_uint8(images)
        return scores(images, None, self.reference, self.extractor, ["frechet"])["frechet"]


def find_judge(config, data_dir=None, say=print):
    """Prepares the scores of a run's pictures, before its first step.

    Features that `score_features` names are trained or loaded, however long that takes. Without it
    they are those of `classifier:DATASET`, but only where that has been trained on this machine
    before; where not, or where the held-out pictures cannot be had, one line says how to get
    scores, and the run has none.

    Args:
        config: the completed config of a run.
        data_dir: str, where prepared data sets lie.
        say: function that takes that line.

    Returns:
        `Judge`, or None.

    Raises:
        UsageError: what `score_features` asks for cannot be had.
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
    # No more than the floor can have: a score of more samples would be lower.
    count = min(config["score_samples"], len(parts.train.samples))
    start = time.monotonic()
    reference, real, _ = prepare(parts, extractor, count)
    share = count / (count + len(reference.features))
    seconds = share * (time.monotonic() - start)
    start = time.monotonic()
    floor = scores_of(*real, None, reference, ["frechet"])[0]["frechet"]
    return Judge(reference, extractor, count, floor, seconds + time.monotonic() - start)
