"""The feature extractor `classifier:DATASET`: a small network that the project trains itself."""

import io
import json
import math
import os
import sys
import time
import zipfile
import zlib

import numpy as np

from zoo import data
from zoo.data import cache
from zoo.data.catalog import short
from zoo.errors import UsageError
from zoo.files import write_atomically
from zoo.metrics.features import Extractor, StackedExtractor, weights_hash
from zoo.metrics.splits import splits
from zoo.progress import Progress, say

# Part of the name of the cached weights: increase it with every change of `_network` or `_train`.
RECIPE = 1
EPOCHS = 6
# Small sets get more epochs: digits and cats and dogs need 600 steps to settle.
LEAST_STEPS = 600
BATCH = 128
LEARNING_RATE = 3e-3
SHIFT = 2  # pixels in each direction
DIM = 128
WIDTHS = (32, 64, 128)


def classifier(dataset, *, pixel_range=None, data_dir=None, only_cached=False):
    """Returns the extractor `classifier:DATASET`, trained now or read from the cache.

    Args:
        dataset: str, as for `zoo.data.load`.
        pixel_range, data_dir: as for `zoo.data.load`.
        only_cached: bool, whether to return None instead of training it now.

    Raises:
        UsageError: the data set has no classes, or holds vectors instead of pictures.
    """
    # Without the path, so that scores stay comparable when the data move.
    name = f"classifier:{short(dataset)}"
    if dataset == "stacked_mnist":
        single = classifier("mnist", data_dir=data_dir, only_cached=only_cached)
        return single and StackedExtractor(name, single)
    if data.SOURCES.get(dataset.partition(":")[0]) == "synthetic":
        raise UsageError(
            f"{name} needs pictures with classes, and {dataset} has vectors. Choose another data "
            "set; the scores of made-up vectors need no features."
        )
    if only_cached and not any(map(os.path.isdir, _folders())):
        return None  # before any data are prepared
    parts = splits(dataset, pixel_range=pixel_range, data_dir=data_dir)
    train = parts.train
    if train.labels is None or len(train.class_names) < 2:
        raise UsageError(
            f"{name} needs a data set with classes to be trained on, and {dataset} has none. "
            "Use --features=raw, imagenet or inception."
        )
    stamp = "classifier-" + cache.stamp_of(
        RECIPE, EPOCHS, LEAST_STEPS, train.fingerprint, parts.held_out.fingerprint
    )
    network = build(train.samples.shape[1:], len(train.class_names))
    facts = read(stamp, network, ("accuracy",))
    if facts is None and only_cached:
        return None
    if facts is None:
        start = time.process_time()
        fit(network, train, name, LEAST_STEPS)
        seconds = time.process_time() - start
        made = Extractor(name, network)
        likely = made.extract(parts.held_out.samples)[1].argmax(axis=1)
        made.accuracy = float((likely == parts.held_out.labels).mean())
        write(stamp, network, {"hash": made.hash, "accuracy": made.accuracy})
        say(
            f"{name}: {made.accuracy:.2%} right on the {parts.reference}, "
            f"trained in {seconds:.0f} CPU seconds.",
            file=sys.stderr,
        )
        return made
    return Extractor(name, network, accuracy=float(facts["accuracy"]))


def build(shape, classes):
    """Returns the untrained classifier: pictures in [0, 255] -> features and probabilities.

    It has blocks of convolution, batch normalisation, ReLU and 2x2 pooling until the side is 4 or
    less. numpy draws the weights (He et al. 2015), so they are the same on every backend and no
    other random state changes.
    """
    import keras
    from keras import layers

    def block(layer, x):
        # No bias before a normalisation. Momentum 0.9 lets the averages settle in short trainings.
        x = layer(x)
        x = layers.BatchNormalization(momentum=0.9, dtype="float32")(x)
        return layers.ReLU(dtype="float32")(x)

    plain = {"use_bias": False, "kernel_initializer": "zeros", "dtype": "float32"}
    images = keras.Input(shape, dtype="float32")
    x = layers.Rescaling(1 / 127.5, -1, dtype="float32")(images)
    for i in range(max(math.ceil(math.log2(max(shape[:2]) / 4)), 1)):
        x = block(layers.Conv2D(WIDTHS[min(i, 2)], 3, padding="same", **plain), x)
        x = layers.MaxPooling2D(2, padding="same", dtype="float32")(x)
    x = layers.Flatten(dtype="float32")(x)
    features = block(layers.Dense(DIM, **plain), x)
    logits = layers.Dense(classes, kernel_initializer="zeros", dtype="float32")(features)
    network = keras.Model(images, [features, layers.Softmax(dtype="float32")(logits)])
    draw_weights(network)
    return network


