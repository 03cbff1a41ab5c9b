"""The networks of a game: how they are built, and which variables each player moves."""

import contextlib

import keras
from keras import ops

from zoo import backend
from zoo.layers import folded


def build(game):
    """Builds the networks, their averages, and the variables of the parts."""
    builders = game.builders()
    for part in game.part.values():
        builders |= part.builders(game)
    game.network_names = tuple(builders)
    with dtype_policy(game.dtype_policy):
        for name, builder in builders.items():
            setattr(game, name, _named(builder(), name))
        for name in game.averaged:
            average = _named(builders[name](), name)
            average.trainable = False
            average.set_weights(game.network(name).get_weights())
            setattr(game, f"ema_{name}", average)
    # The averages too, or they would round differently.
    for name in (*game.network_names, *(f"ema_{name}" for name in game.averaged)):
        for network in _with_inner(game.network(name)):
            backend.prepare(network)
    for part in game.part.values():
        part.build(game)
    # Counts the steps with finite losses. So Python can name the first bad step without checking
    # every one.
    game.finite_steps = _counter(game, "finite_steps")
    if len(game.phases) > 1:
        game.rounds = _counter(game, "rounds")


def for_inference(game, name):
    """Returns a new network in float32 of stock layers; see `Game.inference_network`."""
    with dtype_policy("float32"), backend.single():
        game._for_any_size = True
        try:
            network = _named(game.builders()[name](), name)
        finally:
            game._for_any_size = False
    drawing = name in game.averaged
    network.set_weights(game.network(f"ema_{name}" if drawing else name).get_weights())
    return network if drawing else folded(network)


def moved_by(game, player):
    """Returns the variables that a player moves."""
    return _trainable(game, player.networks)


def made_by(game, player):
    """Returns the moved variables whose gradient comes through the samples."""
    return _trainable(game, player.makes)


def moved_beside(game, player):
    """Returns the moved variables whose gradient does not come through the samples."""
    return _trainable(game, [name for name in player.networks if name not in player.makes])


def statistics_of_others(game, player):
    """Returns `(variable, value)` of the statistics that a player's move must leave unchanged."""
    names = [name for name in game.network_names if name not in player.networks]
    variables = [v for name in names for v in state_of(game, name) if not v.trainable]
    return [(v, ops.copy(v)) for v in variables]


def state_of(game, name):
    """Returns the variables of a network without its seeds, which must advance for dropout."""
    return [v for v in game.network(name).variables if v.name != "seed_generator_state"]


def changed_by_running(game):
    """Returns the variables that running the networks changes: statistics, seeds, pools."""
    averages = {id(average) for average, _ in game.averaged_weights()}
    return [v for v in game.non_trainable_variables if id(v) not in averages]


def seed_states(game):
    """Returns the states of all seed generators, by the names that they are saved under."""
    states_by_name = {"noise": game.noise.state}
    for name in game.network_names:
        states = [v for v in game.network(name).variables if v.name == "seed_generator_state"]
        states_by_name |= {f"seed_{name}_{i}": state for i, state in enumerate(states)}
    return states_by_name


def frozen_layers(game):
    """Returns the layers that a user has frozen, as lists of names from the network on."""
    return [
        [name, *path]
        for name in game.network_names
        for path, layer in _layers(game.network(name))
        if layer.weights and not layer.trainable
    ]


def freeze(game, paths):
    """Freezes layers, given as `frozen_layers` returns them."""
    for name, *path in paths:
        layer = game.network(name)
        for part in path:
            layer = layer.get_layer(part)
        layer.trainable = False


def _layers(network):
    """Yields `(names, layer)` of all layers of a network and of those nested in it."""
    for layer in network.layers:
        yield (layer.name,), layer
        if isinstance(layer, keras.Model):
            yield from (((layer.name, *path), inner) for path, inner in _layers(layer))


def _trainable(game, names):
    return [v for name in names for v in game.network(name).trainable_variables]


def _with_inner(network):
    """Yields a network and all networks nested in it."""
    yield network
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from _with_inner(layer)


def _named(network, name):
    network.name = name
    return network


def _counter(game, name):
    return game.add_weight(
        shape=(),
        initializer="zeros",
        dtype="int32",
        trainable=False,
        name=name,
        aggregation="only_first_replica",
    )


@contextlib.contextmanager
def dtype_policy(policy):
    """Gives new layers this dtype policy inside the context."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
