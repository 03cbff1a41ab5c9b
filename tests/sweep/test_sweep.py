"""Sweeps: what is run, what is not run again, and the figures of the table."""

import csv
import json
import os
import pathlib
import shlex
import signal
import subprocess
import sys

import pytest

from zoo.errors import UsageError
from zoo.scoring import scores
from zoo.sweep import grid, picture, processes, runs, tables
from zoo.sweep.__main__ import main, parse

ROOT = pathlib.Path(__file__).parents[2]
# Scores of the stub, so that the table can be computed by hand.
VALUES = {("2", 0): 1.0, ("2", 1): 2.0, ("2", 2): 4.0, ("3", 0): 0.5, ("3", 1): 0.7, ("3", 2): 0.9}


class Programs:
    """Replaces the processes: records their commands and writes their files."""

    def __init__(self):
        self.commands, self.broken, self.kill_before = [], {}, None

    def __call__(self, command, log, stop, lock=None):
        flags = dict(
            part[2:].split("=", 1)
            for part in command
            if part.startswith("--set") is False and part.startswith("--") and "=" in part
        )
        program = command[1]
        name = flags.get("name") or flags.get("resume") or flags["run"]
        if self.kill_before == (program, name):
            raise SystemExit("killed")
        self.commands.append((program, name, command))
        if (program, name) in self.broken:
            return self.broken[program, name]
        run = pathlib.Path(flags["runs_dir"]) / name
        if program == "train.py":
            run.mkdir(exist_ok=True)
            (run / "config.json").write_text(json.dumps({"batch_size": 10, "n_critic": 2}))
            checkpoint(run, step=50, seconds=60.0, cpu_seconds=90.0)
        else:
            depth, seed = name.split("_")[0].split("-")[1], int(name[-1])
            record = {
                "protocol": {
                    "command": shlex.join(["python", "evaluate.py", *command[2:]]),
                    "features": "known_distribution",
                    "samples": 100,
                },
                "scores": {"wasserstein": VALUES[depth, seed], "modes": 8, "modes_deviation": 1},
                "floor": {"wasserstein": 0.25, "modes": 8},
            }
            text = json.dumps({"evaluations": {"known_distribution": record}})
            (run / "evaluation.json").write_text(text)
        return 0, ""

    def called(self):
        return [(program, name) for program, name, _ in self.commands]


def checkpoint(run, **meta):
    import numpy as np

    (run / "checkpoints").mkdir(exist_ok=True)
    np.savez(
        run / "checkpoints" / "step-0000050.npz",
        meta=np.frombuffer(json.dumps(meta).encode(), "uint8"),
    )


@pytest.fixture
def stub(monkeypatch):
    programs_ = Programs()
    monkeypatch.setattr(runs, "call", programs_)
    # In this process, which has imported Keras anyway.
    monkeypatch.setattr(runs, "validated", in_this_process)
    monkeypatch.setenv("KERAS_BACKEND", os.environ.get("KERAS_BACKEND", ""))
    monkeypatch.chdir(ROOT)
    return programs_


def in_this_process(request, backend):
    from zoo.errors import UsageError

    try:
        return grid.resolve(request)
    except UsageError as error:
        raise UsageError(str(error)) from None


def command(folder, *more, depths="2,3", seeds="0,1,2", minutes=2):
    return [
        *("--model=gaussian", "--dataset=ring8", "--backend=tensorflow", f"--sweep={folder}"),
        *("--set", f"depth={depths}", f"--seeds={seeds}", f"--max_minutes={minutes}", *more),
    ]


