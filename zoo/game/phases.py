"""Phases: each has a compiled function, and the number of rounds played selects it."""

import functools


def index_at(phases, rounds):
    """Returns the index of the phase that is due after `rounds` rounds."""
    for i, phase in enumerate(phases[:-1]):
        if rounds < phase.rounds:
            return i
        rounds -= phase.rounds
    return len(phases) - 1


def due(game):
    """Returns the phase that the game has reached."""
    return game.phases[index_at(game.phases, game.rounds_played)] if game.phases[1:] else game.phase


def compiled(game, make_train_function):
    """Returns the compiled function of each phase.

    Args:
        game: a `zoo.game.Game`.
        make_train_function: bound method of `keras.Model` that stores its function in
            `game.train_function`.
    """
    functions = []
    step = game.train_step
    for _ in game.phases:
        # A new object for each phase, or JAX would reuse the trace of the first.
        game.train_step = functools.partial(step)
        make_train_function(force=True)
        functions.append(game.train_function)
    del game.train_step
    return functions


def play(game, functions, *arguments):
    """Calls the function of the phase that the game has reached."""
    index = index_at(game.phases, game.rounds_played)
    # The function reads it while it is traced, at its first call.
    game.phase = game.phases[index]
    game.rounds_played += 1
    return functions[index](*arguments)
