"""The zoo as a library: make, train, sample, save, load, go on."""

import json

import helpers
import keras
import numpy as np
import pytest
from helpers import data, numpy, train

from zoo import sampling
from zoo.errors import UsageError

pytestmark = pytest.mark.backend


EXAMPLE = """
import keras, numpy as np
images = np.random.default_rng(0).integers(0, 256, (32, 32, 32, 1)).astype("uint8")

import zoo
gan = zoo.create("dcgan", image_shape=(32, 32, 1))
gan.compile()
gan.fit(images, epochs=1)
pictures = gan.generate(16, seed=0)
gan.save("gan.keras")

assert pictures.shape == (16, 32, 32, 1) and np.abs(pictures).max() <= 1
again = keras.models.load_model("gan.keras")
assert np.array_equal(again.generate(16, seed=0), pictures)
"""


@pytest.mark.slow  # trains a model of the size that the example has
def test_the_example_of_the_readme(tmp_path):
    helpers.python("-c", EXAMPLE, cwd=tmp_path, quick=False)


GO_ON = """
import json, pathlib, sys
import keras, numpy as np
import zoo
gan = keras.models.load_model(sys.argv[1])
data = np.load(sys.argv[2])
x = data["x"] if "x" in data else {name: data[name] for name in data}
y = data["y"] if "y" in data else None
history = gan.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0).history
print(json.dumps([history, [float(o.iterations) for o in gan.optimizer.optimizers]]))
"""


# One of each shape of game: each is compiled once more in a process of its own.
@pytest.mark.parametrize("variant", ["conditional", "pix2pix", "cyclegan"], indirect=True)
@pytest.mark.slow  # starts a process: that a file is enough shows in a fresh one only
def test_a_loaded_model_goes_on_exactly_as_the_original(variant, tmp_path):
    train(variant)
    variant.save(tmp_path / "gan.keras")
    x, y = data(variant)
    arrays = x if isinstance(x, dict) else {"x": x}
    np.savez(tmp_path / "data.npz", **arrays, **({} if y is None else {"y": y}))
    expected = train(variant, epochs=2).history

    out = helpers.python("-c", GO_ON, tmp_path / "gan.keras", tmp_path / "data.npz")
    history, iterations = json.loads(out.splitlines()[-1])
    assert history == expected
    assert iterations == [6] * len(variant.all_players)


def test_a_loaded_model_keeps_how_it_was_compiled(tmp_path):
    gan = helpers.small("dcgan", optimizer="sgd", loss="hinge", seed=3)
    gan.compile(discriminator_optimizer=keras.optimizers.Adam(0.25), run_eagerly=True)
    gan.save(tmp_path / "gan.keras")
    again = keras.models.load_model(tmp_path / "gan.keras")
    assert again.get_config() == gan.get_config()
    assert again.run_eagerly
    assert isinstance(again.optimizer.generator, keras.optimizers.SGD)
    assert isinstance(again.optimizer.discriminator, keras.optimizers.Adam)
    assert float(numpy(again.optimizer.discriminator.learning_rate)) == 0.25


@helpers.each_game_of_noise
def test_the_same_seed_gives_the_same_sample_at_any_count(variant):
    train(variant)
    labels = None if variant.num_classes is None else np.arange(70) % variant.num_classes
    few, many = (
        variant.generate(n, seed=5, labels=None if labels is None else labels[:n]) for n in (3, 70)
    )
    np.testing.assert_array_equal(few, many[:3])
    assert not np.array_equal(variant.generate(3, seed=6), variant.generate(3, seed=5))


def test_a_list_of_seeds_names_each_sample(gan):
    train(gan)
    one, other, again = gan.generate(3, seed=[4, 9, 4])
    np.testing.assert_array_equal(one, again)
    np.testing.assert_array_equal(other, gan.generate(1, seed=9)[0])
    assert not np.array_equal(one, other)


@helpers.each_game_of_noise
def test_the_averaged_generator_draws_unless_told_otherwise(variant):
    np.testing.assert_array_equal(variant.generate(2), variant.generate(2, ema=False))
    train(variant)
    assert not np.array_equal(variant.generate(2), variant.generate(2, ema=False))
    # After two steps the average may be as near to the weights as two ways to add are.
    for weight in variant.generator.trainable_variables:
        weight.assign(1.1 * weight)
    average, current = variant.generate(2), variant.generate(2, ema=False)
    labels = None if variant.num_classes is None else np.arange(2)
    z = sampling.latents(2, variant.latent_dim, 0)
    drawn = sampling.run_generator(variant.inference_generator(), z, labels)
    # Its layers are stock layers, whose sums round otherwise: by 1.6e-6 for cats_and_dogs.
    np.testing.assert_allclose(drawn, average, atol=3e-6)
    assert np.abs(drawn - current).max() > 1e-5


@helpers.each_game_of_noise
def test_sampling_changes_nothing(variant):
    train(variant)
    before = helpers.snapshot(variant)
    variant.generate(2)
    for value, again in zip(before, helpers.snapshot(variant), strict=True):
        np.testing.assert_array_equal(value, again)


@helpers.each_game_of_noise
def test_labels_decide_what_is_drawn_where_there_are_classes(variant):
    if variant.num_classes is None:
        pytest.skip("a variant without classes")
    train(variant)
    first = variant.generate(2, seed=[0, 0], labels=[0, 1])
    assert not np.array_equal(first[0], first[1]), "the label changes nothing"
    in_turn = np.arange(4) % variant.num_classes
    np.testing.assert_array_equal(variant.generate(4), variant.generate(4, labels=in_turn))


def test_pixels_round_to_the_nearest():
    values = np.array([-1.2, -1, -0.999, 0, 0.999, 1, 1.2], "float32")
    assert sampling.to_uint8(values).tolist() == [0, 0, 0, 128, 255, 255, 255]


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((8, 14, 14, 1), "uint8"), r"create the model with\s+image_shape=\(14, 14, 1\)"),
        (np.zeros((8, 16, 8), "uint8"), r"Expected \(n, 16, 16, 1\).*Received: \(8, 16, 8\)"),
        (np.full((8, 16, 16, 1), 255.0), r"Received: float64 from 255 to 255"),
        (np.full((8, 16, 16, 1), 7, "int64"), r"Expected uint8 in \[0, 255\] or float"),
        (np.full((8, 16, 16, 1), np.nan, "float32"), r"wrong range"),
    ],
)
def test_samples_that_the_model_cannot_learn_from_are_refused(gan, samples, message):
    with pytest.raises(UsageError, match=message):
        gan.fit(samples, verbose=0)


def test_fewer_samples_than_one_step_takes_are_refused():
    gan = helpers.small("dcgan", n_critic=2)
    gan.compile()
    with pytest.raises(UsageError, match=r"16.*15"):
        gan.fit(data(gan, 15)[0], batch_size=8, verbose=0)


def test_the_wrong_number_of_seeds_is_refused(gan):
    with pytest.raises(UsageError, match=r"Expected one seed or 3 of them. Received: 2 seeds"):
        gan.generate(3, seed=[1, 2])
