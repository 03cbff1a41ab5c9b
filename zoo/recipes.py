"""Prints every setting of a model: default, the paper's value where it differs, meaning and source.

python -m zoo.recipes dcgan
"""

import importlib
import inspect
import re
import sys
import textwrap


def describe(model):
    """Returns the settings of `model` as text, the model's own first.

    The meanings are those of the docstrings, so that they are written once.

    Args:
        model: str, name of a variant.

    Raises:
        zoo.errors.UsageError: the model is unknown.
    """
    import zoo

    cls = zoo.get(model)
    paper = importlib.import_module(f"configs.{model}").get_config("mnist", "paper")
    meanings = {}
    for owner in reversed(cls.__mro__[: cls.__mro__.index(zoo.gan.GAN) + 1]):
        meanings |= _arguments(owner.__doc__)
    lines = [f"{model}: {inspect.getdoc(cls).splitlines()[0]}"]
    for name, parameter in cls.settings().items():
        value = f"{name} = {parameter.default!r}"
        if name in paper and paper[name] != parameter.default:
            value += f"   (paper: {paper[name]!r})"
        lines += ["", value]
        lines += textwrap.wrap(
            meanings.get(name, ""), 88, initial_indent="    ", subsequent_indent="    "
        )
    rest = {name: v for name, v in paper.items() if name not in cls.settings()}
    if rest:
        lines += [
            "",
            "The paper preset also sets: " + ", ".join(f"{k}={v}" for k, v in rest.items()),
        ]
    return "\n".join(lines)


def _arguments(docstring):
    """Returns name -> text of the Args section of a docstring."""
    section = re.search(
        r"^Args:\n((?:    .*\n|\n)*)", inspect.cleandoc(docstring or "") + "\n", re.M
    )
    found = {}
    for line in (section.group(1) if section else "").splitlines():
        entry = re.match(r"    (\**\w+): (.*)", line)
        if entry:
            name, found[entry.group(1)] = entry.group(1), entry.group(2)
        elif line.strip() and found:
            found[name] += " " + line.strip()
    return found


def main():
    from zoo.errors import UsageError

    try:
        if len(sys.argv) != 2:
            raise UsageError("Expected one model, as in `python -m zoo.recipes dcgan`.")
        print(describe(sys.argv[1]))
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
