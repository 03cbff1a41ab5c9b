"""Scores of pictures while training: they change nothing, cost little, and the best one is kept."""

import contextlib
import io
import json
import re
import types

import keras
import numpy as np
import pytest
import running

from zoo import data, sampling
from zoo.errors import UsageError
from zoo.metrics import classifier, extractors
from zoo.metrics.splits import splits
from zoo.runs import checkpoints
from zoo.runs.csv_files import read_csv
from zoo.scoring import scores
from zoo.scoring.judge import TRAINING_SEED, Judge, find_judge
from zoo.tasks.task import task_of
from zoo.training import callbacks
from zoo.training.session import Session

pytestmark = pytest.mark.backend

# Scores every half epoch.
SCORED = {"score_every": 0.8, "score_samples": 100, "score_features": "raw"}


class Blocks:
    """Uses the means of 4x4 blocks as features; raw pixels would need more pictures."""

    name, hash, classify = "blocks", "0123456789abcdef", None

    def extract(self, images, what=""):
        n, size = len(images), images.shape[1] // 4
        means = images.reshape(n, 4, size, 4, -1).mean(axis=(2, 4))
        return means.reshape(n, 16).astype("float32"), None


@contextlib.contextmanager
def quick_scores():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(extractors, "extractor", lambda name, **options: Blocks())
        patch.setattr(callbacks, "SCORING", float("inf"))
        yield


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """The run `straight` with scores: its directory and what it printed."""
    out = io.StringIO()
    with quick_scores(), contextlib.redirect_stdout(out):
        session = running.start(tmp_path_factory.mktemp("scored"), "scored", **SCORED)
    return session.directory, out.getvalue()


def test_training_is_the_same_with_scores(straight, scored):
    running.assert_equal_runs(scored[0], straight[0].directory)


def test_a_row_every_so_many_images_and_the_best_at_the_end(scored):
    path, out = scored
    rows = read_csv(path / "scores.csv")
    assert [row["step"] for row in rows] == ["8", "16", "24", "32", "40", "48", "56", "64"]
    assert [row["images"] for row in rows[:2]] == ["800", "1600"]
    values = [float(row["frechet"]) for row in rows]
    floors = {float(row["floor"]) for row in rows}
    assert len(floors) == 1 and 0 < floors.pop() < min(values) and len(set(values)) == 8
    assert {(row["samples"], row["features"]) for row in rows} == {("100", "blocks")}
    best = min(rows, key=lambda row: float(row["frechet"]))
    meta = checkpoints.read_meta(path / "checkpoints" / "best.npz")
    assert (meta["step"], meta["frechet"]) == (int(best["step"]), min(values))
    (line,) = [line for line in out.splitlines() if "best" in line]
    assert line.startswith(f"best score: frechet {min(values):.4g} at step {best['step']} ")
    assert "floor" in line and "generator-best.keras" in line and "of the time" in line
    assert "averaged generator" in (path / "report.html").read_text("utf-8")


def test_the_score_is_that_of_the_averaged_generator(scored):
    path, _ = scored
    rows = read_csv(path / "scores.csv")
    gan, _ = running.build()
    checkpoints.restore(gan, checkpoints.newest(path / "checkpoints")[1])
    images = sampling.to_uint8(gan.generate(100, seed=TRAINING_SEED))
    parts = splits("digits", image_size=16)
    reference, real, _ = scores.prepare(parts, Blocks(), 100)
    got = scores.scores(images, None, reference, Blocks(), ["frechet"])["frechet"]
    assert got == pytest.approx(float(rows[-1]["frechet"]), rel=1e-6)
    floor = real.scores(["frechet"])["frechet"]
    assert floor == pytest.approx(float(rows[-1]["floor"]), rel=1e-6)


# Trains twice more and compiles a step each time.
@pytest.mark.slow
def test_resuming_keeps_the_rows_and_the_best(scored, tmp_path):
    with quick_scores():
        half = running.start(tmp_path, "half", epochs=2, **SCORED)
        assert len(read_csv(half.directory / "scores.csv")) == 4
        running.resume(half.directory, epochs=4)
    for name in ("scores.csv", "metrics.csv"):
        assert (half.directory / name).read_bytes() == (scored[0] / name).read_bytes()
    assert best_of(half.directory)["step"] == best_of(scored[0])["step"]


def best_of(path):
    return checkpoints.read_meta(path / "checkpoints" / checkpoints.BEST)


class Given:
    """A judge that gives prepared scores."""

    floor, seconds = 0.5, 1.0

    def __init__(self, *values, samples=100, take=lambda: None):
        self.values, self.take = list(values), take
        self.protocol = {"samples": samples, "features": "blocks", "features_hash": "0"}

    def prepare(self):
        pass

    def score(self, model):
        self.take()
        return self.values.pop(0)


class NoEvents:
    def scalars(self, step, values):
        pass


