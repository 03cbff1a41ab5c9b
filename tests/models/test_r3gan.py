"""R3GAN: residual networks with grouped convolutions, everything on one cosine."""

import math

import helpers
import keras
import numpy as np
import pytest
from keras import ops

from zoo.errors import UsageError
from zoo.models.r3gan import R3GAN
from zoo.runs import config

pytestmark = pytest.mark.usefixtures("eager_steps")

SMALL = {"image_shape": (16, 16, 3), "latent_dim": 4, "width": 4, "group_size": 2}


def pictures(count, shape=(16, 16, 3)):
    return np.random.default_rng(0).uniform(-1, 1, (count, *shape)).astype("float32")


@pytest.fixture(scope="module")
def by_class():
    return R3GAN(**SMALL, num_classes=3)


def test_a_block_starts_as_the_identity_and_has_grouped_convolutions(by_class):
    for network in (by_class.generator, by_class.discriminator):
        block = network.get_layer("block_8_0")
        before, _ = block.input
        inner = keras.Model(network.inputs, [before, block.output])
        inputs = [np.ones((2, *x.shape[1:]), x.dtype) for x in network.inputs]
        for a, b in [map(helpers.numpy, inner(inputs))]:
            np.testing.assert_array_equal(a, b)
        groups = network.get_layer("block_8_0_groups")
        assert groups.groups == 4 and tuple(groups.kernel.shape) == (3, 3, 2, 8)


def test_initial_kernels_have_the_deviation_of_fixup():
    gan = R3GAN(**SMALL | {"width": 64, "group_size": 16, "blocks": 2})
    # Six blocks of three convolutions, each with 64 or 9 * 16 inputs of an output.
    gain = math.sqrt(2 / 1.04) * 6 ** (-1 / 4)
    for name, inputs in (("wide", 64), ("groups", 9 * 16)):
        kernel = helpers.numpy(gan.generator.get_layer(f"block_8_1_{name}").kernel)
        assert kernel.std() == pytest.approx(gain / math.sqrt(inputs), rel=0.05)


def test_sides_are_doubled_and_halved_by_the_filter_1_3_3_1(by_class):
    images = keras.Input((8, 8, 1))
    halved = keras.Model(images, R3GAN._halved(images, "halve"))
    x = pictures(1, (8, 8, 1))
    rows = np.zeros((4, 10), "float32")
    for i in range(4):
        rows[i, 2 * i : 2 * i + 4] = np.array([1, 3, 3, 1]) / 8
    padded = np.pad(x[0, ..., 0], 1)
    expected = rows @ padded @ rows.T
    np.testing.assert_allclose(helpers.numpy(halved(x))[0, ..., 0], expected, atol=1e-6)
    doubling = by_class.generator.get_layer("double_8")
    # A pixel's value weighs 9/16 and less at its own four places, and 1/16 at the farthest.
    x = np.zeros((1, 4, 4, 1), "float32")
    x[0, 1, 1] = 16
    doubled = helpers.numpy(doubling(x))[0, 1:5, 1:5, 0]
    np.testing.assert_allclose(doubled, np.outer([1, 3, 3, 1], [1, 3, 3, 1]), atol=1e-5)


def test_the_label_enters_both_networks(by_class):
    z, labels = np.ones((3, 4), "float32"), np.arange(3, dtype="int32")
    drawn = helpers.numpy(by_class.generator([z, labels], training=False))
    assert len(np.unique(drawn.mean((1, 2, 3)))) == 3
    judged = helpers.numpy(by_class.discriminator([pictures(1).repeat(3, axis=0), labels]))
    assert len(np.unique(judged)) == 3


def test_a_model_with_classes_asks_for_labels(by_class):
    with pytest.raises(UsageError, match="labels"):
        by_class.generate_batch(np.ones((2, 4), "float32"))


