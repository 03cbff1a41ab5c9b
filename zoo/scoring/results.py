"""Writes scores: a table for people, a run's evaluation.json, and rows of results.csv."""

import csv
import io
import json
import os
import pathlib
import re

from zoo.data.catalog import short
from zoo.errors import UsageError
from zoo.runs import config as configs
from zoo.runs import directory
from zoo.scoring.scores import KNOWN, better, direction, version

COLUMNS = [
    *("date", "model", "dataset", "preset", "backend", "seed", "budget", "metric", "value"),
    # `reference` is the published value. The columns after `command` were added later.
    *("samples", "reference", "commit", "command", "features", "features_hash", "floor"),
    *("floor_samples", "deviation", "reference_split", "reference_count", "resizer"),
    *("metric_version", "sample_seed", "trained_by", "trained_commit", "settings"),
    *("train_seconds", "train_cpu_seconds", "baseline_input", "baseline_mean"),
]
# Baselines beside the scores of translated pictures.
BASELINES = ("input", "mean")


def table(record):
    """Returns the scores of a record as text for people."""
    protocol = record["protocol"]
    values = record["scores"]
    step = "" if protocol["step"] is None else f", step {protocol['step']:,}"
    lines = [
        f"{protocol['judged']}{step}: {protocol['samples']:,} samples of seed {protocol['seed']} "
        f"against {protocol['reference']}"
    ]
    if protocol["features"] != KNOWN:
        right = protocol["features_accuracy"]
        right = "" if right is None else f", {right:.2%} right on the held-out split"
        lines.append(
            f"features: {protocol['features']} ({protocol['features_hash'][:12]}{right}); "
            f"resizer: {protocol['resizer']}"
        )
    lines += [f"note: {note}." for note in protocol["notes"]]
    columns = beside(record)
    cells = [("score", "", *columns, "better")]
    for name in values:
        if not name.endswith("_deviation"):
            shown = [_shown(name, column) for column in (values, *columns.values())]
            cells.append((name, *shown, better(name)))
    *widths, _ = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines.append("")
    for name, *numbers, best in cells:
        placed = [f"{x:>{width}}" for x, width in zip(numbers, widths[1:], strict=True)]
        lines.append("  ".join([f"{name:{widths[0]}}", *placed, best]).rstrip())
    return "\n".join(lines)


def beside(record):
    """Returns the columns beside the scores of a record: title -> scores.

    These are the floor, unless no score has one, and the baselines, if there are any.
    """
    columns = {f"baseline {name}": scores for name, scores in record.get("baselines", {}).items()}
    if record["floor"] or not columns:
        real = record["protocol"]["floor_samples"]
        title = f"floor ({real:,} real)" if isinstance(real, int) else "floor"
        # What the segmenter finds in the targets themselves is the most that it could find.
        title = "real targets" if "baselines" in record and real == "" else title
        columns = {title: record["floor"]} | columns
    return columns


def write_evaluation(run, record):
    """Puts a record into the run's `evaluation.json`, under the name of its features.

    Entries of the training and of other features stay. New scores are added to old ones of the same
    protocol and generator, and replace others.
    """
    path = run / "evaluation.json"
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        content = {}
    content = content if isinstance(content, dict) else {}
    kept = content.get("evaluations")
    kept = dict(kept) if isinstance(kept, dict) else {}
    name = record["protocol"]["features"]
    try:
        old = kept[name]
        same = all(
            old["protocol"][key] == record["protocol"][key]
            for key in record["protocol"]
            if key not in ("notes", "metrics", "date", "command", "commit")
        )
        if same:
            versions = old["protocol"]["metrics"] | record["protocol"]["metrics"]
            record = {
                "protocol": record["protocol"] | {"metrics": versions},
                **{part: old[part] | record[part] for part in ("scores", "floor")},
                **_merged(old, record),
            }
    except (KeyError, TypeError):
        pass
    kept[name] = record
    directory.write_json(path, content | {"evaluations": kept})


def _merged(old, record):
    """Returns the merged baselines of two records of one protocol, if there are any."""
    if "baselines" not in record:
        return {}
    both = {n: old["baselines"].get(n, {}) | scores for n, scores in record["baselines"].items()}
    return {"baselines": both}