def watcher(folder, judge, step=0, model=None, **changes):
    """Returns the scoring callback of a run with 100 images a step."""
    config = {"model": "dcgan", "batch_size": 100, "score_every": 1.0} | changes
    session = Session(folder, config, steps_per_epoch=16, step=step, judge=judge)
    session.started = 0.0
    callback = callbacks.ImageScores(session, NoEvents())
    if model is not None:
        callback.set_model(model)
    return callback


def move(gan, value):
    """Sets all weights of the averaged generator."""
    for variable in gan.ema_generator.weights:
        variable.assign(np.full(variable.shape, value, "float32"))


def score(callback, step, gan):
    callback.session.step = step
    move(gan, step)
    callback.score()


def kept(folder):
    """Returns the step whose weights are in the file of the best generator."""
    (value,) = {
        float(v)
        for w in keras.models.load_model(folder / "generator-best.keras").get_weights()
        for v in w.ravel()
    }
    return value


@pytest.fixture(scope="module")
def gan():
    return running.build()[0]


def test_the_best_file_is_that_of_the_best_row(tmp_path, gan, capsys):
    callback = watcher(tmp_path, Given(5.0, 3.0, 4.0, 3.0, 7.0), model=gan)
    for step, best in ((10, 10), (20, 20), (30, 20), (40, 20), (50, 20)):
        score(callback, step, gan)
        assert kept(tmp_path) == best
        assert best_of(tmp_path)["step"] == best
    meta, arrays = checkpoints.read(tmp_path / "checkpoints" / "best.npz")
    assert (meta["step"], meta["frechet"]) == (20, 3.0)
    move(gan, 0)
    checkpoints.restore(gan, arrays)
    assert all((np.asarray(w) == 20).all() for w in gan.ema_generator.get_weights())
    assert checkpoints.listing(tmp_path / "checkpoints") == []
    callback.say_best()
    assert "frechet 3 at step 20 (100 samples, blocks, floor 0.5)" in capsys.readouterr().out


def test_a_run_that_diverges_keeps_its_best_generator(tmp_path, gan):
    callback = watcher(tmp_path, Given(5.0, None, 1.0), model=gan)
    score(callback, 10, gan)
    score(callback, 20, gan)  # the samples are not finite
    assert [row["step"] for row in read_csv(tmp_path / "scores.csv")] == ["10"]
    variable = gan.discriminator.weights[0]
    value = np.array(variable)
    variable.assign(np.full_like(value, np.nan))
    score(callback, 30, gan)  # averaged weights may stay finite a little longer
    variable.assign(value)
    assert best_of(tmp_path)["step"] == 10 and callback.best["step"] == 10


def test_samples_that_are_not_finite_have_no_score():
    images = types.SimpleNamespace(samples=np.zeros((4, 16, 16, 1), "uint8"))
    judge = Judge(
        types.SimpleNamespace(own=True, loaded=images, train=images), "blocks", 4, Blocks()
    )
    bad = types.SimpleNamespace(generate=lambda n, seed: np.full((n, 16, 16, 1), np.nan, "float32"))
    assert judge.score(bad) is None


def test_rows_after_the_checkpoint_are_dropped_except_the_best(tmp_path, gan):
    callback = watcher(tmp_path, Given(5.0, 4.0, 3.0, 6.0), model=gan)
    for step in (10, 20, 30, 40):
        score(callback, step, gan)
    again = watcher(tmp_path, Given(3.5, 3.5, 2.0), step=25, model=gan)
    steps = [int(row["step"]) for row in read_csv(tmp_path / "scores.csv")]
    assert steps == [10, 20, 30]
    score(again, 27, gan)
    assert best_of(tmp_path)["step"] == 30 and kept(tmp_path) == 30
    score(again, 30, gan)  # scored again: still one row
    rows = read_csv(tmp_path / "scores.csv")
    assert [int(row["step"]) for row in rows] == [10, 20, 27, 30]
    score(again, 35, gan)
    assert kept(tmp_path) == 35
    # Scores of another protocol cannot be compared.
    other = watcher(tmp_path, Given(9.0, samples=50), step=40, model=gan)
    score(other, 45, gan)
    assert kept(tmp_path) == 45


def test_scores_take_at_most_a_twentieth_of_the_time(tmp_path, monkeypatch):
    clock = [0.0]
    for module in ("callbacks", "session"):
        time = types.SimpleNamespace(monotonic=lambda: clock[0])
        monkeypatch.setattr(f"zoo.training.{module}.time", time)

    def take():
        clock[0] += 3.0

    # Scores are due at each step from step 10 on.
    callback = watcher(tmp_path, Given(*[1.0] * 1000, take=take), score_every=0.0)
    monkeypatch.setattr(callback, "save", lambda value: None)
    spent, when = 0.0, []
    for _ in range(2000):
        clock[0] += 0.25
        callback.session.step += 1
        before = clock[0]
        callback.on_train_batch_end(0)
        if clock[0] > before:
            spent += clock[0] - before
            when.append(before)
            # The first score was expected to take a second, so it came early.
            assert spent <= 0.05 * before or len(when) == 1
    assert when[0] == 20.0 and len(when) >= 8
    assert 0.04 < spent / clock[0] <= 0.05


