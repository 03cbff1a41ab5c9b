"""Exports networks to files that load without this package. Every file is checked."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile

import numpy as np

import zoo
from zoo import config_file, installation, keras_files
from zoo.errors import UsageError, nearest
from zoo.outputs import keras_alone, placing, web
from zoo.outputs.loading_code import loading_code
from zoo.runs import assembly, networks
from zoo.runs import config as configs

FORMATS = {
    "keras": "{}.keras",
    "h5": "{}.h5",
    "savedmodel": "{}_savedmodel",
    # A folder of numbered versions, each a SavedModel.
    "serving": "{}_serving",
    "onnx": "{}.onnx",
    "onnx_int8": "{}_int8.onnx",
    # A folder with a page that draws in the browser.
    "web": "{}_web",
    "tflite": "{}.tflite",
    "tflite_int8": "{}_int8.tflite",
}


def files_of(network):
    """Returns format -> file name for a network name."""
    return {format: name.format(network) for format, name in FORMATS.items()}


ARTEFACTS = files_of("generator")
DISCRIMINATORS = files_of("discriminator")
# Largest absolute difference from the original, for outputs up to 1; larger outputs in proportion.
# It covers float32 rounding (a 64-pixel DCGAN differs by 4e-7 between JAX and TensorFlow, one of
# cats_and_dogs at 256 by 2e-5 in LiteRT) and is far below one grey level, 8e-3.
TOLERANCE = 5e-5
# A logit sums terms over the complete picture, and these cancel.
LOGIT_TOLERANCE = 1e-4
# Largest mean difference of a network in int8, in levels of 255. The trained ones differ by half a
# level.
INT8_LEVELS = 2.0
# Modules that a format needs, and the extra of the package that brings each.
_TENSORFLOW = {"tensorflow": ""}
_ONNX = _TENSORFLOW | {"tf2onnx": "onnx", "onnxruntime": "onnx"}
_NEEDS = {
    "savedmodel": _TENSORFLOW,
    "serving": _TENSORFLOW,
    "onnx": _ONNX,
    "onnx_int8": _ONNX,
    "web": _ONNX,
    "tflite": _TENSORFLOW,
    "tflite_int8": _TENSORFLOW,
}


def export(
    source, formats, out=None, backend=None, say=print, discriminator=False, web_runtime=None
):
    """Writes the networks of a run, and optionally its discriminator, in other formats.

    These are the networks that draw: the generator, or one for each direction, such as `a_to_b`.

    Everything happens in fresh processes that cannot import `zoo` and see no GPU, so a run can be
    exported while it trains. `keras` and `h5` are written with `backend`, the others with
    TensorFlow. Then another fresh process loads every artefact and compares it with the original at
    batch sizes 1 and 7, and on pictures of another size if the network accepts them. Only if all
    agree do they replace older ones; `serving` gets a folder of the next number beside them, as
    TensorFlow Serving expects. `web` is a folder with a page that draws in the browser.

    `onnx_int8` and `tflite_int8` hold the large weights in 8 bits, a quarter of the size, and draw
    other samples. How much these differ, over 64 of them, is measured and said.

    The discriminator is the exception: this process builds the model of the run and gives it the
    weights of the newest checkpoint, before the fresh ones take over.

    Args:
        source: run directory with `generator.keras`, `a_to_b.keras`, ..., or path of a network
            file.
        formats: list of str from `FORMATS`.
        out: folder to write to; by default `export` in the run, or `exports` for a file.
        backend: "tensorflow", "jax" or "torch"; by default the one that Keras uses.
        say: function called once per artefact with Python code: a comment with path and largest
            difference, and the lines that load the artefact.
        discriminator: bool, whether to export the discriminator too. If a variant has its own names
            for the two `.h5` files, both files get them.
        web_runtime: folder with the files of onnxruntime-web for `web`, or None to fetch them from
            npm, once.

    Returns:
        list of str: the absolute paths of the artefacts, in the order of `formats`, of one network
        after the other; the discriminator's last.

    Raises:
        UsageError: an unknown format, or one that cannot hold the network; a missing, damaged or
            unsafe generator; no checkpoint of the discriminator, or no network of this name; a
            library that is not installed; an artefact that differs from the original. Nothing is
            written then.
    """
    formats = list(dict.fromkeys(formats))
    _check_formats(formats)
    sources = drawing = networks.find(source)
    files = {network: files_of(network) for network in sources}
    if discriminator:
        gan = _with_discriminator(source)
        sources = drawing | {"discriminator": f"the discriminator of {source}"}
        files["discriminator"] = DISCRIMINATORS
        if own := getattr(gan, "h5_names", None):
            for (network, names), name in zip(files.items(), own, strict=True):
                files[network] = {**names, "h5": name}
    out = os.path.abspath(
        out or (os.path.join(source, "export") if os.path.isdir(source) else "exports")
    )
    paths = {
        (network, name): os.path.join(out, files[network][name])
        for network in sources
        for name in formats
    }
    _check_targets(out, paths)
    if "web" in formats:
        web_runtime = web.runtime(web_runtime)
    if backend is None:
        import keras

        backend = keras.config.backend()

    os.makedirs(out, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=out) as folder:
        originals = {}
        for network, path in sources.items():
            suffix = os.path.splitext(path)[1] if network in drawing else ".keras"
            originals[network] = os.path.join(folder, f"original_{network}{suffix}")
            if network in drawing:
                # Copied first: a run in training may replace its file between two reads.
                shutil.copyfile(path, originals[network])
        if discriminator:
            keras_files.save(_inference_discriminator(gan), originals["discriminator"])
        facts, differences = _convert(originals, formats, folder, backend, sources)
        for network in originals if "web" in formats else ():
            web.check(facts[network], network)
            page = os.path.join(folder, f"{network}.web")
            title, names = _title(source, network), config_file.class_names(source)
            web.add_page(page, facts[network], title, web_runtime, names)
        whole = {network: os.path.getsize(path) for network, path in originals.items()}
        for (network, name), path in paths.items():
            new = os.path.join(folder, f"{network}.{name}")
            if name == "serving":
                paths[network, name] = path = placing.next_version(path)
            placing.put_in_place(new, path, os.path.join(folder, f"replaced_{network}.{name}"))
    for (network, name), path in paths.items():
        said = _said(differences[network][name], placing.size(path) / whole[network])
        comment = f"# {path}: {placing.size(path) / 1e6:.2g} MB, {said}"
        say(f"{comment}\n{loading_code(name, path, **facts[network], network=network)}\n")
    return list(paths.values())


def _convert(originals, formats, folder, backend, sources):
    """Writes and checks `<folder>/<network>.<format>`, in fresh processes.

    Args:
        originals: network, such as "generator" -> path of the Keras file to convert.
        formats: list of str.
        folder: working folder of the processes.
        backend: for the formats that work with any backend.
        sources: network -> str, the name of the original in messages.

    Returns:
        `(facts, differences)`: network -> the result of `keras_alone.convert`, and network ->
        format -> the largest difference.

    Raises:
        UsageError: one cannot be written or loaded, or differs.
    """
    groups = {backend: []}
    for name in formats:
        groups.setdefault("tensorflow" if name in _NEEDS else backend, []).append(name)
    common = {
        network: {"reference": os.path.join(folder, f"{network}_reference.npz"), "network": network}
        for network in originals
    }
    many = any(name.endswith("_int8") for name in formats)
    differences, facts = {network: {} for network in originals}, {}
    for group_backend, names in groups.items():
        arguments = [
            {
                "original": original,
                "folder": folder,
                "formats": names,
                "many": many,
                **common[network],
            }
            for network, original in originals.items()
        ]
        answers = _in_fresh_process("convert", arguments, folder, group_backend, sources)
        facts = facts or dict(zip(originals, answers, strict=True))
    for group_backend, names in groups.items():
        if not names:
            continue
        arguments = [
            {
                "artefacts": {name: os.path.join(folder, f"{network}.{name}") for name in names},
                **common[network],
            }
            for network in originals
        ]
        answers = _in_fresh_process("check", arguments, folder, group_backend, sources)
        for network, answer in zip(originals, answers, strict=True):
            differences[network] |= answer
    for network in originals:
        _check_differences(differences[network], common[network]["reference"], network)
    return facts, differences


def _title(source, network):
    """Returns the title of a page: the name of the run or file, and which network if of several."""
    name = os.path.splitext(os.path.basename(os.path.abspath(source)))[0]
    return name if network == "generator" else f"{name}: {network}"


def _with_discriminator(source):
    """Returns the model of a run. Raises UsageError if it has no discriminator."""
    config = configs.read(source) if os.path.isdir(source) else {}
    if config and "discriminator" not in _judges(config["model"]):
        judges = ", ".join(_judges(config["model"])) or "none"
        raise UsageError(
            f"{config['model']} has no network called discriminator, so --discriminator has "
            "nothing to export. Leave it out: the networks that draw are exported. Received: a "
            f"run whose networks that judge are {judges}."
        )
    return assembly.trained(source)


def _judges(model):
    """Returns the names of the networks that a model does not draw with."""
    cls = zoo.get(model)
    names = [name for player in cls.players for name in player.networks]
    return [name for name in dict.fromkeys(names) if name not in cls.averaged]


def _inference_discriminator(gan):
    # Some games explain why their discriminator cannot be exported.
    own = getattr(gan, "inference_discriminator", None)
    return own() if own else gan.inference_network("discriminator")


def _check_formats(formats):
    if not formats:
        raise UsageError(f"Expected at least one format.{nearest('', FORMATS)} Received: none.")
    for name in formats:
        if name not in FORMATS:
            raise UsageError(f"There is no export format {name!r}.{nearest(name, FORMATS)}")
    for name in formats:
        missing = {
            module: extra
            for module, extra in _NEEDS.get(name, {}).items()
            if importlib.util.find_spec(module) is None
        }
        if missing:
            lines = " and ".join(
                f"`{installation.install(x)}`" for x in sorted({*missing.values()})
            )
            raise UsageError(
                f"Exporting to {name} needs {' and '.join(missing)}, which this Python has not. "
                f"Install with {lines}; keras and h5 work without."
            )


def _check_targets(out, paths):
    if os.path.exists(out) and not os.path.isdir(out):
        raise UsageError(f"Expected a folder to write to. Received: {out}, which is a file.")
    for (_, name), path in paths.items():
        if not os.path.exists(path):
            continue
        ours = placing.is_artefact(path, name)
        if not ours:
            raise UsageError(
                f"{path} exists and is not a {name} artefact, so it is left alone. Move it away or "
                "choose another folder."
            )


def _in_fresh_process(do, arguments, folder, backend, sources):
    """Returns what a function of keras_alone.py returns, for each dict of `arguments` in turn."""
    task, answer = (os.path.join(folder, name) for name in ("task.json", "answer.json"))
    with open(task, "w", encoding="utf-8") as file:
        json.dump({"do": do, "arguments": arguments, "answer": answer}, file)
    environment = os.environ | {
        "KERAS_BACKEND": backend,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        # A GPU may round float32 more coarsely, and its memory belongs to the training.
        "CUDA_VISIBLE_DEVICES": "-1",
        "JAX_PLATFORMS": "cpu",
    }
    done = subprocess.run(
        [sys.executable, keras_alone.__file__, task],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if done.returncode or not os.path.exists(answer):
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise UsageError(
            f"The process that exports with {backend} ended with code {done.returncode}: {last} "
            "Check that this backend works and that there is memory enough."
        )
    with open(answer, encoding="utf-8") as file:
        result = json.load(file)
    os.remove(answer)
    if "error" in result:
        # Messages use the names that people know.
        sentence = result["error"]
        for own in arguments:
            sentence = sentence.replace(own.get("original", "\n"), sources[own["network"]])
        raise UsageError(sentence)
    return result["results"]


def _check_differences(differences, reference, network="generator"):
    tolerance = LOGIT_TOLERANCE if network == "discriminator" else TOLERANCE
    with np.load(reference) as file:
        largest = [np.abs(file[name]).max() for name in file.files if name.endswith("outputs")]
        allowed = tolerance * max(1.0, *map(float, largest))
    int8 = {name: value[0] for name, value in differences.items() if name.endswith("_int8")}
    exact = {name: value for name, value in differences.items() if name not in int8}
    for values, most, unit in ((exact, allowed, ""), (int8, INT8_LEVELS, " of 255 levels")):
        # This form counts NaN as different.
        wrong = {name: value for name, value in values.items() if not value <= most}
        if wrong:
            text = ", ".join(f"{name} by {value:.3g}{unit}" for name, value in wrong.items())
            raise UsageError(
                f"What was exported differs from the {network}: {text}. Expected at most "
                f"{most:.1g}{unit}; nothing was written."
            )


def _said(difference, share):
    """Returns the words about a difference, as `keras_alone.check` returns it."""
    if not isinstance(difference, list):
        return f"differs by at most {difference:.1g}"
    mean, most = difference
    return (
        f"{share:.0%} of the original's size, differs by {mean:.2g} of {keras_alone.LEVELS} levels "
        f"in the mean of {keras_alone.MANY} samples and by at most {most:.0f}"
    )
