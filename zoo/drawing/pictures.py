"""Pictures for people: grids of samples, animations, curves. numpy and Pillow only."""

import html
import io
import json
import math
import re
from pathlib import Path

import numpy as np

from zoo.errors import UsageError
from zoo.files import write_atomically

# Between tiles: dark enough to let photographs stand, light enough to part black tiles.
GAP = 56
# A person can judge a tile of about this many pixels; smaller ones are enlarged to reach it.
TILE = 64


def grid(images, columns=None, padding=2, scale=None):
    """Returns one picture with `images` as its tiles, row by row.

    Args:
        images: uint8 `(n, h, w, c)` with c 1 or 3, or 4, which are put on white.
        columns: int, tiles in a row; the smallest near-square number by default.
        padding: int, pixels between tiles. There is no outer border.
        scale: int, how many times each pixel is repeated. By default small tiles are enlarged to
            at least 64 pixels on their longer side.

    Returns:
        uint8 array `(height, width, c)`.

    Raises:
        UsageError: for other shapes or dtypes, no images, or a `columns`/`scale` below 1.
    """
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in (1, 3, 4):
        raise UsageError(
            "A grid is made of uint8 images of shape (n, height, width, 1, 3 or 4); convert floats "
            f"with zoo.sampling.to_uint8. Received: {images.dtype} of shape {images.shape}."
        )
    images = opaque(images)
    count, height, width, channels = images.shape
    if not images.size:
        raise UsageError(f"A grid needs at least one image. Received: shape {images.shape}.")
    columns = math.ceil(math.sqrt(count)) if columns is None else columns
    scale = math.ceil(TILE / max(height, width)) if scale is None else scale
    if min(columns, scale) < 1 or padding < 0:
        raise UsageError(
            "A grid needs columns and scale of at least 1 and padding of at least 0. "
            f"Received: columns={columns}, scale={scale}, padding={padding}."
        )
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    images = images.repeat(scale, axis=1).repeat(scale, axis=2)
    height, width = height * scale, width * scale
    sheet = np.full((rows, height + padding, columns, width + padding, channels), GAP, "uint8")
    for i, image in enumerate(images):
        sheet[i // columns, :height, i % columns, :width] = image
    sheet = sheet.reshape(rows * (height + padding), columns * (width + padding), channels)
    return np.ascontiguousarray(sheet[: sheet.shape[0] - padding, : sheet.shape[1] - padding])


def side_by_side(left, right, gap=16):
    """Returns two pictures beside each other, aligned at the top, for example real and generated.

    Args:
        left, right: uint8 `(h, w, c)` with c 1 or 3, as `grid` returns them; sizes may differ.
        gap: int, pixels between them.

    Returns:
        uint8 array `(max(h), w + gap + w, max(c))`; what neither picture covers is dark grey.
    """
    height = max(len(left), len(right))
    channels = max(left.shape[-1], right.shape[-1])
    sheet = np.full((height, left.shape[1] + gap + right.shape[1], channels), GAP, "uint8")
    sheet[: len(left), : left.shape[1]] = left
    sheet[: len(right), left.shape[1] + gap :] = right
    return sheet


def rows_of(columns, across=2, padding=2):
    """Returns one picture of examples, each a row of tiles: input, output, target.

    Args:
        columns: list of uint8 `(n, h, w, c)`, all of one shape: inputs, outputs, targets.
        across: int, examples beside each other.
        padding: int, pixels between tiles.

    Returns:
        uint8 array `(height, width, c)`.
    """
    tiles = np.stack(columns, axis=1)
    return grid(tiles.reshape(-1, *tiles.shape[2:]), across * len(columns), padding)


def titled(parts, margin=16):
    """Returns pictures below each other, each under a line of text, on dark grey.

    Args:
        parts: list of `(title, picture)`: str, and uint8 `(h, w, c)`, all with the same c, 1 or 3.
        margin: int, pixels around each picture and each line.

    Returns:
        uint8 array `(height, width, c)`.
    """
    from PIL import ImageDraw, ImageFont

    # Text is as large as the width allows, so that it is read where the whole is shown small.
    wide = max(480, *(picture.shape[1] for _, picture in parts))
    longest = max(ImageFont.load_default(100).getlength(title) for title, _ in parts)
    font = ImageFont.load_default(int(min(100 * wide / longest, wide / 28)))
    line = sum(font.getmetrics())
    height = sum(line + len(picture) + 2 * margin for _, picture in parts) + margin // 2
    shape = height, wide + 2 * margin, parts[0][1].shape[-1]
    sheet = pillow(np.full(shape, GAP, "uint8"))
    top = margin
    for title, picture in parts:
        ImageDraw.Draw(sheet).text((margin, top), title, "#ebebeb", font)
        sheet.paste(pillow(picture), (margin, top + line + margin // 2))
        top += line + len(picture) + 2 * margin
    return np.asarray(sheet).reshape(shape)


def opaque(image):
    """Returns uint8 `(..., h, w, c)` pictures with c 1 or 3, those with alpha put on white."""
    if image.shape[-1] != 4:
        return image
    share = image[..., 3:].astype("uint32")
    return ((image[..., :3] * share + 255 * (255 - share) + 127) // 255).astype("uint8")


def centred(image, height, width):
    """Returns a uint8 `(h, w, c)` picture in the middle of a dark grey one of at least its size."""
    sheet = np.full((height, width, image.shape[-1]), GAP, "uint8")
    top, left = (height - image.shape[0]) // 2, (width - image.shape[1]) // 2
    sheet[top : top + image.shape[0], left : left + image.shape[1]] = image
    return sheet


def pillow(image):
    """Returns a uint8 `(h, w, c)` picture as a `PIL.Image`, which notebooks show."""
    from PIL import Image

    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[-1] not in (1, 3, 4):
        raise UsageError(
            "A picture is a uint8 array of shape (height, width, 1, 3 or 4). "
            f"Received: {image.dtype} of shape {image.shape}."
        )
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)


def png_bytes(image, description=None):
    """Returns the PNG file of a uint8 `(h, w, c)` picture, c 1, 3 or 4 with alpha, as bytes.

    The file says its `description`, a str, under the keyword that the format has for one.
    """
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    if description is not None:
        text.add_itxt("Description", description)
    file = io.BytesIO()
    # The best compression takes 20 times as long, for files a tenth smaller.
    pillow(image).save(file, "PNG", compress_level=4, pnginfo=text)
    return file.getvalue()


def save_png(path, image, description=None):
    """Writes a picture as `png_bytes` makes it, atomically. Returns the path."""
    return write_atomically(path, png_bytes(image, description))


def save_gif(path, frames, milliseconds=80):
    """Writes uint8 `(h, w, c)` pictures of one size as an endless GIF, atomically.

    Args:
        path: where to.
        frames: the pictures, in order; at least one.
        milliseconds: how long each is shown. GIF counts in hundredths of a second.

    Returns:
        The path.
    """
    frames = [pillow(frame) for frame in frames]
    if not frames:
        raise UsageError("A GIF needs at least one frame. Received: none.")
    file = io.BytesIO()
    frames[0].save(
        file, "GIF", save_all=True, append_images=frames[1:], duration=milliseconds, loop=0
    )
    return write_atomically(path, file.getvalue())


def timeline(folder):
    """Returns `[(step, path), ...]` of the `step-*.png` in `folder`, by step; maybe empty."""
    matches = [
        (re.fullmatch(r"step-(\d+)\.png", p.name), p) for p in Path(folder).glob("step-*.png")
    ]
    return sorted((int(match[1]), path) for match, path in matches if match)


def curves(columns, title, x_label="step"):
    """Draws curves over a common x axis as an HTML `<figure>` around an inline SVG.

    The drawing stretches with the page while its text keeps its size, and takes its colours from
    the page: the CSS variables `--curve-0`, `--curve-1`, ... It carries its data for a script that
    shows values under the pointer. Long columns are averaged in 300 stretches, with a
    pale band from the lowest to the highest value of each; a few extreme values do not flatten the
    rest: they are cut off, and the caption says so.

    Args:
        columns: dict of name -> `(x, y)`, two sequences of numbers of the same length. Points that
            are not finite are left out, and the caption says how many.
        title: str, above the drawing.
        x_label: str, below it.

    Returns:
        str, HTML; everything given is escaped. Empty if no column holds a point.
    """
    notes, series = [], {}
    for name, (x, y) in columns.items():
        x, y = np.asarray(x, "float64"), np.asarray(y, "float64")
        finite = np.isfinite(x) & np.isfinite(y)
        if not finite.all():
            notes.append(f"{name}: {np.sum(~finite)} values were not finite.")
        if finite.any():
            series[name] = x[finite], y[finite]
    if not series:
        return ""
    every_x = np.concatenate([x for x, _ in series.values()])
    every_y = np.concatenate([y for _, y in series.values()])
    left, right = _widen(every_x.min(), every_x.max(), 0)
    low, high = _widen(*_bulk(every_y), 0.06)
    outside = np.sum((every_y < low) | (every_y > high))
    if outside:
        notes.append(f"Outside the drawing: {outside} of {len(every_y)} values.")

    def place(x, y):
        # A far outlier would overflow the renderer's fixed-point coordinates.
        down = np.clip(1000 * (high - y) / (high - low), -9000, 9000)
        across = 1000 * (x - left) / (right - left)
        return [f"{a:.1f} {b:.1f}" for a, b in zip(across, down, strict=True)]

    rules, lines, legend, data = [], [], [], []
    for tick in _ticks(low, high):
        y = f"{100 * (high - tick) / (high - low):.2f}%"
        rules.append(f'<line x2="100%" y1="{y}" y2="{y}"/>')
        rules.append(f'<text y="{y}" dx="-10" dy=".32em" text-anchor="end">{_short(tick)}</text>')
    for tick in _ticks(left, right):
        x = f"{100 * (tick - left) / (right - left):.2f}%"
        rules.append(f'<text x="{x}" y="100%" dy="20" text-anchor="middle">{_short(tick)}</text>')
    for i, (name, (x, y)) in enumerate(series.items()):
        colour = f"var(--curve-{i % 4})"
        x, y, lowest, highest = _thin(x, y)
        if len(x) == 1:
            # A stroke of no length with round ends: the only dot that stretching leaves round.
            lines.append(f'<path class="dot" style="stroke:{colour}" d="M{place(x, y)[0]}h0"/>')
        if lowest is not None:
            ring = place(x, highest) + place(x, lowest)[::-1]
            lines.insert(0, f'<path class="band" style="fill:{colour}" d="M{"L".join(ring)}Z"/>')
        lines.append(f'<path style="stroke:{colour}" d="M{"L".join(place(x, y))}"/>')
        legend.append(
            f'<li><i style="background:{colour}"></i>{html.escape(name)} '
            f"<output>{_short(y[-1])}</output></li>"
        )
        data.append([[float(f"{v:.6g}") for v in values] for values in (x, y)])
    data = html.escape(json.dumps({"range": [left, right], "curves": data}))
    label = html.escape(f"{title}: {', '.join(series)} over {x_label}")
    notes = "".join(f"<p>{html.escape(note)}</p>" for note in notes)
    return (
        f'<figure class="chart" data-chart="{data}"><h3>{html.escape(title)}</h3>'
        f"<ul>{''.join(legend)}</ul>"
        f'<svg role="img" aria-label="{label}"><g>{"".join(rules)}</g>'
        '<svg width="100%" height="100%" viewBox="0 0 1000 1000" preserveAspectRatio="none">'
        f'{"".join(lines)}</svg><line class="cursor" y2="100%" visibility="hidden"/></svg>'
        f"<figcaption><p>{html.escape(x_label)} <output></output></p>{notes}</figcaption></figure>"
    )


def _thin(x, y, stretches=300):
    if len(x) <= stretches:
        return x, y, None, None
    starts = np.arange(stretches) * len(x) // stretches
    sizes = np.diff(np.append(starts, len(x)))
    means = [np.add.reduceat(values, starts) / sizes for values in (x, y)]
    return *means, np.minimum.reduceat(y, starts), np.maximum.reduceat(y, starts)


def _bulk(values):
    """Returns the range of `values`, or of all but the outermost percents if that is far less."""
    low, high = np.quantile(values, [0.01, 0.99])
    if len(values) >= 20 and values.max() - values.min() > 4 * (high - low) > 0:
        margin = 0.25 * (high - low)
        return max(low - margin, values.min()), min(high + margin, values.max())
    return values.min(), values.max()


def _widen(low, high, share):
    least = 1e-6 * max(abs(low), abs(high), 1e-6)
    if high - low < least:
        share, low, high = 0, low - 0.5 * max(abs(low), 1), high + 0.5 * max(abs(high), 1)
    return float(low - share * (high - low)), float(high + share * (high - low))


def _ticks(low, high, about=5):
    span = high - low
    power = 10.0 ** math.floor(math.log10(span / about))
    step = min((power * m for m in (1, 2, 5, 10)), key=lambda s: abs(span / s - about))
    return [
        i * step for i in range(math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6) + 1)
    ]


def _short(value):
    """Returns a number to three digits, with k, M or G where it is large: 0.693, 12.5k."""
    for least, unit, letter in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if abs(value) >= least:
            return f"{float(f'{value / unit:.3g}'):g}{letter}"
    return f"{float(f'{value:.3g}'):g}"
