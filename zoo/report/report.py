"""The report of a run: one HTML file that needs only a browser."""

import base64
import csv
import hashlib
import os
import re
import shlex
import statistics
from html import escape
from pathlib import Path

import zoo
from zoo.data.catalog import short
from zoo.drawing.pictures import timeline
from zoo.errors import UsageError
from zoo.files import write_atomically
from zoo.installation import as_typed
from zoo.report import charts, embedded, read, tables
from zoo.tasks.task import Task, task_of

# Most bytes of all pictures together; base64 adds a third.
PICTURES = 4_200_000
# Embedded: a report is one file.
STYLE, SCRIPT = (
    Path(__file__).with_name(f"report.{kind}").read_text("utf-8") for kind in ("css", "js")
)


def write_report(run_dir):
    """Writes `report.html` into a run directory, from the files that exist.

    The file is self-contained: pictures as data URIs, curves as inline SVG, and a
    Content-Security-Policy that forbids the browser to fetch anything. It shows the latest samples
    and earlier ones, key figures, curves, the scores in `evaluation.json`, the configuration, and
    how to reproduce the run and go on from it. It also shows a latent walk and the nearest
    neighbours of samples if their pictures exist. It leaves out whatever is missing or unreadable,
    so it can be written at any time, even for a run that stopped in its first epoch.

    It reads `config.json`; `environment.json` (`command`, `backend`, `devices`, and any other keys,
    which are listed); `metrics.csv` and `timings.csv` (`images` and `seconds` are running totals);
    `warnings.csv` (`step`, `warning`); `samples/step-*.png`; `walk.png` and `neighbours.png`, with
    their descriptions below them; `scores.csv`, of which it draws `frechet` and `floor`; and
    `evaluation.json`, a dict of metric -> value, with evaluate.py's records under `evaluations`.

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
    config = read.json_object(run_dir / "config.json")
    environment = read.json_object(run_dir / "environment.json")
    metrics = read.csv_columns(run_dir / "metrics.csv")
    timings = read.csv_columns(run_dir / "timings.csv")
    evaluation = read.json_object(run_dir / "evaluation.json")
    name = run_dir.resolve().name
    parts = [str(config[key]) for key in ("model", "dataset") if config.get(key)]
    title = " on ".join(map(short, parts)) or name
    walk = embedded.figure(run_dir / "walk.png", "Generated samples, row by row")
    neighbours = embedded.figure(
        run_dir / "neighbours.png", "Generated samples and training pictures"
    )
    left = PICTURES - 3 * (len(walk) + len(neighbours)) // 4
    samples, shown, wide = embedded.samples(timeline(run_dir / "samples"), left, _task(config).same)
    body = [
        f"<header><p>{escape(name)}</p><h1>{escape(title)}</h1></header>",
        f'<div class="lead{" wide" if wide else ""}" style="--stage:{shown}px">'
        f'<section class="samples" aria-label="Samples">{samples}</section>'
        '<aside aria-label="Key figures">'
        f"{_figures(environment, metrics, timings)}</aside></div>",
        _section("Warnings", _warnings(run_dir / "warnings.csv")),
        _section("Latent walk", walk),
        _section("Scores", tables.scores(evaluation)),
        _section("Nearest training pictures", neighbours),
        _section("Training", charts.charts(metrics, run_dir / "scores.csv")),
        _section("Configuration", tables.pairs(config)),
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
    # A file name need not be Unicode; a character that cannot be encoded must not stop the report.
    return write_atomically(run_dir / "report.html", page.encode("utf-8", "replace"))


def _figures(environment, metrics, timings):
    figures = {}
    if epochs := read.finite(metrics.get("epoch")):
        figures["Epochs"] = f"{len(set(epochs)):,}"
    for label, column in (("Steps", "step"), ("Images seen", "images")):
        if values := read.finite(metrics.get(column)):
            figures[label] = f"{values[-1]:,.0f}"
    if rates := read.finite(timings.get("images_per_second")):
        # The median, because the first rows include the compilation.
        figures["Images per second"] = f"{statistics.median(rates):,.0f}"
    if seconds := read.finite(timings.get("seconds")):
        minutes = seconds[-1] / 60
        figures["Training time"] = f"{minutes:,.1f} min" if minutes >= 1 else f"{seconds[-1]:.0f} s"
    if environment.get("backend"):
        figures["Backend"] = tables.text(environment["backend"])
    if environment.get("devices"):
        figures["Device"] = tables.text(environment["devices"])
    items = "".join(f"<div><dt>{k}</dt><dd>{escape(v)}</dd></div>" for k, v in figures.items())
    return f"<dl>{items}</dl>" if items else '<p class="none">No finished epoch yet.</p>'


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
    # Each word has its own box, because browsers also break lines after the hyphens of a flag.
    words = re.sub(r"\S+", lambda word: f"<span>{escape(word[0])}</span>", line)
    return f"<pre><code>{words}</code></pre>"


def _reproduce(environment):
    rest = {key: value for key, value in environment.items() if key != "command"}
    command = environment.get("command")
    return (_command(str(command)) if command else "") + tables.pairs(rest)


def _go_on(run_dir, config, metrics):
    where = os.path.relpath(run_dir)
    where = shlex.quote(str(run_dir.resolve()) if where.startswith("..") else where)
    networks = [path.stem for path in sorted(run_dir.glob("*.keras")) if path.name[0] != "."]
    networks = [name for name in networks if not name.endswith("-best")] or ["generator"]
    done, epochs = len(set(read.finite(metrics.get("epoch")))), config.get("epochs")
    more = "" if isinstance(epochs, int) and done < epochs else f" --epochs={2 * done}"
    lines = {
        "New samples": f"generate.py --run={where} {_task(config).samples_flags}",
        "The generator for others": f"export.py --run={where} --format=keras,onnx --out=exported",
        "More training": f"train.py --resume={where}{more}",
    }
    lines = {label: as_typed(f"python {line}") for label, line in lines.items()}
    lines["With Keras alone"] = "import keras\n" + "\n".join(
        f'{name} = keras.models.load_model("{run_dir.resolve().name}/{name}.keras")'
        for name in networks
    )
    return "".join(f"<h3>{label}</h3>{_command(line)}" for label, line in lines.items())


def _task(config):
    """Returns the task of a run's model, or a plain `Task` for an unknown model."""
    try:
        return task_of(zoo.get(str(config.get("model"))).task)
    except UsageError:
        return Task()
