"""The conditional GAN: labels reach both networks and the picture obeys them."""

import helpers
import keras
import numpy as np
import pytest
from keras import ops

from configs import conditional
from zoo.errors import UsageError
from zoo.models.conditional import ConditionalGAN

SMALL = {"image_shape": (16, 16, 1), "num_classes": 3, "latent_dim": 4, "width": 4}
LABELS = np.array([0, 2, 1, 1, 0], "int32")
BOTH = pytest.mark.parametrize("conditioning", ["projection", "concat"])


def pictures(count, shape=(16, 16, 1), seed=0):
    random = np.random.default_rng(seed)
    return random.uniform(-1, 1, (count, *shape)).astype("float32")


def logits(gan, x, labels):
    return helpers.numpy(gan.discriminator([x, labels], training=False))[:, 0]


@pytest.mark.slow  # trains until it has learnt
@BOTH
def test_brightness_follows_the_label_where_the_class_is_brightness(conditioning):
    random = np.random.default_rng(0)
    y = random.integers(0, 3, 384).astype("int32")
    x = np.empty((384, 16, 16, 1), "uint8")
    x[:] = (np.array([30, 128, 225])[y] + random.integers(-20, 21, 384))[:, None, None, None]
    # Batch normalisation in the discriminator would take the brightness away.
    recipe = {"discriminator_norm": "none", "penalty": "r1", "penalty_weight": 1.0}
    steps = {"width": 8, "learning_rate": 1e-2, "ema_half_life": 200.0}
    gan = ConditionalGAN(**SMALL | recipe | steps, conditioning=conditioning)
    gan.compile()
    gan.fit(x, y, batch_size=16, epochs=7, verbose=0)
    asked = np.repeat([2, 0, 1], 8)
    bright = gan.generate(24, labels=asked).mean((1, 2, 3))
    dark, grey, light = (bright[asked == c].mean() for c in range(3))
    assert dark < grey < light and light - dark > 0.6, (dark, grey, light)


@BOTH
def test_the_label_enters_both_networks(conditioning):
    gan = ConditionalGAN(**SMALL, conditioning=conditioning)
    z = np.zeros((3, 4), "float32")
    drawn = helpers.numpy(gan.generator([z, np.arange(3, dtype="int32")], training=False))
    assert len(np.unique(drawn.mean((1, 2, 3)))) == 3
    judged = logits(gan, np.repeat(pictures(1), 3, axis=0), np.arange(3, dtype="int32"))
    assert len(np.unique(judged)) == 3


def test_the_projection_is_the_formula():
    gan = ConditionalGAN(**SMALL)
    network = gan.discriminator
    x = pictures(5)
    result = logits(gan, x, LABELS)
    inner = keras.Model(network.inputs[0], network.get_layer("features").output)
    h = helpers.numpy(inner(x))
    code = helpers.numpy(network.get_layer("label_code").embeddings)[LABELS]
    kernel, bias = (helpers.numpy(w) for w in network.get_layer("psi").weights)
    expected = h @ kernel[:, 0] + bias + np.sum(code * h, axis=1)
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-6)


def test_concat_puts_one_plane_of_the_label_beside_the_image():
    gan = ConditionalGAN(**SMALL, conditioning="concat")
    network = gan.discriminator
    inner = keras.Model(network.inputs, network.get_layer("image_and_label").output)
    x = pictures(5)
    seen = helpers.numpy(inner([x, LABELS]))
    np.testing.assert_array_equal(seen[..., :1], x)
    planes = helpers.numpy(network.get_layer("label_code").embeddings)
    np.testing.assert_array_equal(seen[..., 1], planes[LABELS].reshape(5, 16, 16))


def test_generated_pictures_are_judged_with_the_labels_of_the_minibatch():
    seen = []

    class Watched(ConditionalGAN):
        def generate_batch(self, z, labels=None):
            seen.append(("drawn", labels))
            return super().generate_batch(z, labels)

        def discriminate(self, samples, labels=None, network=None):
            seen.append(("judged", labels))
            return super().discriminate(samples, labels, network)

    gan = Watched(**SMALL, n_critic=2, penalty=None)
    gan.compile()
    # Symbols under a compiled step: which minibatch's, is told by identity.
    gan.fit(pictures(8), np.arange(8, dtype="int32") % 3, batch_size=4, verbose=0)
    step = seen[:7]
    assert [what for what, _ in step] == ["drawn", *["judged"] * 2, "drawn", *["judged"] * 3]
    first, second = step[0][1], step[3][1]
    assert first is not second
    assert all(labels is first for _, labels in step[:3])
    assert all(labels is second for _, labels in step[3:])


def test_augmentation_is_seen_before_the_label_is_added():
    gan = ConditionalGAN(**SMALL, instance_noise=0.5)
    gan.compile()
    x, labels = pictures(5), ops.convert_to_tensor(LABELS)
    first = helpers.numpy(gan.discriminate(ops.convert_to_tensor(x), labels))
    again = helpers.numpy(gan.discriminate(ops.convert_to_tensor(x), labels))
    assert first.shape == (5,)
    assert not np.allclose(first, again)


