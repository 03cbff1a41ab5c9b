"""Feature extractors: what turns pictures into the vectors that the other metrics compare."""

import contextlib
import dataclasses
import hashlib
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
from zoo.errors import UsageError, nearest

KINDS = ("classifier:DATASET", "inception", "raw")

# Part of the name of the cached weights: raised with every change of `_network` or `_train`.
RECIPE = 1
EPOCHS = 6
# Small sets pass more often: 600 steps are what digits and cats and dogs need to settle.
LEAST_STEPS = 600
BATCH = 128
LEARNING_RATE = 3e-3
SHIFT = 2  # pixels in each direction
DIM = 128
WIDTHS = (32, 64, 128)
CHUNK = 256

INCEPTION_SIDE = 299
INCEPTION_FILE = "inception_v3_weights_tf_dim_ordering_tf_kernels.h5"
INCEPTION_URL = (
    f"https://storage.googleapis.com/tensorflow/keras-applications/inception_v3/{INCEPTION_FILE}"
)
RESIZER = "Pillow bicubic, antialiased, float32"


class Extractor:
    """Turns pictures into features. Made by `extractor`.

    Attributes:
        name: str, as given to `extractor`.
        hash: str, SHA-256 in hex of the weights; of nothing for raw.
        dim: int, length of a feature vector; None for raw, where it is that of the pictures.
        classes: int, how many classes `probabilities` tells apart, or None.
        accuracy: float, the share of held-out pictures that a `classifier:` names rightly, or None.
        comparable: str, a sentence on what its scores may not be compared with, or None.
    """

    def __init__(self, name, network=None, comparable=None, accuracy=None, chunk=CHUNK):
        """`network` maps float32 NHWC in [0, 255] to features and, if it has a head,
        probabilities; None for raw."""
        self.name = name
        self.comparable = comparable
        self.accuracy = accuracy
        self._network = network
        self._shape = None if network is None else tuple(network.input.shape[1:])
        self._chunk = chunk
        weights = [] if network is None else network.get_weights()
        self.hash = weights_hash(weights)
        outputs = [] if network is None else network.outputs
        self.dim = int(outputs[0].shape[-1]) if outputs else None
        self.classes = int(outputs[1].shape[-1]) if len(outputs) > 1 else None

    def features(self, images):
        """Returns the features of uint8 `(n, h, w, 1 or 3)`: float32 `(n, dim)`.

        Those of a picture are the same whatever stands beside it, and on every backend but for the
        rounding of float32. (GPUs round products more by default, to about 1e-3.)

        Raises:
            UsageError: for other arrays.
        """
        return self.extract(images)[0]

    def probabilities(self, images):
        """Returns the classes' probabilities, float32 `(n, classes)`, or None where there are none.

        Args and exceptions as for `features`.
        """
        return self.extract(images)[1]

    def extract(self, images, what="pictures"):
        """Returns `(features, probabilities)` by one pass; `what` is shown if it takes long."""
        images = np.asarray(images)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in (1, 3):
            raise UsageError(
                "Features are taken of uint8 pictures of shape (n, height, width, 1 or 3). "
                f"Received: {images.dtype} of shape {images.shape}."
            )
        if not len(images):
            raise UsageError("Features need at least one picture. Received: none.")
        if self._network is None:
            return (images.reshape(len(images), -1) / np.float32(127.5) - 1), None
        outputs = [[] for _ in self._network.outputs]
        with Progress(f"features of {what} by {self.name}", len(images)) as progress:
            for start in range(0, len(images), self._chunk):
                part = resized(images[start : start + self._chunk], *self._shape)
                size = len(part)
                # All batches of one size: one compilation, and one order of summation.
                part = np.concatenate([part, np.repeat(part[-1:], self._chunk - size, axis=0)])
                found = self._network.predict_on_batch(part)
                found = found if isinstance(found, list | tuple) else [found]
                for output, array in zip(outputs, found, strict=True):
                    output.append(np.asarray(array, "float32")[:size])
                progress(start + size)
        outputs = [np.concatenate(output) for output in outputs]
        return outputs[0], (outputs[1] if len(outputs) > 1 else None)

    def resizer(self, shape):
        """Returns how pictures of shape `(h, w, channels)` come to the size the network sees."""
        if self._network is None or tuple(shape[:2]) == self._shape[:2]:
            return "none"
        return f"{RESIZER}, to {self._shape[0]}x{self._shape[1]}"


