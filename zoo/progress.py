"""Progress of long operations."""

import sys
import time


class Progress:
    """A line on stderr with the time left, once something takes longer than two seconds.

    Use it as a context manager, and call it with the number of finished items.
    """

    def __init__(self, what, total):
        self.what, self.total = what, total
        self.live = sys.stderr.isatty()
        self.following, self.width = time.monotonic() + 2, 0
        self.first = None

    def __enter__(self):
        return self

    def __call__(self, done):
        now = time.monotonic()
        if self.first is None:
            # The first item compiles, so the speed is measured after it.
            self.first = (now, done)
        start, first = self.first
        if now < self.following or done == first or done >= self.total:
            return
        left = (now - start) * (self.total - done) / (done - first)
        text = f"{self.what}: {done:,} of {self.total:,}, {left:.0f} s left"
        self.width = max(self.width, len(text))
        print(text.ljust(self.width), end="\r" if self.live else "\n", file=sys.stderr, flush=True)
        self.following = now + (1 if self.live else 20)

    def __exit__(self, *_):
        if self.live and self.width:
            print(" " * self.width, end="\r", file=sys.stderr, flush=True)
