"""The data sets in one line each, for lists. Needs the standard library only."""

import os

DATASETS = {
    "digits": "1,797 real handwritten digits of scikit-learn, 8x8 shown at 32x32 grey; no download",
    "mnist": "70,000 handwritten digits, 28x28 grey, 10 classes (TFDS)",
    "fashion_mnist": "70,000 pieces of clothing, 28x28 grey, 10 classes (TFDS)",
    "stacked_mnist": "three MNIST digits as the channels of one picture, 28x28, 1,000 classes",
    "cifar10": "60,000 photographs, 32x32 colour, 10 classes (TFDS)",
    "cifar100": "60,000 photographs, 32x32 colour, 100 classes (TFDS)",
    "gaussian": "made-up numbers from N(4, 1.25), or any mixture by --set target=...",
    "ring8": "made-up points of the plane, 8 Gaussians on a circle",
    "grid25": "made-up points of the plane, 25 Gaussians on a grid",
    "sine": "made-up sine signals of ten points, random phase, frequency and amplitude",
    "tfds:NAME": "any other image set of TensorFlow Datasets, for example tfds:cats_vs_dogs",
    "folder:PATH": "your pictures: one folder, or one sub-folder per class",
    "pairs:PATH": "your pairs of pictures: halves of one, or equal names in two sub-folders",
    "domains:PATH": "your pictures of two kinds, no pairs: trainA and trainB, or two sub-folders",
    "crops:PATH": "your pictures at their own size, from which each batch takes random crops",
}
# Names, up to the colon, of the data sets that lie in a folder of this machine.
LOCAL = tuple(name.partition(":")[0] for name in DATASETS if name.endswith(":PATH"))


def located(name):
    """Returns the name of a data set as every working folder understands it.

    In `folder:PATH` and its like the path becomes absolute and loses its `~`.
    """
    source, colon, path = name.partition(":")
    if source not in LOCAL or not path:
        return name
    return source + colon + os.path.abspath(os.path.expanduser(path))


def short(name):
    """Returns the name of a data set for people and tables: of a path only the last part."""
    source, colon, path = name.partition(":")
    return source + colon + os.path.basename(located(name)) if source in LOCAL and path else name
