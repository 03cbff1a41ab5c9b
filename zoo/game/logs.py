"""The logs of a round: losses, other reported values, and the running means of all of them."""

import functools

import keras
from keras import ops

from zoo import backend


def trackers(game):
    """Returns the running means of a game, name -> keras.metrics.Mean, in the order of the logs.

    Players and terms that the settings leave out have none. `loss` is the sum of the players'
    losses. It means little, but Keras's TerminateOnNaN reads it.
    """
    players = [player for player in game.all_players if player.name not in game.idle()]
    names = ["loss", *(player.column() for player in players)]
    names += [player.column(term) for player in players for term in terms(game, player)]
    names += [player.column(term) for player in players for term in player.seen]
    names += [name for part in game.part.values() for name in part.reports]
    if game.scales_losses:
        names.append("loss_scale")
    return {name: keras.metrics.Mean(name=name) for name in names}


def terms(game, player):
    """Returns the names of the terms of a player's loss, without those whose weight is 0."""
    return [term for term in player.losses if getattr(game, f"{term}_weight", None) != 0]


def track(game, results):
    """Adds one round to the running means and returns the ones it changed, by name.

    Args:
        game: a `zoo.game.Game`.
        results: player's name -> `zoo.game.rounds.Result`.
    """
    values = _means(game, results)
    for part in game.part.values():
        values |= part.report(game)
    if game.scales_losses:
        scales = [optimizer.dynamic_scale.value for optimizer in game.optimizer.optimizers]
        values["loss_scale"] = functools.reduce(ops.minimum, scales)
    finite = ops.isfinite(values["loss"])
    game.finite_steps.assign(game.finite_steps + ops.cast(finite, "int32"))
    return _updated(game, values)


def measure(game, results):
    """As `track`, of a round in which nobody moved."""
    return _updated(game, _means(game, results))


def _means(game, results):
    """Returns the numbers of a round, name -> float32 scalar, over all replicas."""
    players = [player for player in game.all_players if player.name in results]
    losses = {player.column(): results[player.name].loss for player in players}
    others = {}
    for kind in ("losses", "seen"):
        for player in players:
            for term, value in getattr(results[player.name], kind).items():
                others[player.column(term)] = ops.mean(value)
    names = [*losses, *others]
    numbers = [*losses.values(), *others.values()]
    # All replicas see a bad one, so their counts of good steps stay equal.
    stacked = ops.stack([ops.cast(ops.stop_gradient(x), "float32") for x in numbers])
    stacked = backend.mean(stacked)
    values = {name: stacked[i] for i, name in enumerate(names)}
    return {"loss": functools.reduce(lambda a, b: a + b, [values[n] for n in losses]), **values}


def _updated(game, values):
    """Adds numbers to the running means and returns those, by name."""
    # Keras sums the counts of all replicas, and together they must count one step. At the end of a
    # data set of unknown length TensorFlow runs what needs no batch once more, so the weight needs
    # one: a value that comes from it.
    count, _ = backend.replicas()
    for name, value in values.items():
        weight = ops.where(ops.isfinite(value), 1.0 / count, 1.0 / count)
        game.trackers[name].update_state(value, weight)
    return backend.logs({name: game.trackers[name].result() for name in values})
