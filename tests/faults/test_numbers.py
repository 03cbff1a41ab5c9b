"""Numbers that go wrong: NaN and infinity wherever they can come from, and a collapse."""

import keras
import numpy as np
import pytest
import running
from helpers import ALL_FAULTS
from keras import ops

from zoo.errors import UsageError
from zoo.models.dcgan import DCGAN
from zoo.parts.averaging import Averaging
from zoo.runs import checkpoints
from zoo.runs.csv_files import read_csv
from zoo.tasks.pictures import diversity
from zoo.training import callbacks


def late(gan, value, step=4):
    """`value` from the given step on, counted from 1, and 0 before."""
    is_late = ops.cast(gan.optimizer.iterations, "int32") >= step - 1
    return ops.where(is_late, ops.cast(value, "float32"), 0.0)


def in_the_data(monkeypatch, bad):
    def wrong(self, game, batch):
        return batch | {"image": batch["image"] + late(game, bad)}

    monkeypatch.setattr(Averaging, "before_round", wrong)


def in_the_loss(monkeypatch, bad):
    loss = DCGAN.generator_loss

    def wrong(self, *args):
        return loss(self, *args) + late(self, bad)

    monkeypatch.setattr(DCGAN, "generator_loss", wrong)


def in_the_gradients(monkeypatch, bad):
    generate = DCGAN.generate_batch

    def wrong(self, z, labels=None):
        images = generate(self, z, labels)
        # Adds nothing to the picture and `bad` to its gradient.
        nothing = images - ops.stop_gradient(images)
        return images + nothing * late(self, bad)

    monkeypatch.setattr(DCGAN, "generate_batch", wrong)


def in_the_logits(monkeypatch, bad):
    discriminate = DCGAN.discriminate

    def wrong(self, *args, **kwargs):
        return discriminate(self, *args, **kwargs) + late(self, bad)

    monkeypatch.setattr(DCGAN, "discriminate", wrong)


BAD = [np.nan, np.inf, -np.inf] if ALL_FAULTS else [np.nan]
PLACES = {
    "data": in_the_data,
    "loss": in_the_loss,
    "gradients": in_the_gradients,
    "logits": in_the_logits,
}
# JAX compiles each for long.
if keras.config.backend() == "jax" and not ALL_FAULTS:
    del PLACES["data"], PLACES["logits"]


@pytest.mark.backend
@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("place", PLACES)
def test_wherever_a_number_goes_wrong_the_run_ends_and_the_last_checkpoint_is_good(
    tmp_path, monkeypatch, place, bad
):
    with monkeypatch.context() as patch:
        PLACES[place](patch, bad)
        with pytest.raises(UsageError, match=r"no longer finite at step [45]\b") as caught:
            running.start(tmp_path, "one", epochs=1, checkpoint_minutes=0, penalty=None)
    assert "\n" not in str(caught.value)
    path = tmp_path / "one"
    meta, arrays = checkpoints.newest(path / "checkpoints")
    assert meta["step"] == 3
    assert all(np.isfinite(a).all() for a in arrays.values() if a.dtype.kind == "f")
    for weight in keras.models.load_model(path / "generator.keras").get_weights():
        assert np.isfinite(weight).all()
    # The run can be resumed from there.
    session = running.resume(path)
    assert (session.first_step, session.step) == (3, running.STEPS)


def test_a_discriminator_that_explodes_ends_the_run(tmp_path):
    with pytest.raises(UsageError, match="no longer finite") as caught:
        running.start(
            tmp_path,
            "one",
            epochs=4,
            loss="wasserstein",
            penalty=None,
            discriminator_norm="none",
            optimizer="sgd",
            learning_rate=10.0,
        )
    assert "--set learning_rate=2.5" in str(caught.value)
    _, arrays = checkpoints.newest(tmp_path / "one" / "checkpoints")
    assert all(np.isfinite(a).all() for a in arrays.values() if a.dtype.kind == "f")


def generator_that_collapses(monkeypatch, step):
    """Makes samples noise before a step, and all identical from then on."""

    def generate(self, count=16, seed=0, labels=None, ema=True):
        samples = np.random.default_rng(seed).uniform(-1, 1, (count, *self.image_shape))
        share = int(self.optimizer.iterations) < step
        return (share * samples).astype("float32")

    monkeypatch.setattr(DCGAN, "generate", generate)


@pytest.mark.parametrize("stop", [False, True])
def test_samples_that_become_one_picture_are_said(tmp_path, monkeypatch, capsys, stop):
    generator_that_collapses(monkeypatch, 2)
    session = running.start(tmp_path, "one", epochs=1, sample_every=4, stop_on_collapse=stop)
    (row,) = read_csv(session.directory / "warnings.csv")
    assert row["step"] == "8" and "all alike since step 4" in row["warning"]
    err = capsys.readouterr().err
    assert err.count("warning: The samples are all alike since step 4") == 1
    assert "all alike since step 4" in (session.directory / "report.html").read_text("utf-8")
    if stop:
        assert (session.step, session.stop) == (8, "the samples are all alike")
    else:
        assert (session.step, session.stop) == (running.STEPS, None)


def test_one_picture_for_each_class_is_a_collapse_too():
    real = np.random.default_rng(0).normal(size=(64, 4, 4, 1))
    classes = np.arange(4).repeat(16).reshape(4, 16).T.reshape(-1)
    fake = classes[:, None, None, None] * np.ones((1, 4, 4, 1))
    assert diversity(fake, real) > 0.5
    assert diversity(fake, real, classes=4) == 0
    assert diversity(real, real) == pytest.approx(1)
    assert np.isnan(diversity(real, np.ones_like(real)))


@pytest.mark.slow  # trains a whole run
def test_samples_that_differ_raise_no_alarm(tmp_path, monkeypatch):
    generator_that_collapses(monkeypatch, 1000)
    session = running.start(tmp_path, "one", epochs=1, sample_every=1)
    assert not (session.directory / "warnings.csv").exists()


@pytest.mark.slow  # trains until the patience runs out
def test_samples_that_never_differed_raise_it_after_patience(tmp_path, monkeypatch):
    generator_that_collapses(monkeypatch, 0)
    session = running.start(tmp_path, "early", epochs=1, sample_every=1)
    assert not (session.directory / "warnings.csv").exists()
    monkeypatch.setattr(callbacks, "PATIENCE", 6)
    session = running.start(tmp_path, "late", epochs=1, sample_every=1)
    (row,) = read_csv(session.directory / "warnings.csv")
    assert row["step"] == "7" and "since step 6" in row["warning"]
