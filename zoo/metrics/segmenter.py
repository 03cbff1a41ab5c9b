"""Segmentation agreement: whether a network sees in pictures the labels that they were made of.

Isola et al. 2017, section 3.1 (FCN score), after Long et al. 2015: pictures made of label maps are
good if a segmenter, trained on real pairs, finds the labels again. The project trains a small one
for each data set, once, and keeps it in the cache beside its classifiers.
"""

import math
import sys
import time

import numpy as np

from zoo.data import cache
from zoo.data.catalog import short
from zoo.metrics import classifier
from zoo.metrics.features import weights_hash
from zoo.progress import Progress, say

# Part of the name of the cached weights: increase it with every change of `_network` or `_train`.
RECIPE = 1
STEPS = 400
BATCH = 8
LEARNING_RATE = 3e-3
WIDTHS = (24, 48, 96, 128)
# Larger pictures are made smaller by a whole number before they are looked at.
LARGEST_SIDE = 256
CHUNK = 16
SCORES = ("label_pixel_accuracy", "label_class_accuracy", "label_iou")


class Segmenter:
    """Names a label for each pixel of a picture.

    Attributes:
        name: str. hash: str, SHA-256 in hex of the weights.
        labels: int, how many there are.
    """

    def __init__(self, name, network):
        self.name, self._network = name, network
        self.hash = weights_hash(network.get_weights())
        self.labels = int(network.output.shape[-1])

    def label(self, images):
        """Returns the most probable labels of pictures, uint8 `(n, height, width)`.

        Args:
            images: uint8 `(n, height, width, channels)`, made smaller if a side is above 256.
        """
        from zoo import backend

        found = []
        with backend.single(self._network):
            for start in range(0, len(images), CHUNK):
                part = smaller(images[start : start + CHUNK])
                height, width = part.shape[1:3]
                logits = self._network(_padded(part).astype("float32"), training=False)
                found.append(_numpy(logits)[:, :height, :width].argmax(axis=-1).astype("uint8"))
        return np.concatenate(found)

    def agreement(self, images, labels):
        """Returns the scores of pictures made of labels, name -> float in [0, 1]; 1 is best.

        Args:
            images: uint8 `(n, height, width, channels)`.
            labels: uint8 `(n, height, width)`, numbers of labels.
        """
        return agreement(self.label(images), smaller(labels))


def agreement(found, wanted, labels=256):
    """Returns pixel accuracy, mean accuracy of the labels, and mean intersection over union.

    They are those of Long et al. 2015, section 5, over all pictures together; the means are over
    the labels that are `wanted` anywhere.

    Args:
        found, wanted: uint8 `(n, height, width)`, numbers of labels. labels: int, how many.
    """
    pairs = wanted.astype("int64").ravel() * labels + found.ravel()
    table = np.bincount(pairs, minlength=labels**2).reshape(labels, labels)
    right, there, drawn = np.diag(table), table.sum(axis=1), table.sum(axis=0)
    kept = there > 0
    union = (there + drawn - right)[kept]
    values = (
        right.sum() / there.sum(),
        (right[kept] / there[kept]).mean(),
        (right[kept] / union).mean(),
    )
    return dict(zip(SCORES, map(float, values), strict=True))


def segmenter(dataset, train, train_labels, names, fingerprint):
    """Returns the segmenter of a data set of pairs, trained now or read from the cache.

    Args:
        dataset: str, its name, for people.
        train: uint8 `(n, height, width, channels)`, real pictures to learn from.
        train_labels: uint8 `(n, height, width)`, numbers of labels.
        names: the labels, a sequence.
        fingerprint: str, of the data.
    """
    name = f"segmenter:{short(dataset)}"
    stamp = "segmenter-" + cache.stamp_of(RECIPE, STEPS, fingerprint)
    network = _network(train.shape[-1], len(names))
    if classifier.read(stamp, network) is None:
        start = time.process_time()
        _train(network, smaller(train), smaller(train_labels), name)
        classifier.write(stamp, network, {"hash": weights_hash(network.get_weights())})
        seconds = time.process_time() - start
        say(f"{name}: trained in {seconds:.0f} CPU seconds.", file=sys.stderr)
    return Segmenter(name, network)


