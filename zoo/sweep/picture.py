"""The picture of a sweep: curves of the training, or bars if runs have no curves."""

import csv
import io
import itertools
import json
import math
import statistics

from zoo.sweep.tables import badness, names_of

# Columns of a run's scores.csv that are not scores.
NO_SCORES = ("step", "images", "floor", "samples", "features", "features_hash")


def draw(runs, scored, folder):
    """Draws the sweep: curves if runs have a scores.csv, else bars.

    Returns:
        bytes of a PNG file, or None if there is nothing to draw yet.
    """
    curves = {run.name: curve for run in runs if (curve := read_curve(folder / run.name))}
    names = names_of(scored[0].entry["scores"]) if scored else []
    if not curves and not names:
        return None
    # Not pyplot: it keeps every figure alive and picks a backend for the whole process.
    from matplotlib import colormaps
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    labels = list(dict.fromkeys(run.label for run in runs))
    colors = dict(zip(labels, itertools.cycle(colormaps["tab10"].colors), strict=False))
    height = 5 if curves else 1.5 + 0.4 * len(labels)
    figure = Figure(figsize=(9, height), dpi=100, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    if curves:
        columns = [name for name in next(iter(curves.values())) if name not in NO_SCORES]
        name = next((n for n in names if n in columns), columns[0])
        lowest, highest = math.inf, 0.0
        for run in runs:
            if name not in curves.get(run.name, {}):
                continue
            x, y = curves[run.name]["images"], curves[run.name][name]
            # The second ten combinations repeat the colours of the first.
            style = ("-", "--", ":", "-.")[labels.index(run.label) // 10 % 4]
            axes.plot(x, y, color=colors[run.label], linestyle=style, marker=".", alpha=0.8)
            lowest, highest = min(lowest, *y), max(highest, *y)
        if 0 < lowest < highest / 20:
            axes.set_yscale("log")
        for i, text in enumerate(labels):
            style = ("-", "--", ":", "-.")[i // 10 % 4]
            axes.plot([], [], color=colors[text], linestyle=style, label=text)
        axes.set(xlabel="images seen in training", ylabel=name, title="a line for each seed")
        line = axes.axhline
    else:
        name = names[0]
        values = {
            text: [r.entry["scores"][name] for r in scored if r.label == text] for text in labels
        }
        means = {text: statistics.fmean(scores) for text, scores in values.items() if scores}
        order = sorted(means, key=lambda text: badness(name, means[text], [scored[0].entry]))
        for text in order:
            scores = values[text]
            deviation = statistics.stdev(scores) if len(scores) > 1 else None
            axes.barh(text, means[text], xerr=deviation, color=colors[text], alpha=0.6, capsize=4)
            axes.plot(scores, [text] * len(scores), "o", color="black", markersize=3)
        axes.invert_yaxis()
        axes.set(xlabel=name, title="mean and deviation over seeds; a dot for each seed")
        line = axes.axvline
    if "floor" in next(iter(curves.values()), {}):
        # The floor of the curves: evaluate.py draws more samples, so its floor is lower.
        floors = [curve["floor"][-1] for curve in curves.values()]
    else:
        floors = [run.entry["floor"][name] for run in scored if name in run.entry["floor"]]
    if floors:
        floor = statistics.fmean(floors)
        text = f"floor: real data, {floor:.3g}"
        line(floor, color="black", linewidth=0.9, linestyle=(0, (5, 3)), label=text)
    if axes.get_legend_handles_labels()[0]:
        figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def read_curve(path):
    """Returns the columns of a run's scores.csv with `images` among them, or None."""
    try:
        with (path / "scores.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
        numbers = [name for name in rows[0] if name not in ("samples", "features", "features_hash")]
        columns = {name: [float(row[name]) for row in rows] for name in numbers}
        images = config["batch_size"] * config.get("n_critic", 1)
        return {"images": [step * images for step in columns["step"]]} | columns
    except (OSError, ValueError, TypeError, IndexError, KeyError):
        return None
