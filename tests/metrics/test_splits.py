"""What is held out of a data set: always the same."""

import helpers
import pytest

from zoo import data
from zoo.errors import UsageError
from zoo.metrics.splits import splits


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("ZOO_CACHE_DIR", str(tmp_path / "cache"))


def test_a_fifth_is_held_out_of_a_folder_the_same_at_every_size(tmp_path):
    name = helpers.picture_folder(tmp_path / "flat", 23)
    parts = splits(name)
    assert not parts.own and len(parts.held_out.samples) == 4
    train, held_out = (p.samples[:, 0, 0, 0].tolist() for p in (parts.train, parts.held_out))
    assert sorted(train + held_out) == list(range(23))
    small = splits(name, image_size=4, channels=1)
    assert small.held_out.samples[:, 0, 0, 0].tolist() == held_out
    assert parts.train.fingerprint != parts.held_out.fingerprint
    with pytest.raises(UsageError, match="too few"):
        splits(helpers.picture_folder(tmp_path / "few", 4))


def test_the_test_split_is_held_out_where_there_is_one():
    parts = splits("digits")
    assert parts.own and parts.reference == "test split"
    assert (len(parts.train.samples), len(parts.held_out.samples)) == (1618, 179)


def test_a_split_that_cannot_be_had_is_not_made_up(monkeypatch):
    load = data.load

    def broken(name, split="train", **options):
        if split == "test":
            raise UsageError("mnist could not be downloaded")
        return load(name, split=split, **options)

    monkeypatch.setattr(data, "load", broken)
    with pytest.raises(UsageError, match="downloaded"):
        splits("digits")
