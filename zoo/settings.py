"""What a setting is: its type, its bounds, its neutral value; and where its meaning is written."""

import dataclasses
import inspect
import re
from collections.abc import Callable

from zoo.errors import UsageError, check, one_of

REQUIRED = object()  # of a setting without a neutral value: the recipe has to hold it


@dataclasses.dataclass(frozen=True)
class Setting:
    """One setting of a game or of one of its parts.

    Its meaning stands under `Args:` in the docstring of the class that declares it.

    Attributes:
        kind: int, float, str, bool or tuple: the type of the value, which `--set` reads it as.
        default: the neutral value, at which an ingredient is off. Numbers of a recipe stand in
            `configs/` instead.
        least: smallest value allowed. most: largest.
        choices: names allowed.
        optional: bool, whether None is allowed.
        read: function from a value or its text to the value, in the place of `kind`.
    """

    kind: type
    default: object = REQUIRED
    least: float | None = None
    most: float | None = None
    choices: tuple | None = None
    optional: bool = False
    read: Callable | None = None

    def checked(self, name, value):
        """Returns `value`. Raises UsageError unless it is one that this setting can have."""
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
