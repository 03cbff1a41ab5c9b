"""The alternating step: who changes what, what each player sees, and what is reported."""

import helpers
import keras
import numpy as np
import pytest
from helpers import BATCH, data, numpy, small, snapshot, step, train
from keras import ops

import zoo
from zoo import backend
from zoo.errors import UsageError
from zoo.parts import penalties
from zoo.parts.losses import LOSSES

pytestmark = [pytest.mark.backend, pytest.mark.usefixtures("quick_compilation")]

PLAYERS = ("discriminator", "generator")


def watched(owner):
    """A subclass whose step reports, among its losses, what each of its updates saw and changed.

    Names end in the number of the update within the step: `real_d0`, `fake_g0`, ... `generator_d0`
    holds how much each variable of the generator moved in the first discriminator update.
    """

    class Watched(owner):
        def watch(self, player, update, real, fake, *arguments):
            before = [ops.copy(v) for v in self.watched_variables()]
            result = update(real, fake, *arguments)
            moved = [
                ops.max(ops.abs(ops.cast(new, "float32") - ops.cast(old, "float32")))
                for new, old in zip(self.watched_variables(), before, strict=True)
            ]
            count = len(self.generator.variables)
            number = sum(name.startswith(f"real_{player}") for name in self.seen_now)
            self.seen_now |= {
                f"real_{player}{number}": real,
                f"fake_{player}{number}": fake,
                f"generator_{player}{number}": ops.stack(moved[:count]),
                f"discriminator_{player}{number}": ops.stack(moved[count:]),
            }
            return result

        def watched_variables(self):
            return [*self.generator.variables, *self.discriminator.variables]

        def minibatches(self, *arguments):
            self.seen_now = {}
            return super().minibatches(*arguments)

        def update_discriminator(self, *arguments):
            return self.watch("d", super().update_discriminator, *arguments)

        def update_generator(self, *arguments):
            return self.watch("g", super().update_generator, *arguments)

        def track(self, *arguments):
            return super().track(*arguments) | self.seen_now

    return Watched


def make_watched(name, **settings):
    return watched(zoo.get(name))(**settings)


@pytest.fixture(scope="module", params=zoo.names())
def observed(request, quick_compilation):
    """A watched model of each variant, before a step, and what the step reported."""
    gan = small(request.param, make=make_watched, n_critic=2)
    gan.compile()
    x, y = data(gan)
    before = snapshot(gan)
    return gan, before, x, step(gan, x, y)


def idle(gan, player):
    """Paths of the weights that cannot matter: a pair of logits has the same bias twice."""
    paired = player == "discriminator" and gan.loss == "relativistic"
    return {"logit/bias"} if paired else set()


def test_each_update_changes_its_own_player_and_leaves_the_other_alone(observed):
    gan, *_, seen = observed
    for update, own, other in (("d0", *PLAYERS), ("d1", *PLAYERS), ("g0", *PLAYERS[::-1])):
        # Moving averages included: no variable of the other network moved at all.
        np.testing.assert_array_equal(seen[f"{other}_{update}"], 0)
        weights = getattr(gan, own).variables
        moved = dict(zip((v.path for v in weights), seen[f"{own}_{update}"], strict=True))
        still = [v.path for v in getattr(gan, own).trainable_variables if not moved[v.path]]
        assert set(still) <= set(helpers.idle(gan, own)), (
            f"weights of the {own} that its update left alone"
        )


def test_each_discriminator_update_sees_its_own_minibatch_and_fresh_noise(observed):
    _, _, x, seen = observed
    first, second = helpers.reals(x)[0::2], helpers.reals(x)[1::2]
    np.testing.assert_allclose(seen["real_d0"], first, atol=1e-6)
    np.testing.assert_allclose(seen["real_d1"], second, atol=1e-6)
    distance = np.abs(seen["fake_d0"] - seen["fake_d1"]).reshape(BATCH, -1)
    assert distance.max(axis=1).min() > 1e-4, "two updates saw the same noise"
    # The last update and the generator's share one forward pass.
    np.testing.assert_array_equal(seen["fake_g0"], seen["fake_d1"])
    np.testing.assert_array_equal(seen["real_g0"], seen["real_d1"])


