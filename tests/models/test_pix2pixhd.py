"""pix2pixHD: the networks, labels as channels, the losses, the phases, and that they resume."""

import helpers
import numpy as np
import pytest
import running
from helpers import numpy, small
from keras import layers, ops
from PIL import Image

import zoo
from zoo.errors import UsageError
from zoo.models.pix2pixhd import Pix2PixHD
from zoo.runs import assembly, config
from zoo.training import train

pytestmark = pytest.mark.usefixtures("eager_steps")

COLOURS = ("#000000", "#010101", "#ff0000", "#0030ff")
LABELLED = {"image_shape": (16, 16, 4), "colours": COLOURS}


def fields(gan, count=2):
    return helpers.fields(gan, helpers.data(gan, count)[0])


def encoded(gan, image):
    """What the networks see of a uint8 picture."""
    x = helpers.keras.Input((None, None, gan.image_shape[-1]))
    network = helpers.keras.Model(x, gan._encoded(x))
    return numpy(network(image[np.newaxis].astype("float32") / 127.5 - 1))[0]


@pytest.mark.backend
def test_the_losses_are_the_formulas():
    gan = small("pix2pixhd", adversarial_weight=3.0, features_weight=5.0, perceptual_weight=0.5)
    batch = fields(gan)
    made = gan.make(batch)
    outputs = {
        name: [numpy(x) for x in gan.discriminator([batch["input"], judged], training=True)]
        for name, judged in (("real", batch["target"]), ("fake", made["fake"]))
    }
    assert [x.shape[1] for x in outputs["real"][:2]] == [8, 4], "full and half size, patches of 2"
    assert len(outputs["real"]) == 2 + 2 * 2, "logits of two scales, and two maps of each"
    loss, seen = gan.discriminator_loss(batch, made)
    pairs = list(zip(outputs["real"], outputs["fake"], strict=True))
    expected = sum(((r - 1) ** 2).mean() / 2 + (f**2).mean() / 2 for r, f in pairs[:2])
    assert float(numpy(loss)) == pytest.approx(expected, rel=1e-3)
    assert numpy(seen["real"]).shape == (2 * (64 + 16),)
    terms = {name: float(numpy(x)) for name, x in gan.generator_loss(batch, made).items()}
    adversarial = 3 * sum(((f - 1) ** 2).mean() / 2 for _, f in pairs[:2])
    assert terms["adversarial"] == pytest.approx(adversarial, rel=1e-3)
    matching = 5 * sum(np.abs(r - f).mean() for r, f in pairs[2:]) / 2
    assert terms["features"] == pytest.approx(matching, rel=1e-3)
    distance = float(numpy(gan.part["Perceptual"].distance(made["fake"], batch["target"])))
    assert terms["perceptual"] == pytest.approx(distance / 2, rel=1e-3)


def test_the_discriminators_see_the_input_at_every_scale():
    gan = small("pix2pixhd")
    batch = fields(gan)
    first, _ = gan.discriminate(batch["input"], batch["target"])
    other, _ = gan.discriminate(ops.flip(batch["input"], axis=2), batch["target"])
    assert all(np.abs(numpy(a) - numpy(b)).max() > 1e-3 for a, b in zip(first, other, strict=True))


def test_labels_are_channels_of_the_nearest_colour_even_of_neighbouring_numbers():
    gan = small("pix2pixhd", image_shape=(16, 16, 3), colours=COLOURS)
    image = np.array([[[0, 0, 0], [1, 1, 1], [255, 0, 0], [0, 48, 255], [240, 20, 9]]], "uint8")
    seen = encoded(gan, image)
    assert seen.shape == (1, 5, 4)
    np.testing.assert_allclose(seen[0], np.eye(4)[[0, 1, 2, 3, 2]], atol=1e-6)


def test_half_transparent_pixels_are_a_channel_of_edges_and_the_output_is_opaque():
    gan = small("pix2pixhd", **LABELLED)
    image = np.array([[[1, 1, 1, 255], [255, 0, 0, 128]]], "uint8")
    seen = encoded(gan, image)
    np.testing.assert_allclose(seen[0, :, :4], np.eye(4)[[1, 2]], atol=1e-6)
    np.testing.assert_allclose(seen[0, :, 4], [0, 1], atol=1e-6)
    drawn = numpy(gan.generator(fields(gan)["input"]))
    assert drawn.shape[-1] == 4 and (drawn[..., 3] == 1).all()