def test_scores_come_at_multiples_whatever_was_put_off_or_resumed(tmp_path, monkeypatch):
    callback = watcher(tmp_path, Given(*[1.0] * 9))
    monkeypatch.setattr(callback, "save", lambda value: None)

    def run(callback, steps):
        for step in steps:
            callback.session.step = step
            callback.on_train_batch_end(0)

    monkeypatch.setattr(callbacks, "SCORING", 0.0)
    run(callback, range(1, 13))
    monkeypatch.setattr(callbacks, "SCORING", float("inf"))
    run(callback, range(13, 26))
    again = watcher(tmp_path, Given(*[1.0] * 9), step=25)
    monkeypatch.setattr(again, "save", lambda value: None)
    run(again, range(26, 45))
    rows = read_csv(tmp_path / "scores.csv")
    assert [int(row["step"]) for row in rows] == [13, 20, 30, 40]
    never = watcher(tmp_path, None, step=44, score_every=None)
    run(never, range(45, 90))
    assert len(read_csv(tmp_path / "scores.csv")) == 4


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """An empty cache, and classifiers that are not trained."""
    monkeypatch.setenv("ZOO_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(classifier, "fit", lambda *_: None)
    return tmp_path / "cache"


def config_of(**changes):
    config = running.resolve(**{"score_every": 1.0, "score_samples": 150} | changes)
    return config | {"sample_shape": [16, 16, 1], "class_names": list("0123456789")}


def test_without_features_there_are_no_scores_and_a_line_says_how_to_get_them(own_cache):
    messages = []
    assert find_judge(config_of(), say=messages.append) is None
    (own_cache / "features").mkdir(parents=True)  # as if from another data set
    assert find_judge(config_of(), say=messages.append) is None
    line = messages.pop()
    assert messages.pop() == line
    assert line.startswith("no scores while training: classifier:digits has not been trained")
    assert "--set score_features=classifier:digits" in line and "\n" not in line
    # If the user names it, it is trained, and later runs find it.
    named = find_judge(config_of(score_features="classifier:digits"), say=messages.append)
    again = find_judge(config_of(), say=messages.append)
    assert named.protocol == again.protocol and named.floor == again.floor > 0
    assert again.protocol["features"] == "classifier:digits" and again.samples == 150
    assert find_judge(config_of(score_every=None), say=messages.append) is None
    assert not messages


def test_a_set_without_classes(own_cache, monkeypatch):
    config = config_of() | {"class_names": []}
    messages = []
    assert find_judge(config, say=messages.append) is None
    assert len(messages) == 1 and re.search(
        r"digits has no classes.*score_features=imagenet, inception or raw", messages[0]
    )
    monkeypatch.setattr(extractors, "extractor", lambda name, **options: Blocks())
    judge = find_judge(config | {"score_features": "raw"}, say=messages.append)
    assert judge.protocol["features"] == "blocks" and len(messages) == 1


def test_what_prevents_the_scores_of_a_default_run_does_not_prevent_the_run(own_cache):
    classifier.classifier("digits")
    messages = []
    assert find_judge(config_of(score_samples=100), say=messages.append) is None
    (line,) = messages
    assert "128-dimensional features need at least 128 samples" in line


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"score_features": "clasifier:digits"}, "There is no feature extractor"),
        ({"score_features": "raw:digits"}, "There is no feature extractor"),
        ({"score_features": "raw", "score_samples": 100}, "256-dimensional features need"),
    ],
)
def test_features_that_cannot_be_had_are_refused_before_anything_is_written(
    tmp_path, changes, message
):
    with pytest.raises(UsageError, match=message):
        running.start(tmp_path / "runs", "bad", score_every=1.0, **changes)
    assert not (tmp_path / "runs").exists()


def test_made_up_vectors_need_no_features():
    config = running.resolve(score_every=1.0) | {"dataset": "ring8", "sample_shape": [2]}
    config["model"] = "gaussian"
    assert find_judge(config) is None
    with pytest.raises(UsageError, match="leave out score_features"):
        find_judge(config | {"score_features": "raw"})


def test_scores_of_vectors_leave_what_evaluate_wrote(tmp_path):
    path = tmp_path / "evaluation.json"
    path.write_text(json.dumps({"step": 1, "old": 2, "evaluations": {"known": {"scores": {}}}}))
    dataset = data.load("ring8")
    session = Session(tmp_path, {"target": None}, steps_per_epoch=4, step=8)
    callback = callbacks.Scores(session, NoEvents(), dataset, task_of("points"))
    callback.set_model(types.SimpleNamespace(generate=lambda n, seed: dataset.samples[:n]))
    for content in (None, "[1]", "{"):
        if content:
            path.write_text(content)
        callback.on_epoch_end(1)
        written = json.loads(path.read_text())
        assert written["step"] == 8 and written["modes"] == 8 and "old" not in written
        expected = {"known": {"scores": {}}} if content is None else None
        assert written.get("evaluations") == expected
