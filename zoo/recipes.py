"""Prints every setting of a model: default, the paper's value where it differs, meaning and source.

python -m zoo.recipes dcgan
python -m zoo.recipes gaussian ring8     # the values of the recipe for a data set
"""

import contextlib
import inspect
import sys
import textwrap

from zoo.errors import UsageError, nearest
from zoo.installation import as_typed


def describe(model, dataset=None):
    """Returns what `--set` takes for `model` as text: the model's own settings, then the run's.

    The meanings are those of the docstrings, so that they are written once.

    Args:
        model: str, name of a variant.
        dataset: str, whose recipe is shown; by default that of no data set in particular.

    Raises:
        UsageError: the model or the data set is unknown.
    """
    import zoo
    from zoo import data
    from zoo.runs import config
    from zoo.settings import meanings

    source = (dataset or "").partition(":")[0]
    if dataset and source not in data.SOURCES:
        raise UsageError(f"There is no data set {dataset!r}.{nearest(dataset, data.SOURCES)}")
    cls = zoo.get(model)
    default = config.resolve(model, dataset or "")
    paper = config.resolve(model, dataset or "", "paper")
    run = meanings(config.RunSettings)
    texts = cls.meanings() | run
    lines = [f"{model}: {inspect.getdoc(cls).splitlines()[0]}"]
    for name in [*(n for n in cls.settings() if n in default and n not in run), *run]:
        if name == next(iter(run)):
            lines += ["", "Settings of the run:"]
        value = f"{name} = {default[name]!r}"
        if paper[name] != default[name]:
            value += f"   (paper: {paper[name]!r})"
        lines += ["", value]
        lines += textwrap.wrap(
            texts.get(name, ""), 88, initial_indent="    ", subsequent_indent="    "
        )
    return "\n".join(lines)


def start():
    """Runs the program and exits the process."""
    from zoo.cli import exits, programs

    if {"--help", "-h"} & set(sys.argv[1:]):
        return print(as_typed(__doc__))
    programs.import_quietly()
    with exits.one_line(), contextlib.suppress(BrokenPipeError):  # of `| head`
        if len(sys.argv) not in (2, 3):
            raise UsageError("Expected a model, as in `python -m zoo.recipes dcgan`.")
        print(describe(*sys.argv[1:]), flush=True)


if __name__ == "__main__":
    start()
