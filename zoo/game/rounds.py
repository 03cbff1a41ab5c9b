"""One round: every player of the phase moves, in order.

A round deals its batch out to as many minibatches as the busiest player has moves (Goodfellow et
al. 2014, algorithm 1: several updates of the discriminator, each on a minibatch of its own, then
one of the generator). For each minibatch the game makes its samples once, by one differentiable
pass that all players share: those that judge see them cut off, and a player whose networks made
them gets its gradient at them, which the pass then carries back to the weights.

The gradients of all replicas are added up, so every loss is divided by their number; a minibatch
may be computed in parts, whose gradients are averaged.
"""

import dataclasses

from keras import ops

from zoo import backend
from zoo.errors import UsageError
from zoo.game import networks


@dataclasses.dataclass
class Result:
    """The report of a player's move.

    Attributes:
        loss: float32 scalar, before the move.
        losses: name -> float32 scalar, the terms of the loss.
        seen: name -> float32 array, whose mean is reported.
    """

    loss: object
    losses: dict
    seen: dict


def play(game, batch):
    """Plays one round and returns player's name -> `Result` of its last move.

    Args:
        game: a `zoo.game.Game`.
        batch: dict of fields, as the networks take them.
    """
    players = game.playing
    moves = {player.name: game.moves_of(player) for player in players}
    count = max(moves.values())
    results = {}
    minibatches = deal(batch, count)
    for i, minibatch in enumerate(minibatches):
        moving = [player for player in players if i >= count - moves[player.name]]
        made, pullback = {}, None
        if not all(player.alone for player in moving):
            minibatch = minibatch | game.draw(minibatch)
            made, pullback = make(game, minibatch, moving)
        for player in moving:
            move = move_maker if player.makes else move_judge
            before = _before_rest(game, player)
            results[player.name] = move(game, player, minibatch, made, pullback)
            _rest(game, player, before)
    game.after_round(minibatch, results)
    return results


def judge(game, batch):
    """Returns player's name -> `Result` of the current phase, without a move.

    Args:
        game: a `zoo.game.Game`.
        batch: dict of fields, a single minibatch.
    """
    players, made = game.playing, {}
    if not all(player.alone for player in players):
        batch = batch | game.draw(batch)
        made = _cut_off(game.make(batch))
    results = {}
    for player in players:
        seen = made if player.makes else game.shown(player, made)
        _, results[player.name] = evaluate(game, player, batch, seen)
    return results


def make(game, minibatch, moving):
    """Makes the samples of a minibatch, shared by all players of the round.

    Returns:
        `(made, pullback)`: name -> samples, cut off from the networks; and the function from the
        gradients at them, by name, to those of the weights that made them, or None where no player
        that moves asks for it.
    """
    makers = [player for player in moving if player.makes]
    if len(makers) > 1:
        names = " and ".join(player.name for player in makers)
        raise NotImplementedError(
            f"{names} both move what `make` runs, and one pass has one gradient: join them to one "
            "player, whose loss has a term for each."
        )
    if not makers:
        return _cut_off(game.make(minibatch)), None
    (maker,) = makers
    variables = networks.made_by(game, maker)
    if game.accumulate == 1:
        made, pullback = backend.vjp(lambda: game.make(minibatch), variables)
        return _cut_off(made), pullback
    parts = split(minibatch, game.accumulate)
    drawing = [game.network(name) for name in maker.makes]
    noise = game.noise.state
    states = [noise, *(v for network in drawing for v in network.non_trainable_variables)]
    before = [(v, ops.copy(v)) for v in states]
    with backend.no_grad():
        made = _gathered([game.make(part) for part in parts])

    def pullback(gradients):
        # Starting from the same state, the second pass repeats the first exactly.
        drawn = ops.copy(noise)
        with backend.no_grad():
            for variable, value in before:
                variable.assign(value)
        total = None
        for part, cotangent in zip(parts, split(gradients, game.accumulate), strict=True):
            _, pull = backend.vjp(lambda part=part: game.make(part), variables)
            total = _added(total, pull(cotangent))
        with backend.no_grad():
            noise.assign(drawn)
        return total

    return _cut_off(made), pullback


def move_judge(game, player, minibatch, made, pullback=None):
    """Moves a player whose networks did not make the samples. No other weights change."""
    count, _ = backend.replicas()
    variables = networks.moved_by(game, player)
    optimizer = game.optimizer_of(player)
    total, results = None, []
    shown = game.shown(player, made)
    pairs = zip(split(minibatch, game.accumulate), split(shown, game.accumulate), strict=True)
    for part, part_made in pairs:

        def objective(part=part, part_made=part_made):
            loss, result = evaluate(game, player, part, _cut_off(part_made))
            return optimizer.scale_loss(loss / (count * game.accumulate)), _plain(result)

        _, plain, gradients = backend.value_and_grad(objective, variables)
        total = _added(total, gradients)
        results.append(Result(*plain))
    _apply(game, player, optimizer, total, variables)
    return _joined(results)