class StackedExtractor(Extractor):
    """Sees the three channels of a picture as three pictures, for `stacked_mnist`.

    Features are those of the channels one after the other. The class is the number that the classes
    of the channels make, and its probability the product of theirs.
    """

    def __init__(self, name, single):
        """`single` is an `Extractor` of one channel and ten classes."""
        super().__init__(name, accuracy=single.accuracy)
        self.hash, self.dim, self.classes = single.hash, 3 * single.dim, single.classes**3
        self._single = single

    def extract(self, images, what="pictures"):
        images = np.asarray(images)
        if images.ndim != 4 or images.shape[-1] != 3:
            raise UsageError(
                f"{self.name} takes pictures of three channels. Received: shape {images.shape}."
            )
        channels = [self._single.extract(images[..., i : i + 1], what) for i in range(3)]
        features, (hundreds, tens, ones) = zip(*channels, strict=True)
        likely = np.einsum("ni,nj,nk->nijk", hundreds, tens, ones)
        return np.concatenate(features, axis=1), likely.reshape(len(images), -1)

    def resizer(self, shape):
        return self._single.resizer(shape)


@dataclasses.dataclass(frozen=True, eq=False)
class Splits:
    """A data set in two parts.

    Attributes:
        train, held_out: `zoo.data.Dataset`.
        reference: str, what `held_out` is, for a person.
        own: bool, whether the data set itself has this split, so that nothing trained on its train
            split has seen `held_out`.
    """

    train: data.Dataset
    held_out: data.Dataset
    reference: str
    own: bool


def extractor(name, *, data_dir=None, inception_weights=None):
    """Returns the feature extractor called `name`.

    - `classifier:DATASET`: a small convolutional network which the project trains on the train
      split, once, by one fixed recipe, and keeps in its cache folder. Features are the 128 numbers
      after the last ReLU. Pictures of another size are brought to that of the data set.
      `classifier:stacked_mnist` is `classifier:mnist` on each channel.
    - `inception`: Inception v3 (Szegedy et al. 2016) with the ImageNet weights of
      keras.applications; features are its 2,048 averages before the classes. The FID of Heusel et
      al. 2017 takes weights of another training, so the numbers differ.
    - `raw`: the pixels themselves, in [-1, 1].

    Args:
        name: str.
        data_dir: str, where prepared data sets lie; see `zoo.data.load`.
        inception_weights: path of a weights file for `inception`, with or without the classes; by
            default Keras downloads it.

    Raises:
        UsageError: there is no such extractor, its data set has no classes, or the weights cannot
            be had.
    """
    kind, colon, dataset = str(name).partition(":")
    if kind == "classifier" and dataset:
        return classifier(dataset, data_dir=data_dir)
    if kind == "inception" and not colon:
        return _inception(inception_weights)
    if kind == "raw" and not colon:
        return Extractor("raw")
    raise UsageError(f"There is no feature extractor {name!r}.{nearest(name, KINDS)}")


def splits(name, **options):
    """Loads what the judge compares: a data set's train split and what is held out of it.

    The latter is the test split. Of a data set without one, such as a folder, it is the last fifth
    of the pictures in an order that is always the same.

    Args:
        name, **options: as for `zoo.data.load`.

    Returns:
        `Splits`.
    """
    train = data.load(name, **options)
    if not name.startswith("folder:"):
        try:
            return Splits(train, data.load(name, split="test", **options), "test split", True)
        except UsageError as error:
            if "has no split" not in str(error):
                raise
    order = np.random.RandomState(0).permutation(len(train.samples))
    fifth = len(order) // 5
    if not fifth:
        raise UsageError(
            f"{name} has too few pictures to hold a fifth of them out. Expected at least 5. "
            f"Received: {len(order)}."
        )
    parts = [_part(train, np.sort(chosen)) for chosen in (order[:-fifth], order[-fifth:])]
    return Splits(*parts, "fifth of the pictures, seed 0", False)