def smaller(images, largest=LARGEST_SIDE):
    """Returns uint8 pictures, or labels without channels, with no side above `largest` pixels.

    Of pictures the mean of a square becomes a pixel, of labels its upper left one counts.
    """
    factor = math.ceil(max(images.shape[1:3]) / largest)
    if factor == 1:
        return images
    height, width = (side // factor for side in images.shape[1:3])
    cut = images[:, : height * factor, : width * factor]
    if images.ndim == 3:
        return cut[:, ::factor, ::factor]
    blocks = cut.reshape(len(cut), height, factor, width, factor, -1)
    return np.rint(blocks.mean(axis=(2, 4))).astype("uint8")


def _network(channels, labels):
    """Returns the untrained segmenter: pictures in [0, 255] -> logits of labels.

    A U-Net of four halvings (Ronneberger et al. 2015) for pictures of any size that they divide.
    numpy draws the weights, as for the classifier.
    """
    import keras
    from keras import layers

    def block(x, width, strides=1):
        options = {"use_bias": False, "kernel_initializer": "zeros", "dtype": "float32"}
        x = layers.Conv2D(width, 3, strides, "same", **options)(x)
        x = layers.BatchNormalization(momentum=0.9, dtype="float32")(x)
        return layers.ReLU(dtype="float32")(x)

    images = keras.Input((None, None, channels), dtype="float32")
    x = layers.Rescaling(1 / 127.5, -1, dtype="float32")(images)
    skips = []
    for width in WIDTHS:
        x = block(x, width, 2)
        skips.append(x)
    x = block(x, WIDTHS[-1])
    for skip, width in zip(skips[-2::-1], WIDTHS[-2::-1], strict=True):
        x = layers.UpSampling2D(2, dtype="float32")(x)
        x = block(layers.Concatenate(dtype="float32")([x, skip]), width)
    x = layers.Conv2D(labels, 1, kernel_initializer="zeros", dtype="float32")(x)
    network = keras.Model(images, layers.UpSampling2D(2, dtype="float32", name="logits")(x))
    classifier.draw_weights(network)
    return network


def _train(network, images, labels, name):
    """Trains the segmenter in place by the cross-entropy, with Adam on shuffled full batches."""
    import keras

    warm = STEPS // 8
    rate = keras.optimizers.schedules.CosineDecay(
        LEARNING_RATE / 20, STEPS - warm, warmup_target=LEARNING_RATE, warmup_steps=warm
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model = keras.Model(network.input, network.output)
    model.compile(keras.optimizers.Adam(rate), loss)
    with Progress(f"training {name}, steps", STEPS) as progress:

        class Watch(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                progress(batch + 1)

        model.fit(
            _batches(images, labels),
            epochs=1,
            steps_per_epoch=STEPS,
            callbacks=[Watch()],
            shuffle=False,
            verbose=0,
        )


def _batches(images, labels):
    """Yields shuffled batches without end, half of the pictures mirrored."""
    count, epoch = len(images), 0
    size = min(BATCH, count)
    while True:
        rng = np.random.default_rng((0, epoch))
        order = rng.permutation(count)
        for start in range(0, count - size + 1, size):
            chosen = np.sort(order[start : start + size])
            some, wanted = _padded(images[chosen]), _padded(labels[chosen])
            mirrored = rng.random(size) < 0.5
            some = np.where(mirrored[:, None, None, None], some[:, :, ::-1], some)
            wanted = np.where(mirrored[:, None, None], wanted[:, :, ::-1], wanted)
            yield some.astype("float32"), wanted.astype("int32")
        epoch += 1


def _padded(images):
    """Returns pictures or labels with sides that the network takes, their last pixels repeated."""
    multiple = 2 ** len(WIDTHS)
    rest = [(0, -side % multiple) for side in images.shape[1:3]]
    return np.pad(images, [(0, 0), *rest, *[(0, 0)] * (images.ndim - 3)], "edge")


def _numpy(tensor):
    import keras

    return keras.ops.convert_to_numpy(tensor)
