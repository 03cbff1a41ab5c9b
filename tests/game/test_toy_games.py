"""Games that no variant plays: what a round supports besides one generator and one judge."""

import functools

import helpers
import keras
import numpy as np
import pytest
from helpers import BATCH, numpy
from keras import layers, ops

from zoo.game import Game, Player, rounds
from zoo.parts.penalties import WeightClip
from zoo.settings import Setting

pytestmark = pytest.mark.backend

SIZE = 3


def network(inputs, outputs, seed, normalised=False):
    x = z = keras.Input((inputs,))
    for i, (units, kind) in enumerate(((5, "tanh"), (outputs, None))):
        kernel = keras.initializers.RandomNormal(0.0, 0.7, seed=seed + i)
        x = layers.Dense(units, kind, kernel_initializer=kernel)(x)
        x = layers.BatchNormalization()(x) if normalised and i == 0 else x
    return keras.Model(z, x)


class Toy(Game):
    """Vectors to vectors. `moves`: those of the makers in a round."""

    shape_setting = "sample_shape"
    default_shape = (SIZE,)
    sample_field = "a"
    own = {"moves": Setting(int, 1, least=1)}


class Cycle(Toy):
    """Two makers translate there and back; each has its own judge."""

    players = (
        Player("judges", ("d_a", "d_b"), losses=("a", "b"), seen=("logits",)),
        Player(
            "makers", ("up", "down"), makes=("up", "down"), losses=("judged", "cycle"), short="mk"
        ),
    )
    averaged = ("up", "down")

    def builders(self):
        sizes = {"up": SIZE, "down": SIZE, "d_a": 1, "d_b": 1}
        return {
            name: functools.partial(network, SIZE, outputs, 10 * i)
            for i, (name, outputs) in enumerate(sizes.items())
        }

    def make(self, batch):
        there = self.up(batch["a"], training=True)
        other = self.down(batch["b"], training=True)
        return {"b": there, "a": other, "back": self.down(there, training=True)}

    def judges_loss(self, batch, made):
        logits = {s: self.network(f"d_{s}")(made[s], training=True) for s in ("a", "b")}
        terms = {
            s: ops.mean(ops.softplus(-self.network(f"d_{s}")(batch[s], training=True)))
            + ops.mean(ops.softplus(logits[s]))
            for s in ("a", "b")
        }
        return terms, {"logits": logits["a"]}

    def makers_loss(self, batch, made):
        judged = sum(ops.mean(ops.softplus(-self.network(f"d_{s}")(made[s]))) for s in ("a", "b"))
        return {"judged": judged, "cycle": 3 * ops.mean(ops.square(made["back"] - batch["a"]))}


class Informed(Toy):
    """InfoGAN's shape (Chen et al. 2016): the maker moves a network that does not make."""

    players = (
        Player("judge", ("judge",)),
        Player("maker", ("generator", "q"), makes=("generator",), losses=("judged", "code")),
    )
    averaged = ("generator",)

    def builders(self):
        return {
            "generator": lambda: network(SIZE, SIZE, 0),
            "judge": lambda: network(SIZE, 1, 10),
            "q": lambda: network(SIZE, 1, 20),
        }

    def make(self, batch):
        return {"fake": self.generator(batch["b"], training=True)}

    def judge_loss(self, batch, made):
        on_real = ops.mean(ops.softplus(-self.judge(batch["a"], training=True)))
        return on_real + ops.mean(ops.softplus(self.judge(made["fake"], training=True)))

    def maker_loss(self, batch, made):
        code = self.q(made["fake"], training=True)[:, 0] - batch["b"][:, 0]
        judged = ops.mean(ops.softplus(-self.judge(made["fake"], training=True)))
        return {"judged": judged, "code": ops.mean(ops.square(code))}


class Busy(Informed):
    """The maker moves more often than the judge."""

    players = (
        Player("judge", ("judge",)),
        Player("maker", ("generator", "q"), ("generator",), ("judged", "code"), moves="moves"),
    )


