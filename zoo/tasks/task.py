"""Task: what goes into a game and what comes out, and how a person is shown both."""

import importlib
from typing import NamedTuple

import numpy as np

from zoo.errors import UsageError

# Name -> the module of this folder and the class in it.
TASKS = {
    "pictures": ("pictures", "Pictures"),
    "points": ("points", "Points"),
    "signals": ("points", "Signals"),
    "translation": ("translation", "Translation"),
    "unpaired_translation": ("translation", "UnpairedTranslation"),
}


class Drawn(NamedTuple):
    """What a model draws, as a person and an alarm see it.

    Attributes:
        picture: uint8 HWC, what was generated.
        comparison: uint8 HWC, the same beside real samples. Where one picture shows both, it is
            that one.
        diversity: float, how much samples of one class differ, as a share of what real samples of
            all classes do: 0 where each is the same. None where they may be alike.
    """

    picture: np.ndarray
    comparison: np.ndarray
    diversity: float | None


class Task:
    """What a game is for. A model names its task; the programs ask the task, never a shape.

    Attributes:
        fields: names of the fields that its data sets hold; a label may stand beside them.
        judged: bool, whether a judge scores what is drawn by its features while a run trains.
        translates: bool, whether what goes in are pictures of a person's own.
        samples_flags: str, the flags of generate.py that show what a run has learnt.
        same: str, what is the same in each picture that `draw` gives.
        advice: str, a sentence on which data sets to choose.
    """

    fields = ()
    judged = False
    translates = False
    samples_flags = "--count=64 --format=grid --out=samples.png"
    same = "latent points"
    advice = ""

    def check(self, model, dataset):
        """Raises UsageError unless a data set holds what the model learns from.

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
        """Draws what the averaged networks make of the same inputs each time.

        Args:
            model: a `zoo.game.Game`.
            dataset: the `zoo.data.Dataset` it trains on.
            config: the config of the run.

        Returns:
            `Drawn`.
        """
        raise NotImplementedError

    def walk(self, model, dataset):
        """Returns `(picture, description)`, uint8 HWC and a sentence; None where there is none."""

    def scores(self, model, dataset, config):
        """Returns the scores that need no judge, name -> float, taken after each epoch."""
        return {}


def task_of(name):
    """Returns the `Task` of that name."""
    module, cls = TASKS[name]
    return getattr(importlib.import_module(f"zoo.tasks.{module}"), cls)()
