"""What `fit` and `evaluate` take: arrays and streams of batches, checked before a step is compiled.

Arrays are numpy arrays and the tensors of any backend. A stream is a `tf.data.Dataset`, a torch
`DataLoader`, a `keras.utils.PyDataset` or a generator; its first batch is checked.
"""

import itertools
import types
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from zoo import backend
from zoo.data import whole
from zoo.errors import UsageError
from zoo.game import inputs


class Feed(NamedTuple):
    """The first arguments of `keras.Model.fit`.

    Attributes:
        x: arrays or a stream.
        y: labels beside arrays, or None.
        batch_size: int, samples in one round; None for a stream.
        shuffle: bool, whether Keras has to shuffle.
    """

    x: object
    y: object
    batch_size: int | None
    shuffle: bool


def for_fit(game, x, y, batch_size, sample_weight=None, class_weight=None, shuffle=True):
    """Checks what `fit` was given and leaves out the rest that fills no round.

    Args:
        game: a `zoo.game.Game`.
        x: arrays, or a stream of batches.
        y: labels, if `x` is arrays.
        batch_size: int or None, samples in one minibatch.
        sample_weight: float `(n,)` or None. A sample is drawn as often as its weight says.
        class_weight: dict from label to float, or None, likewise.
        shuffle: bool, whether the samples come in another order in each epoch.

    Returns:
        `Feed`.

    Raises:
        UsageError: the samples, labels or weights do not suit the game.
    """
    if not _is_arrays(x):
        if sample_weight is not None or class_weight is not None:
            raise UsageError(
                "Weights say how often a sample is drawn, and a stream draws by itself. Expected "
                "arrays beside sample_weight or class_weight; or let the stream repeat samples. "
                f"Received: {type(x).__name__}."
            )
        parts = _smallest(game) * game.minibatches
        return Feed(_checked_stream(game, x, parts), y, batch_size, shuffle)
    x, y = _arrays(game, x, y)
    size = batch_size or 32
    check_batch(game, size)
    size *= game.minibatches
    weights = _weights(sample_weight, class_weight, y, _count(x))
    kept = _kept(game, _count(x), size)
    if weights is not None:
        return Feed(Weighted(x, y, weights, size, kept, shuffle, game.seed), None, None, False)
    if kept < _count(x):
        x = {name: values[:kept] for name, values in x.items()}
        y = None if y is None else y[:kept]
    return Feed(x, y, size, shuffle)


def for_evaluate(game, x, y=None, batch_size=None, sample_weight=None):
    """Checks what `evaluate`, or the validation of `fit`, was given; as `for_fit`.

    Each batch is one minibatch, of which nobody learns.
    """
    if sample_weight is not None:
        raise UsageError(
            "The losses of a game compare minibatches, not single samples. Expected no "
            "sample_weight in an evaluation. Received: weights."
        )
    parts = backend.replicas_of(game) * _together(game)
    if not _is_arrays(x):
        return Feed(_checked_stream(game, x, parts), y, batch_size, False)
    x, y = _arrays(game, x, y)
    size = batch_size or 32
    kept = _count(x) - _count(x) % size % parts
    if not kept or size % parts:
        raise UsageError(
            f"Samples are judged {parts} together. Expected at least {parts}, and a batch size "
            f"that {parts} divides. Received: {_count(x)} samples, batch_size={size}."
        )
    x = {name: values[:kept] for name, values in x.items()}
    return Feed(x, None if y is None else y[:kept], size, False)


def validation(game, given, batch_size):
    """Returns `validation_data` of `fit` as `keras.Model.fit` takes it, checked."""
    x, y, weights = given, None, None
    if isinstance(given, tuple | list):
        x, y, weights = keras.utils.unpack_x_y_sample_weight(tuple(given))
    feed = for_evaluate(game, x, y, batch_size, weights)
    if not _is_arrays(feed.x):
        return feed.x
    return (feed.x,) if feed.y is None else (feed.x, feed.y)


