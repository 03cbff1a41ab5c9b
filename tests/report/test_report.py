"""The report: one file, complete, safe, and written whatever is missing."""

import base64
import html
import json
import os
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from zoo.drawing import pictures
from zoo.errors import UsageError
from zoo.report import embedded, report

VOID = {"meta", "img", "input", "wbr", "line", "path", "br"}
METRICS = "epoch,step,images,d_loss,g_loss,d_real,d_fake\n"


class Page(HTMLParser):
    """Collects attributes, and checks that every element is closed."""

    def __init__(self, path):
        super().__init__()
        self.elements, self.open = [], []
        self.html = path.read_text("utf-8")
        self.feed(self.html)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self):
        return re.sub(r"<[^>]*>", "", self.html)


def make_run(folder, samples=3, rows=5, size=16):
    (folder / "samples").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for step in range(samples):
        image = rng.integers(0, 256, (size, size, 1), "uint8")
        pictures.save_png(folder / "samples" / f"step-{10 * step:07d}.png", image)
    config = {"model": "dcgan", "dataset": "digits", "epochs": 5, "class_names": ["null", "eins"]}
    environment = {
        "backend": "jax",
        "devices": ["cpu:0"],
        "commit": "0123abc",
        "command": "python train.py --name=mine",
        "versions": {"keras": "3.15.1"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "environment.json").write_text(json.dumps(environment))
    lines = [f"{i},{10 * i},{640 * i},{1 / i},{i},0.7,0.3\n" for i in range(1, rows + 1)]
    (folder / "metrics.csv").write_text(METRICS + "".join(lines))
    lines = [f"{i},{10 * i},{30 * i},{1000 + i}\n" for i in range(1, rows + 1)]
    (folder / "timings.csv").write_text("epoch,step,seconds,images_per_second\n" + "".join(lines))
    return folder


def test_report_says_what_ran_how_far_how_fast_and_how_to_go_on(tmp_path):
    path = report.write_report(make_run(tmp_path / "mine"))
    assert path == tmp_path / "mine" / "report.html"
    text = Page(path).text
    for fact in (
        "dcgan on digits",
        "mine",
        "3,200",
        "1,003",
        "2.5 min",
        "jax",
        "0123abc",
        "3.15.1",
    ):
        assert fact in text, fact
    for command in ("generate.py --run=", "export.py --run=", "train.py --resume="):
        assert command in text, command
    assert "--epochs=10" in text and "null, eins" in text
    assert "cpu:0" in text and "python train.py --name=mine" in text


def test_a_run_with_epochs_left_is_resumed_as_it_was_asked_for(tmp_path):
    text = Page(report.write_report(make_run(tmp_path / "run", rows=3))).text
    assert "train.py --resume=" in text and "--epochs=" not in text


def test_report_shows_every_sample_and_the_latest_large(tmp_path):
    run = make_run(tmp_path / "run", samples=24)
    images = Page(report.write_report(run)).all("img")
    expected = [
        "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
        for _, path in pictures.timeline(run / "samples")
    ]
    assert [image["src"] for image in images] == [expected[-1], *expected]


def test_many_samples_are_thinned_but_the_first_and_the_latest_stay(tmp_path):
    page = Page(report.write_report(make_run(tmp_path / "run", samples=100)))
    steps = [button["data-step"] for button in page.all("button") if "data-step" in button]
    assert len(steps) == len(set(steps)) == 24
    assert (steps[0], steps[-1]) == ("0", "990")


def test_large_samples_do_not_make_a_large_file(tmp_path):
    run = make_run(tmp_path / "run", samples=3, size=2000)
    assert sum(path.stat().st_size for path in (run / "samples").iterdir()) > 10_000_000
    path = report.write_report(run)
    assert path.stat().st_size < 6_000_000
    assert len(Page(path).all("img")) == 4


def test_report_fetches_nothing(tmp_path):
    page = Page(report.write_report(make_run(tmp_path / "run")))
    for tag, attributes in page.elements:
        for name in ("src", "href", "xlink:href", "srcset", "action"):
            assert attributes.get(name, "data:").startswith("data:"), (tag, attributes)
    assert not page.all("link")
    assert "url(" not in page.html and "@import" not in page.html
    policy = page.all("meta")[1]["content"]
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_policy_admits_the_one_script_of_the_page(tmp_path):
    import hashlib

    page = Page(report.write_report(make_run(tmp_path / "run")))
    (script,) = re.findall("<script>(.*?)</script>", page.html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page.html


def test_everything_from_files_is_escaped(tmp_path):
    evil = '"><script>alert(1)<script>'
    run = make_run(tmp_path / evil)
    hostile = {"model": evil, "epochs": evil, evil: [evil, {evil: evil}], "deep": {evil: evil}}
    for name in ("config", "evaluation"):
        (run / f"{name}.json").write_text(json.dumps(hostile))
    environment = {"backend": evil, "devices": [evil], "command": evil, "versions": {evil: evil}}
    (run / "environment.json").write_text(json.dumps(environment))
    quoted = '"' + evil.replace('"', '""') + '_loss"'
    (run / "metrics.csv").write_text(f"epoch,step,{quoted}\n1,1,1\n2,2,2\n")
    page = Page(report.write_report(run))
    assert len(page.all("script")) == 1
    assert page.html.count("alert(1)") > 12


@pytest.mark.parametrize(
    "missing", ["config.json", "environment.json", "metrics.csv", "timings.csv", "samples"]
)
def test_a_missing_file_costs_its_part_only(tmp_path, missing):
    run = make_run(tmp_path / "run")
    (run / missing).rename(tmp_path / "gone")
    page = Page(report.write_report(run))
    parts = {
        "config.json": "class_",
        "environment.json": "0123abc",
        "metrics.csv": "<svg",
        "timings.csv": "1,003",
        "samples": "<img",
    }
    assert {name for name, sign in parts.items() if sign not in page.html} == {missing}


@pytest.mark.parametrize(
    "content", ["", "{", "[1]", "null", "\0", METRICS, METRICS + "1,10", "d_loss\n1\n2\n"]
)
def test_damaged_files_are_tolerated(tmp_path, content):
    run = make_run(tmp_path / "run")
    for name in ("config.json", "environment.json", "metrics.csv", "timings.csv"):
        (run / name).write_text(content)
    (run / "samples" / "step-0000020.png").write_bytes(b"\x89PNG broken")
    page = Page(report.write_report(run))
    assert len(page.all("img")) == 3


def test_a_run_that_stopped_before_anything_still_has_a_report(tmp_path):
    text = Page(report.write_report(tmp_path)).text
    assert "No samples yet" in text and "No finished epoch yet" in text


def test_no_folder_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="nowhere"):
        report.write_report(tmp_path / "nowhere")


def test_curves_of_what_a_variant_adds_are_drawn_too(tmp_path):
    run = make_run(tmp_path / "run")
    (run / "metrics.csv").write_text("step,d_loss,g_loss,mode_seeking_loss\n1,1,1,1\n2,2,2,7.25\n")
    page = Page(report.write_report(run))
    assert "mode seeking 7.25" in re.sub(r"\s+", " ", page.text)
    classes = [attributes.get("class") for _, attributes in page.elements]
    assert classes.count("chart") == 1


def charts(page):
    """Returns title -> the names in the legend, for each chart."""
    matches = re.findall(r'<svg role="img" aria-label="([^"]*): ([^"]*) over step"', page.html)
    return {title: names.split(", ") for title, names in matches}


def test_every_number_of_every_player_is_a_curve_by_its_name(tmp_path):
    run = make_run(tmp_path / "run")
    rates = "discriminators_learning_rate,generators_learning_rate"
    names = f"epoch,step,images,d_loss,g_loss,d_a,d_b,g_cycle,g_real_l1,augment_strength,{rates}"
    (run / "metrics.csv").write_text(f"{names}\n1,5,9,1,2,3,4,5,6,7,8,9\n2,6,9,1,2,3,4,5,6,7,8,9\n")
    assert charts(Page(report.write_report(run))) == {
        "Loss": ["discriminators", "generators"],
        "Discriminators": ["a", "b"],
        "Generators": ["cycle", "real l1"],
        "Augment strength": ["augment strength"],
    }


def test_a_player_that_did_not_move_has_a_curve_of_the_epochs_in_which_it_did(tmp_path):
    run = make_run(tmp_path / "run")
    lines = ["step,d_loss,a_loss,a_error", "8,,9,2", "16,,8,1", "24,1,,", "32,nan,,"]
    (run / "metrics.csv").write_text("\n".join(lines) + "\n")
    page = Page(report.write_report(run))
    shown = [json.loads(figure["data-chart"])["curves"] for figure in page.all("figure")]
    assert shown == [[[[24], [1]], [[8, 16], [9, 8]]], [[[8, 16], [2, 1]]]]
    # A value that is not finite is reported; an empty cell is no mistake.
    assert page.text.count("not finite") == 1 and "d: 1 values were not finite" in page.text


def test_a_run_of_translations_is_gone_on_from_by_its_own_networks(tmp_path):
    run = make_run(tmp_path / "run")
    for name in ("a_to_b", "b_to_a", "a_to_b-best"):
        (run / f"{name}.keras").write_bytes(b"")
    (run / "config.json").write_text(json.dumps({"model": "cyclegan", "dataset": "domains:x"}))
    text = Page(report.write_report(run)).text
    for name in ("a_to_b", "b_to_a"):
        assert f'load_model("run/{name}.keras")' in html.unescape(text)
    assert "generator.keras" not in text and "-best" not in text
    assert "--input=FOLDER" in text and "--count" not in text


def test_scores_appear_when_there_are_some(tmp_path):
    run = make_run(tmp_path / "run")
    assert "Scores" not in Page(report.write_report(run)).text
    (run / "evaluation.json").write_text('{"frechet_distance": 12.5}')
    text = Page(report.write_report(run)).text
    assert "Scores" in text and "12.5" in text


def record(**scores):
    protocol = {"step": 1200, "samples": 2500, "floor_samples": 2400, "reference": "digits' <test>"}
    return {"protocol": protocol, "scores": scores, "floor": {"frechet": 0.25}}


def test_evaluations_are_tables_with_floor_and_protocol(tmp_path):
    run = make_run(tmp_path / "run")
    evaluations = {
        "classifier:digits": record(frechet=12.34567, kernel=0.5, kernel_deviation=0.125),
        "raw": record(recall=0.75),
    }
    content = {"step": 7, "evaluations": evaluations}
    (run / "evaluation.json").write_text(json.dumps(content))
    page = Page(report.write_report(run))
    assert len(page.all("table")) == 2
    cells = [re.sub("<[^>]*>", "", c) for c in re.findall("<t[hd].*?</t[hd]>", page.html)]
    assert cells[:8] == ["Score", "Value", "Floor", "Better", "frechet", "12.35", "0.25", "lower"]
    assert cells[8:12] == ["kernel", "0.5 ± 0.125", "–", "lower"]
    assert cells[-4:] == ["recall", "0.75", "–", "higher"]
    text = page.text
    assert "Step 1,200: 2,500 samples against digits&#x27; &lt;test&gt;" in text
    assert "score of 2,400 real pictures" in text
    assert "evaluations." not in text and "kernel_deviation" not in text


@pytest.mark.parametrize("broken", [None, [1], {}, {"scores": 1}, {"scores": {"a": None}}])
def test_evaluations_of_another_form_are_tolerated(tmp_path, broken):
    run = make_run(tmp_path / "run")
    half = record(frechet=None) | {"protocol": {}}
    content = {"evaluations": {"first": broken, "second": record(frechet="x"), "third": half}}
    (run / "evaluation.json").write_text(json.dumps(content))
    assert len(Page(report.write_report(run)).all("table")) == 2
    (run / "evaluation.json").write_text(json.dumps({"evaluations": broken}))
    Page(report.write_report(run))


def test_the_scores_of_the_training_are_a_curve_above_their_floor(tmp_path):
    run = make_run(tmp_path / "run")
    charts = len(Page(report.write_report(run)).all("figure"))
    lines = ["step,images,frechet,floor,samples,features\n", "5,50,99,0.75,10,raw\n"]
    lines += [f"{s},{10 * s},{40 - s},0.125,20,blocks\n" for s in (10, 20, 30)]
    (run / "scores.csv").write_text("".join(lines))
    page = Page(report.write_report(run))
    assert len(page.all("figure")) == charts + 1
    shown = json.loads(page.all("figure")[-1]["data-chart"])
    # Only scores of the latest protocol, known by its floor.
    assert shown["curves"] == [
        [[10, 20, 30], [30, 20, 10]],
        [[0, 10, 20, 30], [0.125] * 4],
    ]
    # Also before the end of the first epoch, and with only one score.
    (run / "metrics.csv").unlink()
    (run / "scores.csv").write_text("".join(lines[:2]))
    assert len(Page(report.write_report(run)).all("figure")) == 1
    # Of points and signals there are others, which stay in their file.
    (run / "scores.csv").write_text("step,modes\n1,2\n")
    assert not Page(report.write_report(run)).all("figure")


def test_walk_and_neighbours_are_shown_with_what_they_say_of_themselves(tmp_path):
    run = make_run(tmp_path / "run")
    text = Page(report.write_report(run)).text
    assert "Latent walk" not in text and "Nearest training" not in text
    image = np.random.default_rng(1).integers(0, 256, (900, 900, 3), "uint8")
    pictures.save_png(run / "walk.png", image[:40, :80], "From <left> to right.")
    # Large: the file stays small.
    pictures.save_png(run / "neighbours.png", image, "Samples & others.")
    assert (run / "neighbours.png").stat().st_size > 2 * embedded.BESIDE
    path = report.write_report(run)
    page = Page(path)
    assert "From &lt;left&gt; to right." in page.text and "Samples &amp; others." in page.text
    walk, neighbours = page.all("img")[-2:]
    assert base64.b64decode(walk["src"].partition(",")[2]) == (run / "walk.png").read_bytes()
    assert neighbours["src"].startswith("data:image/jpeg;")
    assert len(neighbours["src"]) < 1.4 * embedded.BESIDE and neighbours["width"] == "900"
    # A file without a description works too.
    (run / "walk.png").write_bytes(b"damaged")
    pictures.save_png(run / "neighbours.png", image[:9])
    text = Page(report.write_report(run)).text
    assert "Latent walk" not in text and "Nearest training" in text


def test_a_failed_write_keeps_the_old_report(tmp_path, monkeypatch):
    run = make_run(tmp_path / "run")
    before = report.write_report(run).read_bytes()
    (run / "config.json").write_text("{}")

    def fail(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        report.write_report(run)
    assert (run / "report.html").read_bytes() == before
    assert not list(run.glob(".*"))
