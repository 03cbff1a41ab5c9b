"""Whole models, from files, folders, runs and a hub."""

import importlib.util
import os

from zoo.errors import UsageError
from zoo.runs import assembly, checkpoints, network_files


def load(source):
    """Loads what `zoo.load` says."""
    import keras

    source = os.fspath(source)
    if source.startswith("hf://"):
        if importlib.util.find_spec("huggingface_hub") is None:
            raise UsageError(
                "Models of the Hugging Face Hub need another package: "
                f"`pip install huggingface_hub`. Received: {source}."
            )
    else:
        source = os.path.expanduser(source)
        if not os.path.exists(source):
            raise UsageError(
                "There is no such model. Expected a .keras file, the folder of a preset or of a "
                f"run, or hf://USER/NAME. Received: {source}."
            )
        # Runs and presets have a config.json; Keras writes this beside it.
        keras_wrote = os.path.exists(os.path.join(source, "metadata.json"))
        if os.path.isdir(source) and not keras_wrote:
            return assembly.trained(source, checkpoints.ALL)
    try:
        return keras.models.load_model(source)
    except Exception as error:
        # Keras and the hub raise nearly every type here, with messages of many lines.
        raise UsageError(
            f"The model {source} cannot be loaded: {network_files.why(error)}."
        ) from error
