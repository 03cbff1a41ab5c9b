"""The fresh process behind export.py: it opens network files with Keras alone.

Run as a program it carries out a task of `zoo.outputs.export` in a process that cannot import this
package:

    python keras_alone.py TASK.json

TASK.json holds the arguments of one or several calls of `convert` or `check`, and a path for the
answer: `{"results": [...]}` or `{"error": sentence}`. Heavy imports happen where they are used, so
each process loads only the library that its artefact needs.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import shutil
import sys

import numpy as np


def _by_path(folder, name):
    """Returns a module of this package, which cannot be imported here."""
    file = pathlib.Path(__file__).parent.parent / folder / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


network_files = _by_path("runs", "network_files")
keras_files = _by_path("", "keras_files")
converters = _by_path("outputs", "converters")

BATCH_SIZES = (1, 7)
# For networks that take any height and width: the smallest side in the check and in the printed
# lines, and the batch size of the second picture size in the check.
LEAST_SIDE = 32
OTHER_BATCH = 2
# Prefixes of the names in the reference: of the second size, and of the many for int8.
OTHER = "other/"
INT8 = "int8/"
# Formats in int8 differ. How much is measured over so many samples, in levels of which the range of
# the float32 samples has so many.
MANY = 64
LEVELS = 255


def convert(original, folder, formats, reference, network="generator", many=False):
    """Writes artefacts of a network file, with the backend of this process.

    Args:
        original: path of the file.
        folder: where `<network>.<format>` is written.
        formats: list of the formats to write.
        reference: path of the npz with fixed inputs and their outputs. It is created if it does not
            exist.
        network: str, name of the network: "generator", "discriminator", "a_to_b", ...
        many: bool, whether the reference shall hold the samples that `check` needs for int8.

    Returns:
        dict: `inputs`, their names; `shape` of the first one for one sample, with valid numbers for
        open sides; `any_size`, the divisor of open sides, or None; `classes` (0 without labels,
        None if unknown); and `outputs`, the name of the output.

    Raises:
        ValueError: one sentence about what failed.
    """
    model = network_files.load(original, network)
    names = network_files.input_names(model, network)
    outputs = network_files.output_name(model, network)
    classes = network_files.class_count(model) if "label" in names else 0
    inner = network_files.operations(model)
    if "h5" in formats and inner:
        raise ValueError(
            f"The {network} in {original} calls keras.ops ({', '.join(inner)}), as padding by "
            "reflection does, and from an .h5 file Keras loads layers only. Leave out h5: keras, "
            "savedmodel and onnx work."
        )
    (shape, *_), other = _shapes(model)
    if other and any(name.startswith("tflite") for name in formats):
        raise ValueError(
            f"The {network} in {original} takes pictures of any size, and the converter of LiteRT "
            "only networks of a fixed one. Leave out tflite: onnx and savedmodel work."
        )
    if not os.path.exists(reference):
        _make_reference(model, names, classes, reference, network, many)
    if not converters.WRITERS.keys().isdisjoint(formats):
        # Keras compiles a grouped convolution by XLA, which the converters do not know.
        _by_path("backend", "groups").prepare(model)
    made = {}  # what writes a format -> what it has written
    for name in formats:
        path = os.path.join(folder, f"{network}.{name}")
        writer = converters.WRITERS.get(name)
        try:
            if writer is None:
                keras_files.save(model, path)
            elif writer in made:
                shutil.copytree(made[writer], path)
            else:
                onnx = "onnx" in name or name == "web"
                written = _with_named_inputs(model, names) if onnx else model
                writer(written, names, outputs, path)
                made[writer] = path
        except Exception as error:
            raise ValueError(
                f"The {network} could not be converted to {name}: {network_files.why(error)}."
            ) from error
    return {
        "inputs": list(names),
        "shape": list(shape),
        "any_size": network_files.multiple(model) if other else None,
        "classes": classes,
        "outputs": outputs,
    }


def check(artefacts, reference, network="generator"):
    """Returns, by format, how an artefact differs from the original.

    Each artefact is loaded and run with all `BATCH_SIZES`, and on pictures of another size if it
    accepts them.

    Args:
        artefacts: dict, format to path.
        reference: the npz written by `convert`.
        network: str, as for `convert`.

    Returns:
        dict: format -> the largest absolute difference; of formats in int8 a list of the mean and
        the largest difference of `MANY` samples, in levels.

    Raises:
        ValueError: an artefact cannot be loaded or run; one sentence.
    """
    cases = {prefix: {} for prefix in ("", OTHER, INT8)}
    with np.load(reference) as file:
        for key in file.files:
            prefix, name = key[: key.rfind("/") + 1], key[key.rfind("/") + 1 :]
            cases[prefix][name] = file[key]
    runs = [(size, cases[""]) for size in BATCH_SIZES]
    runs += [(OTHER_BATCH, cases[OTHER])] * bool(cases[OTHER])
    many = [(MANY, cases[INT8])]
    differences = {}
    for name, path in artefacts.items():
        try:
            load = converters.LOADERS.get(name)
            run = load(path) if load else _load_keras(path, network)
            worst = _differences(run, runs).max()
            if name.endswith("_int8"):
                levels = _differences(run, many) / np.ptp(cases[INT8]["outputs"]) * LEVELS
                worst = [levels.mean(), levels.max()]
        except Exception as error:
            raise ValueError(
                f"The {name} artefact of the {network} does not work in a fresh process: "
                f"{network_files.why(error)}."
            ) from error
        differences[name] = np.asarray(worst).tolist()
    return differences


def _differences(run, cases):
    """Returns all absolute differences from the expected outputs, one array; NaN stays NaN."""
    differences = []
    for size, case in cases:
        expected = case["outputs"][:size]
        outputs = np.asarray(run({k: v[:size] for k, v in case.items() if k != "outputs"}))
        if outputs.shape != expected.shape:
            raise ValueError(
                f"its output has shape {outputs.shape} in the place of {expected.shape}"
            )
        differences.append(np.abs(outputs - expected).ravel())
    return np.concatenate(differences)


def _shapes(model):
    """Returns the shapes of the inputs for one sample, and the shapes of a second size or None.

    For a network that takes any size, the sides are the smallest multiple of its strides that
    reaches `LEAST_SIDE`. The second size is twice as wide.
    """
    shapes = [tuple(x.shape[1:]) for x in model.inputs]
    if not any(None in shape for shape in shapes):
        return shapes, None
    step = network_files.multiple(model)
    side = -(-LEAST_SIDE // step) * step
    sizes = [(side, side), (side, 2 * side)]
    return [
        [(*size, shape[2]) if None in shape[:2] else shape for shape in shapes] for size in sizes
    ]


def _make_reference(model, names, classes, path, network, many):
    rng = np.random.default_rng(0)
    (shapes, others), arrays = _shapes(model), {}
    cases = [("", max(BATCH_SIZES), shapes)] + [(OTHER, OTHER_BATCH, others)] * bool(others)
    cases += [(INT8, MANY, shapes)] * many
    for prefix, size, shapes in cases:
        inputs = {
            name: _drawn(network_files.INPUTS[name], (size, *shape), classes, rng)
            for name, shape in zip(names, shapes, strict=True)
        }
        outputs = _run_keras(model, inputs)
        if not np.isfinite(outputs).all():
            raise ValueError(
                f"The {network} gives values that are not finite, so its training has diverged; "
                "use an earlier one."
            )
        arrays |= {prefix + name: value for name, value in (inputs | {"outputs": outputs}).items()}
    np.savez(path, **arrays)


def _drawn(kind, shape, classes, rng):
    """Returns example values for an input of this type, an array of this shape."""
    if kind.kind == "class":
        return (np.arange(shape[0]) % (classes or 1)).reshape(shape).astype(kind.dtype)
    if kind.kind == "mask":
        return (rng.uniform(size=shape) < 0.3).astype(kind.dtype)
    # Pictures lie in [-1, 1]; noise and vectors are about as large.
    draw = rng.uniform(-1, 1, shape) if kind.kind == "picture" else rng.normal(size=shape)
    return draw.astype(kind.dtype)


def _with_named_inputs(model, names):
    """Returns the model with renamed inputs."""
    import keras

    inputs = [
        keras.Input(x.shape[1:], dtype=x.dtype, name=name)
        for x, name in zip(model.inputs, names, strict=True)
    ]
    named = keras.Model(inputs, model(inputs if len(inputs) > 1 else inputs[0]))
    # `export` refuses a model that has never been called.
    shapes, _ = _shapes(model)
    named([np.zeros((1, *s), x.dtype) for s, x in zip(shapes, inputs, strict=True)])
    return named


def _run_keras(model, inputs):
    import keras

    arrays = list(inputs.values())
    outputs = model(arrays if len(arrays) > 1 else arrays[0], training=False)
    return keras.ops.convert_to_numpy(outputs)


def _load_keras(path, network):
    model = network_files.load(path, network)
    return lambda inputs: _run_keras(model, inputs)


class _Hidden(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Hides modules by their names: they can be found but not loaded.

    `sys.modules["tensorflow"] = None` does not work, because a Rescaling layer takes the key for
    TensorFlow itself. An error during the search does not work, because PyTorch looks it up when it
    starts.
    """

    def __init__(self, *names):
        self.names = names

    def find_spec(self, name, path=None, target=None):
        return importlib.machinery.ModuleSpec(name, self) if name in self.names else None

    def exec_module(self, module):
        name = module.__name__
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def _main(path):
    with open(path, encoding="utf-8") as file:
        task = json.load(file)
    try:
        work = {"convert": convert, "check": check}[task["do"]]
        result = {"results": [work(**arguments) for arguments in task["arguments"]]}
    except (ValueError, OSError) as error:
        result = {"error": str(error)}
    with open(task["answer"], "w", encoding="utf-8") as file:
        json.dump(result, file)


if __name__ == "__main__":
    # Hide this folder's modules and the package, wherever it is installed.
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path = [entry for entry in sys.path if os.path.abspath(entry) != here]
    sys.modules["zoo"] = None
    # What Keras and TensorFlow would import for wrappers, galleries and converters is a quarter of
    # the time that they take. TensorFlow itself Keras imports when it saves, to see that it exists.
    others = {"tensorflow", "jax"} - {os.environ.get("KERAS_BACKEND")}
    sys.meta_path.insert(0, _Hidden("sklearn", "matplotlib", *others))
    _main(sys.argv[1])
