"""Turns measurements into rows, ratios, a markdown table and a picture.

A measurement is a dict: `round`, `label` (the trained model), `implementation`, `backend`, and the
result of `benchmarks.measure`.
"""

import statistics

# Column -> its title.
COLUMNS = {
    "images_per_second": "images/s",
    "first_step": "first step, s",
    "import": "import, s",
    "data": "waiting for data, at most",
    "memory": "memory, MB",
    "of_limit": "of the limit",
}
PRODUCT = "matrix product"
OURS = "zoo"


def summary(measurements):
    """Summarises the measurements.

    Returns:
        dict of `limit` (the fastest matrix product: `operations_per_second`, `backend`, `devices`
        and `side`; None if there is none), `rows` and `ratios`, lists of dicts. A row has `label`,
        `implementation`, `backend`, and for each of `COLUMNS` `{"median", "min", "max"}` over the
        rounds, or None if nothing was counted. A ratio has `label`, `backend` (ours), `reference`,
        and `median`, `min` and `max` of our images per second over the reference's in the same
        round.
    """
    products = [m for m in measurements if m["label"] == PRODUCT]
    limit = max(products, key=lambda m: m["operations_per_second"], default=None)
    groups = {}
    for measured in measurements:
        if measured["label"] != PRODUCT:
            key = tuple(measured[name] for name in ("label", "implementation", "backend"))
            groups.setdefault(key, {})[measured["round"]] = measured
    rows = []
    for (label, implementation, backend), rounds in groups.items():
        row = {"label": label, "implementation": implementation, "backend": backend}
        for name in COLUMNS:
            row[name] = spread([value(measured, name, limit) for measured in rounds.values()])
        rows.append(row)
    ratios = []
    for (label, implementation, backend), ours in groups.items():
        if implementation != OURS:
            continue
        for (other, reference, _), theirs in groups.items():
            if other == label and reference != OURS and set(ours) & set(theirs):
                shared = sorted(set(ours) & set(theirs))
                ratio = spread(
                    [ours[i]["images_per_second"] / theirs[i]["images_per_second"] for i in shared]
                )
                ratios.append({"label": label, "backend": backend, "reference": reference, **ratio})
    kept = ("operations_per_second", "backend", "devices", "side")
    return {
        "limit": limit and {name: limit[name] for name in kept},
        "rows": rows,
        "ratios": ratios,
    }


def value(measured, name, limit):
    """Returns one value of a measurement, or None."""
    if name != "of_limit":
        return measured[name]
    if limit is None or measured["operations_per_second"] is None:
        return None
    return measured["operations_per_second"] / limit["operations_per_second"]


def spread(values):
    """Returns median, min and max of the values, or None if there are none."""
    values = [x for x in values if x is not None]
    if not values:
        return None
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def markdown(results):
    """Returns the tables as markdown, str.

    Args:
        results: dict of `limit`, `rows` and `ratios` as `summary` returns them, `about`, a sentence
            about where and how they were measured, and `notes`, a list of sentences.
    """
    lines = [["what is trained", "by", "backend", *COLUMNS.values()]]
    lines.append(["---"] * len(lines[0]))
    for row in results["rows"]:
        cells = [text(name, row[name]) for name in COLUMNS]
        lines.append([row["label"], row["implementation"], row["backend"], *cells])
    parts = [table(lines)]
    references = list(dict.fromkeys(ratio["reference"] for ratio in results["ratios"]))
    if references:
        lines = [["our images/s over those of", "backend", *references]]
        lines.append(["---"] * len(lines[0]))
        by_key = {(r["label"], r["backend"], r["reference"]): r for r in results["ratios"]}
        for label, backend in dict.fromkeys(key[:2] for key in by_key):
            ratios = [by_key.get((label, backend, reference)) for reference in references]
            lines.append([label, backend, *(text("ratio", ratio) for ratio in ratios)])
        parts.append(table(lines))
    parts.append(results["about"])
    if results["notes"]:
        parts.append("\n".join(f"- {note}" for note in results["notes"]))
    return "\n\n".join(parts)


def table(lines):
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def text(name, values):
    """Returns a spread as text: its median, and its range if the values differ."""
    if values is None:
        return "-"
    show = {"memory": lambda x: number(x / 1e6), "data": percent, "of_limit": percent}
    show = show.get(name, number)
    if values["min"] == values["max"]:
        return show(values["median"])
    return f"{show(values['median'])} ({show(values['min'])} to {show(values['max'])})"


def number(x):
    return f"{x:,.0f}" if abs(x) >= 100 else f"{x:.3g}"


def percent(x):
    return f"{100 * x:.2g}%" if x < 0.095 else f"{100 * x:.0f}%"


def picture(results):
    """Draws images per second, seconds to the first step and the share of the limit, with ranges.

    Args:
        results: as for `markdown`; at least one row.

    Returns:
        uint8 RGB array `(height, 1350, 3)`.
    """
    from zoo.drawing import plots

    rows = results["rows"]
    names = [f"{r['label']}: {r['implementation']}, {r['backend']}" for r in rows]
    colors = [plots.REAL if r["implementation"] == OURS else plots.FAKE for r in rows]
    figure, panels = plots._figure(3, height=1.8 + 0.32 * len(rows))
    figure.set_figwidth(13.5)
    shown = ("images_per_second", "first_step", "of_limit")
    titles = ("images per second", "seconds to the first step", "share of the machine's limit")
    for axes, name, title in zip(panels, shown, titles, strict=True):
        values = [row[name] or {"median": 0, "min": 0, "max": 0} for row in rows]
        medians = [f["median"] for f in values]
        ranges = [
            [f["median"] - f["min"] for f in values],
            [f["max"] - f["median"] for f in values],
        ]
        axes.barh(range(len(rows)), medians, color=colors, alpha=0.8)
        axes.errorbar(
            *(medians, range(len(rows))),
            xerr=ranges,
            fmt="none",
            ecolor="black",
            elinewidth=1.2,
            capsize=3,
        )
        positive = [x for x in medians if x]
        if name == "images_per_second" and max(positive) > 30 * min(positive):
            axes.set_xscale("log")
        axes.set(xlabel=title, ylim=(len(rows) - 0.4, -0.6))
        axes.set_yticks(range(len(rows)), names if axes is panels[0] else [])
        axes.tick_params(axis="both", labelsize=10)
        axes.tick_params(axis="y", length=0)
    for label, color in ((OURS, plots.REAL), ("reference", plots.FAKE)):
        panels[0].plot([], [], color=color, alpha=0.8, linewidth=9, label=label)
    figure.legend(loc="outside upper center", ncols=2, frameon=False, fontsize=12)
    return plots._pixels(figure)