def draw_weights(network):
    """Gives a network initial weights that are the same on every backend (He et al. 2015)."""
    rng = np.random.default_rng(0)
    network.set_weights(
        [
            rng.standard_normal(w.shape) * math.sqrt(2 / math.prod(w.shape[:-1]))
            if w.ndim > 1
            else w
            for w in network.get_weights()
        ]
    )


def fit(network, dataset, name, least_steps):
    """Trains the classifier in place on a `zoo.data.Dataset` of pictures with labels.

    Uses Adam with a warm-up over a quarter of the steps and a cosine decay to zero, on full
    batches. numpy draws their order and the shifts.
    """
    import keras

    count = len(dataset.samples)
    batch = min(BATCH, count)
    steps = count // batch
    epochs = max(EPOCHS, math.ceil(least_steps / steps))
    total = epochs * steps
    warm = total // 4
    rate = keras.optimizers.schedules.CosineDecay(
        LEARNING_RATE / 20, total - warm, warmup_target=LEARNING_RATE, warmup_steps=warm
    )
    # This model ends before the softmax, so that the loss can be computed from logits.
    model = keras.Model(network.input, network.layers[-1].input)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss)
    with Progress(f"training {name}, steps", total) as progress:

        class Watch(keras.callbacks.Callback):
            done = 0

            def on_train_batch_end(self, batch, logs=None):
                self.done += 1
                progress(self.done)

        model.fit(
            _batches(dataset, batch, steps),
            epochs=epochs,
            steps_per_epoch=steps,
            callbacks=[Watch()],
            shuffle=False,
            verbose=0,
        )


def _batches(dataset, batch, steps):
    """Yields shuffled batches without end, each picture shifted by up to 2 pixels over black."""
    epoch = 0
    while True:
        rng = np.random.default_rng((0, epoch))
        order = rng.permutation(len(dataset.samples))
        for i in range(steps):
            chosen = np.sort(order[i * batch : (i + 1) * batch])
            padded = np.pad(
                dataset.samples[chosen], ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0))
            )
            windows = np.lib.stride_tricks.sliding_window_view(
                padded, dataset.samples.shape[1:3], axis=(1, 2)
            )
            down, across = rng.integers(0, 2 * SHIFT + 1, (2, batch))
            shifted = windows[np.arange(batch), down, across].transpose(0, 2, 3, 1)
            yield shifted.astype("float32"), dataset.labels[chosen]
        epoch += 1


def _folders():
    """Yields the folders where weights may lie; the second is looked up only on demand."""
    for root in (cache.folder, cache.writable_folder):
        yield os.path.join(root(), "features")


def read(stamp, network, facts=()):
    """Puts cached weights into `network` and returns the facts stored with them, or None.

    Args:
        stamp: str, name of the file. facts: names of those that must be there.
    """
    for folder in _folders():
        path = os.path.join(folder, f"{stamp}.npz")
        if not os.path.isfile(path):
            continue
        try:
            with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
                about = json.loads(file["about"].tobytes())
                weights = [file[f"weight{i:02d}"] for i in range(len(file.files) - 1)]
            expected = [w.shape for w in network.get_weights()]
            if [w.shape for w in weights] != expected or weights_hash(weights) != about["hash"]:
                raise ValueError("its hash is another")
            for name in facts:
                float(about[name])
        except (
            OSError,
            ValueError,
            KeyError,
            TypeError,
            EOFError,
            RuntimeError,
            zipfile.BadZipFile,
            zlib.error,
        ) as error:
            print(
                f"{path} is damaged ({error}), so the {stamp.partition('-')[0]} is trained again.",
                file=sys.stderr,
            )
            continue
        network.set_weights(weights)
        return about
    return None


def write(stamp, network, about):
    """Keeps the weights of `network` and facts about it for the next process."""
    path = os.path.join(cache.writable_folder(), "features", f"{stamp}.npz")
    weights = {f"weight{i:02d}": w for i, w in enumerate(network.get_weights())}
    content = io.BytesIO()
    np.savez(content, about=np.frombuffer(json.dumps(about).encode(), "uint8"), **weights)
    try:
        write_atomically(path, content.getvalue())
    except OSError as error:
        # The weights are still right, but the next process has to train them again.
        print(f"{path} could not be written ({error.strerror}).", file=sys.stderr)
