"""The Python code that `export` prints for each artefact."""

import shlex

from zoo.runs import network_files


def loading_code(format, path, inputs, shape, classes, outputs, network="generator", any_size=None):
    """Returns Python code that loads and runs an artefact, ready to paste.

    Args:
        format: str of `zoo.outputs.export.FORMATS`.
        path: str, absolute path of the artefact.
        inputs: sequence of str, their names, as `network_files.INPUTS` knows them.
        shape: sequence of int, the shape of all but labels for one sample; a mask has one channel.
        classes: int, 0 for a model without labels; None where the number is unknown.
        outputs: str, name of the output.
        network: str, name of the network.
        any_size: int, divisor of height and width if they are free, or None.
    """
    # Pictures may be large, so two are enough as an example.
    size = 16 if any_size is None else 2
    given = [f"{name} = {_random(name, (size, *shape), classes)}" for name in inputs]
    if any_size is not None:
        which = "" if any_size == 1 else f" that {any_size} divides"
        given.insert(0, f"# height and width may be any{which}")
    arguments = f"[{', '.join(inputs)}]" if len(inputs) > 1 else inputs[0]
    if format in ("keras", "h5"):
        lines = [
            "import keras, numpy as np",
            f"{network} = keras.models.load_model({path!r}, compile=False)",
            *given,
            f"{outputs} = {network}.predict({arguments}, verbose=0)",
        ]
    elif format in ("savedmodel", "serving"):
        named = ", ".join(f"{name}=tf.constant({name})" for name in inputs)
        # TFSMLayer needs the TensorFlow backend, and TensorFlow itself imports Keras.
        lines = [
            'import os; os.environ["KERAS_BACKEND"] = "tensorflow"',
            "import numpy as np, tensorflow as tf",
            f"module = tf.saved_model.load({path!r})",
            *given,
            f'{outputs} = module.signatures["serving_default"]({named})["{outputs}"]',
            "# or as a Keras layer:",
            "import keras",
            f"layer = keras.layers.TFSMLayer({path!r}, call_endpoint='serve')",
            f"{outputs} = layer({arguments})",
        ]
    elif format == "web":
        lines = [
            "# in a shell; the page is then at http://127.0.0.1:8000",
            f"# python -m http.server --bind=127.0.0.1 --directory={shlex.quote(path)}",
        ]
    elif format.startswith("tflite"):
        named = ", ".join(f"{name}={name}" for name in inputs)
        lines = [
            "import numpy as np, tensorflow as tf",
            "# on a small device: from ai_edge_litert.interpreter import Interpreter",
            f"run = tf.lite.Interpreter({path!r}).get_signature_runner()",
            *given,
            f'{outputs} = run({named})["{outputs}"]',
        ]
    else:
        named = "{" + ", ".join(f'"{name}": {name}' for name in inputs) + "}"
        lines = [
            "import numpy as np, onnxruntime",
            f'session = onnxruntime.InferenceSession({path!r}, providers=["CPUExecutionProvider"])',
            *given,
            f"{outputs} = session.run(None, {named})[0]",
        ]
    return "\n".join(lines)


def _random(name, shape, classes):
    """Returns Python code for example values of an input, as a batch of this shape."""
    kind = network_files.INPUTS[name]
    if kind.kind == "class":
        return f'np.arange({shape[0]}, dtype="{kind.dtype}") % {classes or 1}'
    if kind.kind == "mask":
        batch = ", ".join(map(str, (*shape[:-1], 1)))
        return f'np.random.randint(0, 2, ({batch})).astype("{kind.dtype}")'
    batch = ", ".join(map(str, shape))
    draw = f"uniform(-1, 1, ({batch}))" if kind.kind == "picture" else f"standard_normal(({batch}))"
    return f'np.random.{draw}.astype("{kind.dtype}")'
