"""The package as people install it: what a wheel holds, and the command `ganzoo`."""

import configparser
import fnmatch
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile

import helpers
import pytest
import warm
import yaml

import zoo
from zoo import doctor, installation
from zoo.cli import completion, ganzoo

ROOT = helpers.ROOT
PYPROJECT = (ROOT / "pyproject.toml").read_text("utf-8")
SCRIPT = re.search(r'^ganzoo = "(.*):main"', PYPROJECT, re.M)[1]


def run(*arguments, **options):
    """Runs ganzoo as its entry point does, and returns the finished process."""
    # The file that pip makes has no `__keras_later__`; zoo/__init__.py knows it by its name.
    code = f"import sys; sys.argv[0] = '/bin/ganzoo'; from {SCRIPT} import main; main()"
    command = [sys.executable, "-X", "importtime", "-c", code, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, **options)


def test_a_wheel_has_every_folder_of_the_package():
    (listed,) = re.findall(r"^packages = \[(.*?)\]", PYPROJECT, re.M | re.S)
    folders = {path.parent for path in (ROOT / "zoo").rglob("__init__.py")}
    names = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    assert set(re.findall(r'"([\w.]+)"', listed)) == names | {"zoo.configs", "zoo.pretrained"}


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="git knows which files are ours")
def test_a_source_distribution_has_every_tracked_file():
    lines = (ROOT / "MANIFEST.in").read_text("utf-8").splitlines()
    grafted = {line.split()[1] for line in lines if line.startswith("graft ")}
    patterns = [p for line in lines if line.startswith("include ") for p in line.split()[1:]]
    # What setuptools adds by itself, and what only git reads.
    patterns += ["LICENSE", "MANIFEST.in", "pyproject.toml", ".gitignore"]
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    for name in listing.stdout.splitlines():
        first, *below = pathlib.Path(name).parts
        assert first in grafted if below else any(fnmatch.fnmatch(name, p) for p in patterns), name


def test_what_installs_for_development_is_what_make_test_installs():
    (listed,) = re.findall(r"^dev = { file = \[(.*?)\] }", PYPROJECT, re.M)
    lines = (ROOT / "requirements-test.txt").read_text("utf-8").splitlines()
    files = {line.removeprefix("-r ") for line in lines if not line.startswith("#")}
    assert files == {*re.findall(r'"([\w.-]+)"', listed), "requirements.txt"}


@pytest.mark.parametrize("extra", ["jax", "torch", "onnx", "app", "dev"])
def test_every_extra_has_a_requirements_file_and_a_line_in_the_page_on_installing(extra):
    assert f'{extra} = {{ file = ["requirements-{extra}.txt"' in PYPROJECT
    assert installation.requirements(extra)
    assert f"[{extra}]" in (ROOT / "docs" / "install.md").read_text("utf-8")


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == zoo.__version__
    assert f"## {zoo.__version__}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_the_page_for_pypi_links_to_nothing_that_pypi_lacks():
    page = (ROOT / re.search(r'^readme = "(.*)"', PYPROJECT, re.M)[1]).read_text("utf-8")
    links = re.findall(r"\]\((.*?)\)|(?:src|href)=\"(.*?)\"", page)
    assert [link for pair in links for link in pair if link and "://" not in link] == []


def test_ganzoo_answers_without_keras_or_numpy():
    done = run("--help")
    assert done.returncode == 0
    for name in ganzoo.COMMANDS:
        assert re.search(rf"^  {name} ", done.stdout, re.M)
    for arguments in (["--help"], ["train", "--help"], ["completion", "--line=ganzoo train --mo"]):
        done = run(*arguments)
        imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
        assert "zoo.errors" in imported and not {"keras", "numpy", "tensorflow"} & imported
    assert done.stdout == "--model=\n"


def test_ganzoo_says_what_the_person_typed():
    done = run("export", "--help")
    assert "ganzoo export --run=mnist5" in done.stdout and ".py" not in done.stdout
    done = run("fastest", "--modle=dcgan")
    assert done.returncode == 2 and done.stderr.splitlines()[-1].endswith(
        "See ganzoo fastest --help."
    )
    done = run("trian")
    assert done.returncode == 2 and "Did you mean 'train'?" in done.stderr


