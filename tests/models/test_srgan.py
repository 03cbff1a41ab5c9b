"""SRGAN: the networks, the losses, the two stages, and that both resume exactly."""

import csv

import helpers
import keras
import numpy as np
import pytest
import running
from helpers import numpy, small
from keras import layers, ops
from PIL import Image

import zoo
from zoo.data import bicubic
from zoo.errors import UsageError
from zoo.models.srgan import SRGAN
from zoo.runs import assembly, config
from zoo.training import train

pytestmark = pytest.mark.usefixtures("eager_steps")


def fields(gan, count=2):
    batch = helpers.fields(gan, helpers.data(gan, count)[0])
    return gan.part["Degradation"].before_round(gan, batch)


def softplus(x):
    return np.logaddexp(0, x)


def test_the_transposed_convolution_is_a_convolution_and_a_pixel_shuffle():
    """Shi et al. 2016, arXiv:1609.07009: 3x3 to 4 c channels, then each four to 2x2 pixels."""
    width, random = 3, np.random.default_rng(0)
    image = random.normal(size=(1, 5, 4, width)).astype("float32")
    kernel = random.normal(size=(3, 3, width, 2, 2, width)).astype("float32")
    flat = kernel.reshape(3, 3, width, 4 * width)
    values = numpy(ops.conv(ops.convert_to_tensor(image), flat, 1, "same"))
    shuffled = values.reshape(1, 5, 4, 2, 2, width).transpose(0, 1, 3, 2, 4, 5)
    double = layers.Conv2DTranspose(width, 6, 2, "same", use_bias=False)
    double.build(image.shape)
    # An output at sub-pixel (p, q) sees input (a, b) of the 3x3 by weight 2 (2 - a) + p.
    transposed = np.zeros((6, 6, width, width), "float32")
    for a, b, p, q in np.ndindex(3, 3, 2, 2):
        transposed[2 * (2 - a) + p, 2 * (2 - b) + q] = kernel[a, b, :, p, q].T
    double.set_weights([transposed])
    expected = shuffled.reshape(1, 10, 8, width)
    np.testing.assert_allclose(numpy(double(image)), expected, atol=1e-4)


@pytest.mark.parametrize("scale", [2, 4])
def test_the_generator_enlarges_and_begins_near_the_enlarged_input(scale):
    gan = small("srgan", scale=scale)
    low = fields(gan)["low"]
    drawn = numpy(gan.generator(low))
    assert drawn.shape == (2, 16, 16, 1)
    enlarged = layers.UpSampling2D(scale, interpolation="bilinear")(low)
    smooth = gan.generator.get_layer("enlarged").output
    smooth = numpy(keras.Model(gan.generator.input, smooth)(low))
    difference = np.abs(smooth - numpy(enlarged))
    assert difference.max() < 0.2 * np.ptp(numpy(low)), "at the border too"
    without = numpy(small("srgan", scale=scale, input_skip=False).generator(low))
    near, far = (np.corrcoef(x.ravel(), numpy(enlarged).ravel())[0, 1] for x in (drawn, without))
    assert near > 0.8 > 0.6 > abs(far)


def test_the_network_that_is_saved_takes_any_size_and_stays_in_range():
    gan = small("srgan")
    for weight in gan.ema_generator.weights:
        weight.assign(weight * 5)
    network = gan.inference_network("generator")
    images = np.random.default_rng(0).uniform(-1, 1, (1, 5, 9, 1)).astype("float32")
    drawn = numpy(network(images))
    assert drawn.shape == (1, 20, 36, 1) and np.abs(drawn).max() == 1
    assert gan.translate(images).shape == (1, 20, 36, 1)
    # The network in training has no limit, and takes pictures of one size.
    of_training = np.random.default_rng(0).uniform(-1, 1, (1, 4, 4, 1)).astype("float32")
    assert np.abs(gan.translate(of_training)).max() == 1
    assert gan.translate((127 * images + 128).astype("uint8")).dtype == np.uint8


def test_the_small_picture_is_made_of_the_mirrored_one():
    gan, mirrored = small("srgan", mirror=True), set()
    images = helpers.data(gan, 16)[0]["high"]
    batch = gan.part["Jitter"].before_round(gan, helpers.fields(gan, {"high": images}))
    names = list(gan.part)
    assert names.index("Jitter") < names.index("Degradation")
    low = (numpy(gan.part["Degradation"].before_round(gan, batch)["low"]) + 1) * 127.5
    for high, given, made in zip(numpy(batch["high"]), images, low, strict=True):
        high = np.rint((high + 1) * 127.5).astype("uint8")
        mirrored.add(bool((high != given).any()))
        assert np.abs(bicubic.shrunk(high, gan.scale)[1] - made).max() < 1.01
    assert mirrored == {True, False}


