"""Free-form inpainting: the networks, the attention, the losses, a run, and that it resumes."""

import csv
import pathlib

import helpers
import keras
import numpy as np
import pytest
import running
from helpers import numpy, small
from keras import layers
from PIL import Image

import zoo
from zoo.errors import UsageError
from zoo.models import inpainting
from zoo.models.inpainting import Inpainting
from zoo.outputs.inpaint import inpaint
from zoo.parts import holes
from zoo.runs import assembly, config, network_files
from zoo.training import train

pytestmark = pytest.mark.usefixtures("eager_steps")


def fields(gan, count=2):
    batch = helpers.fields(gan, helpers.data(gan, count)[0])
    return gan.part["Holes"].before_round(gan, batch)


def pictures(count=2, size=(16, 16), channels=1):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (count, *size, channels)).astype("uint8")
    return images, holes.fixed(count, size)


def test_a_gated_convolution_multiplies_features_by_a_sigmoid():
    gan = small("inpainting")
    given = [keras.Input((16, 16, 1)), keras.Input((16, 16, 1))]
    x = layers.Concatenate()(given)
    network = keras.Model(given, gan._gated(x, 2, name="gated"))
    batch = fields(gan)
    tensors = [batch["image"], batch["mask"]]
    values = numpy(network(tensors))
    both = keras.Model(
        given, [network.get_layer(f"gated_{n}").output for n in ("features", "gates")]
    )
    features, gates = (numpy(x) for x in both(tensors))
    assert values.shape == (2, 16, 16, 8) and gates.min() > 0 and gates.max() < 1
    np.testing.assert_allclose(values, features * gates, atol=1e-6)
    assert features.min() >= -1


def test_what_is_unknown_does_not_reach_the_networks():
    gan = small("inpainting")
    batch = fields(gan)
    image, mask = numpy(batch["image"]), numpy(batch["mask"])
    other = np.where(mask > 0, 1 - image, image)
    first, second = (numpy(gan.generator([x, mask])[1]) for x in (image, other.astype("float32")))
    np.testing.assert_array_equal(first, second)
    changed = numpy(gan.generator([-image, mask])[1])
    assert np.abs(changed - first).max() > 1e-3


# Both networks are traced, for six seconds.
@pytest.mark.slow
@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="TensorFlow's format")
def test_the_network_of_any_size_becomes_a_savedmodel(tmp_path):
    import tensorflow as tf

    network = small("inpainting").inference_network("generator")
    network.export(str(tmp_path / "saved"), verbose=False)
    served = tf.saved_model.load(str(tmp_path / "saved")).signatures["serving_default"]
    for size in ((16, 16), (20, 32)):
        images, unknown = pictures(2, size)
        tensors = [(images / 127.5 - 1).astype("float32"), unknown[..., None].astype("float32")]
        given = dict(zip(("image", "mask"), map(tf.constant, tensors), strict=True))
        (answer,) = served(**given).values()
        np.testing.assert_allclose(answer, numpy(network(tensors)), atol=1e-5)


def attention(hole, features, stride=1):
    """Runs the attention alone."""
    gan = small("inpainting", attention_stride=stride)
    given = [keras.Input(x.shape[1:]) for x in (features, hole)]
    return numpy(keras.Model(given, gan._attention(*given))([features, hole]))


@pytest.mark.parametrize("stride", [1, 2])
def test_the_attention_copies_from_known_places_with_the_same_surrounding(stride):
    random = np.random.default_rng(0)
    # A pattern that comes again after 4 places: what is hidden is seen elsewhere.
    features = np.tile(random.normal(size=(1, 4, 4, 24)), (1, 3, 3, 1)).astype("float32")
    hole = np.zeros((1, 12, 12, 1), "float32")
    hole[:, 5, 6] = 1
    found = attention(hole, features, stride)
    assert found.shape == features.shape
    if stride == 1:
        np.testing.assert_allclose(found, features, atol=0.05)
    else:
        known = features[:, ::2, ::2]
        np.testing.assert_allclose(found[:, ::2, ::2], known, atol=0.05)
    # What lies in the hole, or beside it, is never copied.
    marked = features.copy()
    marked[:, 4:7, 5:8] += 1000 * features[:, 4:7, 5:8]
    copied = attention(hole, marked, stride)
    assert np.abs(copied).max() < 2 * np.abs(features).max()


