"""Folders of pictures that change, or are very large. What single files can be: test_folder.py."""

import os
import time

import numpy as np
import pytest
import running
from helpers import ALL_FAULTS
from PIL import Image

from zoo import data
from zoo.errors import UsageError
from zoo.runs import assembly
from zoo.training import train

FILES = 100_000 if ALL_FAULTS else 2_000


def fill(folder, count, seed=0):
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    for i in range(count):
        pixels = random.integers(0, 256, (16, 16, 3)).astype("uint8")
        Image.fromarray(pixels).save(folder / f"{i:06d}.png")


def add(folder):
    Image.new("RGB", (16, 16), "red").save(folder / "added.png")


def delete(folder):
    (folder / "000000.png").unlink()


def repaint(folder):
    Image.new("RGB", (16, 16), "red").save(folder / "000000.png")


@pytest.mark.parametrize("change", [add, delete, repaint])
def test_pictures_that_change_between_start_and_resume_are_noticed(tmp_path, monkeypatch, change):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    fill(tmp_path / "pictures", 120)
    config = running.resolve(epochs=1) | {"dataset": f"folder:{tmp_path / 'pictures'}"}
    session = train.start(config, source=assembly.Source(), runs_dir=tmp_path / "runs", name="one")
    before = {p: p.read_bytes() for p in session.directory.rglob("*") if p.is_file()}
    change(tmp_path / "pictures")
    with pytest.raises(UsageError, match=r"has changed since .*--continue_from=") as caught:
        running.resume(session.directory, epochs=2)
    assert "\n" not in str(caught.value)
    assert {p: p.read_bytes() for p in session.directory.rglob("*") if p.is_file()} == before


# With ZOO_FAULTS=all a hundred thousand files are made and read.
@pytest.mark.slow
def test_a_folder_of_very_many_files_is_read_once(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "pictures"
    fill(folder, 100)
    for i in range(100, FILES):
        os.link(folder / f"{i % 100:06d}.png", folder / f"{i:06d}.png")
    start = time.monotonic()
    first = data.load(f"folder:{folder}", image_size=16)
    decoding = time.monotonic() - start
    start = time.monotonic()
    second = data.load(f"folder:{folder}", image_size=16)
    assert first.samples.shape == second.samples.shape == (FILES, 16, 16, 3)
    assert first.fingerprint == second.fingerprint
    # The second time nothing is decoded.
    assert time.monotonic() - start < decoding
