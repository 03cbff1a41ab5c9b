"""The warm start: the generator as the decoder of a variational autoencoder."""

import signal

import helpers
import numpy as np
import pytest
import running
from keras import ops

from zoo import warm_start
from zoo.errors import UsageError
from zoo.runs import checkpoints
from zoo.training.session import Clock

pytestmark = [pytest.mark.backend, pytest.mark.usefixtures("quick_compilation")]


def easy(gan, count=64):
    """Data whose mean is far from what an untrained generator draws."""
    random = np.random.default_rng(0)
    if len(gan.image_shape) == 3:
        samples = random.integers(0, 64, (count, *gan.image_shape)).astype("uint8")
        samples[:, 4:12, 4:12] += 128
    else:
        samples = random.normal(2.0, 0.1, (count, *gan.image_shape)).astype("float32")
    labels = np.arange(count, dtype="int32") % gan.num_classes if gan.num_classes else None
    return samples, labels


def warm(gan, epochs=1, seed=0):
    samples, labels = easy(gan)
    return warm_start.vae(gan, samples, labels, epochs=epochs, batch_size=16, seed=seed)


@helpers.each_variant
def test_it_learns_and_moves_the_generator_alone(variant):
    real = helpers.reals(easy(variant)[0]).mean(axis=0)

    def distance():
        return np.abs(variant.generate(64).mean(axis=0) - real).mean()

    averages = {id(v) for v in [*variant.generator.weights, *variant.ema_generator.weights]}
    others = [v for v in helpers.state(variant) if id(v) not in averages]
    assert len(others) > len(variant.discriminator.weights)
    before, kept = distance(), [helpers.numpy(v) for v in others]
    history = warm(variant, epochs=8)
    assert set(history) == {"loss", "error", "divergence"}
    for name in ("loss", "error"):
        assert len(history[name]) == 8 and np.isfinite(history[name]).all()
        assert history[name][-1] < history[name][0]
    assert distance() < before
    for variable, value in zip(others, kept, strict=True):
        np.testing.assert_array_equal(helpers.numpy(variable), value, err_msg=variable.path)
    pairs = zip(variant.ema_generator.weights, variant.generator.weights, strict=True)
    for average, weight in pairs:
        np.testing.assert_array_equal(helpers.numpy(average), helpers.numpy(weight))


def test_the_statistics_of_batch_normalisation_are_learnt_too(gan):
    statistics = [v for v in gan.ema_generator.weights if v.name == "moving_variance"]
    warm(gan)
    assert statistics and all(np.any(helpers.numpy(v) != 1.0) for v in statistics)


def test_the_seed_decides_the_weights(gan):
    start = helpers.snapshot(gan)
    weights = []
    for seed in (0, 0, 1):
        helpers.restore(gan, start)
        warm(gan, seed=seed)
        weights.append([helpers.numpy(v) for v in gan.generator.weights])
    for first, again in zip(*weights[:2], strict=True):
        np.testing.assert_array_equal(first, again)
    assert not np.array_equal(weights[0][0], weights[2][0])


def test_the_loss_is_the_negative_bound(gan):
    """Kingma and Welling 2014, eq. 10, by numpy."""
    random = np.random.default_rng(0)
    difference, mean, log_variance = (
        random.normal(size=shape).astype("float32") for shape in ((5, 4, 4, 2), (5, 3), (5, 3))
    )
    deviation = np.exp(log_variance / 2)
    divergence = np.sum(mean**2 + deviation**2 - 1 - np.log(deviation**2), axis=1) / 2
    autoencoder = warm_start.Autoencoder(gan)

    def loss(difference):
        outputs = [ops.convert_to_tensor(x) for x in (difference, mean, log_variance)]
        return helpers.numpy(autoencoder.compute_loss(y_pred=outputs))

    # Up to d/2 log(2 pi) the negative log likelihood: of deviation 1, then of the best one.
    images = np.sum(difference**2, axis=(1, 2, 3)) / 2
    np.testing.assert_allclose(loss(difference), np.mean(images + divergence), rtol=1e-4)
    vectors = difference.reshape(5, 32)
    best = np.sqrt(np.mean(vectors**2))
    likelihood = np.sum(vectors**2 / best**2 / 2 + np.log(best), axis=1) - 32 / 2
    np.testing.assert_allclose(loss(vectors), np.mean(likelihood + divergence), rtol=1e-4)