def rows(record, judged, dataset, budget=None, source=None):
    """Returns the rows of results.csv for a record: a dict for each score.

    Args:
        judged: `zoo.scoring.evaluate.Judged`.
        budget: str, or None to use the run's clock.
        source: run directory, whose `environment.json` describes the training, or None.
    """
    protocol, config = record["protocol"], judged.config
    trained = _environment(source)
    common = {
        "date": protocol["date"],
        "model": config.get("model") or judged.name,
        "dataset": short(config.get("dataset") or dataset),
        "preset": config.get("preset", ""),
        "backend": config.get("backend", ""),
        "seed": config.get("seed", ""),
        "budget": budget if budget is not None else _budget(judged),
        "samples": protocol["samples"],
        "commit": protocol["commit"] or "",
        "command": shared(protocol["command"]),
        "features": protocol["features"],
        "features_hash": protocol["features_hash"],
        "floor_samples": protocol["floor_samples"],
        "reference_split": protocol["reference_split"],
        "reference_count": protocol["reference_count"],
        "resizer": protocol["resizer"],
        "sample_seed": protocol["seed"],
        "trained_by": shared(trained.get("command") or ""),
        "trained_commit": trained.get("commit") or "",
        "settings": _settings(config, trained.get("command") or ""),
        "train_seconds": "" if judged.seconds is None else f"{judged.seconds:.1f}",
        "train_cpu_seconds": "" if judged.cpu_seconds is None else f"{judged.cpu_seconds:.1f}",
    }
    if dataset != (config.get("dataset") or dataset):
        common["reference_split"] = f"{short(dataset)}: {common['reference_split']}"
    baselines = record.get("baselines", {})
    # Each direction has its own counts.
    counts = protocol.get("counts", {})
    return [
        common
        | counts.get(direction(name), {})
        | {
            "metric": name,
            "value": f"{value:.6g}",
            "floor": _written(record["floor"], name),
            "deviation": _written(record["scores"], f"{name}_deviation"),
            "metric_version": version(name),
            **{
                f"baseline_{other}": _written(baselines.get(other, {}), name) for other in BASELINES
            },
        }
        for name, value in record["scores"].items()
        if not name.endswith("_deviation")
    ]


def append_rows(path, new):
    """Appends rows to a CSV file with the columns of results.csv, created if missing."""
    check_results(path)
    path = pathlib.Path(path)
    is_new = not path.exists() or not path.stat().st_size
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    if is_new:
        writer.writeheader()
    elif not path.read_bytes().endswith(b"\n"):
        text.write("\n")
    writer.writerows(new)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A single write, so two evaluations at once lose nothing.
    with path.open("ab", buffering=0) as file:
        file.write(text.getvalue().encode())


def check_results(path):
    """Raises UsageError if rows cannot be added to a file, before any work."""
    if os.path.isdir(path):
        raise UsageError(f"--results={path} is a folder. Expected the path of a CSV file.")
    if not os.path.exists(path) or not os.path.getsize(path):
        return
    with open(path, encoding="utf-8", errors="replace", newline="") as file:
        header = next(csv.reader(file), [])
    if header != COLUMNS:
        raise UsageError(
            f"--results={path} is not a table of results, and was left alone. Expected a new file, "
            f"or one with the columns {', '.join(COLUMNS)}. Received: {', '.join(header)[:200]}."
        )


def _budget(judged):
    for seconds, unit in ((judged.cpu_seconds, "CPU seconds"), (judged.seconds, "seconds")):
        if seconds:
            # Two digits, so that seeds of one budget share a line of the table.
            return f"{float(f'{seconds:.2g}'):,.0f} {unit}"
    return ""


def _environment(run):
    """Returns a run's `environment.json`, or {} for a file."""
    if run is None:
        return {}
    try:
        content = json.loads(pathlib.Path(run, "environment.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def shared(command):
    """Returns a command with the last parts alone of paths outside the working directory."""
    return re.sub(r"(^|[=:,\s'])(?:/|~/|\.\./)[^,\s']*?([^/,\s']+)/?(?=[,\s']|$)", r"\1\2", command)


def _settings(config, command):
    """Returns changes of a run to its recipe, except its end, as in "loss=hinge width=64"."""
    try:
        recipe = configs.resolve(config["model"], config["dataset"], config["preset"])
        shape = config.get("sample_shape")
        recipe, config = configs.sized(recipe, shape), configs.sized(config, shape)
    except (KeyError, UsageError):
        return ""
    # Without a requested size the config has the size of the data, which is not a change.
    own = [name for name in ("image_size", "channels") if f"{name}=" not in command]
    ignored = (*configs.RESUMABLE, "seed", *own)
    changed = (
        (name, config[name])
        for name, value in recipe.items()
        if name in config and config[name] != value and name not in ignored
    )
    return " ".join(f"{name}={value}" for name, value in sorted(changed))


def _written(values, name):
    return f"{values[name]:.6g}" if name in values else ""


def _shown(name, values):
    if name not in values:
        return "-"
    value = values[name]
    deviation = values.get(f"{name}_deviation")
    more = "" if deviation is None else f" ± {deviation:.2g}"
    return f"{value:.4g}{more}"
