"""Writes the tables of the README, so that no number there is typed by hand.

python results/table.py
"""

import collections
import csv
import pathlib
import runpy
import statistics

HERE = pathlib.Path(__file__).parent
README = HERE.parent / "README.md"


def read():
    """Returns the rows of results.csv as dicts."""
    with (HERE / "results.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def table(rows):
    """Returns a markdown table: one line for each protocol, mean and deviation over its seeds."""
    groups = collections.defaultdict(list)
    for row in rows:
        key = ("model", "dataset", "preset", "backend", "budget", "metric", "samples", "reference")
        groups[tuple(row[name] for name in key)].append(float(row["value"]))
    lines = [
        "| model | data | preset | backend | budget | score | ours | published |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for key, values in groups.items():
        model, dataset, preset, backend, budget, metric, samples, reference = key
        ours = number(statistics.fmean(values))
        if len(values) > 1:
            ours += f" ± {number(statistics.stdev(values))} ({len(values)} seeds)"
        score = f"{metric} ({int(samples):,} samples)" if samples else metric
        cells = (model, dataset, preset, backend, budget, score, ours, reference)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


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


def filled(text, rows):
    """Returns the README's text with what stands between its markers made anew."""
    for name, content in (("models", models()), ("results", table(rows))):
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        before, rest = text.split(begin)
        _, after = rest.split(end)
        text = f"{before}{begin}\n{content}\n{end}{after}"
    return text


if __name__ == "__main__":
    README.write_text(filled(README.read_text(encoding="utf-8"), read()), encoding="utf-8")
