"""Endless minibatches whose order depends on the seed and the step alone."""

import numpy as np

from zoo.errors import UsageError


def steps_per_epoch(dataset, batch_size):
    """Returns how many whole batches the data set holds; a ragged rest is left out.

    Raises:
        UsageError: not even one.
    """
    count = len(dataset.samples)
    if batch_size > count:
        raise UsageError(
            f"The batch is larger than the data set {dataset.name}. Expected at most {count}; "
            f"choose a smaller --batch_size. Received: {batch_size}."
        )
    return count // batch_size


def batches(dataset, batch_size, seed=0, start=0):
    """Yields batches for ever, shuffled anew in each epoch.

    Batch number `t` is the same whether the iteration began at 0 or at `t`, which is what makes a
    resumed run see the data an uninterrupted one would have seen.

    Args:
        dataset: a `zoo.data.Dataset`.
        batch_size: int, at most the number of samples.
        seed: int, of the order.
        start: int, number of the first batch.

    Yields:
        `(samples,)`, or `(samples, labels)` where the data set has labels: numpy arrays with the
        dtypes of the data set.
    """
    per_epoch = steps_per_epoch(dataset, batch_size)
    epoch, first = divmod(start, per_epoch)
    while True:
        order = np.random.default_rng((seed, epoch)).permutation(len(dataset.samples))
        for step in range(first, per_epoch):
            chosen = order[step * batch_size : (step + 1) * batch_size]
            samples = np.ascontiguousarray(dataset.samples[chosen])
            yield (samples,) if dataset.labels is None else (samples, dataset.labels[chosen])
        epoch, first = epoch + 1, 0
