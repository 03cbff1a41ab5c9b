"""Event files: what is logged is what TensorBoard shows, and TensorFlow is never imported."""

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest
import warm
from PIL import Image

from zoo.runs.events import EventWriter


def read(folder):
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    return accumulators.EventAccumulator(str(folder)).Reload()


def test_scalars_come_back(tmp_path):
    writer = EventWriter(tmp_path)
    writer.scalars(1, {"loss/d": 0.5, "loss/g": np.float32(2)}, wall_time=1000.0)
    writer.scalars(2, {"loss/d": 0.25, "loss/g": float("nan")})
    writer.close()
    events = read(tmp_path)
    assert events.Tags()["scalars"] == ["loss/d", "loss/g"]
    assert [(e.step, e.value) for e in events.Scalars("loss/d")] == [(1, 0.5), (2, 0.25)]
    assert events.Scalars("loss/g")[0].wall_time == 1000.0
    assert np.isnan(events.Scalars("loss/g")[1].value)


@pytest.mark.parametrize("channels", [1, 3])
def test_images_come_back_pixel_by_pixel(tmp_path, channels):
    import io

    image = np.random.default_rng(0).integers(0, 256, (6, 9, channels), "uint8")
    writer = EventWriter(tmp_path)
    writer.image(7, "samples", image)
    writer.close()
    (event,) = read(tmp_path).Images("samples")
    assert (event.step, event.height, event.width) == (7, 6, 9)
    with Image.open(io.BytesIO(event.encoded_image_string)) as picture:
        np.testing.assert_array_equal(np.asarray(picture).reshape(image.shape), image)


def test_text_comes_back(tmp_path):
    writer = EventWriter(tmp_path)
    writer.text(0, "config", "**Größe** 28")
    writer.close()
    (event,) = read(tmp_path).Tensors("config")
    assert event.tensor_proto.string_val[0].decode() == "**Größe** 28"


def test_flushed_events_can_be_read_before_closing(tmp_path):
    writer = EventWriter(tmp_path)
    writer.scalars(1, {"loss": 1.0})
    writer.flush()
    assert len(read(tmp_path).Scalars("loss")) == 1
    writer.close()


def test_a_resumed_run_replaces_the_steps_it_repeats(tmp_path):
    writer = EventWriter(tmp_path)
    for step in (1, 2, 3):
        writer.scalars(step, {"loss": 1.0})
    writer.close()
    writer = EventWriter(tmp_path, resumed_at=1)
    writer.scalars(2, {"loss": 2.0})
    writer.close()
    assert [(e.step, e.value) for e in read(tmp_path).Scalars("loss")] == [(1, 1.0), (2, 2.0)]


def test_after_close_nothing_is_written_and_closing_twice_is_fine(tmp_path):
    writer = EventWriter(tmp_path)
    writer.close()
    before = [path.stat().st_size for path in tmp_path.iterdir()]
    writer.scalars(1, {"loss": 1.0})
    writer.close()
    assert [path.stat().st_size for path in tmp_path.iterdir()] == before


def test_without_tensorboard_one_line_and_no_files(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tensorboard.summary.writer.record_writer", None)
    writer = EventWriter(tmp_path / "events")
    writer.scalars(1, {"loss": 1.0})
    writer.image(1, "samples", np.zeros((2, 2, 1), "uint8"))
    writer.text(1, "config", "x")
    writer.flush()
    writer.close()
    assert not (tmp_path / "events").exists()
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.slow  # starts Keras in a process
def test_writing_imports_no_tensorflow(tmp_path):
    # Keras itself imports TensorFlow under its TensorFlow backend.
    others = [name for name in ("torch", "jax") if importlib.util.find_spec(name)]
    if not others:
        pytest.skip("needs a backend other than TensorFlow")
    code = """
import sys
import numpy as np
from zoo.runs.events import EventWriter
writer = EventWriter(sys.argv[1])
writer.scalars(1, {"loss": 1.0})
writer.image(1, "samples", np.zeros((2, 2, 1), "uint8"))
writer.text(1, "config", "x")
writer.close()
assert "tensorflow" not in sys.modules
"""
    subprocess.run(
        [warm.PYTHON, "-c", code, str(tmp_path)],
        env={**os.environ, "KERAS_BACKEND": others[0]},
        check=True,
    )
    assert len(list(tmp_path.iterdir())) == 1