# Three trainings, each of which compiles two steps anew.
@pytest.mark.slow
def test_a_run_with_a_warm_start_resumes_bit_for_bit(tmp_path):
    settings = {"warm_start": "vae:1", "batch_size": 200}
    straight = running.start(tmp_path, "straight", epochs=2, **settings)
    part = running.start(tmp_path, "part", epochs=1, **settings)
    assert part.step == straight.step // 2, "the warm start is not counted"
    assert running.resume(part.directory, epochs=2).first_step == part.step
    assert_equal(part.directory, straight.directory)
    cold, _ = running.build(**settings)
    _, arrays = checkpoints.read(checkpoints.listing(straight.directory / "checkpoints")[0])
    assert np.any(arrays["trainable/0000"] != helpers.numpy(cold.trainable_variables[0]))


# As the one above.
@pytest.mark.slow
def test_ctrl_c_ends_it_and_resuming_begins_it_anew(tmp_path, monkeypatch, capsys):
    settings = {"warm_start": "vae:1", "batch_size": 200, "epochs": 1}
    whole = Clock.on_train_batch_end

    def interrupt(self, batch, logs=None):
        signal.raise_signal(signal.SIGTERM)
        whole(self, batch, logs)

    with monkeypatch.context() as patch:
        patch.setattr(Clock, "on_train_batch_end", interrupt)
        with pytest.raises(SystemExit) as caught:
            running.start(tmp_path, "stopped", **settings)
    assert caught.value.code == 128 + signal.SIGTERM
    path = tmp_path / "stopped"
    out, err = capsys.readouterr()
    assert "one epoch as an autoencoder; not counted in steps and budgets" in out
    assert f"train.py --resume={path}" in out
    assert "warm start: epoch 1/1  step 1/8  loss " in err
    assert not (path / "checkpoints").exists()
    running.resume(path)
    straight = running.start(tmp_path, "straight", **settings)
    assert_equal(path, straight.directory)


@pytest.mark.slow  # compiles two steps
def test_a_budget_begins_behind_it(tmp_path):
    budgets = {"max_minutes": 1e-9, "max_cpu_seconds": 1e-9}
    session = running.start(tmp_path, "short", warm_start="vae:1", batch_size=800, **budgets)
    assert session.step == 1 and "budget" in session.stop


def assert_equal(path, other):
    (_, arrays), (_, expected) = (
        checkpoints.read(checkpoints.listing(folder / "checkpoints")[-1])
        for folder in (path, other)
    )
    assert arrays.keys() == expected.keys()
    assert not [n for n in arrays if arrays[n].tobytes() != expected[n].tobytes()]
    assert (path / "metrics.csv").read_bytes() == (other / "metrics.csv").read_bytes()


@pytest.mark.parametrize("text", ["vae", "vae:", "vae:0", "vae:-1", "vae:1.5", "gan:1", "1", ""])
def test_a_wrong_setting_is_one_sentence(text):
    with pytest.raises(UsageError, match=r"--set warm_start=vae:1") as caught:
        running.resolve(warm_start=text)
    assert "\n" not in str(caught.value) and repr(text) in str(caught.value)


def test_weights_of_another_run_and_a_warm_start_exclude_each_other(tmp_path):
    with pytest.raises(UsageError, match=r"Leave one of them out.*--init_from=x, warm_start="):
        running.start(tmp_path / "runs", "both", init_from="x", warm_start="vae:1")
    assert not (tmp_path / "runs").exists()


def test_wrong_samples_are_one_sentence(gan):
    samples, _ = easy(gan)
    with pytest.raises(UsageError, match="another shape"):
        warm_start.vae(gan, samples[:, :8])
    with pytest.raises(UsageError, match="wrong range"):
        warm_start.vae(gan, samples.astype("float32"))
    with pytest.raises(UsageError, match="larger than the data"):
        warm_start.vae(gan, samples, batch_size=65)
    with pytest.raises(UsageError, match="at least one epoch"):
        warm_start.vae(gan, samples, epochs=0)
    labelled = helpers.small("conditional")
    with pytest.raises(UsageError, match="Expected labels from 0 to 2"):
        warm_start.vae(labelled, samples)


def test_a_loss_that_is_not_finite_is_one_sentence(gan, monkeypatch):
    monkeypatch.setattr(warm_start, "LEARNING_RATE", 1e30)
    with pytest.raises(UsageError, match="no longer finite"):
        warm(gan, epochs=3)
