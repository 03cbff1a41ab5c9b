"""Writes the tables of README.md and docs/recipes.md: no number there is typed by hand.

python results/table.py
"""

import collections
import csv
import pathlib
import runpy
import statistics

HERE = pathlib.Path(__file__).parent
README = HERE.parent / "README.md"
RECIPES = HERE.parent / "docs" / "recipes.md"
# What numbers must have in common to be seeds of one another.
PROTOCOL = (
    *("model", "dataset", "preset", "backend", "budget", "metric", "samples", "reference"),
    *("features", "features_hash", "reference_split", "reference_count", "resizer"),
    *("metric_version", "settings"),
)


def read(name="results"):
    """Returns the rows of results.csv, or of another table beside it, as dicts."""
    with (HERE / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def table(rows):
    """Returns a markdown table: one line for each protocol, mean and deviation over its seeds.

    The floor, what real pictures score in the place of generated ones, has a column if any row has
    one.
    """
    groups = collections.defaultdict(list)
    for row in rows:
        groups[tuple(row[name] for name in PROTOCOL)].append(row)
    titles = ["model", "data", "preset", "backend", "budget", "score", "ours"]
    shown = ["model", "dataset", "preset", "backend", "budget"]
    if any(row["settings"] for row in rows):
        titles.insert(3, "settings")
        shown.insert(3, "settings")
    has_floor = any(row["floor"] for row in rows)
    titles += ["floor", "published"] if has_floor else ["published"]
    lines = [titles, ["---"] * len(titles)]
    for same in groups.values():
        row = same[0]
        values = [float(r["value"]) for r in same]
        ours = number(statistics.fmean(values))
        if len(values) > 1:
            ours += f" ± {number(statistics.stdev(values))} ({len(values)} seeds)"
        floors = [float(r["floor"]) for r in same if r["floor"]]
        floor = [number(statistics.fmean(floors)) if floors else ""] if has_floor else []
        cells = [row[name] for name in shown]
        lines.append([*cells, score(row), ours, *floor, row["reference"]])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def ablation(rows, model, metrics=("frechet", "precision", "recall")):
    """Returns a markdown table of what a sweep found, one line for each combination of settings.

    Best first, by the mean of the first of the metrics.
    """
    values = collections.defaultdict(lambda: collections.defaultdict(list))
    for row in rows:
        if row["model"] == model:
            values[row["settings"]][row["metric"]].append(float(row["value"]))
    order = sorted(values, key=lambda settings: statistics.fmean(values[settings][metrics[0]]))
    lines = [["settings", "seeds", *metrics], ["---"] * (2 + len(metrics))]
    for settings in order:
        found = [values[settings][metric] for metric in metrics]
        cells = [
            number(statistics.fmean(x))
            + (f" ± {number(statistics.stdev(x))}" if len(x) > 1 else "")
            for x in found
        ]
        # As --set takes it.
        named = f"`{settings.replace('=None', '=none')}`" if settings else "**the recipe**"
        lines.append([named, str(len(found[0])), *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def score(row):
    """Returns what was measured, and how, for a person."""
    about = [f"{int(row['samples']):,} samples"] if row["samples"] else []
    if row["features"] not in ("", "known_distribution"):
        about.append(row["features"])
    return f"{row['metric']} ({', '.join(about)})" if about else row["metric"]


def number(value):
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def models():
    """Returns a markdown table of the variants, from the registry."""
    registry = runpy.run_path(str(HERE.parent / "zoo" / "registry.py"))["MODELS"]
    lines = ["| `--model` | what it is |", "| --- | --- |"]
    for name, (module, _, line) in sorted(registry.items()):
        path = module.replace(".", "/") + ".py"
        lines.append(f"| [`{name}`]({path}) | {line} |")
    return "\n".join(lines)


def filled(text, tables):
    """Returns a text with what stands between its markers replaced by `tables`, name -> content."""
    for name, content in tables.items():
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        before, rest = text.split(begin)
        _, after = rest.split(end)
        text = f"{before}{begin}\n{content}\n{end}{after}"
    return text


def pages():
    """Returns path -> text, of every page that holds tables."""
    recipes = read("recipes")
    models_swept = dict.fromkeys(row["model"] for row in recipes)
    tables = {
        README: {"models": models(), "results": table(read())},
        RECIPES: {model: ablation(recipes, model) for model in models_swept},
    }
    return {path: filled(path.read_text("utf-8"), made) for path, made in tables.items()}


if __name__ == "__main__":
    for page, text in pages().items():
        page.write_text(text, encoding="utf-8")
