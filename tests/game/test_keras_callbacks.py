"""Callbacks of Keras beside a game: each works, or a sentence says what to use."""

import http.server
import importlib.util
import json
import threading
import urllib.parse

import keras
import numpy as np
import pytest
from fitting import GREY, compiled, fit, images
from helpers import BATCH, not_on_jax, small, snapshot

from zoo.errors import UsageError

pytestmark = pytest.mark.backend


@pytest.fixture
def gan():
    return compiled("dcgan", image_shape=GREY)


def test_a_scheduler_changes_the_rates_of_all_players_and_keeps_their_ratio():
    gan = compiled("dcgan", image_shape=GREY, learning_rate=0.1, discriminator_learning_rate=0.4)
    rates = []

    class Monitor(keras.callbacks.Callback):
        """Reads what monitors of others read, after each batch."""

        def on_train_batch_end(self, batch, logs=None):
            rates.append(float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)))

    halve = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    fit(gan, images(BATCH), epochs=3, callbacks=[halve, Monitor()])
    assert rates == pytest.approx([0.05, 0.025, 0.0125])
    other = keras.ops.convert_to_numpy(gan.optimizer.discriminator.learning_rate)
    assert float(other) == pytest.approx(0.05)


@pytest.mark.parametrize("own", [{"decay_steps": 9}, {}], ids=["setting", "optimizer"])
def test_a_scheduler_beside_a_falling_rate_is_refused(own):
    gan = small("dcgan", image_shape=GREY, **own)
    falling = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    gan.compile(**({} if own else {"generator_optimizer": keras.optimizers.SGD(falling)}))
    for callback in (
        keras.callbacks.LearningRateScheduler(lambda epoch: 0.1),
        keras.callbacks.ReduceLROnPlateau("g_loss"),
    ):
        with pytest.raises(UsageError, match=r"already follow a schedule.*constant rates"):
            fit(gan, images(BATCH), callbacks=[callback])


def test_orbax_is_refused_with_what_to_use(gan):
    # Made without its package, which is large and which nothing else here needs.
    orbax = object.__new__(keras.callbacks.OrbaxCheckpoint)
    with pytest.raises(UsageError, match=r"Expected keras.callbacks.ModelCheckpoint"):
        fit(gan, images(BATCH), callbacks=[orbax])


def test_weights_of_a_game_have_no_paths_of_their_own(gan):
    """Why Orbax is refused. Where this fails, Keras has learnt to name them: try it again."""
    with pytest.raises(ValueError, match="found twice"):
        gan.get_state_tree()


class Interrupted(Exception):
    pass


@not_on_jax
def test_backup_and_restore_continues_exactly(tmp_path):
    straight = compiled("dcgan", image_shape=GREY)
    fit(straight, images(), epochs=3)

    def stop(epoch, logs):
        if epoch == 2:
            raise Interrupted

    backup = keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))
    broken = keras.callbacks.LambdaCallback(on_epoch_begin=stop)
    with pytest.raises(Interrupted):
        fit(compiled("dcgan", image_shape=GREY), images(), epochs=3, callbacks=[backup, broken])
    again = compiled("dcgan", image_shape=GREY)
    backup = keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))
    assert len(fit(again, images(), epochs=3, callbacks=[backup])["loss"]) == 1
    for a, b in zip(snapshot(again), snapshot(straight), strict=True):
        np.testing.assert_array_equal(a, b)


def test_tensorboard_gets_every_loss(gan, tmp_path):
    for package in ("tensorflow", "tensorboard"):
        if not importlib.util.find_spec(package):
            pytest.skip(f"Keras's callback needs {package}")
    board = keras.callbacks.TensorBoard(
        str(tmp_path), histogram_freq=1, update_freq=1, write_graph=False
    )
    history = fit(gan, images(), epochs=2, callbacks=[board])
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "train"))
    events.Reload()
    written = {tag for kind in ("scalars", "tensors") for tag in events.Tags()[kind]}
    assert {f"epoch_{name}" for name in history} <= written


def test_a_remote_monitor_is_told_every_loss(gan):
    pytest.importorskip("requests")
    received = []

    class Server(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            received.append(json.loads(urllib.parse.parse_qs(body)["data"][0]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monitor = keras.callbacks.RemoteMonitor(root=f"http://127.0.0.1:{server.server_port}")
        history = fit(gan, images(BATCH), epochs=2, callbacks=[monitor])
        server.shutdown()
    assert [message["epoch"] for message in received] == [0, 1]
    for name, values in history.items():
        assert [message[name] for message in received] == pytest.approx(values)
