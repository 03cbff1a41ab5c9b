"""Pictures with holes to whole ones: rows of the hole, both results and the truth."""

import numpy as np

from zoo import sampling
from zoo.drawing import pictures
from zoo.parts import holes
from zoo.tasks.task import Drawn, Task
from zoo.tasks.translation import chosen

GREY = np.uint8(128)  # of a hole in a picture for people


class Inpainting(Task):
    """Pictures with holes to whole ones, learnt from whole pictures alone."""

    fields = ("image",)
    fills = True
    samples_flags = "--input=PICTURE --mask=MASK"
    same = "pictures and holes"
    advice = "Choose folder:PATH, a folder of pictures, or a data set of pictures such as mnist."

    def draw(self, model, dataset, config):
        truth = np.ascontiguousarray(dataset.fields["image"][chosen(dataset.count)])
        size = truth.shape[1:3]
        kinds, largest = model.part["Holes"].kinds, model.hole_size
        unknown = holes.fixed(len(truth), size, kinds, largest)
        coarse, refined = sampling.filled(model.ema_generator, truth, unknown)
        holed = np.where(unknown[..., np.newaxis], GREY, truth)
        rows = pictures.rows_of([holed, coarse, refined, truth])
        picture = pictures.titled([("Hole, first result, final result, truth", rows)])
        return Drawn(picture, picture, None)