class Alone(Informed):
    def idle(self):
        return ("judge",)


class Resting(Informed):
    """The judge rests while `sure` is 1."""

    players = (Player("judge", ("judge",), rests="is_sure"), Informed.players[1])

    def __init__(self, *arguments, **given):
        super().__init__(*arguments, **given)
        self.sure = self.add_weight(shape=(), initializer="ones", trainable=False, name="sure")

    def builders(self):
        return super().builders() | {"judge": lambda: network(SIZE, 1, 10, normalised=True)}

    def is_sure(self):
        return self.sure.value > 0.5


def data(count=BATCH, seed=0):
    random = np.random.default_rng(seed)
    return {name: random.normal(size=(count, SIZE)).astype("float32") for name in ("a", "b")}


def made(kind, optimizer="sgd", **settings):
    game = kind(**settings)
    # With a step size of 1 the weights move by the gradient.
    game.compile(keras.optimizers.SGD(1.0) if optimizer == "sgd" else optimizer)
    return game


def assert_moved_by(gradients, variables, before):
    for variable, old, gradient in zip(variables, before, gradients, strict=True):
        gradient = numpy(gradient)
        largest = np.abs(gradient).max()
        assert largest > 1e-6, variable.path
        np.testing.assert_allclose(
            old - numpy(variable), gradient, atol=1e-3 * largest, err_msg=variable.path
        )


def test_weights_are_clipped_of_those_who_judge_whatever_their_name():
    class Clipped(Cycle):
        parts = (*Cycle.parts, WeightClip)

    game = made(Clipped, weight_clip=0.02)
    helpers.step(game, data())
    for name in game.network_names:
        largest = max(np.abs(numpy(v)).max() for v in game.network(name).trainable_variables)
        assert (largest <= 0.02 + 1e-6) == name.startswith("d_"), name


@pytest.mark.parametrize("kind", [Cycle, Informed])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_every_player_moves_by_the_gradient_of_its_composed_loss(kind, accumulate):
    game, x = made(kind, accumulate=accumulate), data()
    fields = helpers.fields(game, x)
    before = {name: game.network(name).get_weights() for name in game.network_names}
    helpers.step(game, x)

    def loss(player):
        terms = game.loss_of(player, fields, game.make(fields))
        terms = terms[0] if isinstance(terms, tuple) else terms
        return sum(terms.values()) if isinstance(terms, dict) else terms

    after = {name: game.network(name).get_weights() for name in game.network_names}
    judge, maker = game.players
    # Each player moves in the state that the players before it left.
    for player, moved in ((judge, ()), (maker, judge.networks)):
        for name in game.network_names:
            game.network(name).set_weights((after if name in moved else before)[name])
        variables = helpers.moved_by(game, player.name)
        old = [numpy(v) for v in variables]
        gradients = helpers.plain_gradient(variables, functools.partial(loss, player))
        for name in player.networks:
            game.network(name).set_weights(after[name])
        assert_moved_by(gradients, variables, old)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_player_that_rests_keeps_everything_while_the_others_move(optimizer):
    game = made(Resting, optimizer)

    def judges():
        # Includes the moving averages of its normalisation.
        return [numpy(v) for v in (*game.judge.variables, *game.optimizer.judge.variables)]

    def others():
        return [numpy(v) for v in helpers.moved_by(game, "maker")]

    for sure in (1.0, 0.0, 1.0):
        game.sure.assign(sure)
        before, rest = judges(), others()
        losses = helpers.step(game, data())
        assert np.isfinite(losses["j_loss"])
        for value, new in zip(before, judges(), strict=True):
            if sure:
                np.testing.assert_array_equal(new, value)
        moved = [not np.array_equal(a, b) for a, b in zip(before, judges(), strict=True)]
        assert sure or np.mean(moved) > 0.8
        assert not any(np.array_equal(a, b) for a, b in zip(rest, others(), strict=True))
    assert int(numpy(game.optimizer.judge.iterations)) == 1
    assert int(numpy(game.optimizer.maker.iterations)) == 3


