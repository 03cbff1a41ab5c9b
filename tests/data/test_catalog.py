"""The names of data sets."""

import ntpath
import os

import pytest

from zoo.data import catalog, scan

NAMES = ["mnist", "tfds:cats_vs_dogs:4.0.0", "folder:", "gaussian"]


@pytest.mark.parametrize("name", NAMES)
def test_what_holds_no_path_stays_as_it_is(name):
    assert catalog.located(name) == catalog.short(name) == name


@pytest.mark.parametrize("kind", catalog.LOCAL)
@pytest.mark.parametrize(
    "path", ["a b/\u732b \U0001f600", "~/\u05d7\u05ea\u05d5\u05dc", "C:\\pets", "."]
)
def test_a_path_is_the_same_from_every_working_folder(kind, path, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    name = catalog.located(f"{kind}:{path}")
    below = path.replace("~", "home")
    assert name == os.path.normpath(f"{kind}:{tmp_path}/{below}")
    monkeypatch.chdir("/")
    assert catalog.located(name) == name
    assert scan.root_of(name) == name.removeprefix(f"{kind}:")
    last = os.path.basename(below) if path != "." else tmp_path.name
    assert catalog.short(name) == f"{kind}:{last}"


def test_a_drive_of_windows_is_part_of_the_path(monkeypatch):
    monkeypatch.setattr(catalog.os, "path", ntpath)
    assert catalog.located(r"folder:C:\pets\cats") == r"folder:C:\pets\cats"
    assert catalog.short(r"pairs:C:\my pets\cats") == "pairs:cats"
