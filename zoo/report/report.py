"""The report of a run: one HTML file that needs only a browser."""

import base64
import csv
import hashlib
import io
import json
import os
import re
import shlex
import statistics
from html import escape
from pathlib import Path

import numpy as np

import zoo
from zoo.drawing.pictures import curves, timeline
from zoo.errors import UsageError
from zoo.files import write_atomically
from zoo.scoring.scores import better
from zoo.tasks.task import Task, task_of

# At most this many moments are shown, and fewer, down to the second number, to stay small.
MOMENTS = 24, 18, 12
# Bytes of all pictures together, and of one beside the samples; base64 makes a third more of them.
PICTURES = 4_200_000
BESIDE = 600_000
# CSS pixels across the large picture.
STAGE = 720
# Of what evaluate.py writes for each of the features.
PARTS = "protocol", "scores", "floor"
# Of metrics.csv: what counts, and what the names of losses and of learning rates end with.
COUNTS = "epoch", "step", "images"
LOSS, RATE = "_loss", "_learning_rate"
# Embedded: a report is one file.
STYLE, SCRIPT = (
    Path(__file__).with_name(f"report.{kind}").read_text("utf-8") for kind in ("css", "js")
)


def write_report(run_dir):
    """Writes `report.html` into a run directory, from the files that exist.

    The file is self-contained: pictures as data URIs, curves as inline SVG, and a
    Content-Security-Policy that forbids the browser to fetch anything. It shows the latest samples
    and how they came about, key figures, curves, scores if `evaluation.json` holds some, the
    configuration, and how to reproduce the run and go on from it; a latent walk and the nearest
    neighbours of samples, where their pictures are there. What is missing or unreadable is
    left out, so that it can be written at any time, also of a run that stopped in its first epoch.

    It reads `config.json`; `environment.json` (`command`, `backend`, `devices`, and anything else,
    which is listed); `metrics.csv` and `timings.csv` (`images` and `seconds` are running totals);
    `warnings.csv` (`step`, `warning`); `samples/step-*.png`; `walk.png` and `neighbours.png`, whose
    description is shown below them; `scores.csv`, whose `frechet` and `floor` are drawn; and
    `evaluation.json`, a dict of metric -> value, with what evaluate.py wrote under `evaluations`.

    Args:
        run_dir: the run directory, str or path.

    Returns:
        `pathlib.Path` of the file, below 6 MB. It is replaced atomically.

    Raises:
        UsageError: if there is no such folder.
    """
    run_dir = Path(run_dir)
    if not run_dir.is_dir():
        raise UsageError(f"A report needs a run directory. Received: {run_dir}, not a folder.")
    config = _read_json(run_dir / "config.json")
    environment = _read_json(run_dir / "environment.json")
    metrics = _read_csv(run_dir / "metrics.csv")
    timings = _read_csv(run_dir / "timings.csv")
    evaluation = _read_json(run_dir / "evaluation.json")
    name = run_dir.resolve().name
    title = " on ".join(str(config[key]) for key in ("model", "dataset") if config.get(key)) or name
    walk = _picture(run_dir / "walk.png", "Generated samples, row by row")
    neighbours = _picture(run_dir / "neighbours.png", "Generated samples and training pictures")
    left = PICTURES - 3 * (len(walk) + len(neighbours)) // 4
    samples, shown, wide = _samples(timeline(run_dir / "samples"), left, _task(config).same)
    body = [
        f"<header><p>{escape(name)}</p><h1>{escape(title)}</h1></header>",
        f'<div class="lead{" wide" if wide else ""}" style="--stage:{shown}px">'
        f'<section class="samples" aria-label="Samples">{samples}</section>'
        '<aside aria-label="Key figures">'
        f"{_figures(environment, metrics, timings)}</aside></div>",
        _section("Warnings", _warnings(run_dir / "warnings.csv")),
        _section("Latent walk", walk),
        _section("Scores", _scores(evaluation)),
        _section("Nearest training pictures", neighbours),
        _section("Training", _charts(metrics, run_dir / "scores.csv")),
        _section("Configuration", _pairs(config)),
        _section("Reproduce", _reproduce(environment)),
        _section("Go on", _go_on(run_dir, config, metrics) if metrics else ""),
    ]
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'"
    )
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)} · {escape(name)}</title><style>{STYLE}</style></head>\n"
        "<body><main>\n" + "\n".join(filter(None, body)) + "\n</main>"
        f"<script>{SCRIPT}</script></body></html>\n"
    )
    # A file name need not be Unicode; what cannot be encoded must not lose the report.
    return write_atomically(run_dir / "report.html", page.encode("utf-8", "replace"))