def test_labels_do_not_move_and_are_not_mixed_by_the_jitter():
    gan = small("pix2pixhd", **LABELLED, jitter=0.3, mirror=True)
    gan.compile()
    random = np.random.default_rng(0)
    flat = np.array([[0, 0, 0, 255], [255, 0, 0, 255], [0, 48, 255, 128]], "uint8")
    x = {"input": flat[random.integers(0, 3, (8, 16, 16))]}
    x["target"] = x["input"].copy()
    before = {v.path: numpy(v) for v in gan.weights if "label_fit" in v.path}
    assert before
    helpers.step(gan, x)
    for v in gan.weights:
        if v.path in before:
            np.testing.assert_array_equal(numpy(v), before[v.path])
    batch = helpers.fields(gan, x)
    moved = gan.part["Jitter"].before_round(gan, batch)
    levels = np.rint((numpy(moved["input"]) + 1) * 127.5)
    assert {tuple(p) for p in levels.reshape(-1, 4).astype(int)} == set(map(tuple, flat.tolist()))
    assert (levels != x["input"]).any(), "it moved"
    # Both sides are cut in the same place.
    target = np.rint((numpy(moved["target"]) + 1) * 127.5)
    assert np.abs(target - levels).mean() < 0.5 * np.abs(target - levels[:, ::-1]).mean()


def test_the_generator_begins_with_the_picture_of_the_global_one():
    gan = small("pix2pixhd", image_shape=(32, 32, 3), width=8)
    images = fields(gan)["input"]
    # As after the first phase.
    kernel = gan.global_generator.get_layer("to_image").kernel
    kernel.assign(50 * kernel)
    _, coarse = gan.global_generator(images)
    coarse = np.tanh(numpy(coarse)).repeat(2, axis=1).repeat(2, axis=2)
    drawn = numpy(gan.generator(images))
    assert np.corrcoef(drawn.ravel(), coarse.ravel())[0, 1] > 0.6


def test_the_phases_move_one_half_after_the_other_and_then_both():
    gan = small("pix2pixhd", global_rounds=2, enhancer_rounds=1)
    gan.compile()
    x, answers = helpers.data(gan, 8)[0], []
    networks = ("global_generator", "enhancer", "discriminator")
    for _ in range(4):
        before = {name: gan.network(name).get_weights() for name in networks}
        losses = helpers.step(gan, x)
        assert all(np.isfinite(value) for value in losses.values())
        after = {name: gan.network(name).get_weights() for name in networks}
        changed = {
            n
            for n in networks
            if any((a != b).any() for a, b in zip(before[n], after[n], strict=True))
        }
        answers.append(changed - {"discriminator"})
        assert "discriminator" in changed
    both = {"global_generator", "enhancer"}
    assert answers == [{"global_generator"}] * 2 + [{"enhancer"}, both]


def test_in_the_first_phase_all_pictures_are_half_as_large():
    gan = small("pix2pixhd", global_rounds=1)
    batch = fields(gan)
    gan.phase = gan.phases[0]
    given, target = gan.pair(batch)
    assert given.shape[1:3] == target.shape[1:3] == gan.make(batch)["fake"].shape[1:3] == (8, 8)
    gan.phase = gan.phases[-1]
    assert gan.make(batch)["fake"].shape[1:3] == (16, 16)


def test_without_game_and_features_the_discriminator_rests():
    gan = small("pix2pixhd", adversarial_weight=0.0, features_weight=0.0, global_rounds=1)
    gan.compile()
    before = gan.discriminator.get_weights()
    losses = [helpers.step(gan, helpers.data(gan, 8)[0]) for _ in range(2)]
    assert set(losses[0]) == {"loss", "global_loss", "global_perceptual"}
    assert set(losses[1]) == {"loss", "g_loss", "g_perceptual"}
    for weight, value in zip(gan.discriminator.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, value)


def test_the_saved_network_takes_pictures_of_any_size():
    gan = small("pix2pixhd", **LABELLED)
    network = gan.inference_network("generator")
    assert network(np.zeros((1, 24, 40, 4), "float32")).shape == (1, 24, 40, 4)
    odd = np.zeros((1, 7, 33, 4), "uint8")
    assert gan.translate(odd).shape == odd.shape


