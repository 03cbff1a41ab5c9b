"""Endless minibatches. Their order depends on the seed and the step alone."""

import numpy as np

from zoo.errors import UsageError


def steps_per_epoch(dataset, batch_size):
    """Returns the number of full batches in the largest field; an incomplete rest is left out.

    Raises:
        UsageError: there is not even one full batch.
    """
    if batch_size > dataset.count:
        raise UsageError(
            f"The batch is larger than the data set {dataset.name}. Expected at most "
            f"{dataset.count}; choose a smaller --batch_size. Received: {batch_size}."
        )
    return dataset.count // batch_size


def batches(dataset, batch_size, seed=0, start=0):
    """Yields batches without end, shuffled again in each epoch.

    Batch number `t` is the same whether the iteration starts at 0 or at `t`. So a resumed run sees
    the same data as an uninterrupted one.

    Each independent field has an order of its own: an endless sequence of permutations, from which
    each batch takes the next examples. So a small domain comes round more often than a large one,
    and no example of one domain stays beside the same example of the other.

    Args:
        dataset: a `zoo.data.Dataset`.
        batch_size: int, at most the number of examples of the largest field.
        seed: int, seed of the order.
        start: int, number of the first batch.

    Yields:
        dict field name -> contiguous numpy array with `batch_size` examples, in the data set's
        dtype.
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
    """Yields field name -> indices, chosen separately for each field."""
    steps_per_epoch(dataset, batch_size)  # refuses a batch that is too large
    orders = {
        field: _passes(len(array), batch_size, (seed, number), start)
        for number, (field, array) in enumerate(dataset.fields.items())
    }
    while True:
        yield {field: next(order) for field, order in orders.items()}


def _passes(count, batch_size, seeds, start):
    """Yields the indices of batch `start` and all later ones, from permutations laid end to end."""
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
