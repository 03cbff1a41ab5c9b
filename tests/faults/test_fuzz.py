"""Any flags at all: a dry run, or one sentence and exit code 2."""

import contextlib

import helpers
import pytest
import running
from helpers import ALL_FAULTS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import zoo
from zoo.data import catalog
from zoo.runs import config

CASES = 5000 if ALL_FAULTS else 60

# Values that a person types or mistypes, or that a script makes from an empty variable.
NUMBERS = st.one_of(
    st.integers(-2, 40).map(str),
    st.floats(-2, 2).map(str),
    st.sampled_from(["nan", "inf", "-inf", "1e999", "1e-400", "0x10", "1_000", "٣", "10" * 20]),
)
WORDS = st.one_of(
    NUMBERS,
    st.text(max_size=8),
    st.sampled_from(
        [
            *("", " ", "none", "None", "true", "False", "null", "[]", "()", "a,b", "=", "--", "r1"),
            *("hinge", "color,flip", "adam", "batch", "64x32", "32x", "normal(0, 1)", "softmax"),
        ]
    ),
)
MODELS = st.sampled_from([*zoo.names() * 3, "", "dcgna", "../dcgan"])
SOURCES = sorted(set(catalog.DATASETS) & {"digits", "gaussian", "ring8", "grid25", "sine"})
DATASETS = st.sampled_from(
    [
        *(*SOURCES * 6, "", "digit", "folder:", "folder:nowhere", "tfds:", "tfds:../x", ":"),
        *("pairs:sides", "domains:sides", "folder:sides", "pairs:", "domains:nowhere"),
    ]
)
FITTING = {
    **{"pix2pix": "pairs:sides", "cyclegan": "domains:sides"},
    **{"discogan": "domains:sides", "pix2pixhd": "pairs:sides"},
    **{"srgan": "crops:sides", "gaussian": "ring8", "sine": "sine"},
}
# Not where the flags would be those of another program, or start a training.
FLAGS = ("epochs", "batch_size", "seed", "preset", "precision", "max_minutes", "name", "backend")
FLAGS += ("data_dir", "strict", "resume", "init_from", "continue_from", "overwrite", "strategy")
FLAGS += ("devices", "list")


@st.composite
def command(draw):
    model = draw(MODELS)
    fitting = st.just(FITTING.get(model, "digits"))
    dataset = draw(st.one_of(fitting, fitting, DATASETS))
    arguments = [f"--model={model}", f"--dataset={dataset}", "--dry_run"]
    with contextlib.suppress(zoo.errors.UsageError):
        resolved = config.resolve(model, dataset)
        known = {name: str(resolved[name]) for name in config.known_settings(model)}
        for key in draw(st.lists(st.sampled_from(sorted(known)), max_size=3)):
            # As often as not its own value, so that some commands are right.
            own = st.just(known[key])
            arguments.append(f"--set={key}={draw(st.one_of(own, own, WORDS))}")
        # Not 0, which is drawn far more often than the others.
        if draw(st.integers(0, 9)) == 7:
            arguments.append(f"--set={draw(st.text(max_size=5))}={draw(WORDS)}")
        for name in draw(st.lists(st.sampled_from(FLAGS), max_size=1)):
            arguments.append(f"--{name}={draw(WORDS)}")
    return arguments


# Dozens of models are built; with ZOO_FAULTS=all thousands.
@pytest.mark.slow
def test_any_flags_give_a_dry_run_or_one_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZOO_CACHE_DIR", str(tmp_path.parent / f"{tmp_path.name}-cache"))
    helpers.picture_folder(tmp_path / "sides", 4, ("A", "B"))
    # This process cannot switch to another backend.
    monkeypatch.setattr("zoo.cli.programs.choose_backend", lambda *_: None)
    seen = {0: 0, 2: 0}

    @settings(
        max_examples=CASES,
        deadline=None,
        database=None,
        derandomize=not ALL_FAULTS,
        suppress_health_check=list(HealthCheck),
    )
    @given(command())
    def try_one(arguments):
        code, out, err, changed = running.answer(arguments)
        lines = [line for line in err.splitlines() if not line.startswith("warning: ")]
        assert "Traceback" not in err and code in seen, err
        assert changed == []
        if code == 2:
            assert len(lines) == 1 and lines[0].startswith("error: "), err
        else:
            assert lines == [] and out, err
        seen[code] += 1

    try_one()
    print(f"{seen[0]} dry runs, {seen[2]} sentences")
    assert min(seen.values()) > CASES // 20, seen
