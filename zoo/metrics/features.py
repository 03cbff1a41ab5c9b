"""Features: vectors computed from pictures, which the other metrics compare."""

import hashlib
import json

import numpy as np

from zoo.errors import UsageError
from zoo.progress import Progress

CHUNK = 256
RESIZER = "Pillow bicubic, antialiased, float32"


class Extractor:
    """Turns pictures into features. Made by `zoo.metrics.extractors.extractor`.

    Attributes:
        name: str, as given to `extractor`.
        hash: str, SHA-256 in hex of the weights; of an empty list for raw.
        dim: int, length of a feature vector; None for raw, where it depends on the pictures.
        classes: int, number of classes in `probabilities`, or None.
        accuracy: float, the share of held-out pictures that a `classifier:` gets right, or None.
        comparable: str, a sentence about what its scores cannot be compared with, or None.
        classify: function from features to the most probable class of ImageNet for each, int
            `(n,)`; or None.
    """

    classify = None

    def __init__(self, name, network=None, comparable=None, accuracy=None, chunk=CHUNK):
        """`network` maps float32 NHWC in [0, 255] to features and, with a head, probabilities.

        It is None for raw.
        """
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
        """Returns the features of uint8 pictures `(n, h, w, 1 or 3)`: float32 `(n, dim)`.

        For raw, pictures may have 4 channels too. The features of a picture do not depend on the
        other pictures, and are the same on every backend up to the rounding of float32. (GPUs round
        products more by default, to about 1e-3.)

        Raises:
            UsageError: for other arrays, or no pictures.
        """
        return self.extract(images)[0]

    def probabilities(self, images):
        """Returns the classes' probabilities, float32 `(n, classes)`, or None without classes.

        Args and exceptions as for `features`.
        """
        return self.extract(images)[1]

    def extract(self, images, what="pictures"):
        """Returns `(features, probabilities)` from one pass; a slow pass shows `what`."""
        images = np.asarray(images)
        channels = (1, 3, 4) if self._network is None else (1, 3)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in channels:
            raise UsageError(
                f"The features {self.name} are taken of uint8 pictures of shape (n, height, width, "
                f"{' or '.join(map(str, channels))}); those of pictures with alpha are raw, "
                f"--features=raw. Received: {images.dtype} of shape {images.shape}."
            )
        if not len(images):
            raise UsageError("Features need at least one picture. Received: none.")
        if self._network is None:
            return (images.reshape(len(images), -1) / np.float32(127.5) - 1), None
        outputs = [[] for _ in self._network.outputs]
        size = self._size(*images.shape[1:3])
        with Progress(f"features of {what} by {self.name}", len(images)) as progress:
            for start in range(0, len(images), self._chunk):
                part = resized(images[start : start + self._chunk], *size, self._shape[-1])
                count = len(part)
                # All batches of one size: one compilation, and one order of summation.
                part = np.concatenate([part, np.repeat(part[-1:], self._chunk - count, axis=0)])
                arrays = self._network.predict_on_batch(part)
                arrays = arrays if isinstance(arrays, list | tuple) else [arrays]
                for output, array in zip(outputs, arrays, strict=True):
                    output.append(np.asarray(array, "float32")[:count])
                progress(start + count)
        outputs = [np.concatenate(output) for output in outputs]
        return outputs[0], (outputs[1] if len(outputs) > 1 else None)

    def resizer(self, shape):
        """Returns a str that says how pictures `(h, w, channels)` are resized for the network."""
        if self._network is None or self._size(*shape[:2]) == tuple(shape[:2]):
            return "none"
        height, width = self._size(*shape[:2])
        return f"{RESIZER}, to {height}x{width}"

    def _size(self, height, width):
        """Returns the height and width that pictures of this size are resized to."""
        return self._shape[:2]


class StackedExtractor(Extractor):
    """Sees the three channels of a picture as three pictures, for `stacked_mnist`.

    The features are those of the channels, one after the other. The class is the number that the
    classes of the channels make, and its probability is the product of theirs.
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


def weights_hash(weights):
    """Returns the SHA-256 in hex of a list of arrays, as float32 with their shapes."""
    digest = hashlib.sha256()
    for array in weights:
        digest.update(json.dumps(list(np.shape(array))).encode())
        digest.update(np.ascontiguousarray(array, "<f4").tobytes())
    return digest.hexdigest()


def resized(images, height, width, channels):
    """Returns uint8 `(n, h, w, 1 or 3)` as float32 NHWC of the given size, in about [0, 255].

    Resizing is bicubic with antialiasing, channel by channel in floating point, without rounding or
    clipping, as in clean-fid (Parmar et al. 2022). If `channels` differs, grey is repeated and
    colour becomes luma (ITU-R 601).
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
