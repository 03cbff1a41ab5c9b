"""What the programs do before Keras is imported."""

import errno
import json
import os
import pathlib
import subprocess
import sys

import pytest

from zoo.cli import programs
from zoo.errors import UsageError

ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture
def installed(monkeypatch):
    """Returns a function that sets the installed backends; restores KERAS_BACKEND afterwards."""
    monkeypatch.setenv("KERAS_BACKEND", "")

    def choose(*names):
        monkeypatch.setattr(programs, "_installed", lambda name: name in names)

    return choose


def test_the_backend_is_the_asked_one_then_the_runs_then_the_environments(installed, monkeypatch):
    installed("tensorflow", "jax", "torch")
    assert programs.choose_backend("torch", recorded="jax") == "torch"
    assert os.environ["KERAS_BACKEND"] == "torch"
    assert programs.choose_backend(recorded="jax") == "jax"
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    assert programs.choose_backend() == "torch"
    monkeypatch.setenv("KERAS_BACKEND", "")
    assert programs.choose_backend() == "tensorflow"
    installed("torch", "jax")
    assert programs.choose_backend(recorded="tensorflow") == "jax"


@pytest.mark.slow  # a process for each backend
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_a_program_imports_neither_another_backend_s_tensorflow_nor_sklearn(backend, tmp_path):
    pytest.importorskip(backend)
    command = ["train.py", "--model=gaussian", "--dataset=ring8", "--set=hidden=4", "--epochs=1"]
    command += ["--set=batch_size=5000", f"--backend={backend}", f"--runs_dir={tmp_path}"]
    # What a process imported is known only when it ends.
    code = "import atexit, runpy, sys; atexit.register(lambda: print(*sorted(sys.modules)));"
    code += "sys.argv = sys.argv[1:]; sys.path[:0] = ['.'];"
    code += "runpy.run_path(sys.argv[0], run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", code, *command], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    modules = done.stdout.splitlines()[-1].split()
    assert backend in modules and "keras" in modules and "sklearn" not in modules
    assert backend == "tensorflow" or "tensorflow" not in modules
    assert (tmp_path / "gaussian-ring8" / "generator.keras").is_file()


def test_what_jax_compiles_is_kept_in_our_cache_unless_somebody_says_where(tmp_path):
    pytest.importorskip("jax")
    say = "__keras_later__ = True; from zoo.cli import programs; "
    say += "programs.choose_backend('jax'); import jax; c = jax.config; "
    say += "print(c.jax_compilation_cache_dir)"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("JAX_")}
    environment["ZOO_CACHE_DIR"] = str(tmp_path)
    cases = [({}, f"{tmp_path}/jax/"), ({"JAX_COMPILATION_CACHE_DIR": "/other"}, "/other\n")]
    for overrides, expected in cases:
        done = subprocess.run(
            [sys.executable, "-c", say],
            cwd=ROOT,
            env=environment | overrides,
            capture_output=True,
            text=True,
        )
        assert done.stdout.startswith(expected), done.stderr


def test_what_was_not_used_for_longest_leaves_the_cache_first(tmp_path):
    for age, name in enumerate(["new", "old", "oldest"]):
        (tmp_path / name).write_bytes(bytes(100))
        os.utime(tmp_path / name, (1e9 - age, 2e9))
    programs._prune(tmp_path, most=250)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "old"]
    programs._prune(tmp_path / "not there")


def test_a_backend_that_is_not_there_is_refused(installed):
    installed("jax")
    with pytest.raises(UsageError, match=r"pip install torch.*Installed: jax"):
        programs.choose_backend("torch")
    with pytest.raises(UsageError, match="Valid: tensorflow, jax, torch"):
        programs.choose_backend("cntk")
    installed()
    with pytest.raises(UsageError, match="none is installed"):
        programs.choose_backend()


def test_a_run_is_found_by_name_and_by_path(tmp_path):
    run = tmp_path / "runs" / "mnist5"
    run.mkdir(parents=True)
    (run / "config.json").write_text(json.dumps({"backend": "jax"}))
    (tmp_path / "runs" / "other").mkdir()
    runs = str(tmp_path / "runs")
    assert programs.find_run("mnist5", runs) == str(run)
    assert programs.find_run(str(run), "elsewhere") == str(run)
    assert programs.recorded_backend(str(run)) == "jax"
    with pytest.raises(UsageError, match=r"no run 'mnsit5'.*mnist5"):
        programs.find_run("mnsit5", runs)
    with pytest.raises(UsageError, match=r"other is not a run: it has no config\.json"):
        programs.find_run("other", runs)
    (run / "config.json").write_text("{")
    with pytest.raises(UsageError, match=r"config\.json is damaged"):
        programs.recorded_backend(str(run))


def exits(code):
    """Runs `programs.main` in a fresh process, where the program's body is `code`."""
    text = (
        "__keras_later__ = True\nfrom zoo.cli import programs\nfrom zoo.errors import UsageError\n"
    )
    text += f"def run():\n    {code}\nprograms.main(run)"
    return subprocess.run([sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("code", "status", "message"),
    [
        ("raise UsageError('two\\nlines')", 2, "error: two lines\n"),
        (f"raise OSError({errno.ENOSPC}, 'No space left', '/x')", 2, "error: No space left: /x\n"),
        ("raise KeyboardInterrupt", 130, "interrupted\n"),
        ("return", 0, ""),
    ],
)
def test_what_a_person_can_mend_has_no_traceback(code, status, message):
    done = exits(code)
    assert (done.returncode, done.stderr) == (status, message)


def test_letters_that_the_output_does_not_know_are_escaped(monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    done = exits("print('\\u732b')")
    assert (done.returncode, done.stdout) == (0, "\\u732b\n")


def test_a_mistake_in_the_code_keeps_its_traceback():
    done = exits("raise ValueError('bug')")
    assert done.returncode == 1 and "Traceback" in done.stderr


def test_quietly_shows_what_it_held_back_only_after_a_failure():
    loud = "import os\n    with programs.quietly():\n        os.write(2, b'noise ')"
    assert exits(loud).stderr == ""
    assert exits(f"{loud}\n        raise ValueError('bug')").stderr.startswith("noise Traceback")


@pytest.mark.parametrize("program", ["export.py", "generate.py"])
def test_help_is_shown_without_importing_keras(program):
    code = (
        "import runpy, sys\n"
        f"sys.argv = [{program!r}, '--help']\n"
        "sys.path.insert(0, '.')\n"
        "try:\n"
        f"    runpy.run_path({program!r}, run_name='__main__')\n"
        "finally:\n"
        "    assert not {'keras', 'numpy'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
