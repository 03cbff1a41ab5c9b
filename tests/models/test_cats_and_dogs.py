"""CatsAndDogsGAN: FastGAN's generator in R3GAN's game, against frozen features and pixels."""

import os
import subprocess
import sys

import helpers
import keras
import numpy as np
import pytest
from keras import ops

from zoo import backend
from zoo.errors import UsageError
from zoo.models.cats_and_dogs import CatsAndDogsGAN
from zoo.runs import config
from zoo.tasks.pictures import diversity

# In a process that has Keras and not this package.
LOAD = """
import sys
sys.modules["zoo"] = None
import keras, numpy as np
generator, discriminator = (keras.models.load_model(path, compile=False) for path in sys.argv[1:3])
with np.load(sys.argv[3]) as given:
    images = keras.ops.convert_to_numpy(generator([given["z"], given["label"]]))
    logits = keras.ops.convert_to_numpy(discriminator([given["images"], given["label"]]))
    np.testing.assert_allclose(images, given["images"], atol=1e-5)
    np.testing.assert_allclose(logits, given["logits"], rtol=1e-4, atol=1e-4)
"""


def small(size=16, preset="pixels", **settings):
    """A small model of a preset."""
    resolved = config.resolve("cats_and_dogs", "folder:pets", preset)
    recipe = config.model_settings(config.sized(resolved, (size, size, 3)))
    # The tests over the registry augment; JAX compiles a step three times as long with it.
    chosen = {"latent_dim": 8, "augment": "", "width": 4}
    if preset == "default":
        chosen |= {"discriminator_features": "random", "feature_size": 32}
    return CatsAndDogsGAN((size, size, 3), **recipe | chosen | settings)


def train(gan, steps=2, batch=4):
    """Takes steps on noise and looks at the losses."""
    random = np.random.default_rng(0)
    x = random.integers(0, 256, (steps * batch, *gan.image_shape)).astype("uint8")
    y = np.arange(len(x), dtype="int32") % gan.num_classes if gan.num_classes else None
    # TensorFlow takes far longer to trace a step than to take two.
    gan.compile(run_eagerly=keras.config.backend() == "tensorflow")
    history = gan.fit(x, y, batch_size=batch, verbose=0).history
    assert int(gan.finite_steps.numpy()) == steps
    assert all(np.isfinite(values).all() for values in history.values())


# Forty steps, for which TensorFlow first traces one.
@pytest.mark.slow
@helpers.not_on_jax
def test_the_class_does_not_drown_z():
    """With a class vector as long as z, 64 pixels and width 8, each class was one picture."""
    gan = small(num_classes=2, latent_dim=64, learning_rate=5e-3)
    gan.compile()
    random = np.random.default_rng(0)
    colours = random.integers(0, 256, (640, 1, 1, 3)).astype("uint8")
    x = colours.repeat(16, axis=1).repeat(16, axis=2)
    gan.fit(x, random.integers(0, 2, len(x)).astype("int32"), batch_size=16, verbose=0)
    samples, real = gan.generate(64, ema=False), x / np.float32(127.5) - 1
    within, all_together = (diversity(samples, real, classes) for classes in (2, 1))
    # 0.79 of 0.86, and 0.11 of 0.63 with a vector of N(0, 1).
    assert within > max(0.5 * all_together, 0.3), (within, all_together)


@helpers.not_on_jax
def test_rectified_maps_have_no_mean():
    """With one, all samples of the projected game kept one layout and one palette."""
    gan = small(32, "default", latent_dim=256, width=8)
    outputs = [x.output for x in gan.generator.layers if x.name.endswith("_centred")]
    z = ops.convert_to_tensor(latents(64, 256))
    maps = keras.Model(gan.generator.inputs, outputs)(z, training=True)
    means = [float(numpy(x).mean()) for x in maps]
    # Of the rectifier alone it would be 0.32.
    assert len(means) == 6 and np.abs(means).max() < 0.1, means


@helpers.not_on_jax
def test_a_class_is_one_number_beside_the_noise_where_weights_start_small():
    """Its learned vector of 256 numbers drowned the noise within 300 steps."""
    gan = small(32, "default", num_classes=2)
    class_vectors = gan.generator.get_layer("class")
    np.testing.assert_array_equal(numpy(class_vectors.embeddings.value), np.eye(2))
    before = [numpy(w.value) for w in gan.generator.trainable_variables]
    train(gan)
    values = [numpy(w.value) for w in gan.generator.trainable_variables]
    assert any((a != b).any() for a, b in zip(before, values, strict=True))
    np.testing.assert_array_equal(numpy(class_vectors.embeddings.value), np.eye(2))


def latents(count, size=8):
    return np.random.default_rng(1).normal(size=(count, size)).astype("float32")


def images(count, size=16):
    return np.random.default_rng(2).uniform(-1, 1, (count, size, size, 3)).astype("float32")


def numpy(x):
    return ops.convert_to_numpy(ops.stop_gradient(x))


@pytest.fixture(scope="module")
def by_class():
    return small(64, num_classes=2)


@pytest.fixture(scope="module")
def fast_gan():
    return small(preset="paper", num_classes=2)


