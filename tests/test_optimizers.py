"""PlayersOptimizer: one optimizer to Keras, one for each player to the game."""

import helpers
import keras
import numpy as np
import pytest
from helpers import numpy, small, train

from zoo.errors import UsageError
from zoo.game.optimizers import DiscriminatorRate, Later, PlayersOptimizer
from zoo.models.cyclegan import CycleGAN

pytestmark = pytest.mark.backend


def rates(gan):
    pair = gan.optimizer
    return [float(numpy(player.learning_rate)) for player in (pair.generator, pair.discriminator)]


def test_compile_without_arguments_takes_the_models_settings():
    gan = small("dcgan", learning_rate=1e-3, discriminator_learning_rate=4e-3, beta_1=0.25)
    gan.compile()
    assert rates(gan) == pytest.approx([1e-3, 4e-3])
    assert [o.beta_1 for o in gan.optimizer.optimizers] == [0.25, 0.25]
    gan = small("dcgan", optimizer="rmsprop", gradient_clip=2.0, learning_rate=5e-3)
    gan.compile()
    for optimizer in gan.optimizer.optimizers:
        assert isinstance(optimizer, keras.optimizers.RMSprop) and optimizer.global_clipnorm == 2
    assert rates(gan) == pytest.approx([5e-3, 5e-3])


def test_a_discriminator_rate_of_0_is_one():
    gan = small("dcgan", discriminator_learning_rate=0.0)
    gan.compile()
    assert rates(gan)[1] == 0 < rates(gan)[0]


def test_one_optimizer_given_becomes_two_of_the_same_configuration():
    gan = small("dcgan")
    gan.compile(optimizer=keras.optimizers.SGD(0.5, momentum=0.9))
    generator, discriminator = gan.optimizer.optimizers
    assert generator is not discriminator
    assert generator.get_config() == discriminator.get_config() | {"name": generator.name}
    assert (rates(gan), generator.momentum) == ([0.5, 0.5], 0.9)


def test_each_player_can_have_its_own():
    gan = small("dcgan")
    gan.compile(generator_optimizer="sgd", discriminator_optimizer=keras.optimizers.Adam(0.25))
    generator, discriminator = gan.optimizer.optimizers
    assert isinstance(generator, keras.optimizers.SGD)
    assert isinstance(discriminator, keras.optimizers.Adam)
    gan.compile(generator_optimizer="rmsprop")
    assert rates(gan)[1] == pytest.approx(gan.learning_rate), "the other keeps the recipe"


@pytest.mark.parametrize(
    ("argument", "value"), [("loss", "mse"), ("metrics", ["mae"]), ("loss_weights", [1.0])]
)
def test_compile_refuses_losses_and_metrics(argument, value):
    with pytest.raises(UsageError, match=rf"takes no `{argument}`.*loss='hinge'"):
        small("dcgan").compile(**{argument: value})


def test_its_variables_are_those_of_all(gan):
    generator, discriminator = gan.optimizer.optimizers
    assert {id(v) for v in gan.optimizer.variables} == {
        id(v) for v in [*generator.variables, *discriminator.variables]
    }
    for player in ("generator", "discriminator"):
        shapes = sorted(m.shape for m in helpers.moments(getattr(gan.optimizer, player)))
        weights = [tuple(v.shape) for v in getattr(gan, player).trainable_variables]
        assert shapes == sorted(weights * 2), player


def test_assigning_the_rate_keeps_the_ratio_of_both(gan):
    gan.optimizer.generator.learning_rate = 1e-3
    gan.optimizer.discriminator.learning_rate = 4e-3
    gan.optimizer.learning_rate = 5e-4
    assert rates(gan) == pytest.approx([5e-4, 2e-3])
    assert float(numpy(gan.optimizer.learning_rate)) == pytest.approx(5e-4)


def test_a_rate_of_zero_stops_its_player(gan):
    gan.optimizer.generator.learning_rate = 0.0
    generator = [numpy(v) for v in gan.generator.trainable_variables]
    discriminator = [numpy(v) for v in gan.discriminator.trainable_variables]
    train(gan)
    for variable, value in zip(gan.generator.trainable_variables, generator, strict=True):
        np.testing.assert_array_equal(numpy(variable), value)
    for variable, value in zip(gan.discriminator.trainable_variables, discriminator, strict=True):
        assert not np.array_equal(numpy(variable), value)


def test_it_survives_serialisation_with_any_number_of_players():
    players = {
        "artist": keras.optimizers.Adam(1e-3, beta_1=0.25),
        "critic": keras.optimizers.SGD(2e-3, momentum=0.5),
        "third": keras.optimizers.RMSprop(3e-3),
    }
    optimizer = PlayersOptimizer(players)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(optimizer))
    assert isinstance(again, PlayersOptimizer) and again.names == tuple(players)
    for name, expected in players.items():
        assert type(getattr(again, name)) is type(expected)
        assert getattr(again, name).get_config() == expected.get_config()


