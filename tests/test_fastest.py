"""`python -m zoo.fastest`, and train.py with "auto"."""

import json
import os
import pathlib
import subprocess
import sys

import keras
import pytest

from zoo import fastest
from zoo.errors import UsageError

ROOT = pathlib.Path(__file__).parents[1]
SMALL = {"model": "gaussian", "dataset": "ring8", "preset": "default"}


def run(*command, **environment):
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.parametrize(
    ("measured", "chosen"),
    [
        ({"jax": {"float32": 5.0}, "torch": {"float32": 7.0}}, ("torch", "float32")),
        ({"jax": {"float32": 5.0, "mixed_bfloat16": 5.6}}, ("jax", "mixed_bfloat16")),
        # Not worth the rounding.
        ({"jax": {"float32": 5.0, "mixed_bfloat16": 5.4}}, ("jax", "float32")),
        (
            {
                "jax": {"float32": 5.0, "mixed_bfloat16": 5.4},
                "torch": {"float32": 2.0, "mixed_bfloat16": 5.3},
            },
            ("torch", "mixed_bfloat16"),
        ),
        ({"jax": {"mixed_bfloat16": 1.0}}, ("jax", "mixed_bfloat16")),
    ],
)
def test_the_fastest_wins_and_rounding_must_pay(measured, chosen):
    assert fastest.choose(measured) == chosen


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """Replaces the measurements; returns the list of requests."""
    monkeypatch.setenv("ZOO_CACHE_DIR", str(tmp_path / "cache"))
    specs = []

    def ask(spec, backend):
        specs.append((backend, spec))
        if backend == "torch":
            return {}, "no such library"
        return dict.fromkeys(spec["precisions"], float(len(specs))), None

    monkeypatch.setattr(fastest, "ask", ask)
    return specs


def test_what_was_measured_is_measured_once(asked):
    def measure(precisions=("float32",), again=False, **overrides):
        what = {**SMALL, "overrides": overrides}
        return fastest.measure(what, ["jax", "torch"], precisions, again)["jax"]

    first = measure()
    assert [backend for backend, _ in asked] == ["jax", "torch"]
    # A backend that failed is tried again. Settings that do not affect speed change nothing.
    assert measure(seed="3", epochs="9") == first
    assert [backend for backend, _ in asked[2:]] == ["torch"]
    count = len(asked)
    assert measure(hidden="64") != first and len(asked) == count + 2
    assert measure(again=True) != first
    both = measure(("float32", "mixed_bfloat16"))
    assert set(both) == {"float32", "mixed_bfloat16"}
    # The other precision was added to the cache.
    count = len(asked)
    assert measure(("mixed_bfloat16",)) == {"mixed_bfloat16": both["mixed_bfloat16"]}
    assert [backend for backend, _ in asked[count:]] == ["torch"]


def test_a_damaged_or_unwritable_cache_only_costs_time(asked, tmp_path, monkeypatch):
    what = {**SMALL, "overrides": {}}
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "fastest.json").write_text("{")
    assert fastest.measure(what, ["jax"], ["float32"]) == {"jax": {"float32": 1.0}}
    assert fastest.measure(what, ["jax"], ["float32"]) == {"jax": {"float32": 1.0}}
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ZOO_CACHE_DIR", str(tmp_path / "file"))
    assert fastest.measure(what, ["jax"], ["float32"]) == {"jax": {"float32": 2.0}}


def test_where_nothing_can_be_measured_the_reason_is_said(asked):
    with pytest.raises(UsageError, match="torch: no such library"):
        fastest.measure({**SMALL, "overrides": {}}, ["torch"], ["float32"])


def test_a_backend_without_float16_is_left_out_and_a_bad_setting_is_refused(monkeypatch):
    failed = subprocess.CompletedProcess([], 2, "", "error: no float16 here")
    monkeypatch.setattr(fastest.subprocess, "run", lambda *_, **__: failed)
    spec = {**SMALL, "overrides": {}, "data_dir": None}
    result = fastest.ask({**spec, "precisions": ["mixed_float16"]}, "torch")
    assert result == ({}, "no float16 here")
    with pytest.raises(UsageError, match="no float16 here"):
        fastest.ask({**spec, "precisions": ["float32"]}, "torch")


def test_help_and_bad_flags_need_no_keras():
    for arguments, code in (["--help"], 0), (["--model=gaussian", "--backends=cntk"], 2):
        done = run("-X", "importtime", "-m", "zoo.fastest", *arguments)
        imported = [line.split("|")[-1].strip() for line in done.stderr.splitlines() if "|" in line]
        assert "zoo.errors" in imported and "keras" not in imported
        lines = [line for line in done.stderr.splitlines() if not line.startswith("import time")]
        assert done.returncode == code
        assert [line[:7] for line in lines] == ["error: "] * (code == 2), lines


@pytest.mark.slow  # a process for each backend
@pytest.mark.backend
def test_auto_trains_with_what_was_measured_and_a_bad_setting_is_one_sentence(tmp_path):
    name = keras.config.backend()
    cache = {"ZOO_CACHE_DIR": str(tmp_path / "cache"), "KERAS_BACKEND": name}
    measured = [f"--backends={name}", "--set=hidden=8"]
    model = ["--model=gaussian", "--dataset=ring8"]
    done = run("-m", "zoo.fastest", *model, *measured, "--json", **cache)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    rates = answer["images_per_second"][name]
    assert set(rates) == set(fastest.PRECISIONS) and min(rates.values()) > 0
    assert answer["backend"] == name and answer["precision"] in rates

    # The cache decides, so the test knows the answer.
    file = tmp_path / "cache" / "fastest.json"
    kept = json.loads(file.read_text())
    assert len(kept) == 1
    (key,) = kept
    file.write_text(json.dumps({key: {"float32": 1.0, "mixed_bfloat16": 2.0}}))
    command = ["train.py", *model, "--set=hidden=8", "--precision=auto", "--dry_run"]
    done = run(*command, **cache)
    assert done.returncode == 0, done.stderr
    assert "fastest    mixed_bfloat16" in done.stdout
    assert "measuring" not in done.stderr
    done = run(*command, "--set=hiden=8", **cache)
    assert done.returncode == 2
    assert done.stderr.count("error: ") == 1 and "hidden" in done.stderr
    assert "Traceback" not in done.stderr
    done = run(*command, "--strategy=multiworker", **cache)
    assert done.returncode == 2 and "instead of auto" in done.stderr
