"""A folder that runs the page of a network by itself, as a Hugging Face Space or anywhere.

The keys of its README are those of the "Spaces Configuration Reference"
(huggingface.co/docs/hub/spaces-config-reference). A Space installs its requirements before its
files are there, and this package is at no index, so its code lies in the folder.
"""

import importlib.metadata
import json
import os
import pathlib
import platform
import re
import shutil
import tempfile

import zoo
from zoo import cards, config_file, installation
from zoo.app import loading
from zoo.errors import UsageError
from zoo.runs import networks

# Of what the package needs, what a page does.
NEEDED = ("tensorflow", "keras", "numpy", "absl-py", "pillow", "matplotlib", "scipy", "filelock")
# In a config.json, what tells of the trainer's machine and data.
PRIVATE = ("dataset", "data_fingerprint", "backend")

PROGRAM = '''"""The page of the network beside it. `python app.py` prints its address."""

import os
import pathlib
import sys

__keras_later__ = True  # a flag chooses the backend first

os.chdir(pathlib.Path(__file__).resolve().parent)
# A Space says by this variable that its visitors come from elsewhere.
host = os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1")
sys.argv[1:1] = [{flag!r}, f"--host={{host}}"]

from zoo.cli.app import start  # noqa: E402

if __name__ == "__main__":
    start()
'''

README = """
A page to play with `{name}`, {what}, by [Gradio](https://gradio.app).

```
pip install -r requirements.txt
python app.py
```

It is also a [Space](https://huggingface.co/spaces). This publishes it:

```
hf repos create USER/NAME --repo-type=space --space-sdk=gradio
hf upload USER/NAME . --repo-type=space
```

`zoo/` is the code, of keras-gan-zoo {version} under the Apache licence in `LICENSE`.
"""
WHAT = {
    "noise": "a network from noise to samples",
    "pictures": "a network from pictures to pictures",
    "holes": "a network that fills holes in pictures",
}


def write(folder, source):
    """Writes a folder with the page of a run or a file: network, code and what Spaces read.

    Args:
        folder: path; it must be new or empty.
        source: run directory or network file. Of a run go the networks that draw, and its
            config.json without `PRIVATE`; never its data or checkpoints. With a file goes the card
            that names its classes.

    Returns:
        str, the folder.

    Raises:
        UsageError: the folder is not empty, or the page cannot show the network. Nothing is written
            then.
    """
    folder = pathlib.Path(folder).absolute()
    refuse(folder)
    try:
        wanted = requirements()
    except importlib.metadata.PackageNotFoundError:
        raise UsageError(
            f"{installation.ROOT} is itself a folder that --space has written. Expected a checkout "
            "or an installed package to write another; or copy the folder."
        ) from None
    kind, _ = loading.load(source)
    name = os.path.basename(os.path.abspath(source))
    name = name if os.path.isdir(source) else os.path.splitext(name)[0]
    flag, files = f"--run={name}", networks.find(source)
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Beside the folder, so that it appears complete or not at all.
    made = pathlib.Path(tempfile.mkdtemp(prefix=f".{folder.name}.part-", dir=folder.parent))
    try:
        if os.path.isdir(source):
            run = made / "runs" / name
            run.mkdir(parents=True)
            config = config_file.read(source) or {}
            config = {key: value for key, value in config.items() if key not in PRIVATE}
            _write(run / "config.json", json.dumps(config, indent=2) + "\n")
            for network, path in files.items():
                shutil.copy(path, run / f"{network}.keras")
        else:
            (path,) = files.values()
            flag = f"--generator={os.path.basename(path)}"
            shutil.copy(path, made / os.path.basename(path))
            card = pathlib.Path(path).with_suffix(".md")
            if cards.class_names(card):
                shutil.copy(card, made / card.name)
        _copy_code(made / "zoo")
        _write(made / "LICENSE", _licence())
        _write(made / "requirements.txt", "\n".join([*wanted, ""]))
        _write(made / "app.py", PROGRAM.format(flag=flag))
        about = README.format(name=name, what=WHAT[kind], version=zoo.__version__)
        _write(made / "README.md", head(name) + about)
        made.chmod(0o755)
        if folder.exists():
            folder.rmdir()
        made.rename(folder)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    return str(folder)


def refuse(folder):
    """Raises UsageError unless a folder can be written: it is new, or empty."""
    folder = pathlib.Path(folder)
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        what = "a file" if folder.is_file() else "not empty"
        raise UsageError(
            f"{folder} is {what}, and nothing in it is replaced. Expected --space=FOLDER of a new "
            "or an empty folder."
        )


def head(name):
    """Returns the head of the README, YAML that Spaces read. Values are JSON, which is YAML too."""
    fields = {
        "title": name,
        "colorFrom": "gray",
        "colorTo": "yellow",
        "sdk": "gradio",
        "sdk_version": importlib.metadata.version("gradio"),
        "python_version": ".".join(platform.python_version_tuple()[:2]),
        "app_file": "app.py",
        "pinned": False,
        "tags": ["keras", "gan", "generative-adversarial-network"],
    }
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in fields.items()]
    return "\n".join(["---", *lines, "---", ""])


def requirements():
    """Returns the lines of the folder's requirements.txt, a list of str."""
    wanted = [line for line in installation.requirements() if _package(line) in NEEDED]
    # Of a wheel, each line says which extra it belongs to.
    extra = [line.partition("; extra")[0] for line in installation.requirements("app")]
    return [*wanted, *filter(None, extra)]


def _package(line):
    return re.match(r"[\w.-]*", line)[0].lower()


def _copy_code(folder):
    """Copies the package, with its recipes, as a wheel holds it, without trained generators."""
    ignored = shutil.ignore_patterns("__pycache__", "pretrained")
    shutil.copytree(installation.PACKAGE, folder, ignore=ignored)
    if installation.IN_A_CHECKOUT:
        shutil.copytree(installation.folder("configs"), folder / "configs", ignore=ignored)


def _licence():
    if installation.IN_A_CHECKOUT:
        return (installation.ROOT / "LICENSE").read_text("utf-8")
    return importlib.metadata.distribution(installation.NAME).read_text("licenses/LICENSE") or ""


def _write(path, text):
    path.write_text(text, "utf-8")
