"""The pool of past pictures: which picture replaces which, and that none is invented."""

import types

import keras
import numpy as np
import pytest
from keras import ops

from zoo.parts.pool import Pool

pytestmark = pytest.mark.backend

SHAPE = (2, 3, 1)


class Numbered:
    """A pool of two sides, fed with pictures that are numbers: 1, 2, 3, ... and their negatives."""

    def __init__(self, size, seed=0):
        self.pool, self.next = Pool(pool_size=size), 1
        self.game = types.SimpleNamespace(
            pooled=("fake_a", "fake_b"),
            sample_shape=SHAPE,
            noise=keras.random.SeedGenerator(seed),
            add_weight=keras.layers.Layer().add_weight,
        )
        self.pool.build(self.game)

    def exchange(self, count):
        """Returns the numbers fed in, and those shown on one side and the other."""
        fresh = np.arange(self.next, self.next + count, dtype="float32")
        self.next += count
        pictures = ops.convert_to_tensor(
            np.broadcast_to(fresh[:, None, None, None], (count, *SHAPE))
        )
        made = {"fake_a": pictures, "fake_b": -pictures, "back": pictures}
        shown = self.pool.exchange(self.game, made)
        assert shown["back"] is made["back"], "what has no pool is left alone"
        values = []
        for name in self.game.pooled:
            batch = ops.convert_to_numpy(shown[name])
            assert batch.shape == (count, *SHAPE)
            assert np.ptp(batch.reshape(count, -1), axis=1).max() == 0, "a mixture of two"
            values.append(batch[:, 0, 0, 0])
        return fresh, *values

    def held(self):
        return ops.convert_to_numpy(self.pool.pools["fake_a"])[:, 0, 0, 0]


def test_without_a_pool_everything_is_shown_as_it_is():
    pool = Numbered(0)
    made = {"fake_a": 1}
    assert pool.pool.exchange(pool.game, made) is made


@pytest.mark.parametrize("seed", range(8))
def test_before_it_is_full_nothing_is_exchanged(seed):
    pool = Numbered(10, seed)
    for _ in range(2):
        fresh, shown, _ = pool.exchange(4)
        np.testing.assert_array_equal(shown, fresh)
    np.testing.assert_array_equal(pool.held(), [1, 2, 3, 4, 5, 6, 7, 8, 0, 0])
    # Two pictures fill the pool. The rest may be exchanged, but never for an empty place.
    fresh, shown, _ = pool.exchange(12)
    np.testing.assert_array_equal(shown[:2], fresh[:2])
    assert 0 not in pool.held() and 0 not in shown


def test_afterwards_half_are_exchanged_for_past_ones_that_leave():
    pool = Numbered(50)
    for _ in range(5):
        pool.exchange(10)
    exchanged, seen = 0, []
    for _ in range(200):
        before = set(pool.held())
        fresh, shown, other = pool.exchange(10)
        np.testing.assert_array_equal(other, -shown)
        old = shown != fresh
        # Each old picture that is shown was in the pool before.
        assert set(shown[old]) <= before
        exchanged += old.sum()
        # It has left the pool, and a picture of this batch took its place.
        assert not set(shown[old]) & set(pool.held())
        assert set(pool.held()) - before <= set(fresh[old])
        seen += list(shown[old])
    assert exchanged / 2000 == pytest.approx(0.5, abs=0.05)
    assert np.mean(np.diff(np.unique(seen)) < 20) > 0.9, "some places are never chosen"


def test_the_seed_decides_what_is_exchanged():
    shown = []
    for seed in (0, 0, 1):
        pool = Numbered(4, seed)
        shown.append(np.concatenate([pool.exchange(4)[1] for _ in range(20)]))
    np.testing.assert_array_equal(shown[0], shown[1])
    assert not np.array_equal(shown[0], shown[2])
