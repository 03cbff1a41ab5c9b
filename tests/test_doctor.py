"""What the doctor reports for a working installation and for each possible fault."""

import argparse
import json
import os
import pathlib
import subprocess
import sys

import keras
import pytest
import warm

from zoo import doctor, installation, machine

ROOT = pathlib.Path(__file__).parents[1]
WEIGHTS = [0.25, -0.5]


def flags(**changes):
    given = {"backend": None, "devices": 2, "runs_dir": "runs", "json": False, "probe": None}
    return argparse.Namespace(**given | changes)


def by_name(lines):
    return {line.check: line for line in lines}


def process_report(several=WEIGHTS, kind="CPU", finite=doctor.STEPS, moved=0.1, one=WEIGHTS):
    """Returns what the process of a backend reports."""
    rates = {"rate": 1000.0, "finite": finite, "moved": moved}
    return {
        "devices": {"names": [kind], "kind": kind},
        "training": rates | {"weights": one},
        "replicas": rates | {"weights": several, "count": 2},
    }


@pytest.fixture
def installed(monkeypatch):
    """Returns a function that sets the installed backends and what their processes report."""
    monkeypatch.setattr(doctor, "gpus", list)

    def choose(**processes):
        monkeypatch.setattr(doctor, "is_installed", processes.__contains__)
        monkeypatch.setattr(doctor, "probe", lambda name, devices: (processes[name], None))

    return choose