def rows(folder):
    with (folder / "sweep.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_grid_is_every_combination_and_commas_separate_values():
    result = grid.parse_grid(["loss=hinge, least_squares", "penalty=none,r1"])
    assert grid.combinations(result) == [
        {"loss": "hinge", "penalty": "none"},
        {"loss": "hinge", "penalty": "r1"},
        {"loss": "least_squares", "penalty": "none"},
        {"loss": "least_squares", "penalty": "r1"},
    ]
    texts = ["augment=,color", "augment:=flip,color", "augment=color"]
    assert grid.parse_grid(texts) == {"augment": ["", "color", "flip,color"]}
    assert grid.combinations({}) == [{}]


def test_a_run_is_called_after_its_settings_whatever_they_are():
    from zoo.runs import directory

    plain = runs.Run({"loss": "least_squares", "beta_1": "1e-4"}, 3)
    assert plain.name == "loss-least_squares_beta_1-1e-4_seed-3"
    odd = [
        runs.Run({"target": text}, 0).name
        for text in ("a b", "a-b", "a,b", "", "x" * 99, "x" * 98, "é")
    ]
    assert len(set(odd)) == len(odd)
    for name in odd:
        assert directory._plain(name) == name


def test_each_run_is_trained_and_scored_and_the_table_has_the_figures_of_hand(stub, tmp_path):
    folder = tmp_path / "sweep"
    assert main(command(folder, "--samples=100")) == 0
    names = [f"depth-{d}_seed-{s}" for s in (0, 1, 2) for d in (2, 3)]
    assert stub.called() == [(p, n) for n in names for p in ("train.py", "evaluate.py")]
    train, score = stub.commands[0][2], stub.commands[1][2]
    assert {"--set=depth=2", "--seed=0", "--set=max_minutes=2", "--epochs=100000"} <= set(train)
    assert "--samples=100" in score
    # By hand: (0.5 + 0.7 + 0.9) / 3 and (1 + 2 + 4) / 3; deviations of samples, so of n - 1.
    assert (folder / "sweep.md").read_text().splitlines()[4:] == [
        "| settings | seeds | wasserstein | modes |",
        "| --- | --- | --- | --- |",
        "| depth=3 | 3 of 3 | 0.7 ± 0.2 | 8 ± 0 |",
        "| depth=2 | 3 of 3 | 2.333 ± 1.5 | 8 ± 0 |",
        "| floor: real data |  | 0.25 | 8 |",
    ]
    table = rows(folder)
    assert len(table) == 12
    assert [r["value"] for r in table if r["score"] == "wasserstein"][:2] == ["1.0", "0.5"]
    assert table[1]["deviation"] == "1" and table[0]["floor"] == "0.25"
    assert table[0]["images"] == "1000" and table[0]["seconds"] == "60.0"
    assert table[0]["budget"] == "2 minutes" and "--seed=0" in table[0]["trained_by"]
    assert (folder / "sweep.png").read_bytes().startswith(b"\x89PNG")


def test_a_higher_score_is_better_where_it_is_and_none_comes_last():

    order = sorted([0.2, float("nan"), 0.9], key=lambda x: tables.badness("recall", x))
    assert order[:2] == [0.9, 0.2]
    assert sorted([0.9, 0.45, 0.1], key=lambda x: tables.badness("memorisation", x))[0] == 0.45
    for _, names in scores.METRICS.values():
        for name, better in names.items():
            assert (name in tables.HIGHER) == (better == "higher"), name
            assert (name in tables.NEAR) == better.startswith("near"), name


def test_killed_between_two_runs_it_goes_on_with_the_rest(stub, tmp_path):
    stub.kill_before = ("train.py", "depth-2_seed-1")
    with pytest.raises(SystemExit, match="killed"):
        main(command(tmp_path / "sweep"))
    before = stub.called()
    assert len(before) == 4
    stub.kill_before = None
    assert main(command(tmp_path / "sweep", depths="3,2")) == 0
    after = stub.called()[len(before) :]
    assert len(after) == 8 and not set(before) & set(after)
    assert main(command(tmp_path / "sweep", depths="3,2")) == 0
    assert len(stub.called()) == 12


def test_seeds_and_values_may_be_added(stub, tmp_path):
    assert main(command(tmp_path / "sweep", depths="2", seeds="0")) == 0
    assert main(command(tmp_path / "sweep", depths="2,3", seeds="1,0")) == 0
    trained = [name for program, name in stub.called() if program == "train.py"]
    expected = [f"depth-{d}_seed-{s}" for d, s in ((2, 0), (2, 1), (3, 1), (3, 0))]
    assert trained == expected


def test_a_signal_ends_it_after_the_current_run_which_then_has_the_rest_of_its_budget(
    stub, tmp_path, monkeypatch
):
    folder = tmp_path / "sweep"

    def interrupted(command, log, stop, lock=None):
        stub(command, log, stop, lock)
        checkpoint(folder / "depth-2_seed-0", step=50, seconds=90.0)
        signal.raise_signal(signal.SIGINT)
        return 143, "stopped"

    monkeypatch.setattr(runs, "call", interrupted)
    assert main(command(folder)) == 130
    assert stub.called() == [("train.py", "depth-2_seed-0")]
    assert rows(folder)[0]["state"] == "interrupted"
    monkeypatch.setattr(runs, "call", stub)
    assert main(command(folder)) == 0
    again = stub.commands[1][2]
    assert "--resume=depth-2_seed-0" in again and "--set=max_minutes=0.5" in again
    assert not [part for part in again if part.startswith(("--model", "--seed", "--name"))]


def test_a_run_that_ended_before_its_first_checkpoint_begins_anew(stub, tmp_path):
    folder = tmp_path / "sweep"
    asked = runs.Sweep(parse(command(folder)))
    (folder / "depth-2_seed-0").mkdir(parents=True)
    assert "--overwrite" in asked.train_command(asked.runs[0], None)
    assert "--overwrite" not in asked.train_command(asked.runs[1], None)
    # The run stopped when its budget was used up, so nothing is left to train.
    assert asked.train_command(asked.runs[0], {"seconds": 120.0}) is None


def test_what_fails_is_recorded_with_its_sentence_and_the_others_run(stub, tmp_path, capsys):
    folder = tmp_path / "sweep"
    output = "compiling\nerror: The losses were no longer finite.\nbye\n"
    stub.broken["train.py", "depth-2_seed-0"] = (2, output)
    stub.broken["evaluate.py", "depth-3_seed-1"] = (-9, "")
    assert main(command(folder)) == 1
    assert len(stub.called()) == 11
    out = capsys.readouterr().out
    assert "failed: depth=2 seed=0: The losses were no longer finite.\n" in out
    assert "depth=3 seed=1: It was ended by signal SIGKILL, as the system does where memory" in out
    row_by_run = {row["run"]: row for row in rows(folder)}
    assert row_by_run["depth-2_seed-0"]["sentence"] == "The losses were no longer finite."
    assert row_by_run["depth-2_seed-0"]["value"] == ""
    assert "| depth=2 | 2 of 3 | 3 ± 1.4 |" in (folder / "sweep.md").read_text()
    # Failed runs are repeated only with --retry, and only the missing parts.
    stub.broken.clear()
    assert main(command(folder)) == 1
    assert len(stub.called()) == 11
    assert main(command(folder, "--retry")) == 0
    assert stub.called()[11:] == [
        *(("train.py", "depth-2_seed-0"), ("evaluate.py", "depth-2_seed-0")),
        ("evaluate.py", "depth-3_seed-1"),
    ]


def test_another_scoring_scores_again_and_trains_nothing(stub, tmp_path):
    assert main(command(tmp_path / "sweep", seeds="0")) == 0
    assert main(command(tmp_path / "sweep", "--samples=50", seeds="0")) == 0
    assert [program for program, _ in stub.called()[4:]] == ["evaluate.py"] * 2


def test_the_budget_of_a_row_is_the_one_of_all_runs(stub, tmp_path):
    results = tmp_path / "results.csv"
    assert main(command(tmp_path / "sweep", f"--results={results}", seeds="0")) == 0
    budgets = [part for _, _, c in stub.commands for part in c if part.startswith("--budget")]
    assert budgets == 2 * ["--budget=2 minutes"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"minutes": 3}, "max_minutes=2.0 then, 3.0 now"),
        ({"depths": "2"}, "depth had '3' too"),
        ({"seeds": "0,1"}, "seeds had '2' too"),
        ({"more": ["--set", "hidden=8"]}, "--set of depth then, of depth and hidden now"),
        ({"more": ["--preset=paper"]}, "preset=default then, paper now"),
    ],
)
def test_another_grid_or_budget_is_refused_in_one_sentence(stub, tmp_path, change, sentence):
    main(command(tmp_path / "sweep"))
    before = (tmp_path / "sweep" / "sweep.json").read_bytes()
    more = change.pop("more", [])
    with pytest.raises(UsageError, match="begun with another grid or budget") as refused:
        main(command(tmp_path / "sweep", *more, **change))
    assert sentence in str(refused.value)
    assert len(stub.called()) == 12
    assert (tmp_path / "sweep" / "sweep.json").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--set", "depht=2"], "no setting 'depht'. Did you mean 'depth'"),
        (["--set", "hidden=eight"], "`hidden` has the wrong type"),
        (["--set", "seed=1,2"], "--seeds=1,2"),
        (["--set", "hidden"], "KEY=A,B"),
        (["--seeds=0,x"], "seeds from 0 up"),
        (["--max_minutes=-1"], "`max_minutes` is out of range"),
        (["--dataset=ring9"], "no data set 'ring9'. Did you mean 'ring8'"),
        (["--metrics=frechet"], "leave out --metrics"),
        (["--dataset=digits", "--metrics=frechett"], "no metric 'frechett'"),
        (["--samples=0"], "1 to 1000000"),
        (["--nonsense"], "Unrecognized arguments: --nonsense"),
        (["--epochs=2", "--set", "epochs=1,2"], "given twice"),
        (["--results=pyproject.toml"], "not a table of results"),
    ],
)
def test_bad_input_is_refused_before_anything_is_made(stub, tmp_path, arguments, sentence):
    with pytest.raises(UsageError) as refused:
        main(command(tmp_path / "sweep") + arguments)
    assert sentence in str(refused.value)
    assert not stub.called() and not list(tmp_path.iterdir())


