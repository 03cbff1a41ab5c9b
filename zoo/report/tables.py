"""Scores and settings as HTML tables."""

from html import escape

from zoo.scoring.scores import better

# Parts of the record that evaluate.py writes for each set of features.
PARTS = "protocol", "scores", "floor"


def scores(evaluation):
    """Returns the HTML of the scores: a table for each evaluation, pairs for all other entries."""
    evaluations = evaluation.get("evaluations")
    if not isinstance(evaluations, dict):
        return pairs(evaluation)
    rest = {key: value for key, value in evaluation.items() if key != "evaluations"}
    tables = [_score_table(*item) for item in evaluations.items()]
    return pairs(rest) + "".join(tables)


def text(value):
    if isinstance(value, (list, tuple)):
        more = f" and {len(value) - 24} more" if len(value) > 24 else ""
        return ", ".join(map(text, value[:24])) + more
    if isinstance(value, float):
        return f"{value:g}"
    words = {None: "none", True: "yes", False: "no"}
    return words[value] if value is None or isinstance(value, bool) else str(value)


def pairs(content):
    items = "".join(
        f"<div><dt>{_breakable(key)}</dt><dd>{escape(value)}</dd></div>"
        for key, value in _flat(content)
    )
    return f'<dl class="pairs">{items}</dl>' if items else ""


def _score_table(features, record):
    parts = [record.get(key) if isinstance(record, dict) else None for key in PARTS]
    if not all(isinstance(part, dict) for part in parts):
        return pairs({features: record})
    protocol, scores, _ = parts
    columns = _beside(record)
    rows = "".join(
        f'<tr><th scope="row">{_breakable(name)}</th>'
        + "".join(f"<td>{_score(name, values)}</td>" for values in (scores, *columns.values()))
        + f"<td>{_breakable(better(name))}</td></tr>"
        for name in scores
        if not name.endswith("_deviation")
    )
    heads = "".join(
        f'<th scope="col">{escape(title)}</th>' for title in ("Score", "Value", *columns, "Better")
    )
    count, real, step = (protocol.get(key) for key in ("samples", "floor_samples", "step"))
    step = "" if step is None else f"Step {_count(step)}: "
    caption = f"{step}{_count(count)} samples against {text(protocol.get('reference'))}."
    if "Floor" in columns:
        caption += f" The floor is the score of {_count(real)} real pictures."
    return (
        f'<div class="scores"><h3>{escape(features)}</h3><p>{escape(caption)}</p>'
        f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
        f"<details><summary>Protocol</summary>{pairs(protocol)}</details></div>"
    )


def _beside(record):
    """Returns title -> scores for the floor and the baselines of a record."""
    baselines = record.get("baselines")
    baselines = baselines if isinstance(baselines, dict) else {}
    columns = {f"Baseline: {n}": x for n, x in baselines.items() if isinstance(x, dict)}
    return {"Floor": record["floor"]} | columns if record["floor"] or not columns else columns


def _score(name, values):
    if name not in values:
        return "–"
    value, deviation = (
        f"{v:.4g}" if isinstance(v := values.get(key), (int, float)) else text(v)
        for key in (name, f"{name}_deviation")
    )
    return escape(value if f"{name}_deviation" not in values else f"{value} ± {deviation}")


def _count(value):
    return f"{value:,}" if isinstance(value, int) else text(value)


def _flat(content, prefix=""):
    """Yields (key, text) of a dict. Dots join the keys of nested dicts."""
    for key, value in content.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", text(value)


def _breakable(key):
    return escape(key).replace("_", "_<wbr>").replace(".", ".<wbr>")
