"""Endless minibatches. Their order depends on the seed and the step alone."""

import numpy as np

from zoo.errors import UsageError


def steps_per_epoch(dataset, batch_size, moves=1):
    """Returns the number of full batches in the largest field; an incomplete rest is left out.

    Args:
        dataset: a `zoo.data.Dataset`.
        batch_size: int, samples of a step.
        moves: int, the minibatches of equal size in a step, for messages.

    Raises:
        UsageError: there is not even one full batch.
    """
    if batch_size <= dataset.count:
        return dataset.count // batch_size
    most = dataset.count // moves
    if not most:
        raise UsageError(
            f"{dataset.name} has fewer samples than a step has moves. Expected at least {moves}; "
            f"add samples, or choose fewer moves with --set n_critic=1. Received: {dataset.count}."
        )
    each = f", because a step takes {moves} batches" if moves > 1 else ""
    raise UsageError(
        f"The batch is larger than the data set {dataset.name}. Expected at most {most}{each}; "
        f"choose a smaller one with --batch_size={most}. Received: {batch_size // moves}."
    )


def check_classes(dataset):
    """Raises UsageError unless a data set has classes, from which `batches` can draw evenly."""
    if dataset.labels is None:
        raise UsageError(
            f"There are no classes to draw evenly in {dataset.name}. Expected a data set with "
            "classes, such as a folder with one sub-folder for each; leave even_classes out. "
            "Received: even_classes=true."
        )


def batches(dataset, batch_size, seed=0, start=0, even_classes=False):
    """Yields batches without end, shuffled again in each epoch.

    Batch number `t` is the same whether the iteration starts at 0 or at `t`. So a resumed run sees
    the same data as an uninterrupted one.

    Each independent field has an order of its own: an endless sequence of permutations, from which
    each batch takes the next examples. So a small domain comes round more often than a large one,
    and no example of one domain stays beside the same example of the other.

    With `even_classes`, each class is drawn equally often. So an epoch shows the examples of small
    classes several times, and not all of large ones.

    The places of random crops (`zoo.data.crops`) depend on the seed and the batch alone too.

    Args:
        dataset: a `zoo.data.Dataset`.
        batch_size: int, at most the number of examples of the largest field.
        seed: int, seed of the order.
        start: int, number of the first batch.
        even_classes: bool; the data set then has a label.

    Yields:
        dict field name -> contiguous numpy array with `batch_size` examples, in the data set's
        dtype.
    """
    choices = _independent if dataset.independent else _aligned
    if even_classes:
        check_classes(dataset)
        choices = _even
    for step, chosen in enumerate(choices(dataset, batch_size, seed, start), start):
        yield {
            field: _taken(array, chosen[field], (seed, step, 2))
            for field, array in dataset.fields.items()
        }


def _taken(array, chosen, seeds):
    """Returns the chosen examples; of pictures of any size random crops, which `seeds` decide."""
    if hasattr(array, "drawn"):
        return array.drawn(chosen, np.random.default_rng(seeds))
    return np.ascontiguousarray(array[chosen])


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


def _even(dataset, batch_size, seed, start):
    """Yields field name -> indices, the same for all fields, of all classes equally often.

    The batches are cut from an endless sequence of rounds. In each round every class has one turn,
    in an order drawn for the round. In its turn number r a class gives example number r of its own
    permutations, laid end to end.
    """
    steps_per_epoch(dataset, batch_size)  # refuses a batch that is too large
    counts = np.bincount(dataset.labels)
    by_class = np.split(np.argsort(dataset.labels, kind="stable"), np.cumsum(counts)[:-1])
    members = [indices for indices in by_class if len(indices)]
    orders = [(None, None)] * len(members)

    def example(group, turn):
        number, position = divmod(turn, len(members[group]))
        if orders[group][0] != number:
            rng = np.random.default_rng((seed, number, group, 1))
            orders[group] = number, rng.permutation(members[group])
        return orders[group][1][position]

    rounds = _passes(len(members), batch_size, (seed,), start)
    for step, groups in enumerate(rounds, start):
        turns = (step * batch_size + np.arange(batch_size)) // len(members)
        chosen = [example(*pair) for pair in zip(groups.tolist(), turns.tolist(), strict=True)]
        yield dict.fromkeys(dataset.fields, np.array(chosen))


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