def move_maker(game, player, minibatch, made, pullback):
    """Moves the player whose networks made the samples. No other weights change.

    Moving averages of other networks are restored: only their own moves may update them.
    """
    count, _ = backend.replicas()
    optimizer = game.optimizer_of(player)
    scale = optimizer.scale_loss(1.0)
    direct = networks.moved_beside(game, player)
    statistics = networks.statistics_of_others(game, player)

    def objective(part, part_made):
        loss, result = evaluate(game, player, part, part_made)
        return loss / (count * game.accumulate) * scale, _plain(result)

    results, gradients, beside = [], [], None
    with backend.no_grad():
        pairs = zip(split(minibatch, game.accumulate), split(made, game.accumulate), strict=True)
        for part, part_made in pairs:
            _, plain, gradient, own = backend.made_grad(
                lambda x, part=part: objective(part, x), part_made, direct
            )
            gradients.append(gradient)
            beside = _added(beside, own)
            results.append(Result(*plain))
    total = [*pullback(_gathered(gradients)), *beside]
    _apply(game, player, optimizer, total, [*networks.made_by(game, player), *direct])
    with backend.no_grad():
        for variable, value in statistics:
            variable.assign(value)
    return _joined(results)


def evaluate(game, player, minibatch, made):
    """Returns a player's loss, to be differentiated, and its `Result`."""
    terms = game.loss_of(player, minibatch, made)
    terms, seen = terms if isinstance(terms, tuple) else (terms, {})
    named = terms if isinstance(terms, dict) else {}
    loss = sum(terms.values()) if named else terms
    unknown = [*(set(named) - set(player.losses)), *(set(seen) - {"loss", *player.seen})]
    if unknown:
        raise ValueError(
            f"The loss of {player.name} returns {', '.join(sorted(unknown))}, which its Player "
            f"does not name. Expected losses={player.losses} and seen={player.seen}."
        )
    # For several networks the loss is a sum, and the report may be their mean.
    reported = seen.get("loss", loss)
    return loss, Result(reported, named, {k: v for k, v in seen.items() if k != "loss"})


def deal(batch, parts):
    """Deals the fields of a batch out to minibatches of equal size, in turn.

    So each replica's share of a minibatch comes from its own share of the batch.
    """
    if parts == 1:
        return [batch]
    size = _size(batch)
    if size is not None and size % parts:
        raise UsageError(
            f"A batch must hold the minibatches of {parts} moves, of equal size. Expected a batch "
            f"size divisible by {parts}. Received: a batch of {size}."
        )
    return _in_turn(batch, parts)


def split(fields, parts):
    """Splits the fields of a minibatch into `accumulate` parts."""
    if parts == 1 or not fields:
        return [fields] * parts
    size = _size(fields)
    if size is not None and size % parts:
        raise UsageError(
            f"A minibatch must hold accumulate={parts} parts of equal size. Expected a batch size "
            f"divisible by {parts}. Received: {size}."
        )
    return _in_turn(fields, parts)


def _apply(game, player, optimizer, gradients, variables):
    with backend.no_grad():
        backend.apply(optimizer, gradients, variables)
        game.after_move(player)


def _before_rest(game, player):
    """Returns `(variable, value)` of everything that the move of a resting player may change."""
    if not player.rests:
        return []
    kept = [v for name in player.networks for v in networks.state_of(game, name)]
    return [(v, ops.copy(v)) for v in (*kept, *game.optimizer_of(player).variables)]


def _rest(game, player, before):
    """Restores what a move has changed if the player rests."""
    if not player.rests:
        return
    resting = getattr(game, player.rests)()
    with backend.no_grad():
        for variable, value in before:
            variable.assign(ops.where(resting, value, variable.value))


def _size(fields):
    return next(iter(fields.values())).shape[0]


def _in_turn(fields, parts):
    def dealt(values):
        groups = ops.reshape(values, (-1, parts, *values.shape[1:]))
        return [groups[:, i] for i in range(parts)]

    columns = {name: dealt(values) for name, values in fields.items()}
    return [{name: column[i] for name, column in columns.items()} for i in range(parts)]


def _gathered(parts):
    """Undoes `split`."""
    if len(parts) == 1:
        return parts[0]
    return {
        name: ops.reshape(
            ops.stack([part[name] for part in parts], axis=1), (-1, *parts[0][name].shape[1:])
        )
        for name in parts[0]
    }


def _cut_off(made):
    return {name: ops.stop_gradient(values) for name, values in made.items()}


def _added(total, gradients):
    return gradients if total is None else [a + b for a, b in zip(total, gradients, strict=True)]


def _plain(result):
    return result.loss, result.losses, result.seen


def _joined(results):
    """Returns the `Result` of a minibatch from those of its parts."""
    parts = len(results)
    if parts == 1:
        return results[0]
    losses = {n: sum(r.losses[n] for r in results) / parts for n in results[0].losses}
    seen = {
        n: ops.concatenate([ops.reshape(r.seen[n], (-1,)) for r in results])
        for n in results[0].seen
    }
    return Result(sum(r.loss for r in results) / parts, losses, seen)
