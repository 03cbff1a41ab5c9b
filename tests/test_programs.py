"""What the programs do before Keras is imported."""

import errno
import json
import os
import pathlib
import subprocess

import pytest
import warm

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
def test_a_program_imports_neither_another_backend_nor_what_keras_does_not_need(backend, tmp_path):
    pytest.importorskip(backend)
    command = ["train.py", "--model=gaussian", "--dataset=ring8", "--set=hidden=4", "--epochs=1"]
    command += ["--set=batch_size=5000", f"--backend={backend}", f"--runs_dir={tmp_path}"]
    # What a process imported is known only when it ends.
    code = "import atexit, runpy, sys; atexit.register(lambda: print(*sorted(sys.modules)));"
    code += "sys.argv = sys.argv[1:]; sys.path[:0] = ['.'];"
    code += "runpy.run_path(sys.argv[0], run_name='__main__')"
    done = subprocess.run(
        [warm.PYTHON, "-c", code, *command], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    modules = done.stdout.splitlines()[-1].split()
    assert backend in modules and "keras" in modules and "sklearn" not in modules
    assert not {"tensorflow", "jax"} - {backend} & {*modules}
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
            [warm.PYTHON, "-c", say],
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
    return subprocess.run([warm.PYTHON, "-c", text], cwd=ROOT, capture_output=True, text=True)


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
    done = subprocess.run([warm.PYTHON, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr


def answer(code, **environment):
    """Returns what a process prints that runs code with `programs`, without Keras."""
    start = f"import sys; sys.path[:0] = [{str(ROOT)!r}]; __keras_later__ = True; "
    start += "from zoo.cli import programs; from zoo import files; "
    done = subprocess.run(
        [warm.PYTHON, "-c", start + code],
        env={k: v for k, v in (os.environ | environment).items() if v is not None},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


HOMES = "programs.import_quietly(); import os; "
HOMES += "print(files.cache_folder(), os.environ['MPLCONFIGDIR'], os.environ['KERAS_HOME'])"
UNSET = dict.fromkeys(("ZOO_CACHE_DIR", "MPLCONFIGDIR", "KERAS_HOME"))


@pytest.mark.parametrize("home", ["gone", "file/home", "relative"])
def test_without_a_home_keras_and_matplotlib_keep_their_files_elsewhere(home, tmp_path):
    (tmp_path / "file").write_text("")
    home = "~" if home == "relative" else str(tmp_path / home)
    given = answer(HOMES, **UNSET | {"ZOO_CACHE_DIR": f"{tmp_path}/own"}, HOME=home).split()
    assert given == [f"{tmp_path}/own{below}" for below in ("", "/matplotlib", "/keras")]
    cache, *folders = answer(HOMES, **UNSET, HOME=home, TMPDIR=str(tmp_path)).split()
    assert not os.path.exists("~") and pathlib.Path(cache).is_absolute()
    for folder in folders:
        assert folder.startswith(str(tmp_path)) and "~" not in folder


def test_a_home_that_can_be_written_is_used(tmp_path):
    code = "programs.import_quietly(); import os; print(sorted({'MPLCONFIGDIR', 'KERAS_HOME'} & "
    code += "set(os.environ)), files.cache_folder())"
    printed = answer(code, **UNSET, HOME=str(tmp_path))
    assert printed == f"[] {tmp_path}/.cache/keras-gan-zoo\n"
    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_cannot_be_written_leaves_jax_without_one(tmp_path):
    (tmp_path / "file").write_text("")
    code = "import os; programs._keep_what_jax_compiles(); "
    code += "print(os.environ.get('JAX_COMPILATION_CACHE_DIR'))"
    unset = {"JAX_COMPILATION_CACHE_DIR": None}
    assert answer(code, **unset, ZOO_CACHE_DIR=str(tmp_path / "file")) == "None\n"
    kept = answer(code, **unset, ZOO_CACHE_DIR="~/caches", HOME=str(tmp_path))
    assert kept.startswith(f"{tmp_path}/caches/jax/")


PATHS = {
    "train.py": ("runs_dir", "data_dir", "resume", "init_from"),
    "generate.py": ("run", "generator", "runs_dir", "input", "mask", "out"),
    "evaluate.py": ("run", "runs_dir", "samples", "data_dir", "results", "inception_weights"),
    "export.py": ("run", "generator", "runs_dir", "out"),
}


@pytest.mark.parametrize("program", PATHS)
def test_every_path_may_begin_with_the_home(program, tmp_path):
    code = f"import runpy, sys; runpy.run_path({str(ROOT / program)!r}); "
    code += f"programs.FLAGS(['x', *(f'--{{n}}=~/\u732b {{n}}' for n in {PATHS[program]})]); "
    code += f"print([programs.FLAGS[n].value for n in {PATHS[program]}])"
    expected = [f"{tmp_path}/\u732b {name}" for name in PATHS[program]]
    assert answer(code, HOME=str(tmp_path)) == f"{expected}\n"


def test_a_name_that_the_log_cannot_show_is_printed_with_escapes():
    code = "programs.main(lambda: print('caf\\udce9 \\u732b'))"
    printed = answer("import sys; sys.argv = ['x']; " + code, PYTHONIOENCODING="ascii")
    assert printed == "caf\\udce9 \\u732b\n"


@pytest.mark.parametrize("program", PATHS)
def test_every_program_can_be_quiet(program):
    code = f"import runpy, sys; from zoo import progress; sys.argv = ['{program}', '--quiet']; "
    code += f"runpy.run_path({str(ROOT / program)!r}); "
    code += "programs.main(lambda: (progress.say('a note'), print(progress.quiet)) and None)"
    assert answer(code) == "True\n"
