"""Task: the inputs and outputs of a game, and how people see them."""

import importlib
from typing import NamedTuple

import numpy as np

from zoo.errors import UsageError

# Name -> module in this folder, and class.
TASKS = {
    "pictures": ("pictures", "Pictures"),
    "points": ("points", "Points"),
    "signals": ("points", "Signals"),
    "translation": ("translation", "Translation"),
    "unpaired_translation": ("translation", "UnpairedTranslation"),
    "enlarging": ("enlarging", "Enlarging"),
    "inpainting": ("inpainting", "Inpainting"),
}


class Drawn(NamedTuple):
    """The drawings of a model, for people and for the alarm.

    Attributes:
        picture: uint8 HWC, generated samples.
        comparison: uint8 HWC, generated beside real samples; equal to `picture` if that shows both.
        diversity: float, deviation of samples within a class, as a share of the deviation of real
            samples of all classes; 0 if all are equal. None if samples may be alike.
    """

    picture: np.ndarray
    comparison: np.ndarray
    diversity: float | None


class Task:
    """The purpose of a game. A model names its task, and the programs rely on it, never on shapes.

    Attributes:
        fields: names of the fields that its data sets hold; a label is optional.
        judged: bool, whether a judge scores the samples by their features during training.
        translates: bool, whether the inputs are the user's pictures.
        fills: bool, whether the inputs are the user's pictures with holes, and masks.
        samples_flags: str, the flags of generate.py that show the results of a run.
        same: str, the inputs that all pictures of `draw` share.
        advice: str, a sentence about suitable data sets.
    """

    fields = ()
    judged = False
    translates = False
    fills = False
    samples_flags = "--count=64 --format=grid --out=samples.png"
    same = "latent points"
    advice = ""

    def check(self, model, dataset):
        """Raises UsageError unless a data set has the fields that the model learns from.

        Args:
            model: str, name of the model.
            dataset: a `zoo.data.Dataset`.
        """
        if not set(self.fields) <= set(dataset.fields):
            raise UsageError(
                f"{model} learns from {' and '.join(map(repr, self.fields))}, which the data set "
                f"{dataset.name} does not have. {self.advice} "
                f"Received: {', '.join(dataset.fields)}."
            )

    def draw(self, model, dataset, config):
        """Draws the outputs of the averaged networks for the same inputs each time.

        Args:
            model: a `zoo.game.Game`.
            dataset: the `zoo.data.Dataset` it trains on.
            config: the config of the run.

        Returns:
            `Drawn`.
        """
        raise NotImplementedError

    def picture(self, samples):
        """Returns one picture of samples alone, uint8 HWC.

        Args:
            samples: float32 `(n, *sample_shape)`.
        """
        raise NotImplementedError

    def walk(self, model, dataset):
        """Returns `(picture, description)`, uint8 HWC and a sentence, or None without a walk."""

    def scores(self, model, dataset, config):
        """Returns the scores that need no judge, name -> float, computed after each epoch."""
        return {}


def task_of(name):
    """Returns the `Task` of that name."""
    module, cls = TASKS[name]
    return getattr(importlib.import_module(f"zoo.tasks.{module}"), cls)()