@pytest.mark.parametrize("shape", [(8, 8, 1), (32, 32, 3), (64, 64, 4)])
def test_sizes(shape):
    gan = R3GAN(**SMALL | {"image_shape": shape, "full_width_to": 32})
    assert gan.generate(2).shape == (2, *shape)
    assert gan.discriminator(pictures(2, shape)).shape == (2, 1)
    # At 64 pixels half of the channels that 32 and less have.
    assert gan.discriminator.get_layer("from_image").filters == (2 if shape[0] == 64 else 4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image_shape": (24, 24, 3)}, "power of two, 8 to 256"),
        ({"image_shape": (32, 16, 3)}, "square"),
        ({"image_shape": (512, 512, 3)}, "8 to 256"),
        ({"image_shape": (16, 16, 2)}, "1, 3 or 4 channels"),
        ({"image_shape": (16, 16)}, r"Received: image_shape=\(16, 16\)"),
        ({"group_size": 3}, r"8 channels .* at 4 pixels.*Received: width=4, group_size=3"),
        ({"width": 1, "full_width_to": 4}, "0 channels .* at 8 pixels"),
        ({"beta_2": 0.0, "final_beta_2": 0.9}, "beta_2 above 0"),
        ({"packing": 2}, "has no setting 'packing'"),
    ],
)
def test_a_wrong_setting_gets_one_sentence(settings, message):
    with pytest.raises(UsageError, match=message) as error:
        R3GAN(**SMALL | settings)
    assert "\n" not in str(error.value)


def test_the_paper_presets_network_is_the_authors_at_each_size():
    recipe = config.resolve("r3gan", "cifar10", "paper")
    for size, gamma, final, largest in (
        (32, 0.05, 5e6, 768),
        (64, 2.0, 5e5, 384),
        (256, 150, 5e5, 96),
    ):
        sized = config.sized(recipe, (size, size, 3))
        assert sized["penalty_weight"] == pytest.approx(gamma, rel=0.01)
        assert sized["final_penalty_weight"] == pytest.approx(gamma / 10, rel=0.01)
        assert sized["final_ema_half_life"] == final
        assert sized["width"] * 32 // max(size, 32) == largest
    # 96 groups, and 20 million images.
    assert 2 * recipe["width"] // recipe["group_size"] == 96
    assert recipe["decay_steps"] * recipe["batch_size"] == pytest.approx(20e6, rel=1e-4)


def rounds(gan, count, x):
    for _ in range(count):
        helpers.step(gan, x)


MOVING = {
    "learning_rate": (0.1, 0.025),
    "penalty_weight": (2.0, 0.2),
    "ema_half_life": (0.0, 500.0),
    "augment_strength": (0.0, 0.5),
    "beta_2": (0.9, 0.99),
}


def scheduled(**settings):
    chosen = {name: first for name, (first, _) in MOVING.items()}
    chosen |= {
        f"final_{name}": last for name, (_, last) in MOVING.items() if name != "learning_rate"
    }
    chosen |= {"decay_steps": 4, "decay": "cosine", "decay_to": 0.25, "augment": ""}
    gan = R3GAN(**SMALL | {"image_shape": (8, 8, 3)} | chosen | settings)
    gan.compile()
    return gan


def now(gan):
    """The numbers of the coming round, by name."""
    numbers = {
        name: gan.current(name) for name in MOVING if name not in ("learning_rate", "beta_2")
    }
    for player in ("generator", "discriminator"):
        optimizer = getattr(gan.optimizer, player)
        numbers[player] = optimizer.learning_rate
        numbers[f"{player}_beta_2"] = optimizer.beta_2
    return {name: float(helpers.numpy(number)) for name, number in numbers.items()}


@pytest.mark.parametrize("n_critic", [1, 2])
def test_everything_follows_one_cosine_from_start_to_end(n_critic):
    gan = scheduled(n_critic=n_critic)
    x = pictures(4 * n_critic, (8, 8, 3))
    for done in range(6):
        left = (1 + math.cos(math.pi * min(done, 4) / 4)) / 2
        expected = {name: last + (first - last) * left for name, (first, last) in MOVING.items()}
        rate, beta_2 = (expected.pop(name) for name in ("learning_rate", "beta_2"))
        for player in ("generator", "discriminator"):
            expected |= {player: rate, f"{player}_beta_2": beta_2}
        assert now(gan) == pytest.approx(expected, rel=1e-5, abs=1e-7), done
        rounds(gan, 1, x)