def test_a_step_of_two_discriminator_updates_counts_as_such(observed):
    gan, before, x, _ = observed
    helpers.restore(gan, before)
    step(gan, x, data(gan)[1])
    assert int(numpy(gan.optimizer.discriminator.iterations)) == 2
    assert int(numpy(gan.optimizer.generator.iterations)) == 1
    assert int(numpy(gan.optimizer.iterations)) == 1


@helpers.each_variant
def test_both_optimizers_count_their_steps_and_hold_moments(variant):
    train(variant, epochs=2)
    for player in ("generator", "discriminator"):
        optimizer = getattr(variant.optimizer, player)
        assert int(numpy(optimizer.iterations)) == 4, player
        slots = helpers.moments(optimizer)
        count = len(getattr(variant, player).trainable_variables)
        each, rest = divmod(len(slots), count)
        assert each and not rest, "an optimizer without moments, or not for every weight"
        still = sum(np.abs(slot).max() == 0 for slot in slots)
        assert still <= each * len(helpers.idle(variant, player)), player


@helpers.each_variant
def test_a_step_keeps_the_moving_averages_of_both_players(variant):
    before = {v.path: numpy(v) for v in variant.variables if "moving" in v.path}
    train(variant)
    for variable in variant.variables:
        if "moving" in variable.path:
            assert not np.array_equal(numpy(variable), before[variable.path]), variable.path


def test_each_step_draws_fresh_noise_and_a_seed_repeats_it(gan):
    state = snapshot(gan)
    x, _ = data(gan, BATCH)
    seeds = [numpy(gan.noise.state)]
    for _ in range(2):
        step(gan, x)
        seeds.append(numpy(gan.noise.state))
    assert len({tuple(seed) for seed in seeds}) == 3
    first = snapshot(gan)
    helpers.restore(gan, state)
    for _ in range(2):
        step(gan, x)
    for value, again in zip(first, snapshot(gan), strict=True):
        np.testing.assert_array_equal(value, again)


class Injected:
    """Takes the step's noise from numpy."""

    NOISE = np.random.default_rng(7).standard_normal((BATCH, 4)).astype("float32")

    def draw_latents(self, real):
        return ops.convert_to_tensor(self.NOISE)


def plain_gradient(gan, loss):
    """The gradient of `loss()` with respect to the generator, by the backend's own autodiff."""
    variables = gan.generator.trainable_variables
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            value = loss()
        return tape.gradient(value, [v.value for v in variables])
    if keras.config.backend() == "torch":
        import torch

        return torch.autograd.grad(loss(), [v.value for v in variables])
    import jax

    def pure(values):
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return loss()

    return jax.jit(jax.grad(pure))([v.value for v in variables])


@pytest.mark.parametrize("loss", ["non_saturating", "relativistic"])
def test_the_shared_forward_gives_the_gradient_of_the_composed_loss(loss):
    owner = type("InjectedDCGAN", (Injected, zoo.get("dcgan")), {})
    gan = small("dcgan", make=lambda name, **s: owner(**s), loss=loss)
    # With a step size of 1 the weights move by the gradient.
    gan.compile(optimizer=keras.optimizers.SGD(1.0))
    x, _ = data(gan, BATCH)
    variables = gan.generator.trainable_variables
    before = [numpy(v) for v in gan.generator.variables]
    step(gan, x)
    moved = [numpy(v) for v in variables]

    # The state in which the generator is updated: its weights as before the step, the
    # discriminator's after it, which the generator's update has left alone.
    for variable, value in zip(gan.generator.variables, before, strict=True):
        variable.assign(value)
    old = [numpy(v) for v in variables]

    def composed():
        real = helpers.reals(x) if gan.objective.uses_real else None
        fake = gan.generator(Injected.NOISE, training=True)
        real_logits = None if real is None else gan.discriminate(real)
        return gan.generator_loss(gan.discriminate(fake), real_logits)

    expected = plain_gradient(gan, composed)
    for variable, new, value, gradient in zip(variables, moved, old, expected, strict=True):
        gradient = numpy(gradient)
        assert np.abs(gradient).max() > 1e-6, variable.path
        scale = np.abs(gradient).max()
        np.testing.assert_allclose(value - new, gradient, atol=1e-3 * scale, err_msg=variable.path)