def test_folders_of_others_and_sweeps_at_work_are_left_alone(stub, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("x")
    with pytest.raises(UsageError, match="is not a sweep"):
        main(command(tmp_path / "thesis"))
    with (
        runs.locked(tmp_path / "sweep"),
        pytest.raises(UsageError, match="Another sweep"),
    ):
        main(command(tmp_path / "sweep"))
    assert not stub.called()
    assert main(command(tmp_path / "sweep", seeds="0")) == 0
    (tmp_path / "sweep" / "sweep.json").write_text("{")
    with pytest.raises(UsageError, match="cannot be read"):
        main(command(tmp_path / "sweep", seeds="0"))


@pytest.mark.parametrize(
    "columns",
    [
        "step,wasserstein,modes\n5,3.0,1\n10,2.0,8\n",
        "step,images,wasserstein,floor,samples,features,features_hash\n5,7,3.0,1,9,raw,1e\n",
    ],
)
def test_curves_are_read_over_images(tmp_path, columns):
    (tmp_path / "scores.csv").write_text(columns)
    (tmp_path / "config.json").write_text('{"batch_size": 10, "n_critic": 2}')
    curve = picture.read_curve(tmp_path)
    assert curve["images"] == ([7.0] if "images" in columns else [100.0, 200.0])
    run = runs.Run({}, 0, "x")
    (tmp_path / run.name).mkdir()
    assert picture.draw([run], [], tmp_path) is None
    for name in ("scores.csv", "config.json"):
        (tmp_path / name).rename(tmp_path / run.name / name)
    assert picture.draw([run], [], tmp_path).startswith(b"\x89PNG")


def test_a_signal_reaches_the_process_once_and_its_output_is_kept(tmp_path):
    code = """
import signal, sys, time
def stop(*_):
    print("error: stopped", flush=True)
    time.sleep(0.3)
    sys.exit(143)
signal.signal(signal.SIGTERM, stop)
print("ready", flush=True)
import os
os.kill(int(sys.argv[1]), signal.SIGINT)
time.sleep(20)
"""
    log = tmp_path / "log.txt"
    log.write_text("earlier\n")
    with processes.Stop() as stop:
        arguments = [sys.executable, "-c", code, str(os.getpid())]
        returned, output = processes.call(arguments, log, stop)
        assert stop.requested
    assert (returned, output) == (143, "ready\nerror: stopped\n")
    assert log.read_text().startswith("earlier\n$ ")


@pytest.mark.slow  # two processes for each of two runs, and one that checks the settings
def test_a_sweep_from_end_to_end(tmp_path):
    folder, results = tmp_path / "sweep", tmp_path / "results.csv"
    arguments = [
        *(sys.executable, "-m", "zoo.sweep", "--model=gaussian", "--dataset=ring8"),
        *("--backend=tensorflow", f"--sweep={folder}", f"--results={results}", "--samples=500"),
        *("--set", "generator_activation:=relu,elu", "--set", "hidden=4,-1", "--set", "depth=2"),
        "--max_cpu_seconds=1",
    ]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert "1 of 1" in done.stdout and "`hidden` is out of range" in done.stdout
    state = {row["hidden"]: row["state"] for row in rows(folder)}
    assert state == {"4": "done", "-1": "failed"}
    (row, *_) = [row for row in rows(folder) if row["score"] == "modes"]
    assert float(row["cpu_seconds"]) >= 1 and int(row["images"]) > 0
    with results.open(newline="") as file:
        made = {(row["budget"], row["settings"]) for row in csv.DictReader(file)}
    # So that rows of two combinations are no seeds of one another.
    assert made == {("1 CPU seconds", "depth=2 generator_activation=relu,elu hidden=4")}
    assert (folder / "sweep.png").read_bytes().startswith(b"\x89PNG")


def test_help_is_there_at_once():
    # CPU time of the process: a busy machine does not count.
    before = os.times()
    command = [sys.executable, "-X", "importtime", "-m", "zoo.sweep", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    after = os.times()
    assert "KEY:=VALUE" in done.stdout
    imported = [line.split("|")[-1].strip() for line in done.stderr.splitlines() if "|" in line]
    assert "zoo.sweep.runs" in imported and not {"keras", "numpy"} & set(imported)
    assert sum(after[2:4]) - sum(before[2:4]) < 0.6