def test_the_paper_preset_is_the_papers_network():
    resolved = config.resolve("pix2pixhd", "pairs:x", "paper")
    tiny = {"width": 2, "discriminator_width": 1, "perceptual_features": "random"}
    gan = Pix2PixHD((64, 64, 3), **config.model_settings(resolved) | tiny)
    # c7s1-64, d128, d256, d512, d1024, nine of R1024, u512, u256, u128, u64, in units of 32.
    part = gan.global_generator
    down = [part.get_layer(name).filters for name in ("first", *(f"down_{i}" for i in range(4)))]
    assert down == [2, 4, 8, 16, 32]
    assert sum(isinstance(layer, layers.Add) for layer in part.layers) == 9
    assert [part.get_layer(f"up_{i}").filters for i in (3, 2, 1, 0)] == [16, 8, 4, 2]
    # c7s1-32, d64, three of R64, u32.
    names = ("first", "down", "block_0a", "up")
    assert [gan.enhancer.get_layer(n).filters for n in names] == [1, 2, 2, 1]
    assert sum(isinstance(x, layers.Add) for x in gan.enhancer.layers) == 3 + 2
    assert gan.scales == 3 and resolved["width"] == 64


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image_shape": (20, 16, 3)}, "divisible by 8. Expected for example --set image_size="),
        ({"colours": ("#0000",)}, "names such as #0030ff"),
        (
            {"adversarial_weight": 0.0, "features_weight": 0.0, "perceptual_weight": 0.0},
            "Nothing is left to learn",
        ),
        ({"scales": 0}, "`scales` is out of range"),
    ],
)
def test_a_wrong_setting_is_one_sentence(settings, message):
    with pytest.raises(UsageError, match=message) as error:
        small("pix2pixhd", **settings)
    assert "\n" not in str(error.value)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Label maps of three numbers, stored with a palette, beside photographs and instances."""
    folder, random = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for name in ("labels", "photos", "instances"):
        (folder / name).mkdir()
    for i in range(10):
        numbers = random.integers(0, 3, (4, 5)).repeat(4, axis=0).repeat(4, axis=1).astype("uint8")
        image = Image.fromarray(numbers, "P") if i % 2 else Image.fromarray(numbers)
        if i % 2:
            image.putpalette([0, 0, 0, 1, 1, 1, 2, 2, 2])
        image.save(folder / "labels" / f"{i}.png")
        photo = 60 * numbers[..., None] + random.integers(0, 20, (16, 20, 3))
        Image.fromarray(photo.astype("uint8")).save(folder / "photos" / f"{i}.png")
        instances = random.integers(0, 999, (2, 2)).repeat(8, axis=0).repeat(10, axis=1)
        Image.fromarray(instances.astype("uint16")).save(folder / "instances" / f"{i}.png")
    return folder


def start(folder, runs_dir, name, **changes):
    settings = {"image_size": 16, "batch_size": 2, "epochs": 2, "labels": 3}
    settings |= {name: value for name, value in helpers.SMALL.items() if name in TINY}
    settings |= {"global_rounds": 3, "enhancer_rounds": 3} | changes
    resolved = config.resolve("pix2pixhd", f"pairs:{folder}", overrides=settings)
    return train.start(resolved, source=assembly.Source(), runs_dir=runs_dir, name=name)


TINY = (
    *("width", "halvings", "blocks", "enhancer_blocks", "discriminator_width", "patch_halvings"),
    "perceptual_features",
)


@pytest.fixture(scope="module")
def straight(pictures, tmp_path_factory):
    """A run of 10 steps: 3 of the global generator, 3 of the enhancer, 4 of the game."""
    return start(pictures, tmp_path_factory.mktemp("runs"), "straight")


@pytest.mark.slow  # trains through three phases
def test_a_run_on_numbers_with_instances_knows_its_labels(straight):
    assert straight.step == 10
    found = config.read(straight.directory)
    assert found["class_names"] == ["#000000", "#010101", "#020202"]
    assert found["sample_shape"] == [16, 16, 4]
    assert assembly.trained(str(straight.directory)).colours == tuple(found["class_names"])
    network = helpers.keras.models.load_model(straight.directory / "generator.keras")
    assert tuple(network(np.zeros((1, 24, 40, 4), "float32")).shape) == (1, 24, 40, 4)


# Trains three times more.
@pytest.mark.slow
def test_interrupted_in_each_phase_and_resumed_equals_straight_bit_for_bit(
    pictures, straight, tmp_path
):
    part = start(pictures, tmp_path, "part", max_minutes=1e-9)
    assert part.step == 1, "in the first phase"
    for step in (4, 7):
        part = running.stopped_at(part.directory, step)
        assert part.step == step, "in the second phase, in the game"
    part = running.resume(part.directory)
    assert (part.first_step, part.step) == (7, 10)
    running.assert_equal_runs(part.directory, straight.directory)


def test_it_can_be_created_without_settings():
    assert zoo.create("pix2pixhd", perceptual_weight=0.0).sample_shape == (128, 128, 3)


def test_rates_fall_in_every_phase_anew():
    falling = {"decay_steps": 2, "decay_to": 0.0, "discriminator_learning_rate": 0.25}
    gan = small("pix2pixhd", global_rounds=2, learning_rate=0.5, **falling)
    gan.compile()
    for _ in range(3):
        helpers.step(gan, helpers.data(gan, 8)[0])
    rates = {
        player.name: float(numpy(gan.optimizer_of(player).learning_rate))
        for player in gan.all_players
    }
    expected = {"global": 0.0, "global_discriminator": 0.0, "generator": 0.25}
    assert rates == pytest.approx(expected | {"discriminator": 0.125}, abs=1e-6)
