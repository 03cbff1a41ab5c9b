"""Image sizes between the pixels and the coarsest features of strided convolutions."""

from zoo.errors import UsageError


def halvings(image_shape, model):
    """Returns the side of an image, halved and rounded up until it is 3 or 4: (28, 14, 7, 4).

    The coarsest features then see the whole image at once. With 7x7 as the coarsest, MNIST came out
    as strokes that are right and digits that are not.

    Args:
        image_shape: (size, size, channels).
        model: str, name of the model in the error.

    Raises:
        UsageError: the image is not square, has not 1 or 3 channels, or is smaller than 9 pixels.
    """
    if len(image_shape) != 3 or image_shape[0] != image_shape[1] or image_shape[2] not in (1, 3):
        raise UsageError(
            f"{model} draws square images of 1 or 3 channels. Expected for example "
            f"image_shape=(32, 32, 3). Received: image_shape={image_shape}."
        )
    if image_shape[0] < 9:
        raise UsageError(
            f"{model} draws images of at least 9 pixels. Enlarge them, for example with --set "
            f"image_size=16. Received: image_shape={image_shape}."
        )
    sizes = [image_shape[0]]
    while sizes[-1] > 4:
        sizes.append((sizes[-1] + 1) // 2)
    return tuple(sizes)
