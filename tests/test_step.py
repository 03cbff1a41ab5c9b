"""The round: who changes what, what each player sees, and what is reported."""

import functools

import helpers
import keras
import numpy as np
import pytest
from helpers import BATCH, data, numpy, small, snapshot, step, train
from keras import ops

import zoo
from zoo import backend
from zoo.errors import UsageError
from zoo.game import logs, rounds
from zoo.parts import penalties
from zoo.parts.losses import LOSSES

pytestmark = pytest.mark.backend

PLAYERS = ("discriminator", "generator")
# One of each shape of game.
SHAPES = ("conditional", "gaussian", "pix2pix", "cyclegan")


def watch(patch):
    """Makes steps report, among their losses, what each of their moves saw and changed.

    Names begin with the player and the number of its move within the round:
    `discriminator0_real`, `generator0_fake`, ... `discriminator0_moved_generator` holds how much
    each variable of the generator moved in the first move of the discriminator.
    """
    play, track = rounds.play, logs.track

    def watched(move):
        def moving(game, player, minibatch, made, pullback):
            weights = {name: watched_variables(game, name) for name in game.network_names}
            before = {name: [ops.copy(v) for v in variables] for name, variables in weights.items()}
            result = move(game, player, minibatch, made, pullback)
            number = sum(name.startswith(player.name) for name in game.seen_now if "real" in name)
            seen = {"real": minibatch[game.sample_field], "fake": next(iter(made.values()))}
            for name, variables in weights.items():
                pairs = zip(variables, before[name], strict=True)
                seen[f"moved_{name}"] = ops.stack([_far(new, old) for new, old in pairs])
            game.seen_now |= {f"{player.name}{number}_{name}": x for name, x in seen.items()}
            return result

        return moving

    def begin(game, batch):
        game.seen_now = {}
        return play(game, batch)

    patch.setattr(rounds, "play", begin)
    patch.setattr(logs, "track", lambda game, results: track(game, results) | game.seen_now)
    for name in ("move_judge", "move_maker"):
        patch.setattr(rounds, name, watched(getattr(rounds, name)))


def watched_variables(game, name):
    return game.network(name).variables


def _far(new, old):
    return ops.max(ops.abs(ops.cast(new, "float32") - ops.cast(old, "float32")))


@pytest.fixture(scope="module", params=SHAPES)
def observed(request):
    """A watched model of each shape of game, before a step, and what the step reported."""
    several = {"n_critic": 2} if request.param in helpers.OF_NOISE else {}
    still = {} if several else {"jitter": 0.0, "mirror": False}
    gan = small(request.param, **several, **still)
    gan.compile()
    x, y = data(gan)
    before = snapshot(gan)
    # Watch only this step, not the steps that other tests of the file trace.
    with pytest.MonkeyPatch.context() as patch:
        watch(patch)
        seen = step(gan, x, y)
    return gan, before, x, seen


def test_each_move_changes_its_own_networks_and_leaves_the_others_alone(observed):
    gan, *_, seen = observed
    for player in gan.all_players:
        for number in range(gan.moves_of(player)):
            for name in gan.network_names:
                moved = seen[f"{player.name}{number}_moved_{name}"]
                if name not in player.networks:
                    # Moving averages included: no variable of another network moved at all.
                    np.testing.assert_array_equal(moved, 0)
                    continue
                network = gan.network(name)
                moved = dict(zip((v.path for v in network.variables), moved, strict=True))
                still = {v.path for v in network.trainable_variables if not moved[v.path]}
                assert still <= set(helpers.idle(gan, player.name)), (
                    f"weights of {name} that the move of {player.name} left alone"
                )


def test_each_move_sees_its_own_minibatch_and_fresh_noise(observed):
    gan, _, x, seen = observed
    judge, maker = gan.players
    moves = gan.minibatches
    real = helpers.reals(x[gan.sample_field] if isinstance(x, dict) else x)
    for i in range(moves):
        np.testing.assert_allclose(seen[f"{judge.name}{i}_real"], real[i::moves], atol=1e-6)
    if moves > 1:
        first, second = (seen[f"{judge.name}{i}_fake"] for i in range(2))
        distance = np.abs(first - second).reshape(BATCH, -1)
        assert distance.max(axis=1).min() > 1e-4, "two moves saw the same noise"
    # The judge's last move and the maker's share one forward pass.
    for what in ("real", "fake"):
        last = seen[f"{judge.name}{moves - 1}_{what}"]
        np.testing.assert_array_equal(seen[f"{maker.name}0_{what}"], last)


