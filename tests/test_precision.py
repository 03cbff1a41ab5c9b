"""The step in 16 bits: what is rounded, what is not, and the scale that float16 needs."""

import functools

import helpers
import keras
import numpy as np
import pytest
from helpers import BATCH, data, numpy, small, step, train
from keras import ops

from zoo.errors import UsageError
from zoo.game.optimizers import PlayersOptimizer
from zoo.training import session

pytestmark = pytest.mark.backend

on_torch = keras.config.backend() == "torch"
# PyTorch has no convolutions in float16 on a CPU.
HALVES = {"mixed_bfloat16": "dcgan", "mixed_float16": "vanilla" if on_torch else "dcgan"}


@pytest.mark.parametrize(("dtype", "name"), HALVES.items())
def test_16_bits_take_finite_steps_and_export_float32(dtype, name):
    gan = small(name, dtype=dtype)
    gan.compile()
    assert keras.config.dtype_policy().name == "float32", "the global policy was changed"
    x, _ = data(gan, BATCH)
    before = [numpy(v) for v in gan.trainable_variables]
    for _ in range(4):
        assert all(np.isfinite(value) for value in step(gan, x).values())
    half = {layer.compute_dtype for layer in gan.generator.layers} - {"float32"}
    assert half == {dtype.removeprefix("mixed_")}
    for variable, value in zip(gan.trainable_variables, before, strict=True):
        assert variable.dtype == "float32"
        assert np.isfinite(numpy(variable)).all() and not np.array_equal(numpy(variable), value)
    generator = gan.inference_generator()
    assert {layer.compute_dtype for layer in generator.layers} == {"float32"}
    assert gan.generate(3).dtype == np.float32


def scaled(optimizer, **settings):
    return keras.optimizers.LossScaleOptimizer(optimizer, **settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"penalty": "r1", "gradient_clip": 0.01},
        pytest.param(
            {"n_critic": 2, "accumulate": 2, "augment": "color"}, marks=helpers.not_on_jax
        ),
        pytest.param(
            {"discriminators": 2, "combination": "softmax", "loss": "relativistic_average"},
            marks=helpers.not_on_jax,
        ),
    ],
)
def test_a_scale_changes_neither_the_step_nor_its_losses(settings):
    results = []
    for wrap in (lambda optimizer: optimizer, scaled):
        gan = small("vanilla", optimizer="sgd", learning_rate=0.1, **settings)
        wrapped = {player.name: wrap(gan.new_optimizer(player)) for player in gan.players}
        gan.compile(PlayersOptimizer(wrapped))
        x, _ = data(gan, 2 * BATCH * gan.n_critic)
        results.append((step(gan, x), [numpy(v) for v in gan.trainable_variables]))
    (losses, weights), (scaled_losses, scaled_weights) = results
    assert scaled_losses == pytest.approx(losses, rel=1e-6)
    for weight, other in zip(weights, scaled_weights, strict=True):
        np.testing.assert_allclose(other, weight, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_an_update_that_overflows_is_left_out_and_halves_the_players_scale(player):
    gan = small("vanilla", dtype="mixed_float16")
    gan.compile()
    x, _ = data(gan, BATCH)
    getattr(gan.optimizer, player).dynamic_scale.assign(2.0**40)

    def weights(name):
        return [numpy(v) for v in getattr(gan, name).trainable_variables]

    before = {name: weights(name) for name in ("generator", "discriminator")}
    losses = step(gan, x)
    for name, values in before.items():
        optimizer, overflows = getattr(gan.optimizer, name), name == player
        still = [np.array_equal(a, b) for a, b in zip(values, weights(name), strict=True)]
        assert all(still) if overflows else not any(still)
        assert float(numpy(optimizer.dynamic_scale)) == (2.0**39 if overflows else 2.0**15)
        assert int(numpy(optimizer.iterations)) == int(not overflows)
    assert losses["loss_scale"] == 2.0**15
    assert int(numpy(gan.finite_steps)) == 1, "the step itself was good"


def tiny_loss(gan, batch, made):
    return 1e-9 * ops.mean(gan.discriminate(made["fake"]) - gan.discriminate(batch["image"]))


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_averages_and_schedules_count_the_updates_in_any_precision(dtype):
    gan = small("vanilla", dtype=dtype)
    gan.compile()
    train(gan)
    assert int(numpy(gan.optimizer.iterations)) == 2


def test_gradients_too_small_for_float16_reach_the_weights():
    moved = {}
    for scale in (1.0, 2.0**15):
        gan = small("vanilla", dtype="mixed_float16")
        optimizer = keras.optimizers.SGD(1.0)
        gan.compile(scaled(optimizer, initial_scale=scale))
        gan.discriminator_loss = functools.partial(tiny_loss, gan)
        # Beside the initial weights so small a step would be lost.
        kernel = gan.discriminator.trainable_variables[0]
        kernel.assign(np.zeros(kernel.shape))
        step(gan, data(gan, BATCH)[0])
        moved[scale] = np.abs(numpy(kernel)).max()
    assert moved[1.0] == 0 < moved[2.0**15]


def test_a_model_in_float16_is_saved_with_its_scales(tmp_path):
    gan = small("vanilla", dtype="mixed_float16", decay_steps=10)
    gan.compile()
    x, _ = data(gan, BATCH)
    step(gan, x)
    gan.optimizer.generator.dynamic_scale.assign(2.0**9)
    gan.save(tmp_path / "gan.keras")
    loaded = keras.models.load_model(tmp_path / "gan.keras")
    assert [type(o) for o in loaded.optimizer.optimizers] == [type(gan.optimizer.generator)] * 2
    assert float(numpy(loaded.optimizer.generator.dynamic_scale)) == 2.0**9
    for mine, other in zip(helpers.snapshot(gan), helpers.snapshot(loaded), strict=True):
        np.testing.assert_array_equal(other, mine)
    with pytest.raises(UsageError, match="follow a schedule"):
        loaded.optimizer.learning_rate = 0.1


def test_a_run_in_which_every_gradient_overflows_is_stopped():
    watch = session.FiniteLosses(session.Session(None, {}, 1))
    watch.check({"loss": 1.0, "loss_scale": 2.0**15})
    with pytest.raises(UsageError, match="overflowed in one step after the other"):
        watch.check({"loss": 1.0, "loss_scale": 2.0**-20})


@pytest.mark.skipif(not on_torch, reason="PyTorch's own limit")
def test_torch_refuses_convolutions_in_float16_on_a_cpu():
    with pytest.raises(UsageError, match="only on a GPU"):
        small("dcgan", dtype="mixed_float16")
