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


def values(array):
    return sorted(array[:, 0, 0, 0].tolist())


def test_a_folder_with_a_test_split_is_held_out_by_that(tmp_path):
    helpers.picture_folder(tmp_path / "own" / "train", 10)
    helpers.picture_folder(tmp_path / "own" / "test", 3)
    parts = splits(f"folder:{tmp_path / 'own'}")
    assert parts.own and parts.reference == "test split"
    assert (values(parts.train.samples), values(parts.held_out.samples)) == (
        [*range(10)],
        [0, 1, 2],
    )


@pytest.mark.parametrize("kind", ["pairs", "domains"])
def test_two_sides_have_their_test_split(tmp_path, kind):
    for part, count in (("train", 10), ("test", 3)):
        helpers.picture_folder(tmp_path / part, count, ("A", "B"))
    parts = splits(f"{kind}:{tmp_path}", image_size=(4, 8))
    assert parts.own
    for part, count in ((parts.train, 10), (parts.held_out, 3)):
        sizes = {array.shape for array in part.fields.values()}
        assert len(part.fields) == 2 and sizes == {(count, 4, 8, 3)}


def test_a_fifth_of_the_pairs_stay_pairs_and_classes_their_pictures(tmp_path):
    helpers.picture_folder(tmp_path, 10, ("A", "B"))
    parts = splits(f"pairs:{tmp_path}")
    assert not parts.own
    for part, count in ((parts.train, 8), (parts.held_out, 2)):
        numbers = [array[:, 0, 0, 0].tolist() for array in part.fields.values()]
        assert len(numbers[0]) == count and numbers[1] == [100 + n for n in numbers[0]]
    for part in (splits(f"folder:{tmp_path}").train, splits(f"folder:{tmp_path}").held_out):
        assert (part.labels == part.samples[:, 0, 0, 0] // 100).all()


def test_of_domains_each_gives_a_fifth_of_its_own(tmp_path):
    helpers.picture_folder(tmp_path / "A", 10)
    helpers.picture_folder(tmp_path / "B", 5)
    parts = splits(f"domains:{tmp_path}")
    for field, count in (("a", 10), ("b", 5)):
        pair = [part.fields[field] for part in (parts.train, parts.held_out)]
        assert [len(array) for array in pair] == [count - count // 5, count // 5]
        assert sorted(values(pair[0]) + values(pair[1])) == [*range(count)]
    assert parts.train.independent and parts.train.fingerprint != parts.held_out.fingerprint
    (tmp_path / "B" / "000.png").unlink()
    with pytest.raises(UsageError, match=r"at least 5\. Received: 4"):
        splits(f"domains:{tmp_path}")


def test_a_split_that_cannot_be_had_is_not_made_up(monkeypatch):
    load = data.load

    def broken(name, split="train", **options):
        if split == "test":
            raise UsageError("mnist could not be downloaded")
        return load(name, split=split, **options)

    monkeypatch.setattr(data, "load", broken)
    with pytest.raises(UsageError, match="downloaded"):
        splits("digits")
