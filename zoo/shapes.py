"""Image sizes that networks of strided convolutions can draw."""

from zoo.errors import UsageError


def doublings(image_shape, model):
    """Returns `(start, count)`: the size of a square image is `start * 2**count`, start in 4..7.

    Args:
        image_shape: (size, size, channels).
        model: str, name of the model in the error.

    Raises:
        UsageError: the image is not square, has not 1 or 3 channels, or is not 4 to 7 doubled at
            least twice.
    """
    size = image_shape[0]
    start, count = size, 0
    while start % 2 == 0 and start > 7:
        start, count = start // 2, count + 1
    if (
        len(image_shape) != 3
        or image_shape[1] != size
        or image_shape[2] not in (1, 3)
        or not 4 <= start <= 7
        or count < 2
    ):
        valid = sorted(s * 2**d for s in (4, 5, 6, 7) for d in range(2, 6))
        near = sorted(sorted(valid, key=lambda s: abs(s - size))[:3])
        raise UsageError(
            f"{model} draws square images of 1 or 3 channels whose size is 4 to 7 doubled at least "
            f"twice. Expected for example a size of {', '.join(map(str, near))}; resize with "
            f"--set image_size={near[1]}. Received: image_shape={image_shape}."
        )
    return start, count
