import pytest


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    """Gives every test an empty cache, and hides the data of the person who runs it."""
    path = tmp_path / "cache"
    monkeypatch.setenv("ZOO_CACHE_DIR", str(path))
    for name in ("ZOO_DATA_DIR", "TFDS_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    return path
