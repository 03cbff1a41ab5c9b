"""Endless minibatches. Their order depends on the seed and the step alone."""

import numpy as np

from zoo.errors import UsageError


def steps_per_epoch(dataset, batch_size):
    """Returns how many full batches the largest field holds; a ragged rest is left out.

    Raises:
        UsageError: not even one.
    """
    if batch_size > dataset.count:
        raise UsageError(
            f"The batch is larger than the data set {dataset.name}. Expected at most "
            f"{dataset.count}; choose a smaller --batch_size. Received: {batch_size}."
        )
    return dataset.count // batch_size


def batches(dataset, batch_size, seed=0, start=0):
    """Yields batches for ever, shuffled anew in each epoch.

    Batch number `t` is the same whether the iteration starts at 0 or at `t`. So a resumed run sees
    the same data as an uninterrupted one.

    Independent fields have orders of their own: each is an endless sequence of permutations of
    which a batch takes the next ones, so a small domain comes round more often than a large one,
    and no example of one domain stays beside one of the other.

    Args:
        dataset: a `zoo.data.Dataset`.
        batch_size: int, at most the number of examples of the largest field.
        seed: int, of the order.
        start: int, number of the first batch.

    Yields:
        dict field name -> contiguous numpy array with `batch_size` examples, of the dtype that the
        data set has.
    """
    choices = _independent if dataset.independent else _aligned
    for chosen in choices(dataset, batch_size, seed, start):
        yield {
            field: np.ascontiguousarray(array[chosen[field]])
            for field, array in dataset.fields.items()
        }


def _aligned(dataset, batch_size, seed, start):
    """Yields field name -> indices, the same for all fields."""
    per_epoch = steps_per_epoch(dataset, batch_size)
    epoch, first = divmod(start, per_epoch)
    while True:
        order = np.random.default_rng((seed, epoch)).permutation(dataset.count)
        for step in range(first, per_epoch):
            chosen = order[step * batch_size : (step + 1) * batch_size]
            yield dict.fromkeys(dataset.fields, chosen)
        epoch, first = epoch + 1, 0


def _independent(dataset, batch_size, seed, start):
    """Yields field name -> indices, of each field its own."""
    steps_per_epoch(dataset, batch_size)  # refuses a batch that is too large
    orders = {
        field: _passes(len(array), batch_size, (seed, number), start)
        for number, (field, array) in enumerate(dataset.fields.items())
    }
    while True:
        yield {field: next(order) for field, order in orders.items()}


def _passes(count, batch_size, seeds, start):
    """Yields the indices of batch `start` and all later ones, from permutations end to end."""
    number, position = divmod(start * batch_size, count)
    order = np.random.default_rng((*seeds, number)).permutation(count)
    while True:
        parts, missing = [], batch_size
        while missing:
            if position == count:
                number, position = number + 1, 0
                order = np.random.default_rng((*seeds, number)).permutation(count)
            part = order[position : position + missing]
            parts.append(part)
            position, missing = position + len(part), missing - len(part)
        yield np.concatenate(parts)