def test_it_is_not_applied_as_one():
    optimizer = PlayersOptimizer({"generator": "adam", "discriminator": "adam"})
    with pytest.raises(NotImplementedError, match=r"optimizer\.generator\.apply"):
        optimizer.apply([])


def test_gradients_and_weights_are_clipped_where_asked_for():
    gan = small(
        "dcgan",
        optimizer="sgd",
        learning_rate=1.0,
        gradient_clip=1e-3,
        weight_clip=0.1,
        loss="wasserstein",
    )
    gan.compile()
    before = [numpy(v) for v in gan.generator.trainable_variables]
    helpers.step(gan, helpers.data(gan, helpers.BATCH)[0])
    after = [numpy(v) for v in gan.generator.trainable_variables]
    moved = np.sqrt(sum(((a - b) ** 2).sum() for a, b in zip(after, before, strict=True)))
    assert moved == pytest.approx(1e-3, rel=0.05)
    largest = max(np.abs(numpy(v)).max() for v in gan.discriminator.trainable_variables)
    assert 0.09 < largest <= 0.1 + 1e-6
    assert max(np.abs(value).max() for value in after) > 0.5, "the generator is not clipped"


def test_from_a_rate_of_zero_both_become_equal(gan):
    gan.optimizer.learning_rate = 0.0
    gan.optimizer.learning_rate = 1e-3
    assert rates(gan) == pytest.approx([1e-3, 1e-3])


@pytest.mark.parametrize(("decay", "half"), [("linear", 0.505), ("cosine", 0.505)])
def test_both_rates_fall_to_a_hundredth_over_the_steps_of_the_game(decay, half):
    gan = small("sine", decay=decay, decay_steps=4, n_critic=2, learning_rate=1e-2)
    gan.compile()
    x, _ = helpers.data(gan, 2 * helpers.BATCH)
    seen = [rates(gan)]
    for _ in range(5):
        helpers.step(gan, x)
        seen.append(rates(gan))
    seen = np.array(seen) / 1e-2
    np.testing.assert_allclose(seen[:, 0], seen[:, 1], rtol=1e-5)
    np.testing.assert_allclose(seen[[0, 2, 4, 5], 0], [1, half, 0.01, 0.01], rtol=1e-4)
    assert seen[1, 0] == pytest.approx(0.7525 if decay == "linear" else 0.855, abs=1e-3)


def test_a_rate_on_a_schedule_is_not_assigned():
    gan = small("sine", decay_steps=4)
    gan.compile()
    with pytest.raises(UsageError, match=r"follow a schedule.*decay_steps=0"):
        gan.optimizer.learning_rate = 1e-3


def test_a_later_schedule_is_constant_before_and_its_own_afterwards():
    falling = keras.optimizers.schedules.PolynomialDecay(1.0, 4, end_learning_rate=0.0)
    later = Later(falling, 3)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(later))
    for schedule in (later, again):
        rates = [float(numpy(schedule(keras.ops.convert_to_tensor(i)))) for i in range(9)]
        assert rates == pytest.approx([1, 1, 1, 1, 0.75, 0.5, 0.25, 0, 0])


def test_rates_begin_to_fall_after_the_rounds_asked_for():
    settings = {"decay_steps": 2, "decay_after": 2, "decay_to": 0.0, "learning_rate": 1e-2}
    gan = small("sine", n_critic=2, **settings)
    gan.compile()
    x, _ = helpers.data(gan, 2 * helpers.BATCH)
    seen = [rates(gan)]
    for _ in range(5):
        helpers.step(gan, x)
        seen.append(rates(gan))
    # Of both players alike, though one of them moves twice in a round.
    falling = np.array([1, 1, 1, 0.5, 0, 0]) * 1e-2
    np.testing.assert_allclose(seen, np.stack([falling, falling], axis=1), atol=1e-8)


def test_every_player_that_judges_has_the_discriminators_rate():
    class Slower(CycleGAN):
        parts = (*CycleGAN.parts, DiscriminatorRate)

    gan = Slower(
        image_shape=(8, 8, 1),
        **{"width": 2, "blocks": 0, "patch_halvings": 1},
        learning_rate=0.1,
        discriminator_learning_rate=0.02,
    )
    gan.compile()
    given = zip(gan.optimizer.names, gan.optimizer.optimizers, strict=True)
    rates = {name: float(numpy(optimizer.learning_rate)) for name, optimizer in given}
    assert rates == pytest.approx({"generators": 0.1, "discriminators": 0.02})