def test_the_optimizers_count_the_moves_of_their_players(observed):
    gan, before, x, _ = observed
    helpers.restore(gan, before)
    step(gan, x, data(gan)[1])
    for player in gan.players:
        assert int(numpy(gan.optimizer_of(player).iterations)) == gan.moves_of(player)
    assert int(numpy(gan.optimizer.iterations)) == 1


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

    def draw(self, batch):
        return {"z": ops.convert_to_tensor(self.NOISE)}


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
        return gan.objective.generator(gan.discriminate(fake), real_logits)

    expected = helpers.plain_gradient(variables, composed)
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


def test_the_average_halves_an_old_generators_share_in_the_half_life(gan):
    x, _ = data(gan, BATCH)
    expected = [numpy(v) for v in gan.generator.weights]
    # After 16 million images the ramp no longer limits the half-life.
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
    # With the other player and the noise fixed, the next step has the same loss.
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
    with pytest.raises(UsageError, match=r"divisible by 2\. Received: a batch of 5"):
        rounds.deal({"image": np.zeros((5, 16, 16, 1))}, 2)


@pytest.mark.parametrize(
    ("count", "settings", "least"),
    [(0, {}, 1), (1, {"accumulate": 2}, 2), (7, {"packing": 2}, 8), (15, {"n_critic": 2}, 16)],
)
def test_fewer_samples_than_a_step_takes_are_one_sentence(count, settings, least):
    gan = helpers.small("dcgan", **settings)
    x = np.zeros((count, *gan.image_shape), "uint8")
    with pytest.raises(UsageError, match=rf"at least {least};.*Received: {count}\."):
        gan.fit(x, batch_size=BATCH, verbose=0)


def test_a_batch_that_does_not_hold_its_parts_is_one_sentence():
    gan = helpers.small("dcgan", packing=2)
    with pytest.raises(UsageError, match=r"divisible by 2\. Received: 7"):
        gan.fit(np.zeros((14, *gan.image_shape), "uint8"), batch_size=7, verbose=0)


def test_fit_gives_each_update_the_batch_size_asked_for(observed):
    gan, before, *_ = observed
    if gan.minibatches == 1:
        pytest.skip("a game of one move each")
    helpers.restore(gan, before)
    # 5 minibatches make 2 steps of 2; the last one is left over.
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

    def penalty(gan, real):
        judge = functools.partial(gan._every, None, None)
        fakes = ops.convert_to_tensor(fake)
        *_, value = gan.part["Penalty"].judged(judge, ops.convert_to_tensor(real), fakes, gan)
        return float(numpy(value))

    value = penalty(gan, real)
    assert value == pytest.approx(
        penalty(small("dcgan", **settings, penalty_every=1), real[::2]), rel=1e-5
    )
    gan.part["Penalty"].penalty_every = 1
    assert penalty(gan, real) != pytest.approx(value, rel=1e-3)


@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("penalty", ["r1", "r2", "r1_r2"])
def test_a_penalty_that_shares_the_forward_pass_of_the_loss_is_the_same(penalty, norm):
    settings = {"penalty": penalty, "penalty_every": 1, "penalty_weight": 3.0}
    gan = small("dcgan", discriminator_norm=norm, **settings)
    samples = [
        ops.convert_to_tensor(
            np.random.default_rng(seed).uniform(-1, 1, (8, *gan.image_shape)).astype("float32")
        )
        for seed in (1, 2)
    ]
    variables = gan.discriminator.trainable_variables
    real, fake = samples

    def shared():
        return gan.discriminator_loss({"image": real}, {"fake": fake})[0], ()

    def separate():
        logits = [gan.discriminate(x) for x in samples]
        penalise = gan.part["Penalty"].penalise
        return gan.objective.discriminator(*logits) + 3 * penalise(
            gan.discriminate, *samples, gan
        ), ()

    passes = []
    judge = gan.discriminate
    gan.discriminate = lambda *args, **kwargs: passes.append(1) or judge(*args, **kwargs)
    results = [backend.value_and_grad(objective, variables) for objective in (shared, separate)]
    assert len(passes) == 2 + 2 + len(penalties.AT[penalty])
    (loss, _, grads), (expected, _, expected_grads) = results
    assert float(numpy(loss)) == pytest.approx(float(numpy(expected)), rel=1e-5)
    for one, other in zip(grads, expected_grads, strict=True):
        one, other = numpy(one), numpy(other)
        np.testing.assert_allclose(one, other, atol=1e-5 * max(np.abs(other).max(), 1))
