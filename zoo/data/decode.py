"""Turns picture files into cache entries: decoded once in threads, mapped from then on."""

import contextlib
import os
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from zoo.data import cache, deep, images, scan
from zoo.errors import UsageError

_WINDOW = 256


class Unusable(Exception):
    """A file of an item cannot be used: `Unusable(path, reason)`."""


class Work:
    """The pictures to decode for one split of a folder.

    Attributes:
        root: str, the folder.
        items: sequence of whatever `read` takes; each becomes one example.
        states: sequence that json can write and that changes whenever a file of `items` does.
        skipped: sequence of (path, reason), the files left out before decoding.
        expected: str, what the folder must hold, for messages.
        preparation: (size, channels, resize, pixel_range) as `zoo.data.images.prepare` takes them.
        spans: `zoo.data.deep.Spans` of the pictures prepared so far.
        per_item: int, number of pictures made from each item.
        joined: function from the arrays of several items to one; by default it stacks them, which
            takes pictures of one size.
    """

    per_item = 1
    joined = staticmethod(np.stack)

    def __init__(self, root, items, states, skipped, expected, preparation):
        self.root, self.items, self.states = root, items, states
        self.skipped, self.expected = skipped, expected
        self.preparation, self.spans = preparation, deep.Spans(preparation[3])

    def read(self, item):
        """Returns field name -> uint8 array `(h, w, c)`.

        Raises:
            Unusable: the item cannot be used, and is skipped.
        """
        raise NotImplementedError

    def describe(self, kept):
        """Returns (labels int32 or None, class names), given the items that could be used.

        Raises:
            UsageError: these items make no data set.
        """
        raise NotImplementedError

    @contextlib.contextmanager
    def reading(self, path):
        """Turns any error inside into `Unusable(path, reason)`; yields the full path."""
        try:
            with images.reasons():
                yield os.path.join(self.root, path)
        except ValueError as error:
            raise Unusable(path, str(error)) from None

    def prepared(self, image, **options):
        """Returns a Pillow image as a uint8 array `(h, w, c)`. Raises ValueError like `prepare`."""
        self.spans.add(image)
        return images.prepare(image, *self.preparation, **options)

    def refuse_nothing(self, kept):
        """Raises UsageError if no item is left."""
        if not kept:
            self.spans.refuse_unknown(self.root, len(self.skipped))
            why = "so there is nothing to learn from"
            raise UsageError(scan.complaint(self.root, sorted(self.skipped), why, self.expected))


def entry(work, source, identity, strict, names=None, notes=()):
    """Returns the cache entry of the work, and does the work first if it has no entry yet.

    Args:
        work: a `Work`.
        source: str, first part of the entry's group in the cache.
        identity: sequence of what identifies the entry besides root and preparation.
        strict: bool, whether to refuse skipped files.
        names: as for `cache.read`.
        notes: sentences to put before those of the entry.

    Raises:
        UsageError: no file can be used, or some cannot and `strict` is set.
    """
    identity = [preparation_key(work.preparation), *identity]
    group = (source, cache.stamp_of(os.path.realpath(work.root), *identity))
    stamp = cache.stamp_of(work.states, work.skipped)
    result = cache.find(group, stamp, names)
    if result is None:
        decoding = _Decoding(work)
        path = cache.write(group, stamp, decoding.batches(), decoding.describe, decoding.total)
        result = cache.read(path, names)
    if strict and result["skipped"]:
        why = "and --strict allows none"
        raise UsageError(scan.complaint(work.root, result["skipped"], why, work.expected))
    own = (f"{source}:{work.root}: {note}" for note in result["notes"])
    return result | {"notes": (*notes, *own)}


def preparation_key(preparation):
    """Returns (size, channels, resize), and the pixel range if any, as an entry's identity."""
    size, channels, resize, pixel_range = preparation
    side = None if size is None else images.size_key(size)
    return (side, channels, resize, *([pixel_range] if pixel_range else []))


class _Decoding:
    """Decodes items in threads and records which of them could be used."""

    def __init__(self, work):
        self.work, self.total = work, len(work.items) * work.per_item
        self.work.skipped = list(work.skipped)
        self.kept = []

    def batches(self):
        with warnings.catch_warnings(), ThreadPoolExecutor(min(16, _processors())) as pool:
            # Pillow warns about odd metadata, and about large pictures, which `images` refuses.
            warnings.simplefilter("ignore")
            for start in range(0, len(self.work.items), _WINDOW):
                part = self.work.items[start : start + _WINDOW]
                arrays = {}
                for item, result in zip(part, pool.map(self._read, part), strict=True):
                    if isinstance(result, Unusable):
                        self.work.skipped.append(result.args)
                        continue
                    self.kept.append(item)
                    for field, array in result.items():
                        arrays.setdefault(field, []).append(array)
                if arrays:
                    yield {field: self.work.joined(parts) for field, parts in arrays.items()}

    def _read(self, item):
        try:
            return self.work.read(item)
        except Unusable as error:
            return error

    def describe(self):
        self.work.refuse_nothing(self.kept)
        self.work.spans.refuse_idle(self.work.root)
        labels, class_names = self.work.describe(self.kept)
        return labels, class_names, sorted(self.work.skipped), self.work.spans.notes()


def _processors():
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
