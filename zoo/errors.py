"""The exception for user errors, the checks that raise it, and suggestions for misspelt names."""

import difflib

from zoo.installation import as_typed

_NO_SPLIT = "has no split"
LARGEST = 2**31 - 1  # whole number that all backends can hold in a seed, a shape or a count


class UsageError(ValueError):
    """A request cannot be carried out as given.

    The message is one sentence for a person: what happened, what was expected, how to fix it, and
    what was received. The programs print it without a traceback and exit with code 2.
    """

    def __init__(self, text):
        super().__init__(as_typed(str(text)))


def listed(names, most=100):
    """Returns names with commas between them, at most so many, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def nearest(word, options):
    """Returns " Did you mean 'x'?" plus the valid names, to end an error message with.

    Args:
        word: the received name.
        options: the valid names, any iterable of str.
    """
    options = sorted(map(str, options))
    near = difflib.get_close_matches(str(word), options, n=3, cutoff=0.5)
    guess = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    return f"{guess} Valid: {listed(options)}."


def no_split(name, split, expected):
    """Returns the UsageError of a data set that has no split of the name asked for.

    Args:
        name: str, the data set.
        split: the received name of a split.
        expected: str, the sentences after that, which say what is valid.
    """
    return UsageError(f"{name} {_NO_SPLIT} {split!r}. {expected.strip()}")


def lacks_split(error):
    """Returns whether an error is one of `no_split`.

    The words tell, because some of these errors come from a process of their own.
    """
    return _NO_SPLIT in str(error)


def check(name, value, least, most=None):
    """Returns `value`, or raises UsageError unless it is a number in [least, most].

    An integer is at most `LARGEST` in any case.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    integral = not isinstance(least, int) or isinstance(value, int)
    if most is None and number and integral and isinstance(least, int) and value > LARGEST:
        most = LARGEST
    if not number or not integral or not value >= least or (most is not None and value > most):
        kind = "a whole number" if isinstance(least, int) else "a number"
        bounds = f"of at least {least}" if most is None else f"between {least} and {most}"
        raise UsageError(
            f"`{name}` is out of range. Expected {kind} {bounds}. Received: {name}={value!r}."
        )
    return value


def one_of(name, value, valid):
    """Returns `value`, or raises UsageError unless it is one of the `valid` names."""
    if value not in valid:
        raise UsageError(f"There is no {name} {value!r}.{nearest(value, valid)}")
    return value