def test_the_rate_of_the_first_stage_falls_along_a_cosine():
    gan = small("srgan", error_rounds=8, error_learning_rate=0.1, error_decay_to=0.25)
    gan.compile()
    optimizer = gan.optimizer_of(next(p for p in gan.all_players if p.name == "pretraining"))
    rates = []
    for updates in (0, 4, 8, 20):
        optimizer.iterations.assign(updates)
        rates.append(float(numpy(optimizer.learning_rate)))
    assert rates == pytest.approx([0.1, 0.0625, 0.025, 0.025])


@pytest.mark.backend
def test_the_losses_are_the_formulas():
    weights = {"error_weight": 3.0, "perceptual_weight": 0.5, "adversarial_weight": 2.0}
    gan = small("srgan", **weights)
    batch = fields(gan)
    made = gan.make(batch)
    real, fake = (numpy(gan.discriminator(x, training=True)) for x in (batch["high"], made["fake"]))
    loss, seen = gan.discriminator_loss(batch, made)
    expected = softplus(-real).mean() + softplus(fake).mean()
    assert float(numpy(loss)) == pytest.approx(expected, rel=1e-3)
    assert numpy(seen["real"]).shape == (2,)
    terms, seen = gan.generator_loss(batch, made)
    errors = np.square(numpy(made["fake"]) - numpy(batch["high"])).mean((1, 2, 3))
    distance = gan.part["Perceptual"].distance(made["fake"], batch["high"])
    assert float(numpy(terms["error"])) == pytest.approx(3 * errors.mean(), rel=1e-4)
    assert float(numpy(terms["perceptual"])) == pytest.approx(numpy(distance) / 2, rel=1e-4)
    expected = 2 * softplus(-fake).mean()
    assert float(numpy(terms["adversarial"])) == pytest.approx(expected, rel=1e-3)
    # In [-1, 1] the peak is 2.
    np.testing.assert_allclose(numpy(seen["psnr"]), 10 * np.log10(4 / errors), rtol=1e-4)
    first, seen = gan.all_players[-1].loss, None
    assert first is None, "without rounds there is no first stage"


def moved(gan, steps):
    """Trains and returns, by step, which of the two networks have moved."""
    gan.compile()
    x = helpers.part(helpers.data(gan, 8)[0], slice(None))
    answers = []
    for _ in range(steps):
        before = {n: gan.network(n).get_weights() for n in ("generator", "discriminator")}
        helpers.step(gan, x)
        answers.append(
            {
                name
                for name, weights in before.items()
                if any(
                    (a != b).any()
                    for a, b in zip(weights, gan.network(name).get_weights(), strict=True)
                )
            }
        )
    return answers


def test_first_the_error_alone_and_then_the_game():
    both = {"generator", "discriminator"}
    assert moved(small("srgan", error_rounds=2), 4) == [{"generator"}] * 2 + [both] * 2


@pytest.mark.parametrize("stage", ["error", "game"])
def test_a_stage_alone_has_no_end(stage):
    gan = small("srgan", error_rounds=1, stages=stage)
    expected = {"error": {"generator"}, "game": {"generator", "discriminator"}}[stage]
    assert moved(gan, 2) == [expected] * 2
    columns = set(gan.trackers)
    alone = {"loss", "p_loss", "p_psnr"}
    assert columns == alone if stage == "error" else not columns & {"p_loss", "p_psnr"}