def test_a_hole_without_known_places_is_filled_with_finite_values():
    features = np.random.default_rng(0).normal(size=(1, 4, 4, 8)).astype("float32")
    found = attention(np.ones((1, 4, 4, 1), "float32"), features)
    assert np.isfinite(found).all() and np.abs(found).max() <= np.abs(features).max() + 1e-5


@pytest.mark.parametrize(("judged", "count"), [("places", 1), ("features", 8)])
def test_the_discriminator_sees_the_mask_and_is_bounded(judged, count):
    gan = small("inpainting", judged=judged)
    batch = fields(gan)
    image, mask = numpy(batch["image"]), numpy(batch["mask"])
    logits = numpy(gan.discriminator([image, mask]))
    other = numpy(gan.discriminator([image, 1 - mask]))
    assert logits.shape == (2, 4, 4, count) and np.abs(logits - other).max() > 1e-4
    assert all("Spectral" in type(x).__name__ for x in gan.discriminator.layers if x.weights)


@pytest.mark.backend
def test_the_losses_are_the_formulas():
    gan = small("inpainting", l1_weight=3.0, adversarial_weight=2.0)
    batch = fields(gan)
    made = gan.make(batch)
    image, mask, coarse, refined = (
        numpy(x) for x in (batch["image"], batch["mask"], made["coarse"], made["refined"])
    )
    filled = np.where(mask > 0, refined, image)
    # Each call in training improves the estimate of the largest singular values.
    for _ in range(20):
        gan.discriminate(image, mask)
    real, fake = (numpy(gan.discriminator([x, mask])) for x in (image, filled))
    loss, seen = gan.discriminator_loss(batch, made)
    expected = np.maximum(0, 1 - real).mean() + np.maximum(0, 1 + fake).mean()
    assert float(numpy(loss)) == pytest.approx(expected, rel=1e-3)
    assert numpy(seen["real"]).shape == (2 * 4 * 4,)
    terms = {name: float(numpy(x)) for name, x in gan.generator_loss(batch, made).items()}
    assert terms["coarse"] == pytest.approx(3 * np.abs(image - coarse).mean(), rel=1e-4)
    assert terms["refined"] == pytest.approx(3 * np.abs(image - refined).mean(), rel=1e-4)
    assert terms["adversarial"] == pytest.approx(-2 * fake.mean(), rel=1e-2, abs=1e-4)
    assert set(small("inpainting", l1_weight=0.0).generator_loss(batch, made)) == {"adversarial"}


def test_without_the_game_the_discriminator_rests():
    gan = small("inpainting", adversarial_weight=0.0)
    gan.compile()
    before = gan.discriminator.get_weights()
    losses = helpers.step(gan, helpers.data(gan, 8)[0])
    assert all((a == b).all() for a, b in zip(before, gan.discriminator.get_weights(), strict=True))
    assert not [name for name in losses if name.startswith("d_")]


@pytest.mark.parametrize("size", [(16, 16), (13, 30)])
def test_known_pixels_stay_bit_for_bit_and_holes_are_filled_at_any_size(size):
    gan = small("inpainting")
    images, unknown = pictures(3, size)
    filled = gan.translate(images, unknown)
    assert filled.dtype == np.uint8 and filled.shape == images.shape
    np.testing.assert_array_equal(filled[~unknown], images[~unknown])
    assert (filled[unknown] != images[unknown]).mean() > 0.5
    floats = (images / 127.5 - 1).astype("float32")
    filled = gan.translate(floats, unknown)
    np.testing.assert_array_equal(filled[~unknown], floats[~unknown])
    with pytest.raises(UsageError, match="Expected `holes` as a bool array of shape"):
        gan.translate(images, unknown.astype("uint8"))


def test_the_saved_network_puts_known_pixels_back_itself():
    network = small("inpainting").inference_network("generator")
    images, unknown = pictures(2, (20, 32))
    given = [(images / 127.5 - 1).astype("float32"), unknown[..., np.newaxis].astype("float32")]
    drawn = numpy(network(given))
    np.testing.assert_array_equal(drawn[~unknown], given[0][~unknown])
    assert network_files.fills(network) and network_files.multiple(network) == 4
    assert not network_files.operations(network), "layers alone, which every format holds"


