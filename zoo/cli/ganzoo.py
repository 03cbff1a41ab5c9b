"""The programs by one name.

ganzoo train --model=dcgan --dataset=digits --max_minutes=1.5
ganzoo generate --run=dcgan-digits
ganzoo train --help
"""

import importlib
import sys

import zoo
from zoo.cli import exits
from zoo.errors import UsageError, nearest

# Name -> (module, what it does). A module is imported when it is asked for.
COMMANDS = {
    "train": ("zoo.cli.train", "train a model, or go on with a run"),
    "generate": ("zoo.cli.generate", "draw samples, fill holes, translate or enlarge pictures"),
    "evaluate": ("zoo.cli.evaluate", "score a run, beside its floor"),
    "export": ("zoo.cli.export", "write Keras, SavedModel, ONNX and LiteRT files"),
    "app": ("zoo.cli.app", "open a page in the browser to play with a network"),
    "sweep": ("zoo.sweep.__main__", "train and score every combination of some settings"),
    "fastest": ("zoo.fastest", "measure which backend and precision train fastest"),
    "recipes": ("zoo.recipes", "explain every setting of a model"),
    "doctor": ("zoo.doctor", "check the installation, and say how to mend it"),
    "completion": ("zoo.cli.completion", "let a shell complete commands and flags"),
}


def usage():
    """Returns what `ganzoo --help` prints."""
    commands = "\n".join(f"  {name:12}{line}" for name, (_, line) in COMMANDS.items())
    return f"{__doc__}\ncommands:\n{commands}\n\nganzoo COMMAND --help shows its flags."


def main():
    """Runs the command that the command line names, and exits the process."""
    name, rest = (sys.argv[1:2] or ["--help"])[0], sys.argv[2:]
    with exits.one_line():
        if name in ("--help", "-h", "help"):
            print(usage())
        elif name == "--version":
            print(f"ganzoo {zoo.__version__}")
        elif name not in COMMANDS:
            raise UsageError(f"There is no command {name!r}.{nearest(name, COMMANDS)}")
        else:
            sys.argv = [f"ganzoo {name}", *rest]
            importlib.import_module(COMMANDS[name][0]).start()
