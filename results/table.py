"""Writes the tables of README.md, docs/results.md and docs/recipes.md from the CSV files.

python results/table.py
"""

import collections
import csv
import pathlib
import re
import runpy
import statistics

HERE = pathlib.Path(__file__).parent
README = HERE.parent / "README.md"
RESULTS = HERE.parent / "docs" / "results.md"
RECIPES = HERE.parent / "docs" / "recipes.md"
# What numbers must have in common to be seeds of one another.
PROTOCOL = (
    *("model", "dataset", "preset", "settings", "backend", "budget", "samples", "features"),
    *("features_hash", "reference_split", "reference_count", "resizer"),
)
# Scores that say more than the first one of a model.
HEADLINES = (
    *("label_pixel_accuracy", "feature_distance", "box_feature_distance"),
    *("a_to_b_named_as_other", "b_to_a_named_as_other"),
)
# Scores that a table of trials compares, the first from low to high.
COMPARED = {
    "inpainting": (
        *("box_feature_distance", "box_hole_psnr", "box_hole_ssim"),
        *("brush_feature_distance", "brush_hole_psnr", "brush_hole_ssim"),
    ),
}
# What the same score is without any network, for pictures that are made of others.
BASELINES = {"input": "baseline_input", "mean": "baseline_mean"}