def classifier(dataset, *, data_dir=None, only_cached=False):
    """Returns the extractor `classifier:DATASET`, trained now or before.

    Args:
        dataset: str, as for `zoo.data.load`.
        data_dir: str, where prepared data sets lie.
        only_cached: bool, return None instead of training it now.

    Raises:
        UsageError: the data set has no classes, or vectors instead of pictures.
    """
    name = f"classifier:{dataset}"
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
    parts = splits(dataset, data_dir=data_dir)
    train = parts.train
    if len(train.class_names) < 2:
        raise UsageError(
            f"{name} needs a data set with classes to be trained on, and {dataset} has none. "
            "Use --features=inception or --features=raw."
        )
    stamp = cache.stamp_of(
        RECIPE, EPOCHS, LEAST_STEPS, train.fingerprint, parts.held_out.fingerprint
    )
    network = _network(train.samples.shape[1:], len(train.class_names))
    found = _read(stamp, network)
    if found is None and only_cached:
        return None
    if found is None:
        start = time.process_time()
        _train(network, train, name)
        seconds = time.process_time() - start
        made = Extractor(name, network)
        likely = made.extract(parts.held_out.samples)[1].argmax(axis=1)
        made.accuracy = float((likely == parts.held_out.labels).mean())
        _write(stamp, network, {"hash": made.hash, "accuracy": made.accuracy})
        print(
            f"{name}: {made.accuracy:.2%} right on the {parts.reference}, "
            f"trained in {seconds:.0f} CPU seconds.",
            file=sys.stderr,
        )
        return made
    return Extractor(name, network, accuracy=found["accuracy"])


def weights_hash(weights):
    """Returns the SHA-256 in hex of a list of arrays, as float32 with their shapes."""
    digest = hashlib.sha256()
    for array in weights:
        digest.update(json.dumps(list(np.shape(array))).encode())
        digest.update(np.ascontiguousarray(array, "<f4").tobytes())
    return digest.hexdigest()


def resized(images, height, width, channels):
    """Returns uint8 `(n, h, w, 1 or 3)` as float32 NHWC of the size asked for, in about [0, 255].

    Bicubic with antialiasing, channel by channel in floating point, as clean-fid does (Parmar et
    al. 2022): neither rounding nor clipping. Grey is repeated, colour becomes luma (ITU-R 601).
    """
    from PIL import Image

    images = images.astype("float32")
    if images.shape[-1] > channels:
        images = images @ np.asarray([[0.299], [0.587], [0.114]], "float32")
    if images.shape[1:3] != (height, width):
        planes = images.transpose(0, 3, 1, 2)
        bicubic = Image.Resampling.BICUBIC
        small = [
            [np.asarray(Image.fromarray(plane).resize((width, height), bicubic)) for plane in image]
            for image in np.ascontiguousarray(planes)
        ]
        images = np.asarray(small, "float32").transpose(0, 2, 3, 1)
    return np.repeat(images, channels // images.shape[-1], axis=-1)


class Progress:
    """A line on stderr with the time left, once something takes longer than two seconds.

    Used as a context, and called with how much is done.
    """

    def __init__(self, what, total):
        self.what, self.total = what, total
        self.live = sys.stderr.isatty()
        self.following, self.width = time.monotonic() + 2, 0
        self.first = None

    def __enter__(self):
        return self

    def __call__(self, done):
        now = time.monotonic()
        if self.first is None:
            # The first compiles; the clock for the speed starts behind it.
            self.first = (now, done)
        start, first = self.first
        if now < self.following or done == first or done >= self.total:
            return
        left = (now - start) * (self.total - done) / (done - first)
        text = f"{self.what}: {done:,} of {self.total:,}, {left:.0f} s left"
        self.width = max(self.width, len(text))
        print(text.ljust(self.width), end="\r" if self.live else "\n", file=sys.stderr, flush=True)
        self.following = now + (1 if self.live else 20)

    def __exit__(self, *_):
        if self.live and self.width:
            print(" " * self.width, end="\r", file=sys.stderr, flush=True)


def _part(dataset, chosen):
    samples = dataset.samples[chosen]
    labels = None if dataset.labels is None else dataset.labels[chosen]
    return dataclasses.replace(
        dataset,
        samples=samples,
        labels=labels,
        fingerprint=cache.fingerprint(samples, labels, dataset.class_names),
    )


def _network(shape, classes):
    """Returns the untrained classifier: pictures in [0, 255] -> features and probabilities.

    Blocks of convolution, batch normalisation, ReLU and 2x2 pooling until the side is 4 or less.
    The weights are drawn by numpy (He et al. 2015), so that they are the same on every backend and
    nobody else's random numbers are touched.
    """
    import keras
    from keras import layers

    def block(layer, x):
        # No bias before a normalisation. 0.9, so that short trainings have their averages too.
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
    rng = np.random.default_rng(0)
    network.set_weights(
        [
            rng.standard_normal(w.shape) * math.sqrt(2 / math.prod(w.shape[:-1]))
            if w.ndim > 1
            else w
            for w in network.get_weights()
        ]
    )
    return network


def _train(network, dataset, name):
    """Trains the classifier in place.

    Adam with a warm-up of a quarter and a cosine to zero, on whole batches in an order and with
    shifts that numpy draws.
    """
    import keras

    count = len(dataset.samples)
    batch = min(BATCH, count)
    steps = count // batch
    epochs = max(EPOCHS, math.ceil(LEAST_STEPS / steps))
    total = epochs * steps
    warm = total // 4
    rate = keras.optimizers.schedules.CosineDecay(
        LEARNING_RATE / 20, total - warm, warmup_target=LEARNING_RATE, warmup_steps=warm
    )
    # Without the softmax behind them the loss can be computed of logits.
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
    """Yields shuffled batches for ever, every picture shifted by up to 2 pixels over black."""
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
    """Yields where weights may lie; the second is only asked for where the first has none."""
    for root in (cache.folder, cache.writable_folder):
        yield os.path.join(root(), "features")


def _read(stamp, network):
    """Puts cached weights into `network` and returns what is known of them, or None."""
    for folder in _folders():
        path = os.path.join(folder, f"classifier-{stamp}.npz")
        if not os.path.isfile(path):
            continue
        try:
            with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
                about = json.loads(file["about"].tobytes())
                weights = [file[f"weight{i:02d}"] for i in range(len(file.files) - 1)]
            expected = [w.shape for w in network.get_weights()]
            if [w.shape for w in weights] != expected or weights_hash(weights) != about["hash"]:
                raise ValueError("its hash is another")
            about["accuracy"] = float(about["accuracy"])
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
                f"{path} is damaged ({error}), so the classifier is trained again.", file=sys.stderr
            )
            continue
        network.set_weights(weights)
        return about
    return None


