"""Readers of the files of a run directory, which may be missing or damaged."""

import csv
import json

import numpy as np


def json_object(path):
    """Returns the dict in a JSON file, or an empty one if the file has none or cannot be read."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def csv_columns(path):
    """Returns a dict of column -> floats, None where a cell is empty, NaN where a line is torn."""
    try:
        rows = list(csv.DictReader(path.read_text("utf-8", "replace").splitlines()))
    except (OSError, csv.Error):
        return {}
    names = [name for name in (rows[0] if rows else ()) if name]
    return {name: [_number(row.get(name)) for row in rows] for name in names}


def finite(column):
    """Returns the finite numbers of a column, an empty list for None."""
    return [value for value in column or () if value is not None and np.isfinite(value)]


def _number(text):
    if text == "":
        return None
    try:
        return float(text)
    except (TypeError, ValueError):
        return float("nan")