def test_the_paper_preset_is_the_papers_networks():
    resolved = config.resolve("inpainting", "folder:x", "paper")
    shape = (256, 256, 3)
    assert inpainting.dilations(shape) == [2, 4, 8, 16]
    assert inpainting.halvings(shape) == 6
    gan = Inpainting(
        shape, **config.model_settings(resolved) | {"width": 1} | {"discriminator_width": 1}
    )
    down = [gan.discriminator.get_layer(f"down_{i}") for i in range(6)]
    # 64, 128, 256, 256, 256, 256 in units of 64.
    assert [layer.filters for layer in down] == [1, 2, 4, 4, 4, 4]
    assert {layer.kernel_size for layer in down} == {(5, 5)}
    assert gan.discriminator.output_shape[1:3] == (4, 4)
    assert resolved["width"] == 24 and resolved["discriminator_width"] == 64


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image_shape": (32, 32, 4)}, "opaque pictures.*Expected --set channels=3"),
        ({"image_shape": (12, 16, 3)}, "at least 16 pixels"),
        ({"image_shape": (18, 16, 3)}, "divisible by 4"),
        ({"l1_weight": 0.0, "adversarial_weight": 0.0}, "Nothing is left to learn"),
        ({"attention_stride": 3}, "`attention_stride` is out of range"),
    ],
)
def test_a_wrong_setting_is_one_sentence(settings, message):
    with pytest.raises(UsageError, match=message) as error:
        small("inpainting", **settings)
    assert "\n" not in str(error.value)


def start(folder, runs_dir, name, **changes):
    settings = {"image_size": 16, "batch_size": 2, "epochs": 2, "width": 2}
    settings |= {"discriminator_width": 2, "mirror": True}
    resolved = config.resolve("inpainting", folder, overrides=settings | changes)
    return train.start(resolved, source=assembly.Source(), runs_dir=runs_dir, name=name)


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """A run of 8 steps on a folder with classes, which the model does not need."""
    folder = helpers.picture_folder(tmp_path_factory.mktemp("pictures"), 4, ("a", "b"))
    return folder, start(folder, tmp_path_factory.mktemp("runs"), "straight")


def picture_of(path):
    with Image.open(path) as file:
        return np.asarray(file)


@pytest.mark.slow  # trains
def test_a_run_shows_holes_and_results_and_answers_generate(straight, tmp_path):
    _, run = straight
    assert run.step == 8
    with (run.directory / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(row["g_coarse"] and row["g_refined"] and row["d_loss"] for row in rows)
    shown = [picture_of(path).shape for path in sorted((run.directory / "samples").iterdir())]
    assert len(shown) >= 2 and len(set(shown)) == 1
    picture = np.random.default_rng(0).integers(0, 256, (30, 21, 3)).astype("uint8")
    hole = holes.fixed(1, (30, 21))[0]
    Image.fromarray(picture).save(tmp_path / "p.png")
    Image.fromarray(hole.astype("uint8") * 255).save(tmp_path / "m.png")
    paths = str(tmp_path / "p.png"), str(tmp_path / "m.png")
    written = inpaint(str(run.directory), *paths, out=str(tmp_path / "out"), say=lambda _: None)
    assert [pathlib.Path(path).name for path in written] == ["p_overview.png", "p_0.png"]
    answer = picture_of(written[1])
    np.testing.assert_array_equal(answer[~hole], picture[~hole])
    assert (answer[hole] != picture[hole]).any()


# Trains twice more.
@pytest.mark.slow
def test_interrupted_and_resumed_equals_straight_bit_for_bit(straight, tmp_path):
    folder, whole = straight
    part = start(folder, tmp_path, "part", max_minutes=1e-9)
    assert part.step == 1
    part = running.resume(part.directory, max_minutes=None)
    assert (part.first_step, part.step) == (1, 8)
    running.assert_equal_runs(part.directory, whole.directory)


def test_it_can_be_created_without_settings():
    assert zoo.create("inpainting").sample_shape == (64, 64, 3)
