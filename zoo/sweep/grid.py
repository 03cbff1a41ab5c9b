"""The combinations of settings and the seeds of a sweep, checked before its runs."""

import itertools
import json
import os
import subprocess
import sys

from zoo.errors import UsageError, nearest, one_of
from zoo.installation import ROOT


def parse_grid(texts):
    """Returns the values of each setting, name -> list of str, from the values of --set.

    Raises:
        UsageError: a text without `=`, or a setting that all runs share and that has its own flag.
    """
    grid = {}
    for text in texts:
        name, equals, value = text.partition("=")
        undivided = name.rstrip().endswith(":")
        name = name.rstrip().removesuffix(":").strip()
        if not equals or not name:
            raise UsageError(
                "Expected --set KEY=A,B, or --set KEY:=VALUE for one value with commas in it. "
                f"Received: --set {text!r}."
            )
        if name in ("seed", "max_minutes", "max_cpu_seconds"):
            flag = "seeds" if name == "seed" else name
            raise UsageError(
                f"All combinations of a sweep have the same {flag.replace('_', ' ')}. Expected "
                f"--{flag}={value or '...'}. Received: --set {text!r}."
            )
        values = grid.setdefault(name, [])
        for part in [value] if undivided else value.split(","):
            if part.strip() not in values:
                values.append(part.strip())
    return grid


def combinations(grid):
    """Returns every combination of the values as a list of dicts name -> value."""
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def label(settings, grid):
    """Returns a combination as text: the settings with several values, or all if none has."""
    varied = {name: value for name, value in settings.items() if len(grid[name]) > 1}
    return " ".join(f"{k}={v}" for k, v in (varied or settings).items()) or "as the recipe"


def validated(request, backend):
    """Returns the answer of `resolve` from a separate process. Raises UsageError."""
    code = f"import sys; sys.path[:0] = [{str(ROOT)!r}]; from zoo.sweep import grid; grid.answer()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(request),
        env=os.environ | {"KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"The settings could not be checked:\n{done.stderr}")
    reply = json.loads(done.stdout.splitlines()[-1])
    if "error" in reply:
        raise UsageError(reply["error"])
    return reply["configs"]


def answer():
    """Reads a request for `resolve` as JSON from stdin, and prints its answer as JSON."""
    try:
        reply = {"configs": resolve(json.load(sys.stdin))}
    except UsageError as error:
        reply = {"error": str(error)}
    print(json.dumps(reply))


def resolve(request):
    """Returns the config of every combination. Imports Keras, so it runs in a separate process.

    Args:
        request: dict of `model`, `dataset`, `preset`, `metrics` (list of str or None), `features`,
            `results` and `overrides`, a list of dicts name -> str.

    Raises:
        zoo.errors.UsageError: a part of the request is unknown or out of range.
    """
    from zoo import data
    from zoo.metrics import extractors
    from zoo.runs import config
    from zoo.scoring import results, scores

    dataset = request["dataset"]
    source = dataset.partition(":")[0]
    if source not in data.SOURCES:
        raise UsageError(f"There is no data set {dataset!r}.{nearest(dataset, data.SOURCES)}")
    if data.SOURCES[source] == "synthetic" and (request["metrics"] or request["features"]):
        raise UsageError(
            f"The scores of {dataset} follow from its known distribution: leave out --metrics and "
            "--features."
        )
    for name in request["metrics"] or ():
        one_of("metric", name, scores.METRICS)
    if request["features"]:
        extractors.check(request["features"])
    configs = [
        config.resolve(request["model"], dataset, request["preset"], overrides)
        for overrides in request["overrides"]
    ]
    if request["results"]:
        # Refuses a file that is not a table of results.
        results.append_rows(request["results"], [])
    return configs
