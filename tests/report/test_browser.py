"""The report as a browser draws it, in a window as wide as a phone and as a desktop."""

import json
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image
from test_report import make_run

from zoo.drawing import pictures
from zoo.report import report
from zoo.scoring.scores import METRICS

BROWSERS = "chromium", "chromium-browser", "google-chrome"
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
PAGE = 0xFB, 0xFA, 0xF8
CURVES = (0x2B, 0x6C, 0xB0), (0xC0, 0x56, 0x21)
# Colours that the page has nowhere else.
EARLIER, LATEST, WALK, NEIGHBOURS = (0, 255, 0), (255, 0, 0), (0, 0, 255), (255, 0, 255)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The report of a run with everything that a report can show, in flat colours."""
    run = make_run(tmp_path_factory.mktemp("browser") / "run", samples=1)

    def draw(name, colour, height, width):
        picture = np.full((height, width, 3), colour, "uint8")
        pictures.save_png(run / name, picture, "What this shows, in a sentence.")

    draw("samples/step-0000000.png", EARLIER, 520, 520)
    draw("samples/step-0000050.png", LATEST, 520, 520)
    draw("walk.png", WALK, 260, 520)
    # Wider than the page.
    draw("neighbours.png", NEIGHBOURS, 520, 2080)
    names = [name for _, scores in METRICS.values() for name in scores]
    protocol = {"step": 50, "samples": 1000, "floor_samples": 1000, "reference": "179 of digits"}
    record = {"protocol": protocol, "scores": {}, "floor": {}}
    for i, name in enumerate(names):
        record["scores"] |= {name: 0.0001234567 * 10**i, f"{name}_deviation": 0.012345}
    (run / "evaluation.json").write_text(json.dumps({"evaluations": {"classifier:digits": record}}))
    (run / "scores.csv").write_text("step,frechet,floor\n10,40,2\n30,20,2\n50,9,2\n")
    return report.write_report(run)


def screenshot(page, folder, width, height=6000):
    """Returns what the browser shows of a page, uint8 `(height, width, 3)`."""
    done = subprocess.run(
        [
            *(BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
            *("--force-color-profile=srgb", f"--user-data-dir={folder / 'profile'}"),
            *(f"--window-size={width},{height}", f"--screenshot={folder / 'shot.png'}"),
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (folder / "shot.png").exists(), done.stderr
    with Image.open(folder / "shot.png") as picture:
        return np.asarray(picture.convert("RGB"))


def box(shot, colour):
    """Returns top, left, height and width of the widest rectangle of a colour."""
    mask = (np.abs(shot.astype(int) - colour) <= 2).all(-1)
    widths = mask.sum(1)
    rows = np.flatnonzero(widths > 0.9 * widths.max(initial=1))
    assert len(rows), f"{colour} is not there"
    columns = np.flatnonzero(mask[rows[0]])
    assert mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all(), f"{colour} has gaps"
    return rows[0], columns[0], len(rows), len(columns)


# It starts a browser.
@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason=f"needs a browser: {', '.join(BROWSERS)}")
@pytest.mark.parametrize("width", [390, 1280])
def test_the_report_shows_everything_and_nothing_is_cut_off(page, tmp_path, width):
    shot = screenshot(page, tmp_path, width)
    assert shot.shape == (6000, width, 3)
    ink = (np.abs(shot.astype(int) - PAGE) > 24).any(-1)
    end = np.flatnonzero(ink.any(1))[-1]
    # The end of the page is in the window, below it and at its sides there is paper.
    assert 2000 < end < 5900 and 0.02 < ink[:end].mean() < 0.9
    margin, column = (16, 358) if width == 390 else (100, 1080)
    assert not ink[:, : margin - 2].any() and not ink[:, 2 - margin :].any()

    # The latest samples are large, and seen without scrolling.
    top, left, height, across = box(shot, LATEST)
    assert (left, across, height) == (margin, min(520, column), min(520, column)) and top < 250
    assert box(shot, EARLIER)[2:] == (96, 96)
    tops = [top]
    for colour, expected in ((WALK, 520), (NEIGHBOURS, 2080)):
        top, left, height, across = box(shot, colour)
        assert (left, across) == (margin, min(expected, column))
        assert height == pytest.approx(across / (2 if colour == WALK else 4), abs=1)
        tops.append(top)
    for colour in CURVES:
        curve = (np.abs(shot.astype(int) - colour) <= 8).all(-1)
        assert curve.any(0).sum() > 200, "the curves lead across the page"
        tops.append(np.flatnonzero(curve.any(1))[0])
    assert tops[:4] == sorted(tops[:4])
