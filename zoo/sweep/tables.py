"""The tables of a sweep: sweep.csv, sweep.md and the table for a terminal."""

import collections
import csv
import io
import json
import math
import statistics

from zoo.sweep.grid import combinations, label

# For these scores higher is better. Those in NEAR are best near their number, or near the held-out
# distance for None. For all others lower is better.
HIGHER = (
    *("precision", "recall", "density", "coverage", "classifier_score", "classes"),
    *("label_accuracy", "named", "named_as_asked", "kinds", "modes", "high_quality"),
)
NEAR = {"diversity_within_class": 1.0, "memorisation": 0.5, "generated_distance": None}
# Parts of evaluate.py's protocol that say how a score was measured.
PROTOCOL = (
    *("samples", "floor_samples", "features", "features_hash", "reference_split"),
    *("reference_count", "resizer", "date", "commit", "command"),
)


def rows(sweep):
    """Returns a dict for each score of each run, and one for each run without scores."""
    table = []
    for run in sweep.runs:
        entry = run.entry
        protocol = entry.get("protocol", {})
        row = {
            **{name: sweep.request[name] for name in ("model", "dataset", "preset", "backend")},
            **run.settings,
            "seed": run.seed,
            "run": run.name,
            "state": entry.get("state", "not begun"),
            "sentence": entry.get("sentence", ""),
            "budget": sweep.budget or "",
            **{name: entry.get(name) for name in ("step", "images", "seconds", "cpu_seconds")},
        }
        tail = {name: protocol.get(name, "") for name in PROTOCOL}
        tail["trained_by"] = entry.get("trained_by", "")
        tail["sample_seed"] = protocol.get("seed", "")
        tail["metric_versions"] = json.dumps(protocol.get("metrics", {}))
        is_scored = entry.get("state") == "done" and entry["scoring"] == sweep.scoring
        values = entry["scores"] if is_scored else {}
        for name in names_of(values) or [""]:
            one = {
                "score": name,
                "value": values.get(name, ""),
                "deviation": values.get(f"{name}_deviation", ""),
                "floor": entry["floor"].get(name, "") if name else "",
            }
            table.append(row | one | tail)
    return table


def cells(sweep):
    """Returns the table as rows of str: titles, combinations (best first), the floor."""
    groups = collections.defaultdict(list)
    for run in sweep.scored():
        groups[run.label].append(run.entry)
    order = {}
    for entries in groups.values():
        for entry in entries:
            order |= dict.fromkeys(names_of(entry["scores"]))
    names, lines = list(order), []
    for settings in combinations(sweep.grid):
        text = label(settings, sweep.grid)
        entries = groups[text]
        means, shown = [], []
        for name in names:
            values = [e["scores"][name] for e in entries if name in e["scores"]]
            means.append(statistics.fmean(values) if values else math.nan)
            shown.append(spread(values))
        count = f"{len(entries)} of {len(sweep.seeds)}"
        key = badness(names[0], means[0], entries) if names else 0.0
        lines.append((key, [text, count, *shown]))
    lines = [line for _, line in sorted(lines, key=lambda pair: pair[0])]
    floors = [[run.entry["floor"].get(name) for run in sweep.scored()] for name in names]
    floor = [spread([x for x in column if x is not None], alone=True) for column in floors]
    last = [["floor: real data", "", *floor]] if names else []
    return [["settings", "seeds", *names], *lines, *last]


def failures(sweep):
    """Returns a line for each run that has failed or was interrupted."""
    return [
        f"{run.entry['state']}: {run.label} seed={run.seed}: {run.entry['sentence']}"
        for run in sweep.runs
        if run.entry.get("state") in ("failed", "interrupted")
    ]


def report(sweep):
    """Returns the text of sweep.md."""
    request = sweep.request
    about = sweep.budget or "the epochs of the recipe"
    if request["epochs"] is not None:
        about = " or ".join(filter(None, [sweep.budget, f"{request['epochs']} epochs"]))
    fixed = "".join(f", {k}={v[0]}" for k, v in sweep.grid.items() if len(v) == 1)
    head, *lines = [[cell.replace("|", "\\|") for cell in line] for line in cells(sweep)]
    text = [
        f"# {request['model']} on {request['dataset']}",
        "",
        f"{len(sweep.scored())} of {len(sweep.runs)} runs have scores. Each has {about}, backend "
        f"{request['backend']}, preset {request['preset']}{fixed}. Mean ± standard deviation "
        "over seeds, sorted by the first score.",
        "",
        *(f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *lines]),
        *(["", *(f"- {line}" for line in failures(sweep))] if failures(sweep) else []),
    ]
    return "\n".join(text) + "\n"


def names_of(scores):
    """Returns the names of scores without those of their deviations."""
    return [name for name in scores if not name.endswith("_deviation")]


def spread(values, alone=False):
    """Returns mean and standard deviation as text; `alone` leaves the deviation out."""
    if not values:
        return "-"
    text = f"{statistics.fmean(values):.4g}"
    if len(values) > 1 and not alone:
        text += f" ± {statistics.stdev(values):.2g}"
    return text


def badness(name, value, entries=()):
    """Returns the sort key of the table: lower is better, and missing numbers come last."""
    if math.isnan(value):
        return math.inf
    if name in NEAR:
        held_out = [e["scores"].get("held_out_distance", 0.0) for e in entries]
        near = NEAR[name] if NEAR[name] is not None else statistics.fmean(held_out)
        return abs(value - near)
    return -value if name in HIGHER else value


def aligned(cells, width):
    """Returns a table for a terminal, with as many columns as fit."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    fitting = [i for i in range(len(widths)) if i < 3 or sum(widths[: i + 1]) + 2 * i <= width]
    lines = ["  ".join(line[i].ljust(widths[i]) for i in fitting).rstrip() for line in cells]
    hidden = cells[0][len(fitting) :]
    return "\n".join(lines), hidden


def as_csv(rows):
    """Returns rows, dicts with the same keys, as the text of a CSV file."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()
