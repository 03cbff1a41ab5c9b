"""The samples of a run and other pictures, embedded in HTML."""

import base64
import io
from html import escape

import numpy as np

# Numbers of moments to show, tried in this order until the page is small enough.
MOMENTS = 24, 18, 12
# Most bytes of a picture beside the samples; base64 adds a third.
BESIDE = 600_000
# CSS pixels across the large picture.
STAGE = 720


def samples(moments, most, same):
    """Returns the HTML of the samples, their width in CSS pixels, and whether they are wide.

    The pictures take at most about `most` bytes. `same` says what is the same in all of them.
    """
    readable = [(step, path, *picture.size) for step, path in moments if (picture := _opened(path))]
    if not readable:
        return '<p class="none">No samples yet.</p>', STAGE, False
    for count in MOMENTS:
        places = np.linspace(0, len(readable) - 1, min(count, len(readable))).round().astype(int)
        chosen = [readable[i] for i in places]
        # The latest is embedded twice, large and in the strip.
        sizes = [path.stat().st_size for _, path, _, _ in [*chosen, chosen[-1]]]
        if small := sum(sizes) <= most:
            break
    shares = [None if small else most // (len(chosen) + 3)] * len(chosen)
    shares[-1] = None if small else 2 * shares[-1]
    pictures = [
        (step, _data_uri(path, share), width, height)
        for (step, path, width, height), share in zip(chosen, shares, strict=True)
    ]
    step, source, width, height = pictures[-1]
    # Whole multiples keep the pixels of small pictures square and even.
    shown = width * max(1, STAGE // width)
    stage = (
        f'<img id="stage" class="{"crisp" if width <= STAGE else ""}" src="{source}" '
        f'width="{width}" height="{height}" style="width:{shown}px" alt="Generated samples">'
    )
    note = f"Step <output>{step:,}</output>."
    if len(pictures) > 1:
        last = len(pictures) - 1
        stage += (
            '<div class="scrub" hidden><button type="button">Play</button>'
            f'<input type="range" min="0" max="{last}" value="{last}" aria-label="Moment"></div>'
        )
        note += f" Each moment shows the same {same}."
    film = "".join(
        f'<li><button type="button" data-step="{step:,}" aria-label="Show step {step:,}">'
        f'<img src="{source}" width="{width}" height="{height}" alt=""><span>{step:,}</span>'
        "</button></li>"
        for step, source, width, height in (pictures if len(pictures) > 1 else ())
    )
    film = film and f'<ol class="film">{film}</ol>'
    return f"{stage}<p>{note}</p>{film}", shown, width > 1.5 * height


def figure(path, alt):
    """Returns the HTML of a picture with its description, or "" if it cannot be read."""
    picture = _opened(path)
    if picture is None:
        return ""
    (width, height), note = picture.size, escape(picture.info.get("Description", ""))
    return (
        f'<figure class="picture"><img src="{_data_uri(path, BESIDE)}" width="{width}" '
        f'height="{height}" alt="{alt}"><figcaption>{note}</figcaption></figure>'
    )


def _opened(path):
    """Returns a `PIL.Image` of a picture, or None if it cannot be read to its end."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            picture.load()
            return picture
    except (OSError, ValueError, SyntaxError):
        return None


def _data_uri(path, most):
    """Returns a picture as data URI: the file itself, or a smaller JPEG if it exceeds `most`."""
    data, kind = path.read_bytes(), "png"
    if most is not None and len(data) > most:
        from PIL import Image

        kind = "jpeg"
        with Image.open(path) as picture:
            picture = picture.convert("RGB")
        while len(data) > most and max(picture.size) > 16:
            file = io.BytesIO()
            picture.save(file, "JPEG", quality=88)
            data = file.getvalue()
            picture = picture.resize([max(1, side * 4 // 5) for side in picture.size])
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
