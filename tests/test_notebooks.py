"""The notebooks run from the first cell to the last, and were committed with what they show."""

import json
import pathlib

import helpers
import pytest

from zoo import installation

NOTEBOOKS = sorted((helpers.ROOT / "notebooks").glob("*.ipynb"))
# What makes them short, after the cell with the tag "parameters".
BRIEF = "epochs = 1"


def cells(path, kind="code"):
    content = json.loads(path.read_text("utf-8"))
    return [cell for cell in content["cells"] if cell["cell_type"] == kind]


@pytest.mark.slow  # a process for each, which trains
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_in_an_empty_folder(path, tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient")
    import nbformat

    for name, value in helpers.environment("tensorflow").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = nbformat.read(path, 4)
    (tagged,) = (
        i for i, c in enumerate(notebook.cells) if "parameters" in c.metadata.get("tags", ())
    )
    notebook.cells.insert(tagged + 1, nbformat.v4.new_code_cell(BRIEF))
    (tmp_path / "empty").mkdir()
    resources = {"metadata": {"path": str(tmp_path / "empty")}}
    nbclient.NotebookClient(notebook, timeout=300, resources=resources).execute()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_with_small_outputs_and_no_complaint(path):
    outputs = [output for cell in cells(path) for output in cell["outputs"]]
    pictures = [o for o in outputs if "image/png" in o.get("data", {})]
    assert pictures, "run it, so that people see what it shows"
    assert path.stat().st_size < 500_000
    assert not [o for o in outputs if o["output_type"] == "error" or o.get("name") == "stderr"]
    assert [c["execution_count"] for c in cells(path)] == [*range(1, len(cells(path)) + 1)]
    said = json.dumps(outputs)
    assert str(pathlib.Path.home()) not in said and str(helpers.ROOT) not in said


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_installs_the_wheel_where_the_package_is_missing(path):
    wheel = f"{installation.NAME.replace('-', '_')}-*.whl"
    assert f"    %pip install --quiet {wheel}\n" in cells(path)[0]["source"]
    assert wheel in (path.parent / "README.md").read_text("utf-8")
