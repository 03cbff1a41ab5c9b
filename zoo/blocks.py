"""Blocks of layers shared by several variants."""

from keras import layers


def instance_norm(name):
    """Returns instance normalisation (Ulyanov et al. 2016) as a stock layer of Keras."""
    return layers.GroupNormalization(groups=-1, epsilon=1e-5, name=name)


def patches(x, width, halvings, kernel, norm, prefix=""):
    """Returns the logits of overlapping patches of an image (Isola et al. 2017, appendix 6.1.2).

    Args:
        x: tensor `(batch, height, width, channels)`.
        width: int, channels after the first convolution, doubled up to eight times as many.
        halvings: int, strided convolutions: 1, 2, 3 or 4 for patches of 16, 34, 70 or 142 pixels.
        kernel: function without arguments that gives the settings of a convolution's weights.
        norm: function from a name to a normalisation layer.
        prefix: str, of the names of all layers.

    Returns:
        float32 tensor `(batch, height / 2 ** halvings, width / 2 ** halvings, 1)`.
    """
    for i in range(halvings + 1):
        strides = 2 if i < halvings else 1
        channels = width * min(2**i, 8)
        x = layers.Conv2D(channels, 4, strides, "same", **kernel(), name=f"{prefix}patch_{i}")(x)
        if i:
            x = norm(f"{prefix}patch_{i}_norm")(x)
        x = layers.LeakyReLU(0.2, name=f"{prefix}patch_{i}_relu")(x)
    last = layers.Conv2D(1, 4, 1, "same", dtype="float32", **kernel(), name=f"{prefix}logits")
    return last(x)
