"""A new run that begins with another: with the weights that fit, or with all of its state.

`take` (--init_from) takes the weights that fit, for other classes, sizes or channels.
`go_on` (--continue_from) also takes optimizer states, moving averages and noise, for other
settings of the same networks. Either way the new run begins at step 0.
"""

import contextlib
import dataclasses
import pathlib

import keras
import numpy as np

from zoo import backend, config_file
from zoo.errors import UsageError
from zoo.game import matching, optimizers
from zoo.runs import assembly, checkpoints, network_files
from zoo.runs import config as configs

MOST = 8  # names in a line


@dataclasses.dataclass
class Old:
    """Another run, as its newest checkpoint holds it.

    Attributes:
        path: pathlib.Path of the run directory.
        config: dict of its settings.
        gan: the model with its weights; with its optimizers if they were asked for.
        step: int, the step of the checkpoint.
    """

    path: pathlib.Path
    config: dict
    gan: keras.Model
    step: int

    @property
    def rounds(self):
        """Rounds that its optimizers have played, those of the runs before it among them."""
        return int(backend.value_of(self.gan.optimizer.iterations))


def read(path, with_optimizers=False):
    """Returns the `Old` run in a run directory.

    Args:
        path: pathlib.Path.
        with_optimizers: bool, whether their states are read.

    Raises:
        UsageError: it cannot be read, or is of another version of the networks.
    """
    config = configs.read(path)
    checkpoint = checkpoints.newest(path / "checkpoints")
    if checkpoint is None:
        raise UsageError(f"{path} has no checkpoint that can be read.")
    # Weights are float32 in any precision, and not every machine trains in every one.
    precision = config["precision"] if with_optimizers else "float32"
    with backend.single(), assembly.enough_for_networks():
        gan = assembly.created({**config, "precision": precision})
        if with_optimizers:
            gan.compile()
    meta, arrays = checkpoint
    try:
        checkpoints.restore(gan, arrays, ("trainable", "other", "optimizer")[: 2 + with_optimizers])
    except UsageError:
        raise UsageError(
            f"The config.json of {path} describes other networks than its checkpoint holds: one of "
            "them was changed, or this version builds them differently. Expected the version that "
            "trained it; the networks that draw can still be taken from their files. Received: "
            f"{checkpoints.listing(path / 'checkpoints')[-1].name}."
        ) from None
    return Old(path, config, gan, meta["step"])


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
        return take_run(gan, config, read(path))
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
        ignored = (*configs.RESUMABLE, *UNFIT, "seed", "dataset")
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
    return told(path, {name: matches[name]}, classes, [line_of(name, matches[name])])


def take_state(gan, old, without=()):
    """Copies the state of each part whose variables are as many and as large as in the old game.

    A part's variables belong together, such as a pool and how far it is filled.

    Args:
        gan: the new game. old: the other one.
        without: names of settings that were changed; a variable that begins with the value of one
            of them stays as it is.
    """
    for name, variables in states(gan).items():
        others = states(old).get(name, [])
        if [v.shape for v in variables] == [v.shape for v in others]:
            for variable, other in zip(variables, others, strict=True):
                if variable.name not in without:
                    variable.assign(np.array(backend.value_of(other)))


def states(gan):
    """Returns name of a part -> its variables."""
    found = {
        name: [v for v in keras.tree.flatten(vars(part)) if isinstance(v, keras.Variable)]
        for name, part in gan.part.items()
    }
    return {name: variables for name, variables in found.items() if variables}


# What data decide, and what differs between any two runs.
UNFIT = ("samples", "class_names", "data_fingerprint", "backend")


def nothing_fits(path, received):
    return UsageError(
        f"Nothing of {path} fits this model: the shapes of all kernels differ, or the names of "
        "their layers. Expected a model that has some of its layers: the same --model with the "
        "same settings of its networks, such as width; --dry_run shows them. Received: "
        f"{'; '.join(received) or path}."
    )


def told(path, matches, classes, lines):
    """Returns the lines that say what was taken from `path`."""
    whole = [name for name, match in matches.items() if match.taken == match.total]
    if len(whole) == len(lines) and not classes.changed:
        return [f"begins with {path}: all weights of {' and '.join(whole)}"]
    lines = [f"begins with what fits of {path}", *lines]
    if classes.changed:
        parts = {
            "kept": classes.kept,
            "new": classes.new,
            "left": classes.left,
        }
        how = "by name" if classes.by_name else "by number"
        named = "; ".join(f"{key} {listed(names)}" for key, names in parts.items() if names)
        lines.append(f"classes, {how}: {named}")
    return lines


def line_of(name, match):
    parts = [f"{name}: {match.taken} of {match.total} weights"]
    parts += [f"new {listed(match.new)}"] if match.new else []
    parts += [f"left {listed(match.left)}"] if match.left else []
    return "; ".join(parts)


def listed(names):
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return f"{', '.join(names[:MOST])}{more}"


