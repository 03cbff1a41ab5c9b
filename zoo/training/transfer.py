"""--init_from: a new run begins with the weights of another that fit it.

Other classes, sizes and channels change some shapes; the weights whose names and shapes are the
same are taken, and what is new and what was left is told.
"""

import contextlib

from zoo import config_file
from zoo.errors import UsageError, listed
from zoo.game import matching
from zoo.runs import config as configs
from zoo.runs import network_files
from zoo.training import old_run
from zoo.training.old_run import MOST, NO_SETTINGS, take_state


def take(gan, config, path):
    """Copies the weights that fit from a run, or from a generator file, into a new model.

    Args:
        gan: the new model.
        config: its completed config.
        path: pathlib.Path of the run directory or the file.

    Returns:
        Lines of text that say what was taken, what is new and what was left.

    Raises:
        UsageError: it cannot be read, or no kernel of it fits.
    """
    if path.is_dir():
        return take_run(gan, config, old_run.read(path))
    return take_file(gan, config, path)


def take_run(gan, config, old):
    """As `take`, from an `Old` run. The noise, the optimizers and the count of steps begin anew."""
    classes = matching.classes(
        old.gan.num_classes,
        gan.num_classes,
        old.config.get("class_names") or (),
        config["class_names"],
    )
    names = [name for name in gan.network_names if name in old.gan.network_names]
    matches = {
        name: matching.match(gan.network(name), old.gan.network(name), classes) for name in names
    }
    if not any(match.kernels for match in matches.values()):
        ignored = (*configs.RESUMABLE, *NO_SETTINGS, "seed", "dataset")
        raise nothing_fits(old.path, configs.differences(old.config, config, ignored))
    for name, match in matches.items():
        match.assign()
        if name in gan.averaged:
            average = f"ema_{name}" if name in old.gan.averaged else name
            other = old.gan.network(average)
            matching.match(gan.network(f"ema_{name}"), other, classes).assign()
    take_state(gan, old.gan)
    lines = [line_of(name, match) for name, match in matches.items()]
    lines += [f"{name}: all new" for name in gan.network_names if name not in names]
    lines += [f"{name}: left" for name in old.gan.network_names if name not in names]
    return told(old.path, matches, classes, lines)


def take_file(gan, config, path):
    """As `take`, from a network file, for the network that draws and for its average."""
    try:
        source = network_files.load(path)
    except ValueError as error:
        raise UsageError(str(error)) from None
    known = []
    with contextlib.suppress(UsageError):  # the file lies beside a config.json that is damaged
        known = config_file.class_names(path.parent)
    count = network_files.class_count(source) if gan.num_classes else None
    classes = matching.classes(count, gan.num_classes, known, config["class_names"])
    matches = {name: matching.match(gan.network(name), source, classes) for name in gan.averaged}
    # If two networks are alike, as in a cycle, the file's name decides.
    stem = path.stem.removesuffix("-best")
    name = max(matches, key=lambda name: (matches[name].taken, name == stem))
    if not matches[name].kernels:
        raise nothing_fits(path, [f"{path.name} for {config['model']}"])
    matches[name].assign()
    matching.match(gan.network(f"ema_{name}"), source, classes).assign()
    lines = [line_of(name, matches[name])]
    lines += [f"{other}: all new" for other in gan.network_names if other != name]
    return told(path, {name: matches[name]}, classes, lines)


def nothing_fits(path, received):
    return UsageError(
        f"Nothing of {path} fits this model: the shapes of all kernels differ, or the names of "
        "their layers. Expected a model that has some of its layers: the same --model with the "
        "same settings of its networks, such as width; --dry_run shows them. Received: "
        f"{'; '.join(received[:MOST]) or path}."
    )


def told(path, matches, classes, lines):
    """Returns the lines that say what was taken from `path`."""
    whole = [n for n, match in matches.items() if match.taken == match.total and not match.left]
    if len(whole) == len(lines) and not classes.changed:
        return [f"begins with {path}: all weights of {' and '.join(whole)}"]
    lines = [f"begins with what fits of {path}", *lines]
    if classes.changed:
        parts = {"kept": classes.kept, "new": classes.new, "left": classes.left}
        how = "by name" if classes.by_name else "by number"
        named = "; ".join(f"{key} {listed(names, MOST)}" for key, names in parts.items() if names)
        lines.append(f"classes, {how}: {named}")
    return lines


def line_of(name, match):
    parts = [f"{name}: {match.taken} of {match.total} weights"]
    parts += [f"new {listed(match.new, MOST)}"] if match.new else []
    parts += [f"left {listed(match.left, MOST)}"] if match.left else []
    return "; ".join(parts)
