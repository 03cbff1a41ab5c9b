"""Folders of pictures that may not be read, or only that. What root may do: `helpers`."""

import os

import pytest
from helpers import overrides_permissions
from pictures import RED, picture, save

from zoo.data import load

pytestmark = pytest.mark.faults


@pytest.mark.skipif(overrides_permissions(), reason="root may read everything")
def test_files_and_folders_without_permission_are_skipped_until_it_is_given(tmp_path):
    for name in ("a/1.png", "a/2.png", "b/3.png"):
        save(picture(RED), tmp_path / "in" / name)
    (tmp_path / "in" / "a" / "2.png").chmod(0)
    (tmp_path / "in" / "b").chmod(0)
    data = load(f"folder:{tmp_path / 'in'}")
    assert data.skipped == (("a/2.png", "Permission denied"), ("b", "Permission denied"))
    (tmp_path / "in" / "b").chmod(0o755)
    (tmp_path / "in" / "a" / "2.png").chmod(0o644)
    assert len(load(f"folder:{tmp_path / 'in'}").samples) == 3


def test_a_folder_that_may_only_be_read_is_read_and_left_as_it_is(tmp_path, cache_folder):
    folder = tmp_path / "in"
    for name in ("a/1.png", "b/2.png"):
        save(picture(RED), folder / name)
    everything = [folder, *folder.rglob("*")]
    for path in everything:
        path.chmod(path.stat().st_mode & 0o555)
    before = [(path, path.stat().st_mtime_ns) for path in everything]
    try:
        for _ in range(2):
            assert len(load(f"folder:{folder}").samples) == 2
        assert [(p, p.stat().st_mtime_ns) for p in (folder, *folder.rglob("*"))] == before
    finally:
        for path in everything:
            path.chmod(0o755)


def test_no_file_is_mapped_when_an_entry_is_moved_into_place(tmp_path, cache_folder, monkeypatch):
    """Windows refuses to move a folder whose files are."""
    if not os.path.exists("/proc/self/maps"):
        pytest.skip("Linux lists what is mapped there")
    mapped, replace = [], os.replace

    def watched(source, target):
        with open("/proc/self/maps") as file:
            mapped.extend(line for line in file if str(source) in line)
        replace(source, target)

    monkeypatch.setattr(os, "replace", watched)
    for name in ("a/1.png", "b/2.png"):
        save(picture(RED), tmp_path / "in" / name)
    assert len(load(f"folder:{tmp_path / 'in'}").samples) == 2
    assert not mapped