@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3), (64, 64, 3), (24, 40, 4)])
def test_sizes(shape):
    gan = ConditionalGAN(**SMALL | {"image_shape": shape, "width": 2})
    assert gan.generator.output_shape == (None, *shape)
    assert gan.generate(2).shape == (2, *shape)
    assert logits(gan, pictures(2, shape), LABELS[:2]).shape == (2,)


def test_the_generator_takes_z_and_label_and_is_of_stock_layers():
    generator = ConditionalGAN(**SMALL).inference_generator()
    z, label = generator.inputs
    assert (z.name, tuple(z.shape), z.dtype) == ("z", (None, 4), "float32")
    assert (label.name, tuple(label.shape), label.dtype) == ("label", (None,), "int32")
    assert generator.output_names == ["image"] and generator.outputs[0].dtype == "float32"
    assert all(type(x).__module__.startswith("keras.") for x in generator.layers)
    clone = keras.Model.from_config(generator.get_config())
    assert clone.count_params() == generator.count_params()


def test_classes_are_asked_for_and_by_default_take_turns():
    gan = ConditionalGAN(**SMALL)
    turns = gan.generate(6, seed=3)
    np.testing.assert_array_equal(turns, gan.generate(6, seed=3, labels=[0, 1, 2, 0, 1, 2]))
    ones = gan.generate(6, seed=3, labels=[1] * 6)
    np.testing.assert_array_equal(ones[[1, 4]], turns[[1, 4]])
    assert np.abs(ones[[0, 2, 3, 5]] - turns[[0, 2, 3, 5]]).max() > 0


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 3], r"no class 3. Valid: 0, 1, 2\."),
        ([-1, 0], r"no class -1. Valid: 0, 1, 2\."),
        ([0], r"Expected whole numbers of shape \(2,\).*Received: int64 of shape \(1,\)"),
        ([0.0, 1.0], "Received: float64"),
    ],
)
def test_wrong_labels_are_refused(labels, message):
    gan = ConditionalGAN(**SMALL)
    with pytest.raises(UsageError, match=message):
        gan.generate(2, labels=labels)
    gan.compile()
    with pytest.raises(UsageError, match=message):
        gan.fit(pictures(2), np.array(labels), verbose=0)


def test_many_classes_are_not_all_listed():
    gan = ConditionalGAN(**SMALL | {"num_classes": 1000})
    with pytest.raises(UsageError, match=r"no class 1000. Valid: 0, 1, ..., 999\."):
        gan.generate(1, labels=[1000])


def test_samples_without_labels_are_refused():
    gan = ConditionalGAN(**SMALL)
    gan.compile()
    with pytest.raises(UsageError, match="Each sample needs a label"):
        gan.fit(pictures(4), verbose=0)
    with pytest.raises(UsageError, match="got samples without labels"):
        gan.generate_batch(np.zeros((2, 4), "float32"))


def test_the_paper_preset_is_the_network_of_the_tutorial():
    config = conditional.get_config("mnist", "paper")
    assert (config["image_size"], config["width"], config["batch_size"]) == (32, 64, 128)
    assert conditional.get_config("mnist", "default")["batch_size"] == 32
    accepted = ConditionalGAN.settings()
    settings = {k: v for k, v in config.items() if k in accepted} | {"width": 2}
    gan = ConditionalGAN((32, 32, 1), num_classes=10, **settings)
    assert gan.n_critic == 5 and gan.conditioning == "concat" and gan.penalty is None
    ups = [x for x in gan.generator.layers if isinstance(x, keras.layers.Conv2DTranspose)]
    sizes = [tuple(gan.generator.get_layer("reshape").output.shape[1:3])]
    sizes += [tuple(x.output.shape[1:3]) for x in ups]
    assert sizes == [(4, 4), (8, 8), (16, 16), (32, 32)]
    # The tutorial's generator forgot the labels; this one has them.
    assert [x.name for x in gan.generator.inputs] == ["z", "label"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_classes": None}, "needs a data set with classes"),
        ({"num_classes": 0}, "`num_classes` is out of range"),
        ({"packing": 2}, "has no setting 'packing'"),
        ({"conditioning": "add"}, "no conditioning 'add'. Valid: concat, projection"),
        ({"discriminator_norm": "layer"}, "no discriminator_norm 'layer'"),
        ({"image_shape": (8, 8, 1)}, "at least 9 pixels"),
        ({"image_shape": (16, 16)}, r"Received: image_shape=\(16, 16\)"),
    ],
)
def test_a_wrong_setting_gets_one_sentence(settings, message):
    with pytest.raises(UsageError, match=message) as error:
        ConditionalGAN(**SMALL | settings)
    assert "\n" not in str(error.value)