def test_history_holds_the_mean_of_each_epochs_steps(gan):
    x, _ = data(gan, 4 * BATCH)
    gan.optimizer.learning_rate = 0.05
    state = snapshot(gan)
    steps = [step(gan, batch) for _ in range(2) for batch in np.split(x, 4)]
    helpers.restore(gan, state)
    history = train(gan, epochs=2, count=4 * BATCH).history
    for name in ("loss", "d_loss", "g_loss", "d_real", "d_fake"):
        values = np.array([s[name] for s in steps]).reshape(2, 4)
        assert np.ptp(values, axis=1).min() > 1e-2, "equal steps would prove nothing"
        np.testing.assert_allclose(history[name], values.mean(axis=1), rtol=1e-4, atol=1e-5)
    losses = np.array([[s["d_loss"] + s["g_loss"], s["loss"]] for s in steps])
    np.testing.assert_allclose(losses[:, 0], losses[:, 1], rtol=1e-5)


def test_uint8_and_float_images_give_the_same_step(gan):
    x, _ = data(gan, BATCH)
    state = snapshot(gan)
    logs = step(gan, x)
    weights = [numpy(v) for v in gan.trainable_variables]
    helpers.restore(gan, state)
    for name, value in step(gan, helpers.reals(x)).items():
        assert value == pytest.approx(logs[name], rel=1e-4)
    for variable, value in zip(gan.trainable_variables, weights, strict=True):
        # Adam's first step is a sign: it turns the last bit of a gradient near zero into a step.
        np.testing.assert_allclose(numpy(variable), value, atol=2.1e-3)
        assert np.mean(np.abs(numpy(variable) - value)) < 1e-5


@helpers.each_variant
def test_the_average_follows_the_generator(variant):
    train(variant)
    pairs = zip(variant.ema_generator.weights, variant.generator.weights, strict=True)
    apart = [np.abs(numpy(average) - numpy(weight)).max() for average, weight in pairs]
    assert max(apart) > 0, "the average is the generator itself"


def test_the_average_halves_an_old_generators_share_in_the_half_life(gan):
    x, _ = data(gan, BATCH)
    expected = [numpy(v) for v in gan.generator.weights]
    # After 16 million images the half-life is no longer held down by the ramp.
    for past in (0, 1, 2, 1_999_999):
        gan.optimizer.generator.iterations.assign(past)
        step(gan, x)
        half_life = min(gan.ema_half_life, gan.ema_ramp_up * (past + 1) * BATCH)
        decay = 0.5 ** (BATCH / half_life)
        weights = [numpy(v) for v in gan.generator.weights]
        expected = [decay * e + (1 - decay) * w for e, w in zip(expected, weights, strict=True)]
        for average, value in zip(gan.ema_generator.weights, expected, strict=True):
            np.testing.assert_allclose(numpy(average), value, rtol=1e-4, atol=1e-6)
    assert half_life == gan.ema_half_life


@pytest.mark.parametrize("player", PLAYERS)
def test_an_update_lowers_the_players_own_loss(gan, player):
    # With the other player and the noise held still, the next step meets the same loss again.
    for name in PLAYERS:
        if name != player:
            getattr(gan.optimizer, name).learning_rate = 0.0
    x, _ = data(gan, BATCH)
    noise = numpy(gan.noise.state)
    first = step(gan, x)
    gan.noise.state.assign(noise)
    assert step(gan, x)[f"{player[0]}_loss"] < first[f"{player[0]}_loss"]


def test_a_bad_step_is_counted_out(gan):
    x, _ = data(gan, BATCH)
    step(gan, x)
    for variable in gan.discriminator.trainable_variables:
        variable.assign(np.full(variable.shape, np.nan))
    step(gan, x)
    step(gan, x)
    assert int(numpy(gan.finite_steps)) == 1


def test_a_batch_that_does_not_hold_the_minibatches_is_refused():
    gan = small("dcgan", n_critic=2)
    with pytest.raises(UsageError, match=r"divisible by 2\. Received: a batch of 5"):
        gan.minibatches(np.zeros((5, *gan.image_shape)), None)


def test_fit_gives_each_update_the_batch_size_asked_for(observed):
    gan, before, *_ = observed
    helpers.restore(gan, before)
    # 5 minibatches are 2 steps of 2; the rest is no whole step.
    x, y = data(gan, 5 * BATCH)
    gan.fit(x, y, batch_size=BATCH, verbose=0)
    assert int(numpy(gan.optimizer.discriminator.iterations)) == 4
    assert int(numpy(gan.optimizer.generator.iterations)) == 2


