"""The networks that a page shows, loaded once."""

from zoo.errors import UsageError
from zoo.outputs import translate
from zoo.runs import network_files, networks


def load(source):
    """Returns what a source does, and its networks.

    Args:
        source: run directory or network file.

    Returns:
        `(kind, networks)`: "holes", "pictures" or "noise", and a dict of name -> keras.Model.

    Raises:
        UsageError: a network is missing or cannot be loaded, or no page can show what it makes.
    """
    found = {name: translate.load(path, name) for name, path in networks.find(source).items()}
    for network in found.values():
        network.trainable = False  # so no backend keeps values for gradients
    network = next(iter(found.values()))
    names, shape = network_files.input_names(network), tuple(network.outputs[0].shape[1:])
    if network_files.fills(network):
        return "holes", found
    if network_files.translates(network):
        return "pictures", found
    drawn = network_files.output_name(network) == "images" or len(shape) == 1
    if names not in (("z",), ("z", "label")) or not drawn:
        raise UsageError(
            f"The page cannot show what {source} makes. Expected a network from noise to pictures "
            "of 1 or 3 channels, to points or to signals, or one from pictures to pictures. "
            f"Received: inputs {', '.join(names)}, outputs of shape {shape}."
        )
    return "noise", found