def test_a_text_names_programs_as_people_start_them(monkeypatch):
    text = (
        "python train.py --resume=x; evaluate.py; `python -m zoo.doctor`; my/train.py 'export.py'"
    )
    monkeypatch.setattr(sys, "argv", ["train.py"])
    assert installation.as_typed(text) == text
    monkeypatch.setattr(sys, "argv", ["ganzoo train", "--model=x"])
    assert installation.as_typed(text) == (
        "ganzoo train --resume=x; ganzoo evaluate; `ganzoo doctor`; my/train.py 'export.py'"
    )
    assert str(zoo.errors.UsageError("See train.py --list.")) == "See ganzoo train --list."
    assert installation.started_as() == ["ganzoo", "train"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ganzoo e", {"evaluate", "export"}),
        ("ganzoo train --qui", {"--quiet"}),
        ("ganzoo train --model=dc", {"--model=dcgan"}),
        ("ganzoo sweep --dataset=di", {"--dataset=digits"}),
        ("ganzoo sweep --backend=", {f"--backend={name}" for name in doctor.BACKENDS}),
        ("ganzoo generate --count=4 --format=", {f"--format={n}" for n in ("png", "grid", "npz")}),
        ("ganzoo generate --run=on", {"--run=one"}),
        ("ganzoo recipes dcg", {"dcgan"}),
        ("ganzoo recipes gaussian ring", {"ring8"}),
        ("ganzoo nothing --", set()),
    ],
)
def test_a_shell_completes_commands_flags_and_values(line, expected, tmp_path):
    (tmp_path / "runs" / "one").mkdir(parents=True)
    command = [warm.PYTHON, ROOT / "zoo" / "__main__.py", "completion", f"--line={line}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (set(done.stdout.split()), done.stderr) == (expected, "")


@pytest.mark.skipif(shutil.which("bash") is None, reason="completes in bash")
def test_bash_completes_what_stands_behind_the_equals_sign(tmp_path):
    command = tmp_path / "ganzoo"
    command.write_text(f'#!/bin/sh\nexec "{warm.PYTHON}" "{ROOT}/zoo/__main__.py" "$@"\n')
    command.chmod(0o755)
    line = "ganzoo train --model=dcg"
    code = f"{completion.SCRIPT}\nCOMP_LINE='{line}' COMP_POINT={len(line)}\n"
    code += '_ganzoo ganzoo\necho "${COMPREPLY[@]}"'
    environment = os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout == "dcgan\n", done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder of an environment with the wheel that was built from the source distribution.

    Beside it, it sees the packages of this environment, which spares a download of gigabytes.
    """
    folder = tmp_path_factory.mktemp("installed")
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, tracked.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / "source" / name)
    build = f"import setuptools.build_meta as b; b.build_sdist({str(folder)!r})"
    helpers.python("-W", "ignore", "-c", build, cwd=folder / "source", with_zoo=False)
    (archive,) = folder.glob("*.tar.gz")
    shutil.unpack_archive(archive, folder / "unpacked")
    (source,) = (folder / "unpacked").iterdir()
    build = f"import setuptools.build_meta as b; b.build_wheel({str(folder)!r})"
    helpers.python("-W", "ignore", "-c", build, cwd=source, with_zoo=False)
    (wheel,) = folder.glob("*.whl")
    helpers.python("-m", "venv", "--without-pip", folder / "venv")
    packages = sysconfig.get_path("purelib", vars={"base": str(folder / "venv")})
    (pathlib.Path(packages) / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = ["-m", "pip", "--python", folder / "venv", "install", "--quiet", "--no-deps", wheel]
    helpers.python(*pip, "--disable-pip-version-check", with_zoo=False)
    shutil.rmtree(folder / "source")
    shutil.rmtree(folder / "unpacked")
    return folder


# A source distribution and a wheel are built, with all generators, and processes import Keras.
@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="git knows which files are ours")
def test_the_wheel_is_the_whole_product(installed, tmp_path):
    (wheel,) = installed.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"zoo", "keras_gan_zoo"}
    for folder in ("configs", "pretrained", "zoo"):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                below = path.relative_to(ROOT / "zoo" if folder == "zoo" else ROOT)
                assert f"zoo/{below.as_posix()}" in names
    (entry,) = (name for name in names if name.endswith("entry_points.txt"))
    parser = configparser.ConfigParser()
    parser.read_string(zipfile.ZipFile(wheel).read(entry).decode())
    assert dict(parser["console_scripts"]) == {"ganzoo": f"{SCRIPT}:main"}

    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "ZOO_DATA_DIR")}
    environment |= {"HOME": str(tmp_path / "home"), "KERAS_BACKEND": "tensorflow"}
    (tmp_path / "home").mkdir()

    def call(*command):
        done = subprocess.run(
            [installed / "venv" / "bin" / command[0], *command[1:]],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    small = ("--set=width=4", "--set=image_size=16", "--epochs=1", "--set=score_every=none")
    printed = call("ganzoo", "train", "--model=dcgan", "--dataset=digits", *small)
    assert "dcgan-digits" in printed
    run = tmp_path / "runs" / "dcgan-digits"
    made = json.loads((run / "environment.json").read_text("utf-8"))
    assert made["command"].startswith("ganzoo train --model=dcgan")
    assert "ganzoo generate --run" in re.sub(
        "</?span>", "", (run / "report.html").read_text("utf-8")
    )
    call("ganzoo", "generate", "--run=dcgan-digits", "--count=4", "--out=grid.png")
    assert (tmp_path / "grid.png").is_file()
    call("ganzoo", "export", "--run=dcgan-digits", "--format=keras", "--out=exported")
    code = "import keras; print(keras.models.load_model('exported/generator.keras').output_shape); "
    code += "import zoo; from zoo import installation as i; print(i.folder('pretrained')); "
    code += (
        "print(zoo.pretrained('dcgan_mnist').output_shape, *i.requirements('torch'), i.python())"
    )
    exported, folder, line = call("python", "-c", code).splitlines()[-3:]
    assert exported == "(None, 16, 16, 1)"
    assert folder.startswith(str(installed)) and "(None, 28, 28, 1) torch==" in line
    sweep = ("--model=gaussian", "--dataset=ring8", "--set=hidden=4", "--epochs=1", "--samples=100")
    # JAX is imported faster, by each of three processes.
    call("ganzoo", "sweep", *sweep, "--set=batch_size=5000", "--sweep=swept", "--backend=jax")
    content = json.loads((tmp_path / "swept" / "sweep.json").read_text("utf-8"))
    (entry,) = content["runs"].values()
    assert entry["state"] == "done" and entry["trained_by"].startswith("ganzoo train --runs_dir=")
