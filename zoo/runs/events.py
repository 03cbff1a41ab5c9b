"""TensorBoard event files without TensorFlow, under every backend.

The records are framed and check-summed by the `tensorboard` package's own `RecordWriter`. Its
`EventFileWriter` would open the file through `tf.io.gfile` and so import TensorFlow where that is
installed. An ordinary file is enough.
"""

import itertools
import os
import sys
import time
from pathlib import Path

from zoo.drawing.pictures import png_bytes

_number = itertools.count()


class EventWriter:
    """Writes scalars, images and text to a new event file for TensorBoard.

    Without the `tensorboard` package it says so in one line on stderr and writes nothing.

    Args:
        folder: output folder, created if missing. Each writer adds its own file.
        resumed_at: the step from which an interrupted run continues. TensorBoard then drops the
            logs after this step instead of drawing them twice.
    """

    def __init__(self, folder, resumed_at=None):
        self._file = None
        try:
            from tensorboard.compat.proto import event_pb2, summary_pb2
            from tensorboard.summary.writer.record_writer import RecordWriter
        except ImportError:
            print("No TensorBoard logs: the package tensorboard is missing.", file=sys.stderr)
            return
        self._protos = event_pb2, summary_pb2
        name = f"events.out.tfevents.{time.time():.6f}.{os.getpid()}.{next(_number)}"
        Path(folder).mkdir(parents=True, exist_ok=True)
        # Not written atomically: an event file is a log, which readers follow while it grows.
        self._file = RecordWriter(open(Path(folder) / name, "wb"))  # noqa: SIM115
        self._write(0, None, file_version="brain.Event:2")
        if resumed_at is not None:
            start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
            self._write(resumed_at + 1, None, session_log=start)
        self.flush()

    def scalars(self, step, values, wall_time=None):
        """Logs numbers.

        Args:
            step: int, the x axis.
            values: dict of tag -> number; non-finite ones are kept, TensorBoard marks them.
            wall_time: seconds since the epoch; now by default.
        """
        if self._file:
            _, summary_pb2 = self._protos
            values = [
                summary_pb2.Summary.Value(tag=tag, simple_value=float(value))
                for tag, value in values.items()
            ]
            self._write(step, wall_time, summary=summary_pb2.Summary(value=values))

    def image(self, step, tag, image):
        """Logs one picture, uint8 `(h, w, c)` with c 1 or 3."""
        if self._file:
            _, summary_pb2 = self._protos
            height, width, channels = image.shape
            picture = summary_pb2.Summary.Image(
                height=height,
                width=width,
                colorspace=channels,
                encoded_image_string=png_bytes(image),
            )
            value = summary_pb2.Summary.Value(tag=tag, image=picture)
            self._write(step, None, summary=summary_pb2.Summary(value=[value]))

    def text(self, step, tag, markdown):
        """Logs a text, which TensorBoard renders as Markdown."""
        if self._file:
            from tensorboard.plugins.text.summary_v2 import text_pb

            self._write(step, None, summary=text_pb(tag, markdown))

    def flush(self):
        """Hands everything logged so far to the operating system."""
        if self._file:
            self._file.flush()

    def close(self):
        """Flushes and closes the file; what is logged afterwards is dropped."""
        if self._file:
            self._file.close()
            self._file = None

    def _write(self, step, wall_time, **what):
        event_pb2, _ = self._protos
        wall_time = time.time() if wall_time is None else wall_time
        event = event_pb2.Event(step=int(step), wall_time=wall_time, **what)
        self._file.write(event.SerializeToString())