def read(name="results"):
    """Returns the rows of results.csv, or of another table beside it, as dicts."""
    with (HERE / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def table(rows):
    """Returns a markdown table: one line for each protocol, mean and deviation over its seeds.

    Behind each score stands its floor, what real samples have in the place of generated ones, how
    many times the floor a Frechet distance is, in brackets what the untouched input and the mean
    picture have, and what was published; each if there is any.
    """
    lines = collections.defaultdict(lambda: collections.defaultdict(list))
    for row in rows:
        lines[tuple(row[name] for name in PROTOCOL)][row["metric"], row["metric_version"]].append(
            row
        )
    titles = [
        "model",
        "data",
        "recipe",
        "backend",
        "budget",
        "seeds",
        "score (floor)",
        "measured on",
    ]
    table = [titles, ["---"] * len(titles)]
    # Those of a model and of its data together, in the order of their first rows.
    places = {}
    for place, key in enumerate(lines):
        places.setdefault(key[:1], place)
        places.setdefault(key[:2], place)
    for _, metrics in sorted(lines.items(), key=lambda x: (places[x[0][:1]], places[x[0][:2]])):
        first = next(iter(metrics.values()))
        row = first[0]
        recipe = " ".join(filter(None, [row["preset"], row["settings"]]))
        scores = "<br>".join(score(same) for same in metrics.values())
        cells = [row["model"], row["dataset"], recipe, row["backend"], row["budget"]]
        table.append([*cells, str(len(first)), scores, measured_on(row)])
    return "\n".join(f"| {' | '.join(line)} |" for line in table)


def score(rows):
    """Returns one score of all seeds, its floor, its baselines and what was published."""
    values = [float(row["value"]) for row in rows]
    text = f"{rows[0]['metric']} {number(statistics.fmean(values))}"
    if len(values) > 1:
        text += f" ± {number(statistics.stdev(values))}"
    if floors := [float(row["floor"]) for row in rows if row["floor"]]:
        floor = statistics.fmean(floors)
        times = f", {statistics.fmean(values) / floor:.1f} times" * (rows[0]["metric"] == "frechet")
        text += f" ({number(floor)}{times})"
    beside = [
        f"{name} {number(statistics.fmean(map(float, baseline)))}"
        for name, column in BASELINES.items()
        if (baseline := [row[column] for row in rows if row.get(column)])
    ]
    text += f" [{', '.join(beside)}]" if beside else ""
    return text + (f", published {rows[0]['reference']}" if rows[0]["reference"] else "")


def measured_on(row):
    """Returns how a score was measured, for a person."""
    about = [f"{int(row['samples']):,} samples"] if row["samples"] else []
    # Where the distribution is known, that is what was compared with.
    if row["features"] and row["features"] != "known_distribution":
        about.append(row["features"])
    return ", ".join(about)


def ablation(rows, model):
    """Returns a markdown table of what a sweep found, one line for each combination of settings.

    Best first, by the mean of the first of the scores. Raises ValueError where their budgets or
    data differ, so that they say nothing about each other.
    """
    metrics = COMPARED.get(model, ("frechet", "precision", "recall"))
    rows = [row for row in rows if row["model"] == model]
    if len({(row["dataset"], row["budget"], row["backend"]) for row in rows}) > 1:
        raise ValueError(f"The rows of {model} are not of one budget and data set.")
    values = collections.defaultdict(lambda: collections.defaultdict(list))
    for row in rows:
        values[row["settings"]][row["metric"]].append(float(row["value"]))
    order = sorted(values, key=lambda settings: statistics.fmean(values[settings][metrics[0]]))
    lines = [["settings", "seeds", *metrics], ["---"] * (2 + len(metrics))]
    for settings in order:
        entries = [values[settings][metric] for metric in metrics]
        cells = [
            number(statistics.fmean(x))
            + (f" ± {number(statistics.stdev(x))}" if len(x) > 1 else "")
            for x in entries
        ]
        # As --set takes it.
        named = f"`{settings.replace('=None', '=none')}`" if settings else "**the recipe**"
        lines.append([named, str(len(entries[0])), *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def number(value):
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def models(rows):
    """Returns a markdown table of the variants, from the registry, each with one current score."""
    registry = runpy.run_path(str(HERE.parent / "zoo" / "registry.py"))["MODELS"]
    lines = ["| `--model` | what it is | measured |", "| --- | --- | --- |"]
    for name, (module, _, line) in sorted(registry.items()):
        path = module.replace(".", "/") + ".py"
        lines.append(f"| [`{name}`]({path}) | {line} | {headline(rows, name)} |")
    return "\n".join(lines)


def headline(rows, model):
    """Returns one score of a model, of the measured recipe with fewest changes, by most seeds."""
    groups = collections.defaultdict(list)
    for row in rows:
        if row["model"] == model and row["preset"] == "default":
            groups[tuple(row[name] for name in PROTOCOL)].append(row)
    if not groups:
        return "not yet"
    # Of equals the latest.
    best = max(
        reversed(groups.values()), key=lambda x: (-len(x[0]["settings"].split()), len(seeds(x)))
    )
    metrics = [row["metric"] for row in best]
    shown = next((metric for metric in HEADLINES if metric in metrics), metrics[0])
    same = [row for row in best if row["metric"] == shown]
    data = best[0]["dataset"].rpartition("/")[2]
    return f"{data}, {best[0]['budget']}: {score(same)}"


def seeds(rows):
    return {row["seed"] for row in rows}


def filled(text, tables):
    """Returns a text with what stands between its markers replaced by `tables`, name -> content."""
    for name, content in tables.items():
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        before, rest = text.split(begin)
        _, after = rest.split(end)
        text = f"{before}{begin}\n{content}\n{end}{after}"
    return text


def longer(trials, results):
    """Returns name -> markdown table of the trials at each size and budget.

    The recipe's own rows stand beside them. Raises ValueError for two tables of one name.
    """

    def kind(row):
        size = re.search(r"image_size=(\d+)", row["settings"])
        return row["model"], row["dataset"], row["budget"], size and f"{size[1]} pixels"

    tables = {}
    for each in dict.fromkeys(map(kind, trials)):
        rows = [row for row in [*trials, *results] if kind(row) == each]
        rows = [row for row in rows if row["backend"] == trials[0]["backend"]]
        model, data, *rest = each
        name = ", ".join(filter(None, [model, *rest]))
        if name in tables:
            raise ValueError(f"There is a table {name!r} already, and not of {data}.")
        tables[name] = ablation(rows, model)
    return tables


def pages():
    """Returns path -> text, of every page that holds tables."""
    recipes, results = read("recipes"), read()
    swept = dict.fromkeys(row["model"] for row in recipes)
    tables = {
        README: {"models": models(results)},
        RESULTS: {"results": table(results)},
        RECIPES: {model: ablation(recipes, model) for model in swept}
        | longer(read("trials"), results),
    }
    return {path: filled(path.read_text("utf-8"), made) for path, made in tables.items()}


if __name__ == "__main__":
    for page, text in pages().items():
        page.write_text(text, encoding="utf-8")