def test_a_maker_that_moves_twice_does_so_before_the_judge_has_seen_anything():
    first, second = data(seed=1), data(seed=2)
    both = {n: np.stack([first[n], second[n]], axis=1).reshape(-1, SIZE) for n in first}
    game = made(Busy, moves=2)
    assert game.minibatches == 2
    helpers.step(game, both)
    assert int(numpy(game.optimizer.maker.iterations)) == 2
    assert int(numpy(game.optimizer.judge.iterations)) == 1
    # The same by hand: the maker alone on the first minibatch, then both on the second.
    alone, together = made(Alone), made(Informed)
    helpers.step(alone, first)
    for name in game.network_names:
        together.network(name).set_weights(alone.network(name).get_weights())
    helpers.step(together, second)
    for name in game.network_names:
        pairs = zip(
            game.network(name).get_weights(), together.network(name).get_weights(), strict=True
        )
        for one, other in pairs:
            np.testing.assert_allclose(one, other, atol=1e-6)


def test_logs_are_named_by_the_players():
    game = made(Cycle)
    x = data()
    logits = numpy(game.d_a(game.down(x["b"])))
    losses = helpers.step(game, x)
    assert losses["j_logits"] == pytest.approx(logits.mean(), rel=1e-4)
    assert set(losses) == {
        *("loss", "j_loss", "j_a", "j_b", "j_logits"),
        *("mk_loss", "mk_judged", "mk_cycle"),
    }
    assert losses["j_loss"] == pytest.approx(losses["j_a"] + losses["j_b"], rel=1e-5)
    assert losses["mk_loss"] == pytest.approx(losses["mk_judged"] + losses["mk_cycle"], rel=1e-5)
    assert losses["loss"] == pytest.approx(losses["j_loss"] + losses["mk_loss"], rel=1e-5)


def test_a_player_without_a_letter_of_its_own_and_one_with():
    assert Player("artist", ("g",)).column("style") == "a_style"
    assert Player("artist", ("g",), short="art").column() == "art_loss"


@pytest.mark.parametrize(
    "returned", [{"judged": 0.0, "style": 1.0}, ({"judged": 0.0}, {"sharpness": 1.0})]
)
def test_a_loss_that_returns_what_its_player_does_not_name_is_refused(returned):
    class Talkative(Informed):
        def maker_loss(self, batch, made):
            return returned

    game = Talkative()
    with pytest.raises(ValueError, match=r"maker returns (style|sharpness).*losses=\('judged'"):
        rounds.evaluate(game, game.players[1], {}, {})


def test_two_makers_of_one_pass_are_refused():
    class Two(Cycle):
        players = (
            Player("one", ("up",), makes=("up",)),
            Player("two", ("down",), makes=("down",)),
        )

    game = Two()
    with pytest.raises(NotImplementedError, match="one and two both move"):
        rounds.make(game, helpers.fields(game, data()), game.players)


def test_a_game_may_average_none_of_its_networks():
    class Forgetful(Cycle):
        averaged = ()

    game = made(Forgetful, ema_half_life=1.0)
    before = [numpy(weight) for weight in game.network("up").trainable_variables]
    helpers.step(game, data())
    after = [numpy(weight) for weight in game.network("up").trainable_variables]
    assert any((a != b).any() for a, b in zip(before, after, strict=True))


def test_averages_are_kept_of_all_that_draw():
    game = made(Cycle, ema_half_life=1.0, ema_ramp_up=1e9)
    helpers.step(game, data())
    # Half-life of one sample: after a batch the average is the network, nearly.
    for name in ("up", "down"):
        pairs = zip(game.network(f"ema_{name}").weights, game.network(name).weights, strict=True)
        for average, weight in pairs:
            np.testing.assert_allclose(numpy(average), numpy(weight), atol=0.02)
    assert {name for name in vars(game) if name.startswith("ema_") and "_half" not in name} <= {
        "ema_up",
        "ema_down",
        "ema_ramp_up",
    }
