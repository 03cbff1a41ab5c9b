"""What may import what, and what `import zoo` costs."""

import ast
import json
import pathlib

import helpers
import keras
import pytest

BACKENDS = ("tensorflow", "jax", "torch")
HEAVY = ("matplotlib", "PIL", "sklearn", "tensorflow_datasets", "tensorboard", "scipy")
# For the formats of export.py and for data.
NAMES_TENSORFLOW = ("outputs/converters.py", "data/tfds.py", "data/whole.py")

# The parts of the package from the ground up: a part imports only the ones before it.
ORDER = (
    *(
        "installation",
        "cards",
        "errors",
        "files",
        "keras_files",
        "config_file",
        "machine",
        "progress",
        "registry",
        "settings",
        "players",
        "seeds",
    ),
    *("backend", "sampling", "layers", "shapes", "blocks", "data", "metrics", "drawing"),
    *(
        "parts",
        "tasks",
        "game",
        "models",
        "runs",
        "outputs",
        "scoring",
        "report",
        "training",
        "app",
    ),
    *("cli", "recipes", "doctor", "fastest", "sweep", "__main__"),
)


def imported(path):
    """Yields the names of all modules that a file imports, `from a import b` as a.b."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


FILES = {
    path.relative_to(helpers.ROOT / "zoo").as_posix(): sorted(set(imported(path)))
    for path in sorted((helpers.ROOT / "zoo").rglob("*.py"))
}


@pytest.mark.parametrize("file", FILES)
def test_only_the_backend_folder_names_a_backend(file):
    named = {name.split(".")[0] for name in FILES[file]} & set(BACKENDS)
    path = pathlib.Path(file)
    if path.parent.name == "backend":
        assert named <= {path.stem.split("_")[0]}
    else:
        assert named <= ({"tensorflow"} if file in NAMES_TENSORFLOW else set())


@pytest.mark.parametrize("file", FILES)
def test_imports_run_one_way(file):
    part = pathlib.Path(file).parts[0].removesuffix(".py")
    if part == "__init__":
        return
    assert part in ORDER, f"{part} has no place in ORDER"
    others = {name.split(".")[1] for name in FILES[file] if name.startswith("zoo.")} - {part}
    assert others <= set(ORDER[: ORDER.index(part)])


@pytest.mark.parametrize("file", [file for file in FILES if file.startswith("models/")])
def test_variants_never_import_each_other(file):
    assert [name for name in FILES[file] if name.startswith("zoo.models")] == []


@pytest.mark.backend
@pytest.mark.slow  # starts a process or three: what an import costs shows in a fresh one only
def test_import_zoo_takes_under_100_ms_and_no_other_library():
    # CPU time of the process, so a busy machine does not matter. Keras may already have imported
    # another backend; that does not count.
    code = f"""
import json, sys, time
import keras
before = set(sys.modules)
start = time.process_time()
import zoo
seconds = time.process_time() - start
zoo.create("dcgan", image_shape=(16, 16, 1), width=1, latent_dim=1)
new = {{name.split(".")[0] for name in set(sys.modules) - before}}
print(json.dumps([seconds, sorted(new & set({(*BACKENDS, *HEAVY)!r}))]))
"""
    for attempt in range(3):
        seconds, libraries = json.loads(helpers.python("-c", code, copied=False).splitlines()[-1])
        allowed = {keras.config.backend()}
        assert set(libraries) <= allowed
        if seconds < 0.1 or attempt == 2:
            break
    assert seconds < 0.1
