"""Keras's own callbacks, used on a GAN as on any model."""

import csv
import importlib.util

import helpers
import keras
import numpy as np
import pytest
from helpers import numpy, train
from keras import callbacks

pytestmark = pytest.mark.backend


def rates(gan):
    pair = gan.optimizer
    return [float(numpy(player.learning_rate)) for player in (pair.generator, pair.discriminator)]


def test_model_checkpoint_keeps_weights_that_load(gan, tmp_path):
    path = tmp_path / "best.weights.h5"
    train(gan, callbacks=[callbacks.ModelCheckpoint(path, save_weights_only=True)])
    saved = [numpy(v) for v in gan.weights]
    train(gan)
    assert not np.array_equal(numpy(gan.weights[0]), saved[0])
    gan.load_weights(path)
    for variable, value in zip(gan.weights, saved, strict=True):
        np.testing.assert_array_equal(numpy(variable), value)


def test_model_checkpoint_keeps_whole_models_and_only_the_best(gan, tmp_path):
    path = tmp_path / "{epoch}.keras"
    best = callbacks.ModelCheckpoint(path, monitor="g_loss", mode="min", save_best_only=True)
    # A discriminator that learns fast and a generator that stands still: g_loss only rises.
    gan.optimizer.generator.learning_rate = 0.0
    gan.optimizer.discriminator.learning_rate = 0.03
    history = train(gan, epochs=3, callbacks=[best]).history["g_loss"]
    assert history == sorted(history) and history[0] < history[-1]
    assert [p.name for p in tmp_path.iterdir()] == ["1.keras"]
    loaded = keras.models.load_model(tmp_path / "1.keras")
    assert type(loaded) is type(gan)
    assert int(numpy(loaded.optimizer.discriminator.iterations)) == 2


def test_early_stopping_watches_a_players_loss(gan):
    gan.optimizer.generator.learning_rate = 0.0
    gan.optimizer.discriminator.learning_rate = 0.03
    stop = callbacks.EarlyStopping(monitor="g_loss", mode="min", patience=2)
    assert train(gan, epochs=10, callbacks=[stop]).epoch == [0, 1, 2]
    assert stop.stopped_epoch == 2


def test_reduce_on_plateau_lowers_both_rates(gan):
    gan.optimizer.discriminator.learning_rate = 4e-3
    before = rates(gan)
    reduce = callbacks.ReduceLROnPlateau(
        monitor="d_loss", mode="min", factor=0.5, patience=1, min_delta=100, cooldown=100
    )
    train(gan, epochs=3, callbacks=[reduce])
    assert rates(gan) == pytest.approx([rate / 2 for rate in before])


def test_a_learning_rate_schedule_moves_both_rates(gan):
    gan.optimizer.discriminator.learning_rate = 4e-3
    before = rates(gan)
    schedule = callbacks.LearningRateScheduler(lambda epoch, rate: rate * (0.5 if epoch else 1.0))
    train(gan, epochs=3, callbacks=[schedule])
    assert rates(gan) == pytest.approx([rate / 4 for rate in before])


def test_the_step_learns_at_the_scheduled_rate(gan):
    schedule = callbacks.LearningRateScheduler(lambda epoch, rate: 0.0 if epoch else rate)
    weights = []
    note = callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: weights.append(
            [numpy(v) for v in gan.trainable_variables if "norm" not in v.path]
        )
    )
    start = [numpy(v) for v in gan.trainable_variables if "norm" not in v.path]
    train(gan, epochs=2, callbacks=[schedule, note])
    for first, second, third in zip(start, *weights, strict=True):
        assert not np.array_equal(first, second)
        np.testing.assert_array_equal(second, third)


@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_terminate_on_nan_stops_at_the_bad_batch(gan, player):
    batches = []
    for variable in getattr(gan, player).trainable_variables:
        variable.assign(np.full(variable.shape, np.nan))
    note = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: batches.append(batch))
    train(gan, epochs=3, callbacks=[callbacks.TerminateOnNaN(), note])
    assert batches == [0]


def test_csv_logger_writes_one_row_an_epoch(gan, tmp_path):
    path = tmp_path / "log.csv"
    history = train(gan, epochs=2, callbacks=[callbacks.CSVLogger(path)]).history
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1"]
    for name, values in history.items():
        assert [float(row[name]) for row in rows] == pytest.approx(values), name


@pytest.mark.skipif(
    not importlib.util.find_spec("tensorflow"), reason="Keras's TensorBoard needs TensorFlow"
)
def test_tensorboard_writes_the_losses(gan, tmp_path):
    import tensorflow as tf

    train(gan, epochs=2, callbacks=[callbacks.TensorBoard(tmp_path)])
    tags = set()
    for path in tmp_path.rglob("events*"):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            tags |= {value.tag for value in event.summary.value}
    assert {"epoch_d_loss", "epoch_g_loss", "epoch_d_real"} <= tags


def test_callbacks_see_the_weights_of_the_step_that_ended(gan):
    # On JAX the weights live in the trainer's state while it trains.
    iterations = []

    class Look(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            iterations.append(int(numpy(self.model.optimizer.discriminator.iterations)))

    train(gan, epochs=2, callbacks=[Look()])
    assert iterations == [1, 2, 3, 4]
    assert helpers.moments(gan.optimizer.generator)
