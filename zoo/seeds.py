"""Parses seeds. Uses only the standard library, for programs that start at once."""

import re

from zoo.errors import UsageError

MOST = 1_000_000  # samples drawn at once


def parse(text):
    """Returns the list of ints of a text such as "0-3,7,9".

    Raises:
        UsageError: it is not a list of numbers and rising ranges, or names too many.
    """
    seeds = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if last < first:
            raise UsageError(
                "Expected seeds from 0 up, whole numbers and rising ranges, such as 0-3,7,9. "
                f"Received: {part!r} in {text!r}."
            )
        if last >= 2**63 or len(seeds) + last - first >= MOST:
            raise UsageError(f"Expected at most {MOST} seeds below 2**63. Received: {text!r}.")
        seeds.extend(range(first, last + 1))
    return seeds
