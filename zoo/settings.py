"""Settings: type, bounds, neutral value, and the meaning in the docstring."""

import dataclasses
import inspect
import re
from collections.abc import Callable

from zoo.errors import UsageError, check, one_of

REQUIRED = object()  # default of a setting without a neutral value; the recipe must set it


@dataclasses.dataclass(frozen=True)
class Setting:
    """One setting of a game or of one of its parts.

    Its meaning is under `Args:` in the docstring of the class that declares it.

    Attributes:
        kind: int, float, str, bool or tuple: the type of the value, also for `--set`.
        default: the neutral value, which turns an ingredient off. The numbers of a recipe are in
            `configs/` instead.
        least: smallest value allowed. most: largest.
        choices: names allowed.
        optional: bool, whether None is allowed.
        read: function from a value or its text to the value, used instead of `kind`.
    """

    kind: type
    default: object = REQUIRED
    least: float | None = None
    most: float | None = None
    choices: tuple | None = None
    optional: bool = False
    read: Callable | None = None

    def checked(self, name, value):
        """Returns `value`. Raises UsageError unless it is valid for this setting."""
        if value is None and self.optional:
            return None
        if self.choices is not None:
            return one_of(name, value, self.choices)
        if self.least is not None:
            return check(name, value, self.least, self.most)
        if self.kind is bool and not isinstance(value, bool):
            raise UsageError(f"`{name}` is true or false. Received: {name}={value!r}.")
        return value


def meanings(owner):
    """Returns name -> text of the `Args:` section of a class's docstring."""
    docstring = inspect.cleandoc(owner.__doc__ or "") + "\n"
    section = re.search(r"^Args:\n((?:    .*\n|\n)*)", docstring, re.M)
    texts = {}
    for line in (section.group(1) if section else "").splitlines():
        entry = re.match(r"    (\**\w+): (.*)", line)
        if entry:
            name, texts[entry.group(1)] = entry.group(1), entry.group(2)
        elif line.strip() and texts:
            texts[name] += " " + line.strip()
    return texts
