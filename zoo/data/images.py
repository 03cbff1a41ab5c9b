"""Pictures of any kind to uint8 arrays of one size. Pillow does the work."""

import contextlib
import os

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

RESIZES = ("crop", "pad", "stretch")
EXTENSIONS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".gif", ".bmp", ".dib", ".webp", ".avif"),
    *(".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".jp2", ".j2k"),
)
# Only these are tried, whatever the extension says. Pillow knows more, but some of those run other
# programs (EPS) or recognise almost any bytes as theirs.
_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "DIB", "WEBP", "TIFF", "PPM", "JPEG2000", "AVIF", "TGA")


def read(path, image_size, channels, resize):
    """Reads a picture file.

    The content decides about the format. Rotation by EXIF is applied, transparent parts are put on
    white, of an animation the first frame counts; colour profiles are not looked at.

    Returns:
        uint8 array `(image_size, image_size, channels)`.

    Raises:
        ValueError: whose message is the reason why this file cannot be used.
    """
    try:
        if not os.path.getsize(path):
            raise ValueError("the file is empty")
        with open(path, "rb") as file, Image.open(file, formats=_formats()) as image:
            limit = Image.MAX_IMAGE_PIXELS
            if limit and image.width * image.height > limit:
                raise ValueError(_too_large(f"{image.width}x{image.height}"))
            image.load()
            with contextlib.suppress(Exception):  # a picture with damaged EXIF is still one
                image = ImageOps.exif_transpose(image)
            return prepare(image, image_size, channels, resize)
    except Image.DecompressionBombError:
        raise ValueError(_too_large("an enormous number of")) from None
    except UnidentifiedImageError:
        raise ValueError("not a picture that Pillow can read") from None
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from None
    except Exception as error:  # damaged files make Pillow raise almost anything
        raise ValueError(" ".join(str(error).split()) or type(error).__name__) from None


def prepare(image, image_size, channels, resize):
    """Turns a Pillow image of any mode and size into a uint8 array `(size, size, channels)`.

    Args:
        image: PIL.Image.Image.
        image_size: int, or None to keep the size.
        channels: 1 or 3.
        resize: one of RESIZES, see `zoo.data.load`.
    """
    image = _flatten(image).convert("L" if channels == 1 else "RGB")
    if image_size is not None:
        image = _fit(image, image_size, resize)
    return np.asarray(image, "uint8").reshape(image.height, image.width, channels)


def prepare_all(samples, image_size, channels, resize, chunk=1024):
    """Yields uint8 batches `(<= chunk, size, size, channels)` from uint8 `(n, h, w, c)`.

    Args:
        samples: uint8 array `(n, h, w, c)` with 1, 3 or 4 channels.
        image_size: int, or None to keep the size.
        channels: 1, 3, or None to keep them.
        resize: one of RESIZES.
    """
    channels = channels or samples.shape[-1]
    for start in range(0, len(samples), chunk):
        part = samples[start : start + chunk]
        yield np.stack([prepare(from_array(x), image_size, channels, resize) for x in part])


def from_array(array):
    """Returns the Pillow image of a uint8 or uint16 array `(h, w, c)` with 1, 3 or 4 channels."""
    array = to_8_bits(array)
    return Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array)


def to_8_bits(array):
    """Maps 0..65535 to 0..255, rounding to nearest. What is uint8 already stays as it is."""
    if array.dtype == np.uint8:
        return array
    return ((array.astype("uint32") * 255 + 32767) // 65535).astype("uint8")


def _flatten(image):
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers, whose range is not known")
    if image.mode.startswith("I"):
        array = np.asarray(image)
        if array.min() < 0 or array.max() > 65535:
            raise ValueError("its pixels do not lie in 0..65535, so their range is not known")
        image = Image.fromarray(to_8_bits(array))
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image


def _fit(image, size, resize):
    method = Image.Resampling.LANCZOS
    if resize == "stretch":
        return image.resize((size, size), method)
    if resize == "crop":
        return ImageOps.fit(image, (size, size), method)
    scale = size / max(image.size)
    small = image.resize([max(1, round(side * scale)) for side in image.size], method)
    canvas = Image.new(image.mode, (size, size))
    canvas.paste(small, ((size - small.width) // 2, (size - small.height) // 2))
    return canvas


def _formats():
    Image.init()
    return [name for name in _FORMATS if name in Image.OPEN]


def _too_large(size):
    return f"{size} pixels are more than the {Image.MAX_IMAGE_PIXELS:,} allowed"
