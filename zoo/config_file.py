"""config.json, the description of a run directory."""

import json
import os

from zoo import cards
from zoo.errors import UsageError


def read(run):
    """Returns the JSON object in a run's config.json, a dict, or None without a file.

    Args:
        run: path of a run directory; any other path has no config.

    Raises:
        UsageError: it is damaged.
    """
    path = os.path.join(run, "config.json")
    try:
        with open(path, encoding="utf-8") as file:
            config = json.load(file)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error
    if not isinstance(config, dict):
        raise _damaged(path, f"it holds a {type(config).__name__}")
    return config


def class_names(source):
    """Returns the class names of a trained network, a list of str; empty if nothing says them.

    Args:
        source: path of a run directory, or of a network's file, whose card beside it names them.

    Raises:
        UsageError: the run's config.json is damaged.
    """
    if os.path.isfile(source):
        return cards.class_names(os.path.splitext(source)[0] + ".md")
    names = (read(source) or {}).get("class_names") or []
    if not isinstance(names, list):
        raise _damaged(os.path.join(source, "config.json"), "`class_names` is no list")
    return list(map(str, names))


def _damaged(path, why):
    return UsageError(
        f"{path} is damaged: expected one JSON object ({why}). Restore it, or use the files of the "
        "run by themselves, such as its generator file with --generator."
    )
