"""--continue_from: a new run goes on from all of another one, with other settings.

It takes the weights, the moving averages, the optimizers and the noise, and begins at step 0. All
that follows a schedule begins anew, so the learning rate is that of the new settings.
"""

import numpy as np

from zoo import backend
from zoo.errors import UsageError, listed
from zoo.game import matching, optimizers
from zoo.runs import config as configs
from zoo.training.old_run import MOST, NO_SETTINGS, take_state


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
    asked = [line for line in changed if line.partition(":")[0] not in NO_SETTINGS]
    check_networks(gan, config, old, asked)
    check_phases(gan, old, asked)
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
    what = "classes" if others else "shapes of its networks"
    received = asked
    if others:
        there, here = (listed(x or ["none"], MOST) for x in (names, config["class_names"]))
        received = [f"{there} in the run, {here} here"]
    raise UsageError(
        f"{old.path} has other {what}, so its optimizer states do not fit. Expected settings that "
        "change no shape, such as learning_rate, batch_size or augment; "
        f"--init_from={old.path} begins with the weights that fit. "
        f"Received: {'; '.join(received)}."
    )


def check_phases(gan, old, asked):
    """Raises UsageError if a model has phases, and not those of an `Old` run, however long."""
    here, there = ([phase.name for phase in game.phases] for game in (gan, old.gan))
    if here[1:] and here != there:
        raise UsageError(
            f"{old.path} plays other phases ({', '.join(there)}), so it is not known where this "
            f"run would stand in its own ({', '.join(here)}). Expected settings that change none; "
            f"--init_from={old.path} begins with its weights. Received: {'; '.join(asked)}."
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