def split_off(x, y, share, sample_weight):
    """Splits the last `share` of arrays off, as Keras's `validation_split` does.

    Returns:
        `(x, y, sample_weight, validation_data)`.
    """
    if not _is_arrays(x):
        raise UsageError(
            "A stream cannot be split. Expected arrays beside validation_split, or "
            f"validation_data. Received: {type(x).__name__}."
        )
    arrays = x if isinstance(x, dict) else {None: x}
    at = int(np.floor(_count(arrays) * (1 - share)))
    if not 0 < at < _count(arrays):
        raise UsageError(
            "Both parts of a split need samples. Expected a validation_split between 0 and 1 that "
            f"leaves some to each. Received: {share} of {_count(arrays)} samples."
        )
    parts = [
        x[part] if not isinstance(x, dict) else {n: v[part] for n, v in x.items()}
        for part in (slice(at), slice(at, None))
    ]
    labels = (None, None) if y is None else (y[:at], y[at:])
    weights = None if sample_weight is None else sample_weight[:at]
    return parts[0], labels[0], weights, (parts[1], *([] if y is None else [labels[1]]))


def check_batch(game, batch_size):
    """Raises UsageError unless a minibatch can be shared out and divided into its parts."""
    count, packing = backend.replicas_of(game), getattr(game, "packing", 1)
    smallest = count * game.accumulate * packing
    if batch_size % smallest:
        near = max(batch_size // smallest, 1) * smallest
        parts = (
            f"A batch is shared out to {count} devices, in equal parts. Expected a batch size "
            f"divisible by devices * accumulate * packing = {smallest}, such as {near}."
            if count > 1
            else "A batch does not divide into the parts that accumulate and packing make of it. "
            f"Expected a batch_size divisible by {smallest}."
        )
        raise UsageError(f"{parts} Received: {batch_size}.")
    every = getattr(game, "penalty_every", 1)
    if -(-batch_size * packing // smallest // every) % packing:
        raise UsageError(
            f"The penalty looks at one of {every} samples, and packing joins {packing} of those. "
            f"Expected a batch_size divisible by {smallest * every}, or penalty_every=1. Received: "
            f"{batch_size}."
        )


def _smallest(game):
    return backend.replicas_of(game) * game.accumulate * _together(game)


def _together(game):
    """Returns how many samples are judged together, also of those that a penalty looks at."""
    packing = getattr(game, "packing", 1)
    return packing * getattr(game, "penalty_every", 1) if packing > 1 else 1


def _kept(game, count, size):
    """Returns how many of `count` samples fill rounds of at most `size`; prints what is left."""
    exact = game.minibatches > 1 or backend.replicas_of(game) > 1
    kept = count - count % size % (size if exact else _smallest(game))
    if not kept:
        least = size if exact else _smallest(game)
        raise UsageError(
            f"There are fewer samples than a step takes. Expected at least {least}; add samples, "
            f"or choose a smaller batch_size or fewer moves and parts. Received: {count}."
        )
    if kept < count:
        print(f"{count - kept} of {count:,} samples fill no batch and are left out")
    return kept


# Arrays


def _is_array(values):
    return hasattr(values, "shape") and hasattr(values, "dtype") and hasattr(values, "__array__")


def _is_arrays(x):
    return all(_is_array(v) for v in x.values()) if isinstance(x, dict) else _is_array(x)


def _numpy(values):
    if isinstance(values, np.ndarray):
        return values
    return ops.convert_to_numpy(values) if ops.is_tensor(values) else np.asarray(values)


def _count(x):
    return len(next(iter(x.values())))


def _arrays(game, x, y):
    """Returns samples as a dict of numpy fields, and labels or None, both checked."""
    x = {n: _numpy(v) for n, v in (x if isinstance(x, dict) else {game.sample_field: x}).items()}
    batch = x if y is None else x | {"label": y if isinstance(y, list) else _numpy(y)}
    inputs.check_fields(game, batch)
    return x, None if y is None else np.asarray(batch["label"]).astype("int32")


# Weights


def _weights(sample_weight, class_weight, labels, count):
    """Returns a float weight `(count,)` of each sample, or None without weights."""
    if sample_weight is None and class_weight is None:
        return None
    weights = np.ones(count)
    if sample_weight is not None:
        weights = np.asarray(_numpy(sample_weight), "float64")
    if class_weight is not None:
        if labels is None:
            raise UsageError(
                "Only labels tell which class a sample is of. Expected sample_weight, or labels "
                "beside class_weight. Received: no labels."
            )
        weights = weights * np.array([class_weight.get(int(k), 1.0) for k in labels])
    right = weights.shape == (count,) and np.all(np.isfinite(weights)) and np.all(weights >= 0)
    if not right or not weights.sum():
        raise UsageError(
            f"A weight says how often a sample is drawn. Expected {count} finite numbers of at "
            f"least 0, not all 0. Received: shape {weights.shape}, from {weights.min(initial=0):g} "
            f"to {weights.max(initial=0):g}."
        )
    return weights


class Weighted(keras.utils.PyDataset):
    """Batches in which a sample appears as often as its weight says.

    So any loss, penalty or statistic of a minibatch is weighed, as if samples were repeated. An
    epoch has as many samples as there are. Each appears as often as its share of the weights
    gives, rounded up or down at random, so that the mean over epochs is exact.

    Args:
        x: dict of arrays. y: int labels or None.
        weights: float `(n,)`.
        size: int, samples in a batch.
        kept: int, samples in an epoch.
        shuffle: bool, whether the order is random; otherwise it is that of the arrays.
        seed: int.
    """

    def __init__(self, x, y, weights, size, kept, shuffle, seed):
        super().__init__()
        self.x, self.y, self.size, self.kept, self.shuffle = x, y, size, kept, shuffle
        self.ends = np.cumsum(weights / weights.sum() * len(weights))
        self.random = np.random.default_rng((seed, 1))
        self.on_epoch_end()

    def on_epoch_end(self):
        count = len(self.ends)
        # Points at equal distances hit each sample as often as its width says.
        points = np.arange(count) + self.random.uniform()
        drawn = np.searchsorted(self.ends, np.minimum(points, self.ends[-1] * (1 - 1e-12)))
        self.drawn = self.random.permutation(drawn) if self.shuffle else drawn

    def __len__(self):
        return -(-self.kept // self.size)

    def __getitem__(self, index):
        drawn = self.drawn[index * self.size : min((index + 1) * self.size, self.kept)]
        x = {name: values[drawn] for name, values in self.x.items()}
        return (x,) if self.y is None else (x, self.y[drawn])


# Streams


def _checked_stream(game, x, parts):
    """Returns a stream of rounds whose first batch suits the game.

    Args:
        parts: int, the equal parts that a batch is dealt out in.
    """
    if isinstance(x, types.GeneratorType):
        first = next(x, None)
        _check_first(game, first, parts)
        x = (_tuple(batch) for batch in itertools.chain([first], x))
    elif isinstance(x, keras.utils.PyDataset):
        _check_first(game, x[0] if len(x) else None, parts)
    elif whole.is_loader(x):
        first = next(iter(x), None)
        if first is not None and not isinstance(first, tuple | list | dict):
            raise UsageError(
                "Keras takes tuples from a DataLoader. Expected (samples,) or (samples, labels): "
                "let the data set return (sample,). Received: "
                f"{type(first).__name__}."
            )
        _check_first(game, first, parts)
    elif whole.is_dataset(x):
        _check_first(game, next(iter(x.take(1)), None), parts)
    else:  # of another kind, which Keras accepts or refuses
        return x
    return whole.only(x, parts)


def _check_first(game, batch, parts):
    if batch is None:
        raise UsageError("The stream has no batch. Expected at least one. Received: none.")
    batch = batch if isinstance(batch, dict) else _tuple(batch)
    if not isinstance(batch, dict) and len(batch) > 2:
        raise UsageError(
            "A stream draws its samples itself, so weights have no effect. Expected batches "
            f"(samples,) or (samples, labels). Received: {len(batch)} parts."
        )
    batch = {name: _numpy(values) for name, values in inputs.fields(game, batch).items()}
    inputs.check_fields(game, batch)
    if _count(batch) % parts:
        raise UsageError(
            f"A batch of the stream serves one round, dealt out in {parts} equal parts (moves * "
            f"devices * accumulate * packing). Expected batches of a multiple of {parts} samples. "
            f"Received: a batch of {_count(batch)}."
        )


def _tuple(batch):
    return tuple(batch) if isinstance(batch, tuple | list) else (batch,)
