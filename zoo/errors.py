"""The one exception a person can cause, and the helper that guesses what they meant."""

import difflib


class UsageError(ValueError):
    """What was asked for cannot be done as asked.

    The message is one sentence for a person: what happened, what was expected, how to fix it, and
    what was received. The programs print it without a traceback and exit with code 2.
    """


def nearest(word, options):
    """Returns " Did you mean 'x'?" plus the valid names, to end an error message with.

    Args:
        word: what was received.
        options: the valid names, any iterable of str.
    """
    options = sorted(map(str, options))
    near = difflib.get_close_matches(str(word), options, n=3, cutoff=0.5)
    guess = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    return f"{guess} Valid: {', '.join(options)}."
