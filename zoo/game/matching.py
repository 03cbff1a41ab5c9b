"""Matches the weights of two networks by name, and the rows of their classes by class."""

import collections
import dataclasses
import re
from typing import NamedTuple

import keras
import numpy as np

from zoo import backend

SEED = "seed_generator_state"


class Weight(NamedTuple):
    """A variable of a network, and the layer that it belongs to."""

    layer: keras.layers.Layer
    variable: keras.Variable


@dataclasses.dataclass
class Match:
    """The weights that one network takes from another.

    Attributes:
        values: list of `(variable, numpy array)`, to be assigned.
        total: int, weights of the network, without the states of seeds.
        taken: int, those that are in `values`.
        kernels: int, those of them with at least two axes.
        new: names of the layers with a weight that the other network does not have in that shape.
        left: names of the other network's layers that this one does not have.
    """

    values: list
    total: int
    taken: int
    kernels: int
    new: list
    left: list

    def assign(self):
        for variable, value in self.values:
            # A copy: JAX would let a variable share the memory of another, and donate it.
            variable.assign(np.array(value))


@dataclasses.dataclass
class Classes:
    """The classes of two models, an old and a new one.

    Attributes:
        counts: (old, new), each an int or None without classes.
        rows: list of `(new, old)` numbers of the classes that both have.
        by_name: bool, whether they have equal names; else equal numbers.
        kept: names of these classes. new: names of the others. left: those of the old model alone.
    """

    counts: tuple
    rows: list
    by_name: bool
    kept: list
    new: list
    left: list

    @property
    def changed(self):
        """Whether a row of the new model is not that of the same number in the old one."""
        old, new = self.counts
        return bool(old and new) and self.rows != [(i, i) for i in range(max(old, new))]

    def is_theirs(self, new, old):
        """Returns whether two layers hold one row for each class. Both are `Weight`."""
        layers = (old.layer, new.layer)
        return all(
            isinstance(layer, keras.layers.Embedding) and layer.input_dim == count
            for layer, count in zip(layers, self.counts, strict=True)
        )


def classes(old_count, new_count, old_names=(), new_names=()):
    """Returns the `Classes` of two models.

    Args:
        old_count: int or None. new_count: likewise.
        old_names: sequence of str, empty where they are unknown. new_names: likewise.
    """
    old, new = list(old_names), list(new_names)
    known = len(old) == old_count and len(new) == new_count
    by_name = known and bool(set(old) & set(new))
    if not by_name:
        old = [str(i) for i in range(old_count or 0)]
        new = [str(i) for i in range(new_count or 0)]
    number = {name: i for i, name in enumerate(old)}
    return Classes(
        (old_count, new_count),
        [(i, number[name]) for i, name in enumerate(new) if name in number],
        by_name,
        [name for name in new if name in number],
        [name for name in new if name not in number],
        [name for name in old if name not in new],
    )


def named(network):
    """Returns name -> `Weight` of all variables of a network and of the networks in it.

    A name consists of those of its layer and of its weight, as in `to_image/kernel`. Keras numbers
    layers without a name through the whole process; here each network counts its own.
    """
    found, counts = {}, collections.Counter()
    for layer in network.layers:
        kind, name = type(layer).__name__, layer.name
        if re.sub(r"_\d+$", "", name).replace("_", "") == kind.lower():
            name = f"{kind}_{counts[kind]}"
            counts[kind] += 1
        if isinstance(layer, keras.Model):
            found |= {f"{name}/{inner}": weight for inner, weight in named(layer).items()}
            continue
        for variable in layer.variables:
            own = variable.path.partition(f"{layer.name}/")[2]
            key = f"{name}/{SEED if variable.name == SEED else own or variable.name}"
            while key in found:
                key += "+"
            found[key] = Weight(layer, variable)
    return found


def match(network, other, classes):
    """Returns the `Match` of what a network takes from another one.

    Two weights match if layer, weight and shape have the same name and size. If no name differs
    from network to network but all shapes agree in order, that order counts.

    Args:
        network: the functional network that takes. other: the one that gives.
        classes: `Classes` of both. Of a layer with a row for each class the rows of common
            classes are taken.
    """
    new, old = named(network), named(other)
    if new.keys() != old.keys() and shapes(new) == shapes(old):
        old = dict(zip(new, old.values(), strict=True))
    values, missing = [], set()
    for name, weight in new.items():
        value = _value(weight, old.get(name), classes)
        if value is None:
            missing.add(name)
        else:
            values.append((weight.variable, value))
    weights = [name for name in new if not name.endswith(SEED)]
    taken = [name for name in weights if name not in missing]
    layers = {_layer(name) for name in new}
    return Match(
        values,
        len(weights),
        len(taken),
        sum(len(new[name].variable.shape) > 1 for name in taken),
        _in_order(_layer(name) for name in weights if name in missing),
        _in_order(_layer(name) for name in old if _layer(name) not in layers),
    )


def shapes(weights):
    """Returns the shapes of what `named` returns, a list of tuples."""
    return [tuple(weight.variable.shape) for weight in weights.values()]


def _value(new, old, classes):
    """Returns the value that a weight takes from another, a numpy array, or None."""
    if old is None:
        return None
    value, shape = backend.value_of(old.variable), tuple(new.variable.shape)
    if classes.changed and classes.is_theirs(new, old) and value.shape[1:] == shape[1:]:
        rows = np.array(backend.value_of(new.variable))
        for to, of in classes.rows:
            rows[to] = value[of]
        return rows
    return value if value.shape == shape else None


def _layer(name):
    return name.rpartition("/")[0]


def _in_order(names):
    return list(dict.fromkeys(names))
