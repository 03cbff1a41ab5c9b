"""Pictures as users have them, good and bad."""

import os
import struct
import zlib

import numpy as np
from PIL import Image

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def picture(colour, size=(40, 40), mode="RGB"):
    return Image.new(mode, size, colour)


def halves(first, second):
    """Returns a picture with `first` as its left half and `second` as its right half."""
    image = picture(first)
    image.paste(second, (20, 0, 40, 40))
    return image


def save(image, path, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)


def header_of_a_large_png(path, width, height):
    """Returns a small valid PNG that claims a large size, as a decompression bomb does."""

    def chunk(kind, data):
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(999))) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def make_readable(folder):
    """Writes one picture of each readable kind; returns {file name: expected colour}."""
    expected = {}

    def add(name, colour, image, **options):
        save(image, folder / name, **options)
        expected[name] = colour

    add("l.png", (200,) * 3, picture(200, mode="L"))
    add("la.png", (255 - 155 * 102 // 255,) * 3, picture((100, 102), mode="LA"))
    add("rgba-clear.png", WHITE, picture((255, 0, 0, 0), mode="RGBA"))
    add("rgba-half.png", (255, 127, 127), picture((255, 0, 0, 128), mode="RGBA"))
    add("rgba.webp", BLUE, picture((0, 0, 255, 255), mode="RGBA"), lossless=True)
    add("palette.png", RED, picture(RED).convert("P"))
    clear = picture(RED).quantize(2)
    add("palette-clear.png", WHITE, clear, transparency=clear.getpixel((0, 0)))
    add("key-colour.png", WHITE, picture(GREEN), transparency=GREEN)
    add("cmyk.jpg", RED, picture((0, 255, 255, 0), mode="CMYK"), quality=95)
    add("cmyk.tif", GREEN, picture((255, 0, 255, 0), mode="CMYK"))
    deep = Image.fromarray(np.full((40, 40), 0x8001, "uint16"))
    add("16-bit.png", (128,) * 3, deep)
    add("16-bit.tif", (128,) * 3, deep)
    add("16-bit.pgm", (128,) * 3, deep)
    add("1-bit.png", WHITE, picture(1, mode="1"))
    add("1x1.png", GREEN, picture(GREEN, (1, 1)))
    add("thin.png", BLUE, picture(BLUE, (3000, 1)))
    frames = [picture(BLUE), picture(GREEN)]
    add("animated.gif", RED, picture(RED), save_all=True, append_images=frames)
    add("animated.png", RED, picture(RED), save_all=True, append_images=frames)
    add("animated.webp", RED, picture(RED), save_all=True, append_images=frames, lossless=True)
    add("really-a-png.jpg", GREEN, picture(GREEN), format="PNG")
    add("UPPER.PNG", GREEN, picture(GREEN))
    for name in ("кот", "猫", "قطة", "बिल्ली", "\U0001f408", " with  spaces ", "a'b\"c$(d);e"):
        add(f"{name}.png", BLUE, picture(BLUE))
    return expected


def make_unreadable(folder):
    """Writes one file of each kind that cannot be used; returns {file name: part of the reason}."""
    folder.mkdir(parents=True, exist_ok=True)
    expected = {}

    def add(name, reason, content=None):
        if content is not None:
            (folder / name).write_bytes(content)
        expected[name] = reason

    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), "uint8")
    save(Image.fromarray(noise), folder / "whole.jpg")
    save(Image.fromarray(noise), folder / "whole.png")
    for kind in ("jpg", "png"):
        content = (folder / f"whole.{kind}").read_bytes()
        (folder / f"whole.{kind}").unlink()
        add(f"cut.{kind}", "", content[: len(content) // 2])
    add("zero.jpg", "empty", b"")
    add("text.png", "not a picture", b"this is no picture\n" * 20)
    add("page.jpg", "not a picture", b"<!doctype html><title>404</title>")
    add("postscript.png", "not a picture", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    header_of_a_large_png(folder / "bomb.png", 20000, 20000)
    add("bomb.png", "allowed")
    header_of_a_large_png(folder / "large.png", 10000, 10000)
    add("large.png", "10000x10000 pixels")
    save(Image.fromarray(np.full((4, 4), 0.5, "float32")), folder / "float.tif")
    add("float.tif", "floating-point")
    save(Image.fromarray(np.full((4, 4), 10**6, "int32")), folder / "wide.tif")
    add("wide.tif", "0..65535")
    (folder / "dangling.png").symlink_to("nothing.png")
    add("dangling.png", "No such file")
    (folder / "loop.png").symlink_to("loop.png")
    add("loop.png", "symbolic links")
    os.mkfifo(folder / "pipe.png")
    add("pipe.png", "not a regular file")
    return expected


def make_ignored(folder):
    for name in ("a.txt", "manifest.tsv", "b.json", "c.html", "d.py", "README", ".hidden.png"):
        (folder / name).write_bytes(b"not a picture")
    save(picture(RED), folder / ".git" / "e.png")