@pytest.mark.slow  # compiles the recipe at its own size
@helpers.not_on_jax
def test_the_recipe_takes_finite_steps_by_class_at_64_pixels(by_class):
    before = [numpy(v.value) for v in by_class.generator.trainable_variables]
    train(by_class)
    after = [numpy(v.value) for v in by_class.generator.trainable_variables]
    assert any(np.any(a != b) for a, b in zip(after, before, strict=True))


@pytest.mark.slow  # compiles the recipe at its own size
@helpers.not_on_jax
def test_the_recipe_takes_finite_steps_without_classes_in_bfloat16():
    gan = small(dtype="mixed_bfloat16")
    assert gan.generator.get_layer("value_16a").compute_dtype == "bfloat16"
    assert gan.discriminator.output.dtype == "float32"
    train(gan)


@pytest.mark.slow  # compiles the recipe at its own size
@helpers.not_on_jax
def test_the_paper_preset_is_fastgans_game_and_takes_finite_steps(fast_gan):
    assert fast_gan.loss == "hinge" and fast_gan.penalty is None
    # 0.999 per step of 8 images.
    assert 0.5 ** (8 / fast_gan.ema_half_life) == pytest.approx(0.999, abs=1e-6)
    train(fast_gan)


@pytest.fixture(scope="module")
def projected():
    return small(preset="default", num_classes=2)


def layers_in(network):
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from layers_in(layer)
        else:
            yield layer


def test_both_networks_are_of_stock_layers(by_class, fast_gan, projected):
    judges = (gan.inference_discriminator() for gan in (by_class, fast_gan, projected))
    for network in (by_class.generator, projected.inference_generator(), *judges):
        for layer in layers_in(network):
            assert type(layer).__module__.startswith("keras."), layer.name
            assert not isinstance(layer, keras.layers.Lambda)


def test_projected_it_judges_features_and_the_exported_judge_judges_pictures(projected):
    assert [tuple(x.shape[1:3]) for x in projected.discriminator.inputs[:4]] == [
        *((8, 8), (4, 4), (2, 2), (1, 1))
    ]
    x, labels = images(3), np.array([0, 1, 1], "int32")
    judge = projected.inference_discriminator()
    assert tuple(judge.inputs[0].shape[1:]) == (16, 16, 3)
    maps = map(numpy, projected.part["Projected"].network(x))
    expected = numpy(projected.discriminator([*maps, labels], training=False))
    np.testing.assert_allclose(numpy(judge([x, labels])), expected, rtol=1e-4, atol=1e-5)
    assert expected.shape == (3, 1)


@helpers.not_on_jax
def test_with_a_hinge_every_patch_of_every_scale_is_judged():
    gan = small(preset="default", loss="hinge", penalty=None, discriminator_norm="spectral")
    assert gan.discriminator.output_shape == (None, 4 * 4 + 4 * 4 + 2 * 2 + 1)
    train(gan)


def played(gan, real, fake, label):
    """The batch and what was made of it, as the players get them, where the generator drew fake."""
    gan.generate_batch = lambda z, labels: fake
    batch = {"image": real, "label": label}
    batch |= gan.draw(batch)
    made = gan.make(batch)
    del gan.generate_batch
    return batch, made


def test_projected_each_picture_is_looked_at_once(monkeypatch):
    """The features of real and of generated pictures are the same ones for both players."""
    gan = small(preset="default", num_classes=2, augment="flip,translation,cutout")
    looked = []
    see = gan.part["Projected"].seen
    monkeypatch.setattr(
        gan.part["Projected"], "seen", lambda game, x: [looked.append(x.shape), see(game, x)][1]
    )
    train(gan, steps=1)
    assert len(looked) == 2, looked


@pytest.mark.backend
def test_projected_the_penalty_is_on_the_gradient_at_the_features(projected):
    x, labels = images(6), np.array([0, 1, 1], "int32")
    real, fake, label = map(ops.convert_to_tensor, (x[:3], x[3:], labels))
    total, seen = projected.discriminator_loss(*played(projected, real, fake, label))
    maps = [ops.stop_gradient(m) for m in projected.part["Projected"].network(x)]
    both = ops.convert_to_tensor(np.tile(labels, 2))
    squares = np.zeros(6)
    for i, values in enumerate(maps):

        def judged(x, i=i):
            return projected.discriminator([*maps[:i], x, *maps[i + 1 :], both], training=False)

        _, gradient = backend.input_grad(judged, ops.convert_to_tensor(values))
        squares += np.sum(np.square(numpy(gradient)), axis=(1, 2, 3))
    pairs = numpy(projected.objective.discriminator(seen["real"], seen["fake"]))
    expected = projected.penalty_weight / 2 * (squares[:3].mean() + squares[3:].mean())
    assert expected > 0.01 * pairs
    assert numpy(total) - pairs == pytest.approx(expected, rel=1e-3)


