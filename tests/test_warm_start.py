"""The warm start: the generator as the decoder of a variational autoencoder."""

import csv

import helpers
import keras
import numpy as np
import pytest
import running
from keras import ops

from zoo.errors import UsageError
from zoo.parts import warm_start
from zoo.runs import checkpoints

pytestmark = pytest.mark.backend


def easy(gan, count=64):
    """Returns data whose mean is far from what an untrained generator draws."""
    random = np.random.default_rng(0)
    if len(gan.sample_shape) == 3:
        samples = random.integers(0, 64, (count, *gan.sample_shape)).astype("uint8")
        samples[:, 4:12, 4:12] += 128
    else:
        samples = random.normal(2.0, 0.1, (count, *gan.sample_shape)).astype("float32")
    labels = np.arange(count, dtype="int32") % gan.num_classes if gan.num_classes else None
    return samples, labels


def small(name, rounds, **settings):
    gan = helpers.small(name, warm_start_rounds=rounds, **settings)
    gan.compile()
    return gan


def warm(gan, epochs):
    samples, labels = easy(gan)
    return gan.fit(samples, labels, batch_size=16, epochs=epochs, shuffle=False, verbose=0).history


# Images with classes, and vectors, which have a different deviation.
@pytest.mark.parametrize(("name", "rounds"), [("conditional", 24), ("gaussian", 160)])
def test_it_learns_and_moves_the_generator_alone(name, rounds):
    gan = small(name, rounds)
    real = helpers.reals(easy(gan)[0]).mean(axis=0)

    def distance():
        return np.abs(gan.generate(64, ema=False).mean(axis=0) - real).mean()

    others = [*gan.discriminator.variables, *gan.optimizer.discriminator.variables]
    others += gan.optimizer.generator.variables
    before, kept = distance(), [helpers.numpy(v) for v in others]
    encoder = [helpers.numpy(v) for v in gan.encoder.trainable_variables]
    history = warm(gan, epochs=rounds // 4)
    assert set(history) == {"loss", "a_loss", "a_error", "a_divergence"}
    for column in ("loss", "a_loss", "a_error"):
        assert np.isfinite(history[column]).all()
        assert history[column][-1] < history[column][0]
    assert distance() < before
    for variable, value in zip(others, kept, strict=True):
        np.testing.assert_array_equal(helpers.numpy(variable), value, err_msg=variable.path)
    for variable, value in zip(gan.encoder.trainable_variables, encoder, strict=True):
        assert not np.array_equal(helpers.numpy(variable), value), variable.path


def test_afterwards_the_game_goes_on_and_the_encoder_rests():
    gan = small("dcgan", rounds=4)
    history = warm(gan, epochs=1)
    assert "d_loss" not in history and helpers.numpy(gan.rounds) == 4
    resting = [*gan.encoder.variables, *gan.optimizer.autoencoder.variables]
    kept = [helpers.numpy(v) for v in resting]
    judges = [helpers.numpy(v) for v in gan.discriminator.trainable_variables]
    history = warm(gan, epochs=1)
    assert {"d_loss", "g_loss"} < set(history) and "a_loss" not in history
    for variable, value in zip(resting, kept, strict=True):
        np.testing.assert_array_equal(helpers.numpy(variable), value, err_msg=variable.path)
    for variable, value in zip(gan.discriminator.trainable_variables, judges, strict=True):
        assert not np.array_equal(helpers.numpy(variable), value), variable.path
    assert int(helpers.numpy(gan.finite_steps)) == 8


def test_weights_are_not_clipped_before_the_game():
    gan = small("gaussian", rounds=4, weight_clip=1e-3)
    warm(gan, epochs=1)
    largest = {
        name: max(np.abs(helpers.numpy(v)).max() for v in gan.network(name).trainable_variables)
        for name in ("generator", "encoder")
    }
    assert min(largest.values()) > 0.1
    warm(gan, epochs=1)
    assert max(np.abs(helpers.numpy(v)).max() for v in gan.discriminator.trainable_variables) < 2e-3


def test_without_it_there_is_no_encoder_and_no_counter(gan):
    assert len(gan.phases) == 1 and "encoder" not in gan.network_names
    assert not hasattr(gan, "rounds")


def test_the_statistics_of_batch_normalisation_are_learnt_too():
    gan = small("dcgan", rounds=4)
    statistics = [v for v in gan.generator.weights if v.name == "moving_variance"]
    warm(gan, epochs=1)
    assert statistics and all(np.any(helpers.numpy(v) != 1.0) for v in statistics)


def test_the_seed_decides_the_weights():
    weights = []
    for seed in (0, 0, 1):
        gan = small("gaussian", rounds=4, seed=seed)
        warm(gan, epochs=1)
        weights.append([helpers.numpy(v) for v in gan.generator.weights])
    for first, again in zip(*weights[:2], strict=True):
        np.testing.assert_array_equal(first, again)
    assert not np.array_equal(weights[0][0], weights[2][0])


def test_the_loss_is_the_negative_bound():
    """Kingma and Welling 2014, eq. 10, by numpy."""
    random = np.random.default_rng(0)
    difference, mean, log_variance = (
        random.normal(size=shape).astype("float32") for shape in ((5, 4, 4, 2), (5, 3), (5, 3))
    )
    deviation = np.exp(log_variance / 2)
    divergence = np.sum(mean**2 + deviation**2 - 1 - np.log(deviation**2), axis=1) / 2

    def loss(difference, learned):
        tensors = [ops.convert_to_tensor(x) for x in (difference, mean, log_variance)]
        value, logs = warm_start.bound(*tensors, learned)
        np.testing.assert_allclose(helpers.numpy(logs["divergence"]), divergence.mean(), rtol=1e-4)
        error = np.sqrt(np.mean(difference**2))
        np.testing.assert_allclose(helpers.numpy(logs["error"]), error, rtol=1e-4)
        return helpers.numpy(value)

    # Up to d/2 log(2 pi) the negative log likelihood: of deviation 1, then of the best one.
    images = np.sum(difference**2, axis=(1, 2, 3)) / 2
    np.testing.assert_allclose(loss(difference, False), np.mean(images + divergence), rtol=1e-4)
    vectors = difference.reshape(5, 32)
    best = np.sqrt(np.mean(vectors**2))
    likelihood = np.sum(vectors**2 / best**2 / 2 + np.log(best), axis=1) - 32 / 2
    np.testing.assert_allclose(loss(vectors, True), np.mean(likelihood + divergence), rtol=1e-4)


@pytest.mark.parametrize(("name", "images"), [("dcgan", True), ("gaussian", False)])
def test_images_have_convolutions_and_a_deviation_of_1_and_vectors_their_own(
    name, images, monkeypatch
):
    gan = small(name, rounds=1)
    kinds = [type(layer).__name__ for layer in gan.encoder.layers]
    assert ("Conv2D" in kinds) == images
    asked = []
    monkeypatch.setattr(
        warm_start, "bound", lambda *parts, learned: asked.append(learned) or (0.0, {})
    )
    x, y = helpers.data(gan, 4)
    warm_start.autoencoder_loss(gan, helpers.fields(gan, x, y))
    assert asked == [not images]


def test_saved_in_the_middle_of_it_a_model_goes_on_exactly(tmp_path):
    """Plays 4 of 8 warm start rounds, then 4 more and 4 of the game, with and without a file."""
    gan = small("gaussian", rounds=8, penalty=None)
    warm(gan, epochs=1)
    gan.save(tmp_path / "gan.keras")
    again = keras.models.load_model(tmp_path / "gan.keras")
    histories = [warm(gan, epochs=1), warm(gan, epochs=1)]
    assert "a_loss" in histories[0] and "d_loss" in histories[1]
    assert [warm(again, epochs=1), warm(again, epochs=1)] == histories
    for one, other in zip(helpers.state(gan), helpers.state(again), strict=True):
        np.testing.assert_array_equal(helpers.numpy(one), helpers.numpy(other))


def test_a_game_of_phases_is_not_compiled_to_several_steps_at_once():
    gan = helpers.small("gaussian", warm_start_rounds=1)
    with pytest.raises(UsageError, match=r"Expected steps_per_execution=1\. Received: 2"):
        gan.compile(steps_per_execution=2)


# Trains three times and compiles two steps each time.
@pytest.mark.slow
def test_a_run_with_a_warm_start_resumes_bit_for_bit(tmp_path):
    # 8 steps an epoch. The warm start is interrupted; it ends in the second epoch.
    settings = {"warm_start_rounds": 12, "batch_size": 200}
    straight = running.start(tmp_path, "straight", epochs=3, **settings)
    part = running.start(tmp_path, "part", epochs=1, **settings)
    assert part.step == 8 and straight.step == 24
    assert running.resume(part.directory, epochs=3).first_step == part.step
    assert_equal(part.directory, straight.directory)
    with (straight.directory / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    given = [(row["a_loss"] != "", row["d_loss"] != "") for row in rows]
    assert given == [(True, False), (True, True), (False, True)]
    assert 0 < float(rows[1]["a_loss"]) < float(rows[0]["a_loss"])


def assert_equal(path, other):
    (_, arrays), (_, expected) = (
        checkpoints.read(checkpoints.listing(folder / "checkpoints")[-1])
        for folder in (path, other)
    )
    assert arrays.keys() == expected.keys()
    assert not [n for n in arrays if arrays[n].tobytes() != expected[n].tobytes()]
    assert (path / "metrics.csv").read_bytes() == (other / "metrics.csv").read_bytes()


@pytest.mark.parametrize("text", ["vae:1", "1.5", "-1"])
def test_a_wrong_setting_is_one_sentence(text):
    with pytest.raises(UsageError, match="`warm_start_rounds`") as caught:
        config = running.resolve(warm_start_rounds=text)
        helpers.small("dcgan", warm_start_rounds=config["warm_start_rounds"])
    assert "\n" not in str(caught.value)


def test_a_loss_that_is_not_finite_is_seen(monkeypatch):
    monkeypatch.setattr(warm_start, "LEARNING_RATE", 1e30)
    gan = small("gaussian", rounds=8)
    warm(gan, epochs=2)
    assert int(helpers.numpy(gan.finite_steps)) < 8


def test_weights_of_another_run_and_a_warm_start_exclude_each_other(tmp_path):
    with pytest.raises(UsageError, match=r"Leave one of them out.*--init_from=x, warm_start_rou"):
        running.start(tmp_path / "runs", "both", init_from="x", warm_start_rounds=1)
    assert not (tmp_path / "runs").exists()
