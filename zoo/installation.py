"""Where this copy of the package keeps its files, and how people start its programs.

A wheel holds within the package what lies beside it in a checkout. Uses only the standard library.
"""

import importlib.metadata
import pathlib
import re
import sys

NAME = "keras-gan-zoo"
PACKAGE = pathlib.Path(__file__).resolve().parent
# What Python has to find to import the package: the checkout, or site-packages.
ROOT = PACKAGE.parent
IN_A_CHECKOUT = not (PACKAGE / "configs").is_dir()

_PROGRAMS = re.compile(
    r"(?<![\w./\\'\"=-])(?:(?:python )?(train|generate|evaluate|export|app)\.py"
    r"|python -m zoo\.(doctor|fastest|recipes|sweep))\b"
)


def folder(name):
    """Returns the path of `configs` or `pretrained`."""
    return (ROOT if IN_A_CHECKOUT else PACKAGE) / name


def trained():
    """Returns name -> path of the generators in `pretrained`."""
    return {path.stem: path for path in sorted(folder("pretrained").glob("*.keras"))}


def by_ganzoo():
    """Returns whether people here type `ganzoo train` instead of `python train.py`."""
    return not IN_A_CHECKOUT or sys.argv[0].startswith("ganzoo ")


def as_typed(text):
    """Returns a text about `python train.py` and the like in the words that work here."""
    return _PROGRAMS.sub(lambda m: f"ganzoo {m[1] or m[2]}", text) if by_ganzoo() else text


def started_as():
    """Returns what stands before the flags in the command of this process, two str."""
    if sys.argv[0].startswith("ganzoo "):
        return sys.argv[0].split(" ")
    return [pathlib.Path(sys.executable).name, sys.argv[0]]


def program(name):
    """Returns how another process starts `train` or `evaluate`, a list of str.

    In the root of a checkout it is the bare name, so that the command is the same on any machine.
    """
    if not IN_A_CHECKOUT:
        return [sys.executable, str(PACKAGE / "__main__.py"), name]
    path = ROOT / f"{name}.py"
    return [sys.executable, path.name if pathlib.Path.cwd() == ROOT else str(path)]


def shown(command):
    """Returns a command that begins with `program` as a person types it, a list of str."""
    return ["python", *command[1:]] if IN_A_CHECKOUT else ["ganzoo", *command[2:]]


def requirements(extra=""):
    """Returns the lines that list what the package or one of its extras needs.

    In a checkout they come from the requirements files, and those of a wheel were made of them.
    """
    if IN_A_CHECKOUT:
        file = ROOT / _file(extra)
        return [line.partition("#")[0].strip() for line in file.read_text("utf-8").splitlines()]
    lines = importlib.metadata.requires(NAME) or ()
    extras = re.compile(r"""extra == ["']([\w-]+)["']""")
    return [line for line in lines if (extras.findall(line) or [""])[0] == extra]


def python():
    """Returns the range of versions of Python that the package is for, such as ">=3.10,<3.14"."""
    if IN_A_CHECKOUT:
        text = (ROOT / "pyproject.toml").read_text("utf-8")
        return re.search(r'^requires-python = "(.*)"', text, re.M)[1]
    return importlib.metadata.metadata(NAME)["Requires-Python"]


def install(extra=""):
    """Returns the line that installs what the package or one of its extras needs."""
    wanted = f"-r {_file(extra)}" if IN_A_CHECKOUT else f'"{NAME}[{extra}]"' if extra else NAME
    return f"python -m pip install {wanted}"


def _file(extra):
    return f"requirements-{extra}.txt" if extra else "requirements.txt"
