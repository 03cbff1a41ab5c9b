"""Turns pictures of any kind into uint8 arrays of one size. Pillow does the work."""

import contextlib
import os
import re

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from zoo.data import deep
from zoo.errors import UsageError

RESIZES = ("crop", "pad", "stretch")
CHANNELS = (1, 3, 4)
LARGEST_SIDE = 4096
EXTENSIONS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".gif", ".bmp", ".dib", ".webp", ".avif"),
    *(".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".jp2", ".j2k"),
)
# Only these are tried, whatever the extension says. Pillow knows more, but some of those run other
# programs (EPS) or recognise almost any bytes as theirs.
_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "DIB", "WEBP", "TIFF", "PPM", "JPEG2000", "AVIF", "TGA")


def parse_size(value):
    """Reads an image size.

    Args:
        value: int for squares, (height, width), the same as text ("64" or "64x128", the height
            first as in Keras's `image_size` and `image_shape`), or None.

    Returns:
        (height, width) as int, or None for None.

    Raises:
        UsageError: for anything else, and for sides outside 1..4096.
    """
    if value is None:
        return None
    sides = value
    if isinstance(value, str):
        match = re.fullmatch(r"(\d{1,9})(?:x(\d{1,9}))?", value.strip().lower(), re.ASCII)
        sides = match and [int(match[1]), int(match[2] or match[1])]
    elif _is_whole(value):
        sides = [value, value]
    pair = isinstance(sides, list | tuple) and len(sides) == 2
    if not pair or not all(_is_whole(side) and 1 <= side <= LARGEST_SIDE for side in sides):
        raise UsageError(
            f"Expected image_size as a whole number from 1 to {LARGEST_SIDE}, or as HEIGHTxWIDTH "
            f"of two such numbers, for example 64x128. Received: {value!r}."
        )
    return int(sides[0]), int(sides[1])


def size_key(size):
    """Returns (height, width) as caches name it: the side of a square, or text such as 64x128."""
    height, width = size
    return height if height == width else f"{height}x{width}"


def open_picture(path):
    """Returns a picture file as a decoded Pillow image of any mode.

    The content decides the format. Rotation by EXIF is applied, only the first frame of an
    animation counts, and colour profiles are ignored.

    Raises:
        ValueError: this file cannot be used; the message says why.
    """
    with reasons():
        if not os.path.getsize(path):
            raise ValueError("the file is empty")
        with open(path, "rb") as file, Image.open(file, formats=_formats()) as image:
            limit = Image.MAX_IMAGE_PIXELS
            if limit and image.width * image.height > limit:
                raise ValueError(_too_large(f"{image.width}x{image.height}"))
            halved = deep.halves_bits(image)
            image.load()
            with contextlib.suppress(Exception):  # a picture with damaged EXIF is still one
                image = ImageOps.exif_transpose(image)
            image.info[deep.HALVED] = halved
            return image


@contextlib.contextmanager
def reasons():
    """Turns any error with a picture into a ValueError with a one-line reason."""
    try:
        yield
    except Image.DecompressionBombError:
        raise ValueError(_too_large("an enormous number of")) from None
    except UnidentifiedImageError:
        raise ValueError("not a picture that Pillow can read") from None
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from None
    except Exception as error:  # damaged files make Pillow raise almost anything
        raise ValueError(" ".join(str(error).split()) or type(error).__name__) from None


def prepare(image, size, channels, resize, pixel_range=None, method=Image.Resampling.LANCZOS):
    """Turns a Pillow image of any mode and size into a uint8 array `(height, width, channels)`.

    Args:
        image: PIL.Image.Image.
        size: (height, width), or None to keep the size.
        channels: 1, 3 or 4; transparent parts are put on white unless it is 4.
        resize: one of RESIZES, see `zoo.data.load`.
        pixel_range: (low, high), the values of black and white in pictures of more than 8 bits; or
            None, where whole numbers reach from 0 to 65535.
        method: PIL.Image.Resampling.

    Raises:
        ValueError: this picture cannot be used; the message says why.
    """
    image = deep.to_8_bits(image, pixel_range)
    if channels == 4:
        image = image.convert("RGBA") if _is_transparent(image) else _opaque(image)
    else:
        image = _on_white(image).convert("L" if channels == 1 else "RGB")
    if size is not None:
        image = fit(image, size, resize, method)
    array = np.asarray(image, "uint8").reshape(image.height, image.width, channels)
    # Files may hide any colour in fully transparent pixels. A network would learn it.
    return np.where(array[..., 3:] == 0, np.uint8(0), array) if channels == 4 else array


def own_channels(image, pixel_range=None):
    """Turns a Pillow image of any mode into a uint8 array of its own size and channels.

    Colours stay as they are, also where they are transparent.

    Args:
        image: PIL.Image.Image.
        pixel_range: as in `prepare`.

    Returns:
        uint8 `(height, width, channels)`: 1 channel for grey, 4 with alpha, else 3.

    Raises:
        ValueError: this picture cannot be used; the message says why.
    """
    image = deep.to_8_bits(image, pixel_range)
    if _is_transparent(image):
        image = image.convert("RGBA")
    elif image.mode not in ("L", "RGB"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    return np.asarray(image, "uint8").reshape(image.height, image.width, -1)


def prepare_all(samples, size, channels, resize, chunk=1024):
    """Yields uint8 batches `(<= chunk, height, width, channels)` from uint8 `(n, h, w, c)`.

    Args:
        samples: uint8 array `(n, h, w, c)` with 1, 3 or 4 channels.
        size: (height, width), or None to keep the size.
        channels: 1, 3, 4, or None to keep them.
        resize: one of RESIZES.
    """
    channels = channels or samples.shape[-1]
    for start in range(0, len(samples), chunk):
        part = samples[start : start + chunk]
        yield np.stack([prepare(from_array(x), size, channels, resize) for x in part])


def from_array(array):
    """Returns the Pillow image of a uint8 or uint16 array `(h, w, c)` with 1, 3 or 4 channels."""
    array = to_8_bits(array)
    return Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array)


def to_8_bits(array):
    """Maps 0..65535 to 0..255, rounding to nearest. A uint8 array is returned unchanged."""
    if array.dtype == np.uint8:
        return array
    return ((array.astype("uint32") * 255 + 32767) // 65535).astype("uint8")


def fit(image, size, resize, method=Image.Resampling.LANCZOS):
    """Returns a Pillow image in another size.

    Args:
        image: PIL.Image.Image of a mode without a palette.
        size: (height, width).
        resize: one of RESIZES, see `zoo.data.load`.
        method: PIL.Image.Resampling.
    """
    height, width = size
    if resize == "stretch":
        return image.resize((width, height), method)
    if resize == "crop":
        return ImageOps.fit(image, (width, height), method)
    scale = min(width / image.width, height / image.height)
    small = image.resize([max(1, round(side * scale)) for side in image.size], method)
    canvas = Image.new(image.mode, (width, height))
    canvas.paste(small, ((width - small.width) // 2, (height - small.height) // 2))
    return canvas


def _is_whole(value):
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _is_transparent(image):
    return image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info


def _on_white(image):
    if not _is_transparent(image):
        return image
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)


def _opaque(image):
    # Through RGB, because Pillow gives LAB an alpha of its own making.
    return image.convert("RGB").convert("RGBA")


def _formats():
    Image.init()
    return [name for name in _FORMATS if name in Image.OPEN]


def _too_large(size):
    return f"{size} pixels are more than the {Image.MAX_IMAGE_PIXELS:,} allowed"