def test_a_variable_that_takes_no_part_gets_a_gradient_of_zeros():
    used, unused = keras.Variable([1.0, 2.0]), keras.Variable([3.0])

    class Model:
        trainable_variables = (used, unused)
        non_trainable_variables = ()
        metrics_variables = ()

        class optimizer:
            variables = ()

    @backend.train_step
    def body(self, data):
        loss, _, grads = backend.value_and_grad(
            lambda: (ops.sum(ops.square(used)), ()), [used, unused]
        )
        return loss, grads

    if keras.config.backend() == "jax":
        values = [v.value for v in (used, unused)]
        loss, grads = body(Model, (values, [], [], []), None)[0]
    else:
        loss, grads = body(Model, None)
    assert float(numpy(loss)) == 5
    np.testing.assert_array_equal(numpy(grads[0]), [2, 4])
    np.testing.assert_array_equal(numpy(grads[1]), [0])


@pytest.mark.parametrize("loss", list(LOSSES))
@pytest.mark.parametrize("name", ["vanilla", "dcgan"])
def test_every_loss_takes_fifty_finite_steps(name, loss):
    gan = small(name, loss=loss)
    gan.compile()
    x, _ = data(gan, 50 * BATCH)
    history = gan.fit(x, batch_size=BATCH, verbose=0).history
    assert int(numpy(gan.finite_steps)) == 50
    assert all(np.isfinite(values).all() for values in history.values())
    assert np.isfinite(gan.generate(2)).all()


def test_a_penalty_of_every_other_sample_is_that_of_these_samples_alone():
    settings = {"penalty": "r1", "discriminator_norm": "none", "penalty_weight": 1.0}
    gan = small("dcgan", **settings, penalty_every=2)
    real, fake = (
        np.random.default_rng(seed).uniform(-1, 1, (8, *gan.image_shape)).astype("float32")
        for seed in (1, 2)
    )
    found = [
        float(numpy(g._penalty(ops.convert_to_tensor(x), ops.convert_to_tensor(fake), None, None)))
        for g, x in ((gan, real), (small("dcgan", **settings, penalty_every=1), real[::2]))
    ]
    assert found[0] == pytest.approx(found[1], rel=1e-5)
    gan.penalty_every = 1
    whole = gan._penalty(ops.convert_to_tensor(real), ops.convert_to_tensor(fake), None, None)
    assert float(numpy(whole)) != pytest.approx(found[0], rel=1e-3)


@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("penalty", ["r1", "r2", "r1_r2"])
def test_a_penalty_that_shares_the_forward_pass_of_the_loss_is_the_same(penalty, norm):
    gan = small("dcgan", penalty=penalty, penalty_every=1, discriminator_norm=norm)
    samples = [
        ops.convert_to_tensor(
            np.random.default_rng(seed).uniform(-1, 1, (8, *gan.image_shape)).astype("float32")
        )
        for seed in (1, 2)
    ]
    network, variables = gan.discriminator, gan.discriminator.trainable_variables

    def shared():
        real_logits, fake_logits, term = gan._judge(*samples, None, network)
        return gan.discriminator_loss(real_logits, fake_logits) + 3 * term, ()

    def apart():
        logits = [gan.discriminate(x) for x in samples]
        return gan.discriminator_loss(*logits) + 3 * gan.penalise(
            gan.discriminate, *samples, gan
        ), ()

    passes = []
    judge = gan.discriminate
    gan.discriminate = lambda *args, **kwargs: passes.append(1) or judge(*args, **kwargs)
    found = [backend.value_and_grad(objective, variables) for objective in (shared, apart)]
    assert len(passes) == 2 + 2 + len(penalties.AT[penalty])
    (loss, _, grads), (expected, _, expected_grads) = found
    assert float(numpy(loss)) == pytest.approx(float(numpy(expected)), rel=1e-5)
    for one, other in zip(grads, expected_grads, strict=True):
        one, other = numpy(one), numpy(other)
        np.testing.assert_allclose(one, other, atol=1e-5 * max(np.abs(other).max(), 1))