@pytest.mark.backend
@pytest.mark.slow  # a process imports the backend and trains on one device and on two
def test_a_healthy_installation_has_no_failures_and_nothing_is_left_behind(tmp_path):
    backend = keras.config.backend()
    home, temporary = tmp_path / "home", tmp_path / "tmp"
    home.mkdir()
    temporary.mkdir()
    environment = os.environ | {
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "PYTHONPATH": str(ROOT),
        "ZOO_CACHE_DIR": "",
    }
    done = subprocess.run(
        [sys.executable, "-m", "zoo.doctor", f"--backend={backend}", "--runs_dir=new/runs"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    rows = [line.split() for line in done.stdout.splitlines()]
    states = {" ".join(row[1:3]): row[0] for row in rows if row}
    for stage in doctor.STAGES:
        assert states[f"{backend} {stage}"] == "ok", done.stdout
    again = "one device only" if backend == "torch" else "on 2 devices"
    assert again in done.stdout
    assert [path for path in tmp_path.rglob("*") if path not in (home, temporary)] == []


def test_help_and_bad_flags_need_no_keras():
    command = [sys.executable, "-X", "importtime", "-m", "zoo.doctor"]
    for arguments, code in (["--help"], 0), (["--devices=0"], 2), (["--backend=cntk"], 2):
        done = subprocess.run(
            [*command, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60
        )
        imported = [line.split("|")[-1].strip() for line in done.stderr.splitlines() if "|" in line]
        assert "zoo.errors" in imported and not {"keras", "numpy"} & set(imported)
        lines = [line for line in done.stderr.splitlines() if not line.startswith("import time")]
        assert done.returncode == code
        assert [line[:7] for line in lines] == ["error: "] * (code == 2), lines


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("raise ImportError('libgone.so:\\n no such file')", "ImportError: libgone.so: no such"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "ended by SIGSEGV"),
        ("import time; time.sleep(600)", "no answer within 2 s"),
        ("import os; os._exit(3)", "exit code 3"),
    ],
)
def test_a_backend_that_cannot_be_imported_fails_in_one_line(tmp_path, monkeypatch, body, error):
    package = tmp_path / "jax"
    package.mkdir()
    (package / "__init__.py").write_text(body)
    # Keras looks for TensorFlow too, which takes seconds.
    monkeypatch.setattr(doctor, "PATIENCE", 2 if "sleep" in body else 100)
    monkeypatch.setattr(doctor, "ROOT", tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(doctor, "is_installed", lambda name: True)
    # A copy of a process that has imported JAX would not import it again.
    monkeypatch.setattr(sys, "executable", warm.PYTHON)
    (line,) = doctor.backends(flags(backend="jax"))
    assert (line.state, line.check) == ("fail", "jax devices")
    assert line.text.startswith(error) and "\n" not in line.text
    assert '--force-reinstall "jax>=' in line.mend and "--probe=jax" in line.mend


def test_a_check_that_crashes_is_a_line_and_the_others_go_on(monkeypatch, capsys):
    def data(flags):
        yield doctor.Line("ok", "first", "still printed")
        raise ValueError("two\nlines")

    monkeypatch.setattr(doctor, "data", data)
    monkeypatch.setattr(doctor, "backends", lambda flags: [doctor.Line("ok", "last", "")])
    assert doctor.main([]) == 1
    output = capsys.readouterr().out
    assert "still printed" in output and "ok    last" in output and "Traceback" not in output
    assert "fail  data                  ValueError: two lines\n      mend: " in output


def test_json_is_one_object_with_the_lines(monkeypatch, capsys):
    lines = [doctor.Line("warn", "a", "b", "c"), doctor.Line("ok", "d", "e")]
    for name in ("versions", "machine", "data"):
        monkeypatch.setattr(doctor, name, lambda flags: [])
    monkeypatch.setattr(doctor, "backends", lambda flags: lines)
    assert doctor.main(["--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["ok"] is True
    assert result["checks"][0] == {"state": "warn", "check": "a", "text": "b", "mend": "c"}
    lines.append(doctor.Line("fail", "f", "g", "h"))
    assert doctor.main(["--json"]) == 1
    assert json.loads(capsys.readouterr().out)["ok"] is False


def test_missing_backends_warn_unless_there_is_none(installed):
    installed(jax={})
    lines = by_name(doctor.versions(flags()))
    assert (lines["torch"].state, lines["tensorflow"].state) == ("warn", "warn")
    assert lines["torch"].mend == "python -m pip install -r requirements-torch.txt"
    assert lines["jax"].state != "fail"
    assert by_name(doctor.versions(flags(backend="torch")))["torch"].state == "fail"
    installed()
    lines = by_name(doctor.versions(flags()))
    assert {lines[name].state for name in doctor.BACKENDS} == {"fail"}
    assert lines["jax"].mend == "python -m pip install -r requirements-jax.txt"


def test_the_backend_that_keras_takes_must_be_there(installed, monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    installed(jax={})
    line = by_name(doctor.versions(flags()))["Keras's backend"]
    assert line.state == "warn" and line.mend == "set KERAS_BACKEND=jax"
    (tmp_path / "keras.json").write_text('{"backend": "jax"}')
    assert by_name(doctor.versions(flags()))["Keras's backend"].state == "ok"
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    assert by_name(doctor.versions(flags()))["Keras's backend"].state == "warn"


def test_requirements_missing_or_of_another_version_are_said(monkeypatch):
    there = {"numpy": "1.26.4", "pillow": None}
    monkeypatch.setattr(doctor, "installed_version", lambda name: there.get(name, "2.21.0"))
    lines = by_name(doctor.versions(flags()))
    assert lines["numpy"].state == "warn" and "1.26.4 (tested with >=2.1,<3)" in lines["numpy"].text
    assert lines["pillow"].state == "fail" and "requirements.txt" in lines["pillow"].mend
    assert lines["keras"].state == "warn"  # a version of the stub that is too old or too new


def test_ranges_are_understood_as_pip_understands_them():
    specifiers = pytest.importorskip("packaging.specifiers")
    extras = {*doctor.BACKENDS.values(), "onnx"}
    ranges = {text for extra in extras for text in doctor.requirements(extra).values()}
    assert len(ranges) > 8
    versions = ("0.6.1", "0.10.2", "1.14", "2", "2.1.0", "2.13.0+cpu", "2.21.5", "3.12", "11", "14")
    for wanted in ranges:
        for version in versions:
            agreed = specifiers.SpecifierSet(wanted).contains(version)
            assert doctor.within(version, wanted) == agreed, (version, wanted)
    named = doctor.requirements()
    assert ("etils" in named) == (sys.version_info < (3, 11))
    assert ("3.12" in named["keras"]) == (sys.version_info < (3, 11))


def test_a_folder_that_cannot_be_written_fails_and_is_not_made(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    line = by_name(doctor.machine(flags(runs_dir=str(file / "runs"))))["runs_dir"]
    assert line.state == "fail" and str(file) in line.text and "--runs_dir" in line.mend
    line = by_name(doctor.machine(flags(runs_dir=str(tmp_path / "new" / "runs"))))["runs_dir"]
    assert line.state == "ok"
    assert list(tmp_path.iterdir()) == [file]


def test_little_memory_or_disk_warns(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "memory", lambda: (2**34, 2**30))
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: argparse.Namespace(free=2**20))
    lines = by_name(doctor.machine(flags(runs_dir=str(tmp_path))))
    assert (lines["memory"].state, lines["runs_dir"].state) == ("warn", "warn")
    assert "16.0 GiB, of which 1.0 GiB free" in lines["memory"].text
    monkeypatch.setattr(doctor, "memory", lambda: (None, None))
    assert "unknown" in by_name(doctor.machine(flags()))["memory"].text


@pytest.mark.parametrize(
    ("cgroup", "folder", "names"),
    [
        ("0::/user/job\n", "user", ("max", "current")),
        ("0::/../gone\n", "", ("max", "current")),
        ("4:cpu,memory:/docker/1\n0::/\n", "memory", ("limit_in_bytes", "usage_in_bytes")),
    ],
)
def test_the_limit_of_a_container_counts(tmp_path, cgroup, folder, names):
    group = tmp_path / "sys/fs/cgroup" / folder
    group.mkdir(parents=True)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/meminfo").write_text("MemTotal:  8000 kB\nMemAvailable:   7000 kB\n")
    assert machine.memory(tmp_path) == (8000 * 1024, 7000 * 1024)
    (tmp_path / "proc/self/cgroup").write_text(cgroup)
    (group / f"memory.{names[0]}").write_text("1000000\n")
    (group / f"memory.{names[1]}").write_text("700000\n")
    (group / "memory.stat").write_text("active_file 5\ninactive_file 200000\n")
    assert machine.memory(tmp_path) == (1000000, 500000)
    (group / f"memory.{names[0]}").write_text("max\n")
    assert machine.memory(tmp_path) == (8000 * 1024, 7000 * 1024)


def test_data_folders_and_what_they_hold(tmp_path, monkeypatch):
    for name in ("mnist/3.0.1", "cats/small/1.0.0", "half/1.0.0"):
        path = tmp_path / "data/tfds" / name
        path.mkdir(parents=True)
        (path / "features.json").write_text("{}")
        if "half" not in name:
            (path / "dataset_info.json").write_text("{}")
    monkeypatch.setenv("ZOO_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("ZOO_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("TFDS_DATA_DIR", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    lines = by_name(doctor.data(flags()))
    assert lines["prepared data"].text.endswith("tfds: cats/small:1.0.0, mnist:3.0.1")
    assert lines["data cache"].state == "ok" and lines["digits"].state == "ok"
    assert not (tmp_path / "cache").exists()

    monkeypatch.setenv("ZOO_DATA_DIR", str(tmp_path / "gone"))
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ZOO_CACHE_DIR", str(tmp_path / "file"))
    lines = by_name(doctor.data(flags()))
    assert lines["ZOO_DATA_DIR"].state == "fail" and "unset" in lines["ZOO_DATA_DIR"].mend
    assert lines["data cache"].state == "warn" and "ZOO_CACHE_DIR" in lines["data cache"].mend
    assert lines["digits"].state == "ok"


def test_replicas_and_backends_that_disagree_fail(installed):
    near, far = [0.25, -0.5 + 5e-6], [0.25, -0.49]
    installed(tensorflow=process_report(several=near), jax=process_report(several=far))
    lines = by_name(doctor.backends(flags()))
    assert lines["tensorflow replicas"].state == "ok"
    assert lines["jax replicas"].state == "fail" and "1.0e-02" in lines["jax replicas"].text
    assert lines["all backends"].state == "ok"
    installed(tensorflow=process_report(), jax=process_report(one=far, several=far))
    assert by_name(doctor.backends(flags()))["all backends"].state == "fail"
    installed(jax=process_report(several=[0.25, float("nan")]))
    assert by_name(doctor.backends(flags()))["jax replicas"].state == "fail"


@pytest.mark.parametrize("wrong", [{"finite": doctor.STEPS - 1}, {"moved": 0.0}])
def test_training_that_diverges_or_stands_still_fails(installed, wrong):
    installed(jax=process_report(**wrong))
    assert by_name(doctor.backends(flags()))["jax training"].state == "fail"


def a_program(folder, name, says):
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)


@pytest.fixture
def smi(monkeypatch, tmp_path):
    """Returns a function that sets what nvidia-smi prints; nothing else is found on PATH."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    return lambda says: a_program(tmp_path, "nvidia-smi", says)


def test_a_gpu_that_the_backend_does_not_see_warns_with_what_to_install(
    smi, installed, monkeypatch
):
    monkeypatch.setattr(doctor, "gpus", machine.gpus)
    smi("Great Card 9, 24000")
    assert doctor.graphics().text == "Great Card 9 with 23.4 GiB"
    names = doctor.BACKENDS
    installed(**{name: process_report() for name in names})
    extras = {"tensorflow": "tensorflow[and-cuda]>=", "jax": "jax[cuda12]>=", "torch": '"torch=='}
    for name, extra in extras.items():
        line = by_name(doctor.backends(flags()))[f"{name} devices"]
        assert line.state == "warn" and "this machine has Great Card 9" in line.text
        assert "unset CUDA_VISIBLE_DEVICES; or python -m pip install" in line.mend
        assert extra in line.mend
    installed(**{name: process_report(kind="GPU") for name in names})
    lines = by_name(doctor.backends(flags()))
    assert {lines[f"{name} devices"].state for name in names} == {"ok"}


def test_gpus_are_found_by_the_program_the_driver_or_the_bus(smi, tmp_path, monkeypatch):
    assert machine.gpus(tmp_path) == []
    a_program(tmp_path, "lspci", "02:00.0 VGA compatible controller: NVIDIA Corporation GA102")
    assert machine.gpus(tmp_path) == [("NVIDIA Corporation GA102", None, False)]
    line = doctor.graphics()
    assert line.state == "warn" and "no driver" in line.text and "docs/install.md" in line.mend
    folder = tmp_path / "proc/driver/nvidia/gpus/0000:02:00.0"
    folder.mkdir(parents=True)
    (folder / "information").write_text("Model: \t\t Great Card 9\nIRQ:   \t\t 7\n")
    assert machine.gpus(tmp_path) == [("Great Card 9", None, True)]
    smi("Great Card 9, 24000\nSmall Card, 8000\nOdd Card, [N/A]")
    assert [gpu.memory for gpu in machine.gpus()] == [24000 * 2**20, 8000 * 2**20, None]
    for visible, memory in {"": 8000, "0": 24000, "0,1": 8000, "GPU-1": 8000}.items():
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert machine.gpu_memory() == memory * 2**20
    smi("NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver.")
    assert machine.gpus(tmp_path) == [("Great Card 9", None, True)]


def test_the_page_on_gpus_installs_what_the_tests_have_passed_with():
    page = (ROOT / "docs/install.md").read_text()
    for name, package in {"tensorflow": "tensorflow[and-cuda]", "jax": "jax[cuda13]"}.items():
        assert f'"{package}{doctor.requirements(doctor.BACKENDS[name])[name]}"' in page
    assert installation.install("torch").removeprefix("python -m ") in page
