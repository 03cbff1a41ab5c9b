"""Completes commands, flags and their values in bash, after this line:

    eval "$(ganzoo completion)"

It may stand in ~/.bashrc; in ~/.zshrc after `autoload -U +X bashcompinit && bashcompinit`.
"""

import contextlib
import importlib
import io
import os
import re
import sys

from zoo.cli.ganzoo import COMMANDS
from zoo.data.catalog import DATASETS
from zoo.installation import trained
from zoo.registry import MODELS

# bash takes what stands behind the "=" of a flag for a word of its own.
SCRIPT = """_ganzoo() {
    local IFS=$'\\n' line="${COMP_LINE:0:COMP_POINT}"
    COMPREPLY=($("$1" completion --line="$line" 2>/dev/null))
    [[ "${COMPREPLY[*]}" == *= ]] && compopt -o nospace 2>/dev/null
    [[ "${line##* }" == *=* ]] && COMPREPLY=("${COMPREPLY[@]#*=}")
}
complete -o bashdefault -o default -F _ganzoo ganzoo"""
FLAG = re.compile(r"^ +(?:-\w, )?--(\[no\])?(\w+)(.*)", re.M)  # in the help of absl or argparse
TAKES_A_VALUE = re.compile(r":| [A-Z]{2}| \{")
LISTED = re.compile(r"[<{]([\w|,]+)[>}]")


def candidates(line):
    """Returns what the last word of a command line may become, a list of str.

    Args:
        line: str, the command line up to the cursor, such as "ganzoo train --mo".
    """
    _, *before, word = re.split(r"\s+", line.lstrip())
    command = before[0] if before else None
    if command is None:
        found = [*COMMANDS, "--help", "--version"]
    elif command == "recipes":
        found = ([], MODELS, DATASETS, [])[min(len(before), 3)]
    elif command not in COMMANDS or not word.startswith("-"):
        found = []
    else:
        flags = _flags(command)
        name, equals, _ = word.lstrip("-").partition("=")
        found = [f"--{name}={value}" for value in _values(name) or flags.get(name) or []]
        if not equals:
            found = [f"--{flag}{'' if values is None else '='}" for flag, values in flags.items()]
    return [text for text in found if text.startswith(word)]


def _flags(command):
    """Returns flag -> list of the values that the help of a command names, None without value."""
    sys.argv = [f"ganzoo {command}", "--help"]
    with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.suppress(SystemExit):
        importlib.import_module(COMMANDS[command][0]).start()
    found = {}
    for negative, flag, rest in FLAG.findall(printed.getvalue()):
        listed = LISTED.search(rest)
        takes = not negative and TAKES_A_VALUE.match(rest)
        found[flag] = (re.split(r"[|,]", listed[1]) if listed else []) if takes else None
    return found


def _values(flag):
    """Returns the values of a flag that no help text lists."""
    if flag in ("model", "dataset"):
        return list(MODELS if flag == "model" else DATASETS)
    if flag == "pretrained":
        return list(trained())
    with contextlib.suppress(OSError):
        if flag in ("run", "resume", "continue_from", "init_from"):
            return sorted(entry.name for entry in os.scandir("runs") if entry.is_dir())
    return []


def start():
    """Runs the program and exits the process."""
    asked, _, line = "".join(sys.argv[1:2]).partition("=")
    if asked == "--line":
        print("\n".join(candidates(line)))
    else:
        print(__doc__ if asked else SCRIPT)