def _read_json(path):
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _read_csv(path):
    """Returns a dict of column -> floats, None where a cell is empty, NaN where a line is torn."""
    try:
        rows = list(csv.DictReader(path.read_text("utf-8", "replace").splitlines()))
    except (OSError, csv.Error):
        return {}
    names = [name for name in (rows[0] if rows else ()) if name]
    return {name: [_number(row.get(name)) for row in rows] for name in names}


def _number(text):
    if text == "":
        return None
    try:
        return float(text)
    except (TypeError, ValueError):
        return float("nan")


def _finite(column):
    return [value for value in column or () if value is not None and np.isfinite(value)]


def _samples(moments, most, same):
    """Returns the HTML of the samples, their width in CSS pixels, and whether they are wide.

    Their pictures take about `most` bytes at most; `same` says what all of them show.
    """
    readable = [(step, path, *picture.size) for step, path in moments if (picture := _opened(path))]
    if not readable:
        return '<p class="none">No samples yet.</p>', STAGE, False
    for count in MOMENTS:
        places = np.linspace(0, len(readable) - 1, min(count, len(readable))).round().astype(int)
        chosen = [readable[i] for i in places]
        # The latest is embedded twice, large and in the strip.
        sizes = [path.stat().st_size for _, path, _, _ in [*chosen, chosen[-1]]]
        if small := sum(sizes) <= most:
            break
    shares = [None if small else most // (len(chosen) + 3)] * len(chosen)
    shares[-1] = None if small else 2 * shares[-1]
    pictures = [
        (step, _data_uri(path, share), width, height)
        for (step, path, width, height), share in zip(chosen, shares, strict=True)
    ]
    step, source, width, height = pictures[-1]
    # Whole multiples keep the pixels of small pictures square and even.
    shown = width * max(1, STAGE // width)
    stage = (
        f'<img id="stage" class="{"crisp" if width <= STAGE else ""}" src="{source}" '
        f'width="{width}" height="{height}" style="width:{shown}px" alt="Generated samples">'
    )
    note = f"Step <output>{step:,}</output>."
    if len(pictures) > 1:
        last = len(pictures) - 1
        stage += (
            '<div class="scrub" hidden><button type="button">Play</button>'
            f'<input type="range" min="0" max="{last}" value="{last}" aria-label="Moment"></div>'
        )
        note += f" Each moment shows the same {same}."
    film = "".join(
        f'<li><button type="button" data-step="{step:,}" aria-label="Show step {step:,}">'
        f'<img src="{source}" width="{width}" height="{height}" alt=""><span>{step:,}</span>'
        "</button></li>"
        for step, source, width, height in (pictures if len(pictures) > 1 else ())
    )
    film = film and f'<ol class="film">{film}</ol>'
    return f"{stage}<p>{note}</p>{film}", shown, width > 1.5 * height


def _picture(path, alt):
    """Returns the HTML of a picture with its description, or "" if it cannot be read."""
    picture = _opened(path)
    if picture is None:
        return ""
    (width, height), note = picture.size, escape(picture.info.get("Description", ""))
    return (
        f'<figure class="picture"><img src="{_data_uri(path, BESIDE)}" width="{width}" '
        f'height="{height}" alt="{alt}"><figcaption>{note}</figcaption></figure>'
    )


def _opened(path):
    """Returns a `PIL.Image` of a picture, or None if it cannot be read to its end."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            picture.load()
            return picture
    except (OSError, ValueError, SyntaxError):
        return None


def _data_uri(path, most):
    """Returns a picture as data URI: the file itself, or a smaller JPEG if it exceeds `most`."""
    data, kind = path.read_bytes(), "png"
    if most is not None and len(data) > most:
        from PIL import Image

        kind = "jpeg"
        with Image.open(path) as picture:
            picture = picture.convert("RGB")
        while len(data) > most and max(picture.size) > 16:
            file = io.BytesIO()
            picture.save(file, "JPEG", quality=88)
            data = file.getvalue()
            picture = picture.resize([max(1, side * 4 // 5) for side in picture.size])
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _figures(environment, metrics, timings):
    figures = {}
    if epochs := _finite(metrics.get("epoch")):
        figures["Epochs"] = f"{len(set(epochs)):,}"
    for label, column in (("Steps", "step"), ("Images seen", "images")):
        if values := _finite(metrics.get(column)):
            figures[label] = f"{values[-1]:,.0f}"
    if rates := _finite(timings.get("images_per_second")):
        # The median: the first rows carry the compilation.
        figures["Images per second"] = f"{statistics.median(rates):,.0f}"
    if seconds := _finite(timings.get("seconds")):
        minutes = seconds[-1] / 60
        figures["Training time"] = f"{minutes:,.1f} min" if minutes >= 1 else f"{seconds[-1]:.0f} s"
    if environment.get("backend"):
        figures["Backend"] = _text(environment["backend"])
    if environment.get("devices"):
        figures["Device"] = _text(environment["devices"])
    items = "".join(f"<div><dt>{k}</dt><dd>{escape(v)}</dd></div>" for k, v in figures.items())
    return f"<dl>{items}</dl>" if items else '<p class="none">No finished epoch yet.</p>'


def _charts(metrics, scores):
    """Returns the HTML of the curves: the losses, what each player reports besides, and scores.

    A column `<player>_loss` is a player's loss and `<player>_<term>` a term of it or what else it
    reports, as `zoo.players.Player.column` names them; the players' whole names begin the columns
    of their learning rates.
    """
    step = metrics.get("step")
    names = [] if step is None else [n for n in metrics if not n.endswith(RATE)]
    losses = [name for name in names if name.endswith(LOSS)]
    named = {name: _player(name.removesuffix(LOSS), metrics) for name in losses}

    def drawn(labels, title):
        columns = {}
        for name, label in labels.items():
            # Of a player that did not move there is no value.
            there = [pair for pair in zip(step, metrics[name], strict=True) if pair[1] is not None]
            if there:
                columns[label] = tuple(map(list, zip(*there, strict=True)))
        return curves(columns, title)

    charts = drawn(named, "Loss")
    rest = [name for name in names if name not in (*losses, *COUNTS)]
    for loss, player in named.items():
        start = loss.removesuffix("loss")
        own = {n: _words(n.removeprefix(start)) for n in rest if n.startswith(start)}
        rest = [name for name in rest if name not in own]
        charts += drawn(own, player.capitalize())
    charts += "".join(drawn({name: _words(name)}, _words(name).capitalize()) for name in rest)
    charts += _score_curve(scores)
    return f'<div class="charts">{charts}</div>' if charts else ""


def _player(short, metrics):
    """Returns the whole name of a player whose columns begin with `short`."""
    players = [name.removesuffix(RATE) for name in metrics if name.endswith(RATE)]
    matches = [name for name in players if name.startswith(short)]
    return matches[0] if len(matches) == 1 else _words(short)


def _words(name):
    return name.replace("_", " ")


def _score_curve(path):
    table = _read_csv(path)
    if not {"step", "frechet", "floor"} <= set(table):
        return ""
    # A resumed run may score otherwise than before; another protocol has another floor.
    rows = list(zip(table["step"], table["frechet"], table["floor"], strict=True))
    rows = [row for row in rows if row[2] == rows[-1][2]]
    if not rows:
        return ""
    steps, values, floors = map(list, zip(*rows, strict=True))
    columns = {
        "generated": (steps, values),
        "floor, real pictures": ([0, *steps], [floors[0], *floors]),
    }
    return curves(columns, "Fréchet distance of the averaged generator, lower is better")


def _scores(evaluation):
    """Returns the HTML of the scores: a table for each evaluation, pairs of what else there is."""
    evaluations = evaluation.get("evaluations")
    if not isinstance(evaluations, dict):
        return _pairs(evaluation)
    rest = {key: value for key, value in evaluation.items() if key != "evaluations"}
    tables = [_score_table(*item) for item in evaluations.items()]
    return _pairs(rest) + "".join(tables)


def _score_table(features, record):
    parts = [record.get(key) if isinstance(record, dict) else None for key in PARTS]
    if not all(isinstance(part, dict) for part in parts):
        return _pairs({features: record})
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
    caption = f"{step}{_count(count)} samples against {_text(protocol.get('reference'))}."
    if "Floor" in columns:
        caption += f" The floor is the score of {_count(real)} real pictures."
    return (
        f'<div class="scores"><h3>{escape(features)}</h3><p>{escape(caption)}</p>'
        f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
        f"<details><summary>Protocol</summary>{_pairs(protocol)}</details></div>"
    )


def _beside(record):
    """Returns title -> scores of the floor and the baselines beside a record."""
    baselines = record.get("baselines")
    baselines = baselines if isinstance(baselines, dict) else {}
    columns = {f"Baseline: {n}": x for n, x in baselines.items() if isinstance(x, dict)}
    return {"Floor": record["floor"]} | columns if record["floor"] or not columns else columns


def _score(name, values):
    if name not in values:
        return "–"
    value, deviation = (
        f"{v:.4g}" if isinstance(v := values.get(key), (int, float)) else _text(v)
        for key in (name, f"{name}_deviation")
    )
    return escape(value if f"{name}_deviation" not in values else f"{value} ± {deviation}")


def _count(value):
    return f"{value:,}" if isinstance(value, int) else _text(value)


def _text(value):
    if isinstance(value, (list, tuple)):
        more = f" and {len(value) - 24} more" if len(value) > 24 else ""
        return ", ".join(map(_text, value[:24])) + more
    if isinstance(value, float):
        return f"{value:g}"
    words = {None: "none", True: "yes", False: "no"}
    return words[value] if value is None or isinstance(value, bool) else str(value)


def _flat(content, prefix=""):
    """Yields (key, text) of a dict, with the keys of dicts inside it joined by points."""
    for key, value in content.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", _text(value)


def _pairs(content):
    items = "".join(
        f"<div><dt>{_breakable(key)}</dt><dd>{escape(value)}</dd></div>"
        for key, value in _flat(content)
    )
    return f'<dl class="pairs">{items}</dl>' if items else ""


def _breakable(key):
    return escape(key).replace("_", "_<wbr>").replace(".", ".<wbr>")


def _warnings(path):
    try:
        rows = list(csv.DictReader(path.read_text("utf-8", "replace").splitlines()))
    except (OSError, csv.Error):
        return ""
    return "".join(
        f"<p><strong>Step {escape(row.get('step') or '')}.</strong> "
        f"{escape(row.get('warning') or '')}</p>"
        for row in rows
    )


def _section(title, content):
    return f"<section><h2>{title}</h2>{content}</section>" if content else ""


def _command(line):
    # Boxes of a word each, because browsers would also break lines behind the hyphens of a flag.
    words = re.sub(r"\S+", lambda word: f"<span>{escape(word[0])}</span>", line)
    return f"<pre><code>{words}</code></pre>"


def _reproduce(environment):
    rest = {key: value for key, value in environment.items() if key != "command"}
    command = environment.get("command")
    return (_command(str(command)) if command else "") + _pairs(rest)


def _go_on(run_dir, config, metrics):
    where = os.path.relpath(run_dir)
    where = shlex.quote(str(run_dir.resolve()) if where.startswith("..") else where)
    networks = [path.stem for path in sorted(run_dir.glob("*.keras")) if path.name[0] != "."]
    networks = [name for name in networks if not name.endswith("-best")] or ["generator"]
    done, epochs = len(set(_finite(metrics.get("epoch")))), config.get("epochs")
    more = "" if isinstance(epochs, int) and done < epochs else f" --epochs={2 * done}"
    lines = {
        "New samples": f"generate.py --run={where} {_task(config).samples_flags}",
        "The generator for others": f"export.py --run={where} --format=keras,onnx --out=exported",
        "More training": f"train.py --resume={where}{more}",
    }
    lines = {label: f"python {line}" for label, line in lines.items()}
    lines["With Keras alone"] = "import keras\n" + "\n".join(
        f'{name} = keras.models.load_model("{run_dir.resolve().name}/{name}.keras")'
        for name in networks
    )
    return "".join(f"<h3>{label}</h3>{_command(line)}" for label, line in lines.items())


def _task(config):
    """Returns the task of a run's model, or that of no model in particular."""
    try:
        return task_of(zoo.get(str(config.get("model"))).task)
    except UsageError:
        return Task()