def test_the_first_stage_learns():
    gan = small("srgan", error_rounds=30, stages="error", error_learning_rate=1e-2, width=8)
    gan.compile()
    y, x = np.mgrid[:16, :16]
    images = np.stack([(y * a + x * b) % 256 for a in (3, 9) for b in (5, 12)])[..., np.newaxis]
    x = {"high": np.tile(images.astype("uint8"), (2, 1, 1, 1))}
    history = gan.fit(x, batch_size=8, epochs=20, verbose=0).history
    assert history["p_psnr"][-1] > history["p_psnr"][0] + 0.5


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Pictures of several sizes; 16-pixel crops of them make 14 examples, 7 steps of two."""
    folder, random = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for i, (height, width) in enumerate([(32, 32), (35, 40), (20, 70)]):
        image = random.integers(0, 256, (height, width, 3)).astype("uint8")
        Image.fromarray(image).save(folder / f"{i}.png")
    return folder


def start(folder, runs_dir, name, **changes):
    settings = {"image_size": 16, "batch_size": 2, "epochs": 2, "width": 4, "blocks": 1}
    settings |= {"degradation": "blur,noise,jpeg", "perceptual_features": "random"}
    resolved = config.resolve(
        "srgan", f"crops:{folder}", overrides=settings | {"error_rounds": 8} | changes
    )
    return train.start(resolved, source=assembly.Source(), runs_dir=runs_dir, name=name)


@pytest.fixture(scope="module")
def straight(pictures, tmp_path_factory):
    """A run of 14 steps, of which the game has the last 6."""
    return start(pictures, tmp_path_factory.mktemp("runs"), "straight")


def test_a_run_has_both_stages_in_its_table(straight):
    assert straight.step == 14
    with (straight.directory / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    given = [(row["p_loss"] != "", row["g_perceptual"] != "") for row in rows]
    assert given == [(True, False), (True, True)]
    network = keras.models.load_model(straight.directory / "generator.keras")
    assert tuple(network(np.zeros((1, 3, 7, 3), "float32")).shape) == (1, 12, 28, 3)
    picture = np.asarray(Image.open(straight.directory / "samples" / "step-0000014.png"))
    assert picture.ndim == 3


# Trains three times more and compiles two steps each time.
# Trains three times more.
def test_interrupted_in_either_stage_and_resumed_equals_straight_bit_for_bit(
    pictures, straight, tmp_path
):
    part = start(pictures, tmp_path, "part", max_minutes=1e-9)
    assert part.step == 1, "in the first stage"
    part = running.stopped_at(part.directory, 9)
    assert part.step == 9, "in the game"
    part = running.resume(part.directory)
    assert (part.first_step, part.step) == (9, 14)
    running.assert_equal_runs(part.directory, straight.directory)


def test_the_paper_preset_is_the_papers_network():
    resolved = config.resolve("srgan", "crops:x", "paper")
    gan = SRGAN(
        (96, 96, 3),
        **config.model_settings(resolved) | {"width": 1, "perceptual_features": "random"},
    )
    names = [layer.name for layer in gan.generator.layers]
    assert sum(name.endswith(("a", "b")) and name.startswith("block_") for name in names) == 32
    assert sum(isinstance(x, layers.BatchNormalization) for x in gan.generator.layers) == 33
    # n64s1, n64s2, n128s1, ... in units of 64.
    down = [gan.discriminator.get_layer(f"down_{i}") for i in range(8)]
    assert [layer.filters for layer in down] == [1, 1, 2, 2, 4, 4, 8, 8]
    assert [layer.strides[0] for layer in down] == [1, 2] * 4
    assert resolved["width"] == 64 and resolved["error_rounds"] == 1_000_000


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image_shape": (32, 32, 4)}, "opaque pictures.*Expected --set channels=3"),
        ({"image_shape": (8, 8, 3)}, "at least 16 pixels"),
        ({"stages": "error"}, "error_rounds of at least 1"),
        ({"stages": "eror", "error_rounds": 1}, "no stages 'eror'. Did you mean 'error'"),
        (
            {"error_weight": 0.0, "perceptual_weight": 0.0, "adversarial_weight": 0.0},
            "Nothing is left to learn in the second stage",
        ),
        ({"perceptual_features": "vgg"}, "no perceptual_features 'vgg'"),
        ({"perceptual_maps": 5}, "`perceptual_maps` is out of range"),
    ],
)
def test_a_wrong_setting_is_one_sentence(settings, message):
    with pytest.raises(UsageError, match=message) as error:
        small("srgan", **settings)
    assert "\n" not in str(error.value)


def test_another_data_set_is_one_sentence(pictures, tmp_path):
    resolved = config.resolve("srgan", f"folder:{pictures}", overrides={"image_size": 16})
    with pytest.raises(UsageError, match=r"srgan learns from 'high'.*Choose crops:PATH"):
        train.start(resolved, source=assembly.Source(), runs_dir=tmp_path, name="none")


def test_it_can_be_created_without_settings():
    assert zoo.create("srgan", perceptual_weight=0.0).sample_shape == (96, 96, 3)