def test_without_a_decay_every_number_stays():
    gan = scheduled(decay_steps=0)
    before = now(gan)
    rounds(gan, 1, pictures(4, (8, 8, 3)))
    assert now(gan) == before
    assert before["penalty_weight"] == 2.0 and before["generator_beta_2"] == pytest.approx(0.9)


def test_the_penalty_has_the_weight_of_its_round():
    """With a rate of 0 only the weight of the penalty changes the loss."""
    gan = scheduled(learning_rate=0.0, penalty_weight=1e3, final_penalty_weight=0.0, decay_steps=2)
    x, start = pictures(4, (8, 8, 3)), helpers.numpy(gan.noise.state)
    losses = []
    for _ in range(3):
        gan.noise.state.assign(start)
        losses.append(helpers.step(gan, x)["d_loss"])
    first, half, none = losses
    assert half - none == pytest.approx((first - none) / 2, rel=1e-3) and first > none + 1


def test_the_average_and_the_augmentation_follow_the_curve_too():
    x = pictures(4, (8, 8, 3))
    gan = scheduled(
        **{"ema_half_life": 1e9, "ema_ramp_up": 1e9, "final_ema_half_life": 0.0},
        **{"augment": "color", "augment_strength": 0.0, "final_augment_strength": 1.0},
        decay_steps=2,
    )
    augmentation = gan.part["Augmentation"]

    def lag():
        pairs = zip(gan.ema_generator.weights, gan.generator.weights, strict=True)
        return max(np.abs(helpers.numpy(a) - helpers.numpy(b)).max() for a, b in pairs)

    np.testing.assert_array_equal(helpers.numpy(augmentation.seen(gan, x)), x)
    rounds(gan, 1, x)
    assert lag() > 0
    rounds(gan, 2, x)
    assert lag() == 0
    assert np.abs(helpers.numpy(augmentation.seen(gan, x)) - x).min(axis=(1, 2, 3)).max() > 0


def test_a_saved_game_goes_on_along_the_curve(tmp_path):
    x = pictures(4, (8, 8, 3))
    straight, halves = scheduled(augment="color"), scheduled(augment="color")
    rounds(straight, 4, x)
    rounds(halves, 2, x)
    halves.save(tmp_path / "gan.keras")
    again = keras.models.load_model(tmp_path / "gan.keras")
    assert now(again) == now(halves) != now(straight)
    rounds(again, 2, x)
    for a, b in zip(helpers.state(straight), helpers.state(again), strict=True):
        np.testing.assert_array_equal(helpers.numpy(a), helpers.numpy(b))


def test_both_networks_mix_no_samples_and_hold_stock_layers(by_class):
    label = np.zeros(2, "int32")
    z = np.random.default_rng(1).normal(size=(2, 4)).astype("float32")
    for network, x in ((by_class.generator, z), (by_class.discriminator, pictures(2))):
        before = helpers.numpy(network([x, label], training=True))
        x[0] = -x[0]
        after = helpers.numpy(network([x, label], training=True))
        assert np.abs(after[0] - before[0]).max() > 1e-3
        np.testing.assert_allclose(after[1], before[1], atol=1e-5)
        assert all(type(layer).__module__.startswith("keras.") for layer in network.layers)


@helpers.not_on_jax
def test_it_takes_finite_steps_by_class_in_bfloat16():
    gan = R3GAN(**SMALL | {"image_shape": (8, 8, 3)}, num_classes=3, dtype="mixed_bfloat16")
    assert gan.generator.get_layer("block_8_0_groups").compute_dtype == "bfloat16"
    assert gan.discriminator.output.dtype == "float32"
    gan.compile()
    labels = np.arange(4, dtype="int32") % 3
    history = helpers.step(gan, pictures(4, (8, 8, 3)), labels)
    assert all(np.isfinite(value) for value in history.values())
    assert ops.all(ops.isfinite(gan.generate(3)))