def test_projected_the_features_are_those_of_augmented_pictures(projected, monkeypatch):
    x, label = (ops.convert_to_tensor(a) for a in (images(3), np.array([0, 1, 1], "int32")))
    augmentation = projected.part["Augmentation"]
    monkeypatch.setattr(augmentation, "seen", lambda game, samples: 0 * samples)
    _, seen = projected.discriminator_loss(*played(projected, x, x, label))
    black = projected.part["Projected"].network(0 * x)
    expected = numpy(projected.discriminator([*black, label], training=True))
    np.testing.assert_allclose(numpy(seen["real"]), expected[:, 0], rtol=1e-4, atol=1e-5)


def test_at_first_the_class_says_nothing_to_the_projected_judge(projected):
    judge = projected.inference_discriminator()
    logits = [numpy(judge([images(3), np.full(3, label, "int32")])) for label in (0, 1)]
    np.testing.assert_array_equal(*logits)


def test_projected_it_takes_finite_steps_by_class(projected):
    before = [numpy(v.value) for v in projected.generator.trainable_variables]
    frozen = [numpy(v.value) for v in projected.part["Projected"].network.weights]
    train(projected)
    after = [numpy(v.value) for v in projected.generator.trainable_variables]
    assert all(np.any(a != b) for a, b in zip(after, before, strict=True))
    for variable, value in zip(projected.part["Projected"].network.weights, frozen, strict=True):
        np.testing.assert_array_equal(numpy(variable.value), value)


def test_no_network_mixes_the_samples_of_a_batch(by_class):
    label = np.zeros(2, "int32")
    inputs = ((by_class.generator, latents(2)), (by_class.discriminator, images(2, 64)))
    for network, x in inputs:
        before = numpy(network([x, label], training=True))
        x[0] = -x[0]
        after = numpy(network([x, label], training=True))
        assert np.abs(after[0] - before[0]).max() > 1e-3
        np.testing.assert_allclose(after[1], before[1], atol=1e-5)


def test_the_class_matters_to_both_networks(by_class):
    cat, dog = np.zeros(2, "int32"), np.ones(2, "int32")
    inputs = ((by_class.generator, latents(2)), (by_class.discriminator, images(2, 64)))
    for network, x in inputs:
        assert np.abs(numpy(network([x, cat])) - numpy(network([x, dog]))).max() > 1e-3


def test_a_map_of_low_resolution_switches_channels_of_a_high_one(by_class):
    generator = by_class.inference_generator()
    inputs = [latents(2), np.zeros(2, "int32")]
    different = numpy(generator(inputs))
    assert np.abs(different[0] - different[1]).max() > 1e-3
    bias = generator.get_layer("excite_64_b").bias
    bias.assign(ops.full(bias.shape, -1e9))
    alike = numpy(generator(inputs))
    np.testing.assert_array_equal(alike[0], alike[1])


def test_the_penalty_grows_with_the_number_of_pixels(by_class):
    assert by_class.penalty_weight == 16 * small().penalty_weight
    assert small(penalty_weight=3.0).penalty_weight == 3.0


@pytest.mark.parametrize(
    ("shape", "near"),
    [
        ((100, 100, 3), "64 or 128"),
        ((300, 300, 3), "256 or 512"),
        ((8, 8, 3), "16 or 32"),
        ((64, 32, 3), "64"),
        ((64, 64, 2), "64"),
        ((64, 64), "64"),
    ],
)
def test_other_shapes_are_refused_with_near_sizes(shape, near):
    with pytest.raises(UsageError, match=near):
        CatsAndDogsGAN(shape)


@pytest.mark.parametrize(
    "settings",
    [
        {"width": 0},
        {"generator_norm": "none"},
        {"discriminator_features": "random", "packing": 2},
        {"discriminator_features": "random", "feature_size": 100},
        {"discriminator_norm": "batch"},
        {"num_classes": 2, "packing": 2},
    ],
)
def test_what_does_not_go_together_is_refused(settings):
    with pytest.raises(UsageError):
        small(**settings)


def test_a_model_with_classes_asks_for_labels(by_class):
    with pytest.raises(UsageError, match="labels"):
        by_class.generate_batch(latents(2))


@pytest.mark.slow  # starts a process
@pytest.mark.parametrize("of", ["fast_gan", "projected"])
def test_both_files_of_the_tutorial_load_without_this_package(of, tmp_path, request):
    gan = request.getfixturevalue(of)
    paths = gan.save_h5(tmp_path / "new")
    assert [p.name for p in paths] == ["cat_dog_generator.h5", "cat_dog_discriminator.h5"]
    assert sorted(os.listdir(tmp_path / "new")) == sorted(p.name for p in paths)

    z, label = latents(3), np.array([0, 1, 1], "int32")
    drawn = numpy(gan.ema_generator([z, label], training=False))
    maps = gan.part["Projected"].network
    seen = map(numpy, maps(drawn)) if maps else [drawn]
    logits = numpy(gan.discriminator([*seen, label], training=False))
    np.savez(tmp_path / "given.npz", z=z, label=label, images=drawn, logits=logits)
    done = subprocess.run(
        [sys.executable, "-c", LOAD, *map(str, paths), str(tmp_path / "given.npz")],
        capture_output=True,
        text=True,
        env=os.environ | {"KERAS_BACKEND": keras.config.backend()},
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
