"""Phases: a compiled function for each; the number of rounds played says which is due."""

import functools


def index_at(phases, rounds):
    """Returns the number of the phase in which the round after `rounds` others is played."""
    for i, phase in enumerate(phases[:-1]):
        if rounds < phase.rounds:
            return i
        rounds -= phase.rounds
    return len(phases) - 1


def compiled(game, make_train_function):
    """Returns the compiled function of each phase.

    Args:
        game: a `zoo.game.Game`.
        make_train_function: that of `keras.Model`, bound; it leaves its function in
            `game.train_function`.
    """
    functions = []
    step = game.train_step
    for _ in game.phases:
        # Another object for each, or JAX would take the first one's trace for all of them.
        game.train_step = functools.partial(step)
        make_train_function(force=True)
        functions.append(game.train_function)
    del game.train_step
    return functions


def play(game, functions, *arguments):
    """Calls the function of the phase that the game has reached."""
    index = index_at(game.phases, game.rounds_played)
    # It is read while the function is traced, at its first call.
    game.phase = game.phases[index]
    game.rounds_played += 1
    return functions[index](*arguments)