def go_on(gan, config, old):
    """Copies all state of an `Old` run, read with its optimizers, into a new model.

    Taken are weights, moving averages, the states of parts such as an adaptive strength, the
    moments and the number of updates of the optimizers, and the noise unless the seed is another.
    The learning rates are those of the new settings.

    Args:
        gan: the new model, made with `rounds_before=old.rounds`.
        config: its completed config.
        old: `Old`.

    Returns:
        Lines of text that say where the run goes on and what is different.

    Raises:
        UsageError: the networks, the classes, the players or their optimizers are others. Nothing
            has been assigned.
    """
    changed = configs.differences(old.config, config, configs.RESUMABLE)
    asked = [line for line in changed if line.partition(":")[0] not in UNFIT]
    check_networks(gan, config, old, asked)
    slots = matched_slots(gan, old, asked)
    # Nothing may fail from here on.
    pairs = [
        (weight.variable, other.variable)
        for name in (*gan.network_names, *(f"ema_{name}" for name in gan.averaged))
        for weight, other in zip(
            matching.named(gan.network(name)).values(),
            matching.named(old.gan.network(name)).values(),
            strict=True,
        )
    ]
    if config["seed"] == old.config["seed"]:
        pairs.append((gan.noise.state, old.gan.noise.state))
    if len(gan.phases) > 1:
        pairs.append((gan.rounds, old.gan.rounds))
    for variable, other in [*pairs, *slots]:
        variable.assign(np.array(backend.value_of(other)))
    names = [line.partition(":")[0] for line in asked]
    take_state(gan, old.gan, without=names)
    # Schedules count the updates, so those of all players must belong to the same round.
    for player in gan.players:
        updates = old.rounds * gan.moves_of(player)
        optimizers.unscaled(gan.optimizer_of(player)).iterations.assign(updates)
    lines = [f"goes on from {old.path} at its step {old.step:,}, as step 0 of a new run"]
    return lines + [f"  {line}" for line in asked]


def check_networks(gan, config, old, asked):
    """Raises UsageError unless a model has the networks and the classes of an `Old` run."""

    def described(game):
        names = (*gan.network_names, *(f"ema_{name}" for name in gan.averaged))
        there = [name for name in names if hasattr(game, name)]
        return {name: matching.shapes(matching.named(game.network(name))) for name in there}

    names = old.config.get("class_names")
    others = gan.num_classes is not None and names != config["class_names"]
    if described(gan) == described(old.gan) and not others:
        return
    what = "classes" if others else "networks of other shapes"
    received = asked
    if others:
        received = [f"{listed(names or ['none'])} in the run, {listed(config['class_names'])} here"]
    raise UsageError(
        f"{old.path} has other {what}, so its optimizer states do not fit. Expected settings that "
        "change no shape, such as learning_rate, batch_size or augment; "
        f"--init_from={old.path} begins with the weights that fit. "
        f"Received: {'; '.join(received)}."
    )


def matched_slots(gan, old, asked):
    """Returns the pairs of optimizer variables that go on, `(new, old)`, without learning rates.

    Raises:
        UsageError: a player is new, or has another kind of optimizer.
    """
    pairs, wrong = [], []
    for player in gan.all_players:
        if player.name not in old.gan.optimizer.names:
            wrong.append(f"{player.name} is a new player")
            continue
        own, other = gan.optimizer_of(player), getattr(old.gan.optimizer, player.name)
        new_slots, old_slots = slots(own), slots(other)
        if [kind for kind, _ in new_slots] != [kind for kind, _ in old_slots]:
            wrong.append(f"{player.name} has {kinds(new_slots)} here, {kinds(old_slots)} there")
            continue
        pairs += [(a, b) for (_, a), (_, b) in zip(new_slots, old_slots, strict=True)]
        pairs.append((optimizers.unscaled(own).iterations, optimizers.unscaled(other).iterations))
        if hasattr(own, "dynamic_scale") and hasattr(other, "dynamic_scale"):
            pairs.append((own.dynamic_scale, other.dynamic_scale))
            pairs.append((own.step_counter, other.step_counter))
    if wrong:
        raise UsageError(
            f"The optimizer states of {old.path} do not fit: {'; '.join(wrong)}. Expected the same "
            "kind of optimizer and the same players: leave out what changes them, or begin with "
            f"the weights alone by --init_from={old.path}. Received: {'; '.join(asked)}."
        )
    return pairs


def slots(optimizer):
    """Returns `((kind, shape), variable)` of all moments of an optimizer, in order."""
    variables = optimizers.unscaled(optimizer).variables
    rest = [v for v in variables if v.name not in ("iteration", "learning_rate")]
    return [((v.name.rpartition("_")[2], tuple(v.shape)), v) for v in rest]


def kinds(slots):
    names = dict.fromkeys(kind for (kind, _), _ in slots)
    return " and ".join(names) or "no moments"
