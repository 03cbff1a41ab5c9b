"""A folder with a page that draws with a network in the browser: no server computes anything.

The page computes with onnxruntime-web, whose files lie beside it, so it works without internet.
"""

import html
import json
import os
import pathlib
import shutil
import subprocess
import tarfile
import tempfile

from zoo.errors import UsageError
from zoo.files import cache_folder, write_atomically

# The version that the page was tried with, and the files of it that compute on the processor.
VERSION = "1.30.0"
RUNTIME = ("ort.wasm.min.js", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
PAGE = pathlib.Path(__file__).with_name("web.html")


def runtime(given=None):
    """Returns a folder with the files of onnxruntime-web, fetched once from npm.

    Args:
        given: folder that holds them (such as node_modules/onnxruntime-web/dist), or None to use
            npm, which keeps them in the cache folder.

    Raises:
        UsageError: they are not there, or there is no npm, or it cannot fetch them.
    """
    if given is not None:
        if missing := [name for name in RUNTIME if not os.path.isfile(os.path.join(given, name))]:
            raise UsageError(
                f"{given} has no {', '.join(missing)}. Expected the folder dist of "
                "onnxruntime-web, as `npm install onnxruntime-web` makes it."
            )
        return given
    kept = os.path.join(cache_folder(), "onnxruntime-web", VERSION)
    if not all(os.path.isfile(os.path.join(kept, name)) for name in RUNTIME):
        _fetch(kept)
    return kept


def _fetch(kept):
    how = (
        f"Install npm, or fetch onnxruntime-web {VERSION} elsewhere and give its folder dist as "
        "--web_runtime=FOLDER."
    )
    if (npm := shutil.which("npm")) is None:
        raise UsageError(f"The page needs files of onnxruntime-web, and there is no npm. {how}")
    os.makedirs(kept, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept) as folder:
        package = f"onnxruntime-web@{VERSION}"
        done = subprocess.run([npm, "pack", package], cwd=folder, capture_output=True, text=True)
        archives = list(pathlib.Path(folder).glob("*.tgz"))
        if done.returncode or not archives:
            said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
            raise UsageError(f"npm could not fetch {package}; it said: {said}. {how}")
        with tarfile.open(archives[0]) as archive:
            for name in RUNTIME:
                content = archive.extractfile(f"package/dist/{name}").read()
                write_atomically(os.path.join(kept, name), content)


def check(facts, network):
    """Raises UsageError for a network that the page cannot show.

    Args:
        facts: dict that `keras_alone.convert` returns of it.
        network: str, its name.
    """
    if facts["inputs"] not in (["z"], ["z", "label"], ["image"]):
        raise UsageError(
            f"The page cannot show the {network}. Expected a network of noise, with or without a "
            f"class, or of one picture. Received: inputs {', '.join(facts['inputs'])}."
        )


def add_page(folder, facts, title, runtime, names=()):
    """Writes the page and the files that it needs beside `network.onnx`.

    Args:
        folder: path of an existing folder.
        facts: dict that `keras_alone.convert` returns of the network.
        title: str, for people.
        runtime: the folder that `runtime` returns.
        names: list of str, names of the classes; those that have none are numbers.
    """
    kind = "image" if facts["inputs"] == ["image"] else "noise"
    network = {name: facts[name] for name in ("inputs", "shape", "any_size")}
    count = (facts["classes"] or len(names)) if "label" in facts["inputs"] else 0
    classes = [*names, *map(str, range(len(names), count))][:count]
    # A name could close the script.
    network = json.dumps(network | {"kind": kind, "classes": classes}).replace("<", "\\u003c")
    page = PAGE.read_text(encoding="utf-8").replace("{{TITLE}}", html.escape(title))
    page = page.replace("{{NETWORK}}", network)
    write_atomically(os.path.join(folder, "index.html"), page.encode())
    for name in RUNTIME:
        shutil.copyfile(os.path.join(runtime, name), os.path.join(folder, name))