def _write(stamp, network, about):
    folder = os.path.join(cache.writable_folder(), "features")
    path = os.path.join(folder, f"classifier-{stamp}.npz")
    part = os.path.join(folder, f".classifier-{stamp}.{os.getpid()}.part")
    weights = {f"weight{i:02d}": w for i, w in enumerate(network.get_weights())}
    content = io.BytesIO()
    np.savez(content, about=np.frombuffer(json.dumps(about).encode(), "uint8"), **weights)
    try:
        os.makedirs(folder, exist_ok=True)
        with open(part, "wb") as file:
            file.write(content.getvalue())
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        # The numbers are right all the same; only the next one has to wait for them again.
        print(f"{path} could not be written ({error.strerror}).", file=sys.stderr)
    finally:
        with contextlib.suppress(OSError):
            os.remove(part)


def _inception(weights):
    import keras
    from keras import layers

    if weights is not None and not os.path.isfile(weights):
        raise UsageError(
            f"There is no weights file {weights!r}. Expected --inception_weights=FILE, such as "
            f"{INCEPTION_FILE}."
        )
    make = keras.applications.InceptionV3
    try:
        model = make(weights="imagenet") if weights is None else _with_weights(make, weights)
    except Exception as error:
        # Keras raises nearly every type here, for a missing network and for a damaged file alike.
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        if weights is not None:
            raise UsageError(
                f"{weights} does not hold weights of keras.applications.InceptionV3 ({reason}). "
                f"Expected a file such as {INCEPTION_URL}."
            ) from error
        home = os.environ.get("KERAS_HOME") or os.path.join("~", ".keras")
        raise UsageError(
            f"The weights of inception could not be downloaded ({reason}). Where there is a "
            f"network, download {INCEPTION_URL}; put it into {os.path.join(home, 'models')} or "
            "name it by --inception_weights=FILE. --features=raw and classifier: need no download."
        ) from error
    images = keras.Input((INCEPTION_SIDE, INCEPTION_SIDE, 3), dtype="float32")
    outputs = model.outputs[0]
    if len(outputs.shape) == 2 and outputs.shape[-1] == 1000:
        model = keras.Model(model.input, [model.get_layer("avg_pool").output, outputs])
    network = keras.Model(images, model(layers.Rescaling(1 / 127.5, -1)(images)))
    return Extractor(
        "inception",
        network,
        comparable="not comparable with published FID: the weights differ",
        chunk=32,
    )


def _with_weights(make, weights):
    try:
        return make(weights=weights)
    except Exception:
        # A file without the classes fits nothing but the network without them.
        return make(weights=weights, include_top=False, pooling="avg")
