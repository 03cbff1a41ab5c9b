"""The evaluation: every failure shows in the right score, and a number says how it came about."""

import csv
import json
import pathlib
import runpy
import subprocess
import sys

import numpy as np
import pytest
import warm
from PIL import Image
from small_generators import make_run, pictures, points

from zoo import data
from zoo.errors import UsageError
from zoo.metrics import classifier, extractors, features, frechet, manifold
from zoo.metrics.splits import splits
from zoo.outputs import generate
from zoo.runs import config
from zoo.scoring import evaluate, results, scores

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="module", autouse=True)
def quick(tmp_path_factory):
    """Uses classifiers of 30 steps, in a separate cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOO_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(classifier, "EPOCHS", 1)
        patch.setattr(classifier, "LEAST_STEPS", 30)
        yield


@pytest.fixture
def train():
    return data.load("digits")


@pytest.fixture
def run(tmp_path):
    """A run of an untrained conditional generator of 8x8 digits."""
    model = pictures(classes=10)
    names = list("0123456789")
    return make_run(tmp_path / "mine", model, dataset="digits", class_names=names, seed=3)


def save(folder, images, labels=None, name="samples.npz"):
    arrays = {"images": images} if labels is None else {"images": images, "labels": labels}
    np.savez(folder / name, **arrays)
    return str(folder / name)


def scored(folder, images, labels=None, **options):
    record = evaluate.evaluate(
        samples=save(folder, images, labels), dataset="digits", say=lambda _: None, **options
    )
    return record["scores"], record["floor"]


@pytest.mark.slow  # computes every score three times
def test_real_pictures_score_the_floor(tmp_path, train):
    scores, floor = scored(tmp_path, train.samples, train.labels)
    assert set(floor) == set(scores) - {
        "memorisation",
        "generated_distance",
        "held_out_distance",
    }
    for name in floor:
        # The order of the pictures decides which are in a random subset.
        near = {"kernel", "kernel_deviation"}
        assert scores[name] == pytest.approx(floor[name], rel=1e-6, abs=0.05 if name in near else 0)
    # Of what was trained on; and the held-out pictures are as near to it as they are.
    assert scores["memorisation"] == 1 and scores["generated_distance"] == 0
    held_out = data.load("digits", split="test")
    again, _ = scored(tmp_path, held_out.samples, metrics=["memorisation", "frechet"])
    assert again["memorisation"] == pytest.approx(0.5)
    assert again["frechet"] == pytest.approx(0, abs=1e-3)
    assert again["generated_distance"] == again["held_out_distance"] > 0


def test_noise_one_picture_and_half_the_classes_are_told_by_the_right_scores(tmp_path, train):
    noise = np.random.default_rng(0).integers(0, 256, train.samples.shape).astype("uint8")
    scores, floor = scored(tmp_path, noise)
    assert scores["frechet"] > 10 * floor["frechet"] and scores["kernel"] > 1
    assert scores["precision"] < 0.1 < 0.7 < floor["precision"]
    assert scores["memorisation"] < 0.05

    one = np.repeat(train.samples[:1], len(train.samples), axis=0)
    asked = ["precision_recall", "density_coverage", "class_coverage", "classifier_score"]
    scores, floor = scored(tmp_path, one, metrics=asked)
    assert scores["recall"] < 0.05 < 0.7 < floor["recall"] and scores["coverage"] < 0.2
    assert scores["classes"] == 1 and scores["class_reverse_kl"] == pytest.approx(np.log(10))
    assert scores["classifier_score"] == pytest.approx(1, abs=1e-3)

    half = train.samples[train.labels < 5]
    scores, floor = scored(tmp_path, half, metrics=asked)
    assert 5 <= scores["classes"] < floor["classes"] == 10
    assert scores["class_reverse_kl"] > 0.5 > 0.1 > floor["class_reverse_kl"]
    assert scores["precision"] > 0.8 * floor["precision"]
    assert scores["recall"] < 0.6 * floor["recall"]


def test_wrong_labels_and_one_picture_for_each_class_are_told(tmp_path, train):
    asked = ["label_accuracy", "diversity_within_class"]
    scores, floor = scored(tmp_path, train.samples, (train.labels + 1) % 10, metrics=asked)
    assert scores["label_accuracy"] < 0.05 < 0.9 < floor["label_accuracy"]
    first = np.array([train.samples[train.labels == label][0] for label in range(10)])
    labels = np.arange(500) % 10
    scores, floor = scored(tmp_path, first[labels], labels, metrics=asked)
    assert scores["diversity_within_class"] < 0.01 and scores["label_accuracy"] > 0.8
    assert floor["diversity_within_class"] == pytest.approx(1, abs=0.1)


def test_the_seed_fixes_the_numbers(run, tmp_path):
    def compute(**options):
        return evaluate.evaluate(run, samples=300, **settings, **options)["scores"]

    settings = {"metrics": ["frechet", "kernel", "density_coverage"], "say": lambda _: None}

    first = compute(seed=1)
    assert first == compute(seed=1)
    other = compute(seed=2)
    assert all(first[name] != other[name] for name in ("frechet", "kernel", "density"))
    # The samples are those of generate.py.
    (path,) = generate.generate(run, count=300, seed=1, format="npz", out=str(tmp_path / "s.npz"))
    of_file = evaluate.evaluate(samples=path, dataset="digits", seed=1, **settings)
    assert of_file["scores"] == first


def test_by_default_the_floor_has_as_many_pictures_as_are_judged(run):
    record = evaluate.evaluate(run, metrics=["frechet"], say=lambda _: None)
    assert record["protocol"]["samples"] == record["protocol"]["floor_samples"] == 1618


def test_the_record_says_how_a_number_came_about(run):
    shown = []
    record = evaluate.evaluate(run, samples=200, seed=4, say=shown.append)
    protocol = record["protocol"]
    assert protocol["features"] == "classifier:digits" and len(protocol["features_hash"]) == 64
    assert 0.9 < protocol["features_accuracy"] <= 1
    assert (protocol["samples"], protocol["floor_samples"], protocol["seed"]) == (200, 200, 4)
    assert (protocol["reference_split"], protocol["reference_count"]) == ("test split", 179)
    assert protocol["resizer"] == f"{features.RESIZER}, to 32x32"
    assert protocol["metrics"]["frechet"] == scores.METRICS["frechet"][0]
    assert "label_accuracy" in record["scores"] and protocol["command"]
    (text,) = shown
    lines = {line.split()[0]: line for line in text.splitlines() if line}
    assert f"{record['scores']['frechet']:.4g}" in lines["frechet"]
    assert f"{record['floor']['frechet']:.4g}" in lines["frechet"]
    assert "floor (200 real)" in lines["score"]


def test_the_evaluation_of_a_run_is_added_to_and_not_mixed(run):
    path = pathlib.Path(run) / "evaluation.json"
    path.write_text(json.dumps({"step": 5, "wasserstein": 0.5}))

    def content(**options):
        evaluate.evaluate(run, samples=200, say=lambda _: None, **options)
        return json.loads(path.read_text())

    content(metrics=["frechet"])
    result = content(metrics=["kernel"])
    assert (result["step"], result["wasserstein"]) == (5, 0.5)
    record = result["evaluations"]["classifier:digits"]
    assert set(record["scores"]) == {"frechet", "kernel", "kernel_deviation"}
    assert set(record["protocol"]["metrics"]) == {"frechet", "kernel"}
    result = content(metrics=["precision_recall"], features="raw")
    assert set(result["evaluations"]) == {"classifier:digits", "raw"}
    # With other samples the old scores are dropped.
    result = content(metrics=["kernel"], seed=9)
    assert set(result["evaluations"]["classifier:digits"]["scores"]) == {
        "kernel",
        "kernel_deviation",
    }
    pictures(classes=10, channels=1).save(pathlib.Path(run) / "generator.keras")
    result = content(metrics=["frechet"], seed=9)
    assert set(result["evaluations"]["classifier:digits"]["scores"]) == {"frechet"}
    path.write_text("{damaged")
    assert set(content(metrics=["frechet"])) == {"evaluations"}


def test_a_run_that_copies_is_shown_beside_what_it_copied(run, monkeypatch):
    path = pathlib.Path(run) / "neighbours.png"
    evaluate.evaluate(run, samples=200, metrics=["frechet"], say=lambda _: None)
    assert not path.exists()
    copies = data.load("digits", image_size=8).samples[300:500]
    drawn = evaluate.Judged(copies, None, "mine", {}, "", step=1200)
    monkeypatch.setattr(evaluate, "draw", lambda *_: drawn)
    record = evaluate.evaluate(run, samples=200, metrics=["memorisation"], say=lambda _: None)
    assert record["scores"]["memorisation"] == 1 and record["scores"]["generated_distance"] == 0
    with Image.open(path) as picture:
        sheet, description = np.asarray(picture), picture.info["Description"]
    for part in ("step 1,200", "training picture of digits", "classifier:digits"):
        assert part in description
    # Two rows of eight pairs: a sample above its copy.
    height = 2 * 64 + 2
    tops = [
        top
        for top in range(len(sheet) - height)
        if (sheet[top : top + 64, 16:-16] == sheet[top + 66 : top + height, 16:-16]).all()
        and sheet[top : top + 64, 16:-16].std() > 50
    ]
    # Black margins of digits allow small shifts.
    assert np.count_nonzero(np.diff(tops) > 1) == 1 and tops[-1] - tops[0] > height


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_each_score_is_a_row_of_results(run, tmp_path):
    path = tmp_path / "new" / "results.csv"
    trained = {"command": "python train.py", "commit": "0123abc"}
    (pathlib.Path(run) / "environment.json").write_text(json.dumps(trained))
    options = {"samples": 200, "say": lambda _: None, "results": str(path)}
    record = evaluate.evaluate(run, metrics=["frechet", "kernel"], budget="a minute", **options)
    first = path.read_bytes()
    evaluate.evaluate(run, metrics=["frechet"], **options)
    assert path.read_bytes().startswith(first)
    rows = read(path)
    assert [row["metric"] for row in rows] == ["frechet", "kernel", "frechet"]
    row = rows[0]
    assert float(row["value"]) == pytest.approx(record["scores"]["frechet"], rel=1e-5)
    assert float(row["floor"]) == pytest.approx(record["floor"]["frechet"], rel=1e-5)
    assert float(rows[1]["deviation"]) > 0 and row["deviation"] == ""
    assert row["budget"] == "a minute" and row["dataset"] == "digits" and row["seed"] == "3"
    assert row["trained_by"] == "python train.py" and row["metric_version"] == "1"
    assert row["trained_commit"] == "0123abc"
    assert row["features_hash"] == record["protocol"]["features_hash"]
    made = runpy.run_path(str(ROOT / "results" / "table.py"))
    assert list(made["read"]()[0]) == results.COLUMNS
    for row in rows:
        row["seed"] = "3"
    last = made["table"](made["read"]() + rows[:2]).splitlines()[-1]
    value, floor = (made["number"](float(row[name])) for name in ("value", "floor"))
    times = f"{float(row['value']) / float(row['floor']):.1f}"
    assert f"| 1 | frechet {value} ({floor}, {times} times)<br>" in last
    assert last.endswith("| 200 samples, classifier:digits |")


@pytest.mark.parametrize(
    ("typed", "written"),
    [
        (
            "train.py --dataset=folder:/a/b/faces/ --set x=1/2",
            "train.py --dataset=folder:faces --set x=1/2",
        ),
        (
            "/usr/bin/python generate.py --input=../a/b.png --out=o/p",
            "python generate.py --input=b.png --out=o/p",
        ),
        (
            "train.py '--dataset=domains:/a/men,~/women'",
            "train.py '--dataset=domains:men,women'",
        ),
    ],
)
def test_rows_keep_no_folders_of_one_machine(typed, written):
    assert results.shared(typed) == written


def test_a_file_that_is_no_table_of_results_is_left_alone(run, tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(UsageError, match="not a table of results"):
        evaluate.evaluate(run, samples=200, results=str(path))
    assert path.read_text() == "a,b\n1,2\n"
    assert not (pathlib.Path(run) / "evaluation.json").exists()
    with pytest.raises(UsageError, match="is a folder"):
        evaluate.evaluate(run, results=str(tmp_path))


def test_a_row_names_what_the_run_changed_of_its_recipe(run, tmp_path):
    path = pathlib.Path(run) / "config.json"
    recipe = config.resolve("dcgan", "digits")
    changes = {"loss": "hinge", "width": 8, "seed": 3, "epochs": 7, "image_size": 32}
    # The default of a picture of this size, which the recipe leaves open.
    changes |= {"sample_shape": [32, 32, 1], "learning_rate": 2e-3}
    path.write_text(json.dumps(recipe | changes))
    table = tmp_path / "r.csv"
    evaluate.evaluate(run, samples=200, metrics=["frechet"], results=str(table), say=lambda _: None)
    assert [row["settings"] for row in read(table)] == ["loss=hinge width=8"]
    made = runpy.run_path(str(ROOT / "results" / "table.py"))
    assert "| default loss=hinge width=8 |" in made["table"](read(table))


@pytest.mark.parametrize(
    ("meta", "budget"),
    [
        ({"step": 7, "seconds": 313.2, "cpu_seconds": 302.7}, "300 CPU seconds"),
        ({"step": 7, "seconds": 1234.5}, "1,200 seconds"),
        (None, ""),
    ],
)
def test_the_budget_is_what_the_runs_clock_says(run, tmp_path, meta, budget):
    if meta:
        folder = pathlib.Path(run) / "checkpoints"
        folder.mkdir()
        np.savez(folder / "step-0000003.npz", meta=np.frombuffer(b'{"step": 3}', "uint8"))
        text = np.frombuffer(json.dumps(meta).encode(), "uint8")
        np.savez(folder / "step-0000007.npz", meta=text)
    path = tmp_path / "r.csv"
    record = evaluate.evaluate(
        run, samples=200, metrics=["frechet"], results=str(path), say=lambda _: None
    )
    assert [row["budget"] for row in read(path)] == [budget]
    assert record["protocol"]["step"] == (7 if meta else None)


def test_made_up_vectors_have_the_scores_of_their_known_distribution(tmp_path):
    run = make_run(tmp_path / "points", points(), dataset="ring8")
    record = evaluate.evaluate(run, samples=500, say=lambda _: None)
    assert set(record["scores"]) == set(record["floor"]) == {"modes", "high_quality", "reverse_kl"}
    assert record["floor"]["modes"] == 8 and record["floor"]["high_quality"] > 0.97
    assert record["scores"]["high_quality"] < 0.2
    written = json.loads((tmp_path / "points" / "evaluation.json").read_text())
    assert written["evaluations"][scores.KNOWN]["scores"] == record["scores"]
    np.savez(tmp_path / "s.npz", samples=data.load("ring8", n=500).samples)
    record = evaluate.evaluate(samples=str(tmp_path / "s.npz"), dataset="ring8", say=lambda _: None)
    assert record["scores"]["high_quality"] > 0.97
    with pytest.raises(UsageError, match="leave out --metrics"):
        evaluate.evaluate(run, metrics=["frechet"])
    with pytest.raises(UsageError, match="Expected shape"):
        evaluate.evaluate(run, dataset="sine")
    with pytest.raises(UsageError, match="not pictures with 1, 3 or 4 channels"):
        evaluate.evaluate(run, dataset="digits")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "pictures").mkdir()
    rng = np.random.default_rng(0)
    for i in range(100):
        picture = Image.fromarray(rng.integers(0, 256, (8, 8, 3)).astype("uint8"))
        picture.save(tmp_path / "pictures" / f"{i}.png")
    return f"folder:{tmp_path / 'pictures'}"


def test_a_folder_is_judged_by_a_fifth_of_it_in_pixels(tmp_path, folder):
    images = np.random.default_rng(1).integers(0, 256, (90, 8, 8, 3)).astype("uint8")
    path = save(tmp_path, images)
    record = evaluate.evaluate(samples=path, dataset=folder, features="raw", say=lambda _: None)
    protocol = record["protocol"]
    assert (protocol["features"], protocol["reference_count"]) == ("raw", 20)
    assert (protocol["samples"], protocol["floor_samples"]) == (90, 80)
    assert set(record["scores"]) == {
        *("kernel", "kernel_deviation", "precision", "recall", "density", "coverage"),
    }
    notes = " ".join(protocol["notes"])
    assert "has seen the pictures compared with" in notes and "floor is that of 80" in notes
    assert "frechet left out: 192-dimensional features need at least 192" in notes
    with pytest.raises(UsageError, match="at least 192"):
        evaluate.evaluate(samples=path, dataset=folder, metrics=["frechet"], features="raw")
    with pytest.raises(UsageError, match="memorisation does not apply"):
        evaluate.evaluate(samples=path, dataset=folder, metrics=["memorisation"])
    with pytest.raises(UsageError, match="class_coverage does not apply"):
        evaluate.evaluate(samples=path, dataset=folder, metrics=["class_coverage"])


@pytest.mark.parametrize("shape", [(6, 10, 3), (10, 6, 1), (8, 8, 4)])
def test_pictures_of_any_sides_and_with_alpha_are_judged(tmp_path, folder, shape):
    images = np.random.default_rng(1).integers(0, 256, (90, *shape)).astype("uint8")
    path = save(tmp_path, images)
    record = evaluate.evaluate(
        samples=path, dataset=folder, metrics=["kernel"], features="raw", say=lambda _: None
    )
    assert record["protocol"]["resizer"] == "none" and np.isfinite(record["scores"]["kernel"])
    if shape[-1] == 4:
        with pytest.raises(UsageError, match="--features=raw"):
            evaluate.evaluate(samples=path, dataset="digits", metrics=["kernel"])


def test_a_folder_with_a_test_split_is_judged_by_it(tmp_path):
    rng = np.random.default_rng(0)
    for part, count in (("train", 120), ("test", 110)):
        (tmp_path / "own" / part).mkdir(parents=True)
        for i in range(count):
            picture = Image.fromarray(rng.integers(0, 256, (8, 4, 3)).astype("uint8"))
            picture.save(tmp_path / "own" / part / f"{i}.png")
    images = rng.integers(0, 256, (100, 8, 4, 3)).astype("uint8")
    names = ["kernel", "memorisation"]
    record = evaluate.evaluate(
        samples=save(tmp_path, images),
        dataset=f"folder:{tmp_path / 'own'}",
        metrics=names,
        features="raw",
        say=lambda _: None,
    )
    assert (
        record["protocol"]["reference"].endswith("test split") and not record["protocol"]["notes"]
    )
    assert 0.3 < record["scores"]["memorisation"] < 0.7


def test_what_takes_hours_must_be_asked_for():
    slow = features.Extractor("raw")
    assert evaluate.memorises(None, True, slow)
    for slow.name in ("inception", "imagenet"):
        assert not evaluate.memorises(None, True, slow)
        assert evaluate.memorises(["memorisation"], True, slow)


@pytest.mark.parametrize("name", ["raw:digits", "classifier", "classifier:", "imagenets", ""])
def test_the_extractors_are_known_by_name(name):
    for known in ("raw", "imagenet", "imagenet_lite1", "inception", "classifier:digits"):
        evaluate._check_names(None, known, 0)
    with pytest.raises(
        UsageError, match=r"no feature extractor.*imagenet, imagenet_lite1, inception, raw"
    ):
        evaluate._check_names(None, name, 0)


def test_scoring_again_and_again_computes_the_reference_once(train, monkeypatch):
    extractor = extractors.extractor("classifier:digits")
    parts = splits("digits")
    reference, *_ = scores.prepare(parts, extractor, 200)
    counted, moments = [], frechet.moments
    monkeypatch.setattr(frechet, "moments", lambda x: counted.append(len(x)) or moments(x))
    extracted, extract = [], extractor.extract
    monkeypatch.setattr(extractor, "extract", lambda x, *_: extracted.append(len(x)) or extract(x))
    for _ in range(3):
        result = scores.scores(train.samples[:300], None, reference, extractor, ["frechet"])
    assert set(result) == {"frechet"} and 0 < result["frechet"] < 50
    assert counted == [300, 179, 300, 300] and extracted == [300, 300, 300]

    balls, radii = [], manifold.squared_radii
    monkeypatch.setattr(
        manifold, "squared_radii", lambda x, k: balls.append((len(x), k)) or radii(x, k)
    )
    for _ in range(2):
        names = ["precision_recall", "density_coverage"]
        result = scores.scores(train.samples[:300], None, reference, extractor, names)
    assert sorted(balls) == [(179, 3), (179, 5), (300, 3), (300, 3)]
    pair = extractor.features(train.samples[:300]), reference.features
    expected = manifold.precision_recall(*pair, k=3) + manifold.density_coverage(*pair, k=5)
    assert (*result.values(),) == expected


def test_a_run_is_told_when_its_data_have_changed(run):
    config = json.loads((pathlib.Path(run) / "config.json").read_text())
    (pathlib.Path(run) / "config.json").write_text(json.dumps(config | {"data_fingerprint": "x"}))
    record = evaluate.evaluate(run, samples=200, metrics=["frechet"], say=lambda _: None)
    assert "digits has changed" in record["protocol"]["notes"][0]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros(3)}, "holds no samples"),
        ({"images": np.zeros((5, 8, 8, 1)) + 3}, r"in \[-1, 1\]"),
        ({"images": np.full((5, 8, 8, 1), np.nan, "float32")}, r"in \[-1, 1\]"),
        ({"images": np.zeros((5, 8, 8, 2), "uint8")}, "not pictures with 1, 3 or 4 channels"),
        ({"images": np.zeros((5, 8), "uint8")}, "not pictures with 1, 3 or 4 channels"),
        ({"images": np.zeros((0, 8, 8, 1), "uint8")}, "holds no samples"),
        ({"images": np.zeros((5, 8, 8, 1), "uint8"), "labels": np.zeros(4, int)}, "one for each"),
        ({"images": np.array([{}])}, "cannot|not an .npz"),
    ],
)
def test_a_file_that_holds_no_samples_is_one_sentence(tmp_path, arrays, message):
    np.savez(tmp_path / "s.npz", **arrays)
    with pytest.raises(UsageError, match=message):
        evaluate.evaluate(samples=str(tmp_path / "s.npz"), dataset="digits")


def test_other_bad_input_is_one_sentence(run, tmp_path):
    bad = tmp_path / "bad.npz"
    bad.write_bytes(b"hello")
    good = save(tmp_path, np.zeros((300, 8, 8, 1), "uint8"), np.full(300, 10))
    cases = [
        ({"samples": str(bad), "dataset": "digits"}, "not an .npz"),
        ({"samples": good}, "--dataset"),
        ({"samples": good, "dataset": "digist"}, "'digits'"),
        ({"samples": good, "dataset": "digits", "metrics": ["label_accuracy"]}, "from 0 to 9"),
        ({"source": run, "metrics": ["frehcet"]}, "'frechet'"),
        ({"source": run, "metrics": []}, "at least one"),
        ({"source": run, "features": "incption"}, "'inception'"),
        ({"source": run, "seed": -1}, "from 0 up"),
        ({"source": run, "samples": 50, "metrics": ["frechet"]}, "at least 128"),
        ({"source": run, "features": "raw", "metrics": ["classifier_score"]}, "does not apply"),
    ]
    for arguments, message in cases:
        with pytest.raises(UsageError, match=message) as caught:
            evaluate.evaluate(**arguments)
        assert "\n" not in str(caught.value)
    assert sorted(p.name for p in pathlib.Path(run).iterdir()) == ["config.json", "generator.keras"]


def run_program(*arguments, **options):
    done = subprocess.run(
        [sys.executable, ROOT / "evaluate.py", *arguments],
        capture_output=True,
        text=True,
        **options,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "exactly one of --run"),
        (["--run=x", "--samples=a.npz"], "exactly one of --run"),
        (["--generator=x", "--samples=0"], "1 to 1000000"),
        (["--run=nothing"], "'nothing'"),
        (["--metric=x", "--features=raw", "--sed=1"], "metric"),
    ],
)
def test_wrong_flags_are_one_sentence_and_exit_2(tmp_path, arguments, message):
    done = run_program(*arguments, cwd=tmp_path)
    assert done.returncode == 2 and message in done.stderr
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.slow  # a process that imports the backend
def test_the_program_prints_the_table_and_is_quiet(tmp_path):
    make_run(tmp_path / "mine", points(), dataset="ring8")
    results = tmp_path / "results.csv"
    done = run_program(
        "--run=mine", f"--runs_dir={tmp_path}", "--samples=400", f"--results={results}"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "modes" in done.stdout and "floor (400 real)" in done.stdout
    assert f"report  {tmp_path / 'mine' / 'report.html'}" in done.stdout
    assert "known_distribution" in (tmp_path / "mine" / "report.html").read_text("utf-8")
    row = read(results)[0]
    assert row["command"].startswith("python evaluate.py --run=mine")
    assert (row["samples"], row["features"]) == ("400", "known_distribution")


def test_help_is_shown_without_importing_keras():
    code = (
        "import runpy, sys\n"
        "sys.argv = ['evaluate.py', '--help']\n"
        "sys.path.insert(0, '.')\n"
        "try:\n"
        "    runpy.run_path('evaluate.py', run_name='__main__')\n"
        "finally:\n"
        "    assert not {'keras', 'numpy'} & set(sys.modules)\n"
    )
    done = subprocess.run([warm.PYTHON, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert all(name in done.stdout for name in scores.METRICS) and "--features" in done.stdout
