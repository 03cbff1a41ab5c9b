"""The classifier of two kinds of pictures, which names translated ones."""

import numpy as np
import pytest

from zoo.metrics import classifier, sides

pytestmark = pytest.mark.backend


@pytest.fixture(autouse=True)
def quick(tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(sides, "STEPS", 30)


def kind(bright, count, side=16, seed=0):
    """Noise, darker or brighter than grey."""
    low = 100 if bright else 0
    return np.random.default_rng(seed).integers(low, low + 156, (count, side, side, 3), "uint8")


def test_it_tells_the_sides_of_pictures_it_has_not_seen_and_is_trained_once(monkeypatch):
    learnt = {"a": kind(False, 40), "b": kind(True, 10)}
    named = sides.sides("domains:/my/kinds", learnt, "one")
    assert named.name == "sides:domains:kinds"
    mixed = np.concatenate([kind(False, 30, seed=1), kind(True, 10, seed=2)])
    assert named.share(mixed, "a") == 0.75 and named.share(mixed, "b") == 0.25
    monkeypatch.setattr(classifier, "fit", lambda *arguments: pytest.fail("trained again"))
    again = sides.sides("domains:/moved/kinds", learnt, "one")
    assert again.hash == named.hash and again.share(mixed, "a") == 0.75


def test_large_pictures_are_looked_at_in_small():
    large = {"a": kind(False, 8, 130), "b": kind(True, 8, 130)}
    named = sides.sides("domains:/my/large", large, "large")
    assert named.share(kind(True, 4, 130, seed=1), "b") == 1
    assert named._network.input_shape[1:3] == (26, 26)
