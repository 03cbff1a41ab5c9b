"""What a program says while it works: notes, and the progress of long operations.

Warnings, errors and results are printed as ever. What this module prints, --quiet leaves out.
"""

import contextlib
import contextvars
import sys
import time

quiet = False  # set by --quiet
_listener = contextvars.ContextVar("listener", default=None)


@contextlib.contextmanager
def heard_by(listener):
    """Tells a function, too, what the `Progress` of this block reports, such as for a page.

    Other threads are not heard, so each visitor hears of their own work.

    Args:
        listener: function of `(what, done, total)`: str, and two int.
    """
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def say(text, file=None):
    """Prints a note for people."""
    if not quiet:
        print(text, file=file, flush=True)


class Pace:
    """Says when the next line of progress is due.

    On a terminal a line replaces the one before, so it comes often. In a log it stays, so the
    pauses grow: 1, 2, 4, ... up to 30 seconds, and after half an hour 2 % of the time so far, at
    most an hour. The first hour has about 100 lines, a day 300.

    Args:
        live: bool, whether the output is a terminal.
        often: float, seconds between two lines on a terminal.
    """

    def __init__(self, live, often):
        self.live, self.often = live, often
        self.start = self.last = None

    def due(self, now):
        """Returns whether a line is due at a time in seconds, and then counts it as printed."""
        if self.start is None:
            self.start = self.last = now
        elapsed = now - self.start
        growing = min(max(self.last - self.start, 1), max(30, elapsed / 50), 3600)
        if now - self.last < (self.often if self.live else growing):
            return False
        self.last = now
        return True


class Progress:
    """A line on stderr with the time left, once something takes longer than two seconds.

    Use it as a context manager, and call it with the number of finished items and, if you like, a
    text about them.
    """

    def __init__(self, what, total):
        self.what, self.total = what, total
        self.live = sys.stderr.isatty()
        self.pace = Pace(self.live, often=1)
        self.begun, self.width = time.monotonic(), 0
        self.pace.due(self.begun)
        self.first = None
        self.listener = _listener.get()

    def __enter__(self):
        return self

    def __call__(self, done, note=""):
        if self.listener is not None:
            self.listener(self.what, done, self.total)
        now = time.monotonic()
        if self.first is None:
            # The first item compiles, so the speed is measured after it.
            self.first = (now, done)
        start, first = self.first
        late = now - self.begun < (2 if self.live else 10)
        if quiet or late or done == first or done >= self.total or not self.pace.due(now):
            return
        left = (now - start) * (self.total - done) / (done - first)
        text = f"{self.what}: {done:,} of {self.total:,}, {left:.0f} s left{note and ', '}{note}"
        self.width = max(self.width, len(text))
        print(text.ljust(self.width), end="\r" if self.live else "\n", file=sys.stderr, flush=True)

    def __exit__(self, *_):
        if self.live and self.width:
            print(" " * self.width, end="\r", file=sys.stderr, flush=True)
