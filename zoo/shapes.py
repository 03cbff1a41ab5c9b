"""Image sizes, from the pixels to the coarsest features of strided convolutions."""

from zoo.errors import UsageError

CHANNELS = (1, 3, 4)  # grey, colour, colour with alpha


def check_image(image_shape, model, least=1):
    """Raises UsageError unless a shape is that of an image of at least `least` pixels a side.

    Args:
        image_shape: (height, width, channels).
        model: str, name of the model in the error.
        least: int.
    """
    if len(image_shape) != 3 or image_shape[2] not in CHANNELS:
        raise UsageError(
            f"{model} draws images of 1, 3 or 4 channels. Expected for example "
            f"image_shape=(32, 32, 3). Received: image_shape={image_shape}."
        )
    if min(image_shape[:2]) < least:
        raise UsageError(
            f"{model} draws images of at least {least} pixels. Enlarge them, for example with "
            f"--set image_size={max(16, least)}. Received: image_shape={image_shape}."
        )


def check_divisible(image_shape, model, divisor):
    """Raises UsageError unless both sides of an image can be divided by `divisor`.

    Args:
        image_shape: (height, width, channels).
        model: str, name of the model in the error.
        divisor: int.
    """
    check_image(image_shape, model, least=2 * divisor)
    height, width, _ = image_shape
    if height % divisor or width % divisor:
        near = [max(2, round(side / divisor)) * divisor for side in (height, width)]
        raise UsageError(
            f"{model} halves its images several times, so both sides must be divisible by "
            f"{divisor}. Expected for example --set image_size={near[0]}x{near[1]}. "
            f"Received: image_shape={tuple(image_shape)}."
        )


def check_opaque(image_shape, model, alpha):
    """Raises UsageError for the shape of an image with alpha.

    Args:
        image_shape: (height, width, channels).
        model: str, name of the model in the error.
        alpha: str, what becomes of the alpha of the user's pictures, a clause.
    """
    if image_shape[-1] == 4:
        raise UsageError(
            f"{model} learns from opaque pictures; {alpha}. Expected --set channels=3 or "
            f"channels=1. Received: image_shape={image_shape}."
        )


def halvings(image_shape, model):
    """Returns the sizes of an image, halved and rounded up until a side is 3 or 4.

    For 28 pixels a side ((28, 28), (14, 14), (7, 7), (4, 4)). The coarsest features then see the
    complete image. With 7x7 as the coarsest, MNIST gave correct strokes but wrong digits.

    Args:
        image_shape: (height, width, channels).
        model: str, name of the model in the error.

    Raises:
        UsageError: the image has not 1, 3 or 4 channels, or a side of less than 9 pixels.
    """
    check_image(image_shape, model, least=9)
    sizes = [tuple(image_shape[:2])]
    while min(sizes[-1]) > 4:
        sizes.append(tuple((side + 1) // 2 for side in sizes[-1]))
    return tuple(sizes)
