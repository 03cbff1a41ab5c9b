"""Pictures to pictures: rows of inputs and outputs."""

import numpy as np

from zoo import sampling
from zoo.drawing import pictures
from zoo.tasks.task import Drawn, Task

ROWS = 8  # examples in a picture


class Translation(Task):
    """Pictures to pictures, learnt from pairs. Rows: input, output, target."""

    fields = ("input", "target")
    translates = True
    samples_flags = "--input=FOLDER --out=FOLDER"
    same = "pictures"
    advice = "Choose pairs:PATH, a folder of pictures that hold both sides or of two sub-folders."

    def draw(self, model, dataset, config):
        which = chosen(dataset.count)
        given, target = (np.ascontiguousarray(dataset.fields[n][which]) for n in self.fields)
        drawn = sampling.translated(model.ema_generator, given)
        columns = [given, drawn, target]
        picture = pictures.titled([("Input, drawn, target", pictures.rows_of(columns))])
        return Drawn(picture, picture, None)


class UnpairedTranslation(Translation):
    """Pictures to pictures, without pairs. Rows: picture, translation, translation back."""

    fields = ("a", "b")
    advice = "Choose domains:PATH, a folder with trainA and trainB or with two sub-folders."

    def draw(self, model, dataset, config):
        parts = []
        for side, there, back in (("a", "a_to_b", "b_to_a"), ("b", "b_to_a", "a_to_b")):
            other = "b" if side == "a" else "a"
            images = np.ascontiguousarray(dataset.fields[side][chosen(len(dataset.fields[side]))])
            translated = sampling.translated(model.network(f"ema_{there}"), images)
            returned = sampling.translated(model.network(f"ema_{back}"), translated)
            title = f"{side}, as {other}, and back"
            parts.append((title, pictures.rows_of([images, translated, returned])))
        picture = pictures.titled(parts)
        return Drawn(picture, picture, None)


def chosen(count):
    """Returns the indices of the examples to show, the same each time."""
    return np.sort(np.random.default_rng(0).permutation(count)[:ROWS])
