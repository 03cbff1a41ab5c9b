"""Random crops and mirror images: the same for what belongs together, and whole pictures else."""

import types

import numpy as np
import pytest
from keras import ops

from zoo.parts.jitter import Jitter

pytestmark = pytest.mark.backend

SHAPE = (6, 10, 2)  # no square


def pictures(count, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (count, *SHAPE)).astype("float32")


def moved(batch, paired, draws=None, **settings):
    random = np.random.default_rng(7)

    def uniform(shape):
        values = random.random(tuple(int(n) for n in shape)) if draws is None else draws
        return ops.convert_to_tensor(np.broadcast_to(np.float32(values), shape))

    game = types.SimpleNamespace(jittered=("a", "b"), paired=paired, flat=(), uniform=uniform)
    tensors = {name: ops.convert_to_tensor(values) for name, values in batch.items()}
    result = Jitter(**settings).before_round(game, tensors)
    return {name: ops.convert_to_numpy(values) for name, values in result.items()}


def test_what_belongs_together_gets_the_same_crop_and_mirror():
    x = pictures(32)
    other = {"label": np.arange(32)}
    together = moved({"a": x, "b": x, **other}, paired=True, jitter=0.3, mirror=True)
    np.testing.assert_array_equal(together["a"], together["b"])
    np.testing.assert_array_equal(together["label"], other["label"])
    assert together["a"].shape == x.shape
    assert len(np.unique(together["a"] - x, axis=0)) > 24, "all pictures the same way"
    apart = moved({"a": x, "b": x}, paired=False, jitter=0.3, mirror=True)
    same = (apart["a"] == apart["b"]).all(axis=(1, 2, 3))
    assert same.mean() < 0.3


def test_half_are_mirrored_and_nothing_else_happens_without_jitter():
    x = pictures(400)
    result = moved({"a": x, "b": x}, paired=True, mirror=True)["a"]
    mirrored = (result == x[:, :, ::-1]).all(axis=(1, 2, 3))
    left = (result == x).all(axis=(1, 2, 3))
    assert (mirrored | left).all() and mirrored.mean() == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("paired", [True, False])
def test_switched_off_it_changes_nothing_and_draws_nothing(paired):
    batch = {"a": pictures(2), "b": pictures(2, 1)}
    game = types.SimpleNamespace(jittered=("a", "b"), paired=paired)
    assert Jitter(jitter=0.0, mirror=False).before_round(game, batch) is batch


@pytest.mark.parametrize(("draw", "rows", "columns"), [(0.0, 0, 0), (0.999, 3, 5), (0.5, 2, 3)])
def test_a_crop_is_a_part_of_the_enlarged_picture_in_its_first_size(draw, rows, columns):
    x = pictures(3)
    large = ops.convert_to_numpy(ops.image.resize(x, (9, 15), interpolation="bilinear"))
    result = moved({"a": x, "b": x}, paired=True, draws=draw, jitter=0.5)["a"]
    np.testing.assert_allclose(result, large[:, rows : rows + 6, columns : columns + 10], atol=1e-5)


def test_every_place_is_reached():
    ramp = np.broadcast_to(np.arange(10, dtype="float32")[None, None, :, None], (500, *SHAPE))
    result = moved({"a": ramp, "b": ramp}, paired=True, jitter=0.5)["a"][:, 0, 0, 0]
    assert len(np.unique(np.round(result, 3))) == 6, "columns 0 to 5 of 15"
