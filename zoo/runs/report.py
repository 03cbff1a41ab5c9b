"""The report of a run: one HTML file that needs nothing but a browser."""

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

from zoo.errors import UsageError
from zoo.runs.pictures import curves, timeline, write_atomically
from zoo.runs.scoring import METRICS

# At most this many moments are shown, and fewer, down to the second number, to stay small.
MOMENTS = 24, 18, 12
# Bytes of all pictures together, and of one beside the samples; base64 makes a third more of them.
PICTURES = 4_200_000
BESIDE = 600_000
# CSS pixels across the large picture.
STAGE = 720
# Of what evaluate.py writes for each of the features.
PARTS = "protocol", "scores", "floor"
BETTER = {name: better for _, names in METRICS.values() for name, better in names.items()}


def write_report(run_dir):
    """Writes `report.html` into a run directory, from whatever is there already.

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
    samples, shown, wide = _samples(timeline(run_dir / "samples"), left)
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
    """Returns a dict of column -> floats, NaN where a cell is empty or the last line is torn."""
    try:
        rows = list(csv.DictReader(path.read_text("utf-8", "replace").splitlines()))
    except (OSError, csv.Error):
        return {}
    names = [name for name in (rows[0] if rows else ()) if name]
    return {name: [_number(row.get(name)) for row in rows] for name in names}


def _number(text):
    try:
        return float(text)
    except (TypeError, ValueError):
        return float("nan")


def _finite(column):
    return [value for value in column or () if np.isfinite(value)]


def _samples(moments, most):
    """Returns the HTML of the samples, their width in CSS pixels, and whether they are wide.

    Their pictures take about `most` bytes at most.
    """
    readable = [(step, path, *found.size) for step, path in moments if (found := _opened(path))]
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
        note += " Each moment shows the same latent points."
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
    step = metrics.get("step")

    def columns(names):
        names = {} if step is None else names
        return {label: (step, metrics[name]) for name, label in names.items() if name in metrics}

    losses = {"d_loss": "discriminator", "g_loss": "generator"}
    others = [name for name in metrics if name.endswith("_loss") and name not in losses]
    losses |= {name: name.removesuffix("_loss").replace("_", " ") for name in others}
    logits = {"d_real": "on real", "d_fake": "on generated"}
    charts = curves(columns(losses), "Loss")
    charts += curves(columns(logits), "Discriminator, mean logit")
    charts += _score_curve(scores)
    return f'<div class="charts">{charts}</div>' if charts else ""


def _score_curve(path):
    found = _read_csv(path)
    if not {"step", "frechet", "floor"} <= set(found):
        return ""
    # A resumed run may score otherwise than before; another protocol has another floor.
    rows = list(zip(found["step"], found["frechet"], found["floor"], strict=True))
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
    protocol, scores, floor = parts
    rows = "".join(
        f'<tr><th scope="row">{_breakable(name)}</th><td>{_score(name, scores)}</td>'
        f"<td>{_score(name, floor)}</td><td>{_breakable(BETTER.get(name, ''))}</td></tr>"
        for name in scores
        if not name.endswith("_deviation")
    )
    count, real, step = (protocol.get(key) for key in ("samples", "floor_samples", "step"))
    step = "" if step is None else f"Step {_count(step)}: "
    caption = (
        f"{step}{_count(count)} samples against {_text(protocol.get('reference'))}. "
        f"The floor is the score of {_count(real)} real pictures."
    )
    return (
        f'<div class="scores"><h3>{escape(features)}</h3><p>{escape(caption)}</p>'
        '<table><thead><tr><th scope="col">Score</th><th scope="col">Value</th>'
        '<th scope="col">Floor</th><th scope="col">Better</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
        f"<details><summary>Protocol</summary>{_pairs(protocol)}</details></div>"
    )


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
    done, asked = len(set(_finite(metrics.get("epoch")))), config.get("epochs")
    more = "" if isinstance(asked, int) and done < asked else f" --epochs={2 * done}"
    lines = {
        "New samples": f"generate.py --run={where} --count=64 --format=grid --out=samples.png",
        "The generator for others": f"export.py --run={where} --format=keras,onnx --out=exported",
        "More training": f"train.py --resume={where}{more}",
    }
    lines = {label: f"python {line}" for label, line in lines.items()}
    lines["With Keras alone"] = (
        "import keras\n"
        f'generator = keras.models.load_model("{run_dir.resolve().name}/generator.keras")'
    )
    return "".join(f"<h3>{label}</h3>{_command(line)}" for label, line in lines.items())


STYLE = """
:root{--page:#fbfaf8;--ink:#1d1c1a;--muted:#6d6a64;--rule:#e3e0da;--box:#f2f0ec;
--curve-0:#2b6cb0;--curve-1:#c05621;--curve-2:#2f855a;--curve-3:#805ad5;
--serif:ui-serif,"Iowan Old Style","Palatino Linotype",Palatino,Georgia,serif;
--sans:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;
--mono:ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace}
@media (prefers-color-scheme:dark){:root{--page:#161615;--ink:#e9e6e0;--muted:#9b978f;
--rule:#32312e;--box:#201f1d;--curve-0:#7db3e8;--curve-1:#eda06a;--curve-2:#7cc79f;
--curve-3:#b79cf0}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.55 var(--sans);
font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
main{max-width:1128px;margin:0 auto;padding:clamp(32px,6vw,80px) clamp(16px,3vw,24px) 96px}
header{margin-bottom:clamp(24px,4vw,48px)}
header p{margin:0 0 4px;color:var(--muted);font:13px/1.5 var(--mono)}
h1{margin:0;font:400 clamp(32px,6vw,56px)/1.08 var(--serif);letter-spacing:-.015em}
h2{margin:0 0 24px;font:400 26px/1.2 var(--serif)}
h3{margin:0;font-size:14px;font-weight:600}
figure,dl,dd,ol,ul{margin:0;padding:0}
ol,ul{list-style:none}
main>section{margin-top:clamp(48px,7vw,80px)}
p{margin:12px 0 0;color:var(--muted);font-size:14px}
dt{color:var(--muted);font-size:14px}
.none{margin:0;padding:48px 24px;background:var(--box);text-align:center}
.lead{display:grid;gap:32px}
.lead>*{min-width:0}
#stage{display:block;max-width:100%;height:auto}
@media (min-width:800px){.crisp{image-rendering:pixelated}}
aside dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(128px,1fr));gap:20px 24px}
aside dd{font:400 24px/1.25 var(--serif)}
@media (min-width:1000px){.lead:not(.wide){gap:64px;
grid-template-columns:clamp(480px,var(--stage),720px) 1fr}
.lead:not(.wide) aside dl{grid-template-columns:1fr;gap:0;border-top:1px solid var(--rule)}
.lead:not(.wide) aside div{display:flex;justify-content:space-between;align-items:baseline;gap:24px;
padding:12px 0;border-bottom:1px solid var(--rule)}
.lead:not(.wide) dt{flex:none}
.lead:not(.wide) dd{text-align:right}}
button{font:inherit;color:inherit;cursor:pointer}
:focus-visible{outline:2px solid var(--curve-0);outline-offset:3px}
.scrub{display:flex;align-items:center;gap:16px;margin-top:16px}
.samples .scrub{max-width:var(--stage)}
.scrub[hidden]{display:none}
.scrub button{flex:none;width:72px;padding:6px 0;border:1px solid var(--rule);border-radius:6px;
background:var(--box);font-size:14px}
.scrub input{flex:1;min-width:0;height:32px;margin:0;accent-color:var(--ink)}
.film{display:flex;gap:8px;overflow-x:auto;padding:4px 4px 12px;margin:12px -4px 0;
position:relative}
.film li{flex:none}
.film button{display:block;padding:0;border:0;background:none}
.film img{display:block;width:auto;height:96px}
.film span{display:block;padding-top:6px;border-top:2px solid transparent;margin-top:4px;
color:var(--muted);font-size:12px;line-height:1.3;text-align:left}
.film [aria-current] span{border-color:var(--ink);color:var(--ink)}
.charts{display:grid;gap:48px 64px;
grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr))}
.chart{min-width:0}
.chart ul{display:flex;flex-wrap:wrap;gap:2px 20px;margin:4px 0 16px;font-size:14px;
color:var(--muted)}
.chart i{display:inline-block;width:14px;height:3px;margin:0 6px 3px 0;border-radius:2px}
.chart li output{color:var(--ink)}
.chart>svg{display:block;width:calc(100% - 62px);height:240px;margin:8px 16px 28px 46px;
overflow:visible;touch-action:pan-y}
.chart text{fill:var(--muted);font-size:12px}
.chart g line{stroke:var(--rule)}
.chart path{fill:none;stroke-width:1.75;stroke-linejoin:round;vector-effect:non-scaling-stroke}
.chart .band{opacity:.16;stroke:none}
.chart .dot{stroke-width:8;stroke-linecap:round}
.chart .cursor{stroke:var(--muted);stroke-dasharray:2 3}
.chart figcaption{margin:0;padding-left:46px;font-size:13px}
.chart figcaption p{margin:0;font-size:13px}
.picture img{display:block;max-width:100%;height:auto}
.picture figcaption{max-width:720px;margin-top:12px;color:var(--muted);font-size:14px}
.scores+.scores,.pairs+.scores{margin-top:40px}
table{width:100%;margin:16px 0;border-collapse:collapse;font-size:14px;text-align:right;
overflow-wrap:normal}
th,td{padding:7px 0 7px 16px;border-bottom:1px solid var(--rule);font-weight:400}
th{padding-left:0;color:var(--muted);text-align:left}
thead th+th{padding-left:16px;text-align:right}
summary{color:var(--muted);font-size:14px;cursor:pointer}
.pairs{columns:2;column-gap:64px}
.pairs div{display:grid;grid-template-columns:minmax(0,2fr) minmax(0,3fr);gap:16px;padding:7px 0;
border-bottom:1px solid var(--rule);break-inside:avoid;font-size:14px}
@media (max-width:760px){.pairs{columns:1}}
pre{margin:8px 0 24px;padding:14px 16px;background:var(--box);border-radius:6px;
font:13px/1.55 var(--mono);white-space:pre-wrap;-webkit-user-select:all;user-select:all}
code{font:inherit}
pre span{display:inline-block;max-width:100%}
"""

SCRIPT = """
const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];
const film = all('.film button'), scrub = document.querySelector('.scrub');
if (scrub) {
  const [button, range] = scrub.children, picture = document.querySelector('#stage');
  const step = document.querySelector('.samples output');
  let timer = 0;
  const show = i => {
    picture.src = film[i].firstChild.src;
    step.textContent = film[i].dataset.step;
    range.value = i;
    range.setAttribute('aria-valuetext', 'step ' + film[i].dataset.step);
    film.forEach((b, j) => j == i ? b.setAttribute('aria-current', true)
                                  : b.removeAttribute('aria-current'));
    const strip = film[i].closest('ol'), left = film[i].parentNode.offsetLeft;
    strip.scrollLeft = left - (strip.clientWidth - film[i].offsetWidth) / 2;
  };
  const stop = () => { clearInterval(timer); timer = 0; button.textContent = 'Play'; };
  button.onclick = () => {
    if (timer) return stop();
    if (+range.value == film.length - 1) show(0);
    button.textContent = 'Pause';
    timer = setInterval(() => {
      show(+range.value + 1);
      if (+range.value == film.length - 1) stop();
    }, 350);
  };
  range.oninput = () => { stop(); show(+range.value); };
  film.forEach((b, i) => b.onclick = () => { stop(); show(i); });
  scrub.hidden = false;
  show(film.length - 1);
}
for (const chart of all('.chart')) {
  const { range: [left, right], curves } = JSON.parse(chart.dataset.chart);
  const svg = chart.querySelector('svg'), cursor = chart.querySelector('.cursor');
  const outputs = all('li output', chart), at = chart.querySelector('figcaption output');
  const before = outputs.map(o => o.textContent);
  svg.onpointermove = svg.onpointerdown = event => {
    const box = svg.getBoundingClientRect();
    const x = left + (right - left) * (event.clientX - box.left) / box.width;
    let near = x;
    curves.forEach(([xs, ys], i) => {
      const k = xs.reduce((best, v, j) => Math.abs(v - x) < Math.abs(xs[best] - x) ? j : best, 0);
      near = xs[k];
      outputs[i].textContent = +ys[k].toPrecision(3);
    });
    const place = 100 * (near - left) / (right - left) + '%';
    cursor.setAttribute('x1', place);
    cursor.setAttribute('x2', place);
    cursor.setAttribute('visibility', 'visible');
    at.textContent = Math.round(near).toLocaleString('en');
  };
  svg.onpointerleave = () => {
    outputs.forEach((o, i) => o.textContent = before[i]);
    cursor.setAttribute('visibility', 'hidden');
    at.textContent = '';
  };
}
"""
