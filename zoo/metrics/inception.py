"""Inception v3 as a feature extractor, with the ImageNet weights of keras.applications."""

import os

from zoo.errors import UsageError
from zoo.metrics.features import Extractor

SIDE = 299
FILE = "inception_v3_weights_tf_dim_ordering_tf_kernels.h5"
URL = f"https://storage.googleapis.com/tensorflow/keras-applications/inception_v3/{FILE}"


def inception(weights=None):
    """Returns the extractor `inception`.

    Args:
        weights: path of a weights file, with or without the classes; by default Keras downloads it.

    Raises:
        UsageError: the weights are not available.
    """
    import keras
    from keras import layers

    if weights is not None and not os.path.isfile(weights):
        raise UsageError(
            f"There is no weights file {weights!r}. Expected --inception_weights=FILE, such as "
            f"{FILE}."
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
                f"Expected a file such as {URL}."
            ) from error
        home = os.environ.get("KERAS_HOME") or os.path.join("~", ".keras")
        raise UsageError(
            f"The weights of inception could not be downloaded ({reason}). Where there is a "
            f"network, download {URL}; put it into {os.path.join(home, 'models')} or "
            "name it by --inception_weights=FILE. --features=raw and classifier: need no download."
        ) from error
    images = keras.Input((SIDE, SIDE, 3), dtype="float32")
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
        # A file without the classes fits only the network without them.
        return make(weights=weights, include_top=False, pooling="avg")
