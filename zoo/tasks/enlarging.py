"""Small pictures to large ones: rows of the small one, bicubic, enlarged and the original."""

import numpy as np

from zoo import sampling
from zoo.data import bicubic
from zoo.drawing import pictures
from zoo.tasks.task import Drawn, Task
from zoo.tasks.translation import chosen


class Enlarging(Task):
    """Small pictures to large ones, learnt from the large ones alone."""

    fields = ("high",)
    translates = True
    samples_flags = "--input=FOLDER --out=FOLDER"
    same = "pictures"
    advice = "Choose crops:PATH, a folder of pictures, which keep their own size."

    def draw(self, model, dataset, config):
        crops = dataset.fields["high"]
        target = crops.middles(chosen(crops.pictures))
        low = np.stack([bicubic.shrunk(image, model.scale)[1] for image in target])
        drawn = sampling.translated(model.ema_generator, low)
        smooth = np.stack([bicubic.resized(image, target.shape[1:3]) for image in low])
        nearest = low.repeat(model.scale, axis=1).repeat(model.scale, axis=2)
        rows = pictures.rows_of([nearest, smooth, drawn, target], across=1)
        picture = pictures.titled([("Input, bicubic, drawn, original", rows)])
        return Drawn(picture, picture, None)
