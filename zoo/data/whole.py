"""Streams of batches without the smaller ones that cannot be dealt out evenly."""

import types

import keras

from zoo.errors import UsageError


def only(stream, parts):
    """Returns a stream without batches that `parts` does not divide; says once what is left out.

    Args:
        stream: a `tf.data.Dataset`, a torch `DataLoader`, a `keras.utils.PyDataset` or a generator.
        parts: int.

    Raises:
        UsageError: it is not known which batches of a loader are smaller.
    """
    if parts == 1:
        return stream
    if isinstance(stream, types.GeneratorType):
        return _generated(stream, parts)
    if isinstance(stream, keras.utils.PyDataset):
        return WholeBatches(stream, parts)
    if is_loader(stream):
        return _loaded(stream, parts)
    return _filtered(stream, parts)


def is_loader(stream):
    """Whether a stream is a torch `DataLoader`, without importing torch."""
    return hasattr(stream, "batch_sampler") and hasattr(stream, "dataset")


def is_dataset(stream):
    """Whether a stream is a `tf.data.Dataset`, without importing TensorFlow."""
    return hasattr(stream, "element_spec") and hasattr(stream, "filter")


class WholeBatches(keras.utils.PyDataset):
    """A `PyDataset` without a last batch that `parts` does not divide."""

    def __init__(self, batches, parts):
        super().__init__(batches.workers, batches.use_multiprocessing, batches.max_queue_size)
        self.batches = batches
        self.count = len(batches)
        if not _whole(batches[self.count - 1], parts):
            _say(parts)
            self.count -= 1

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return self.batches[index]

    def on_epoch_begin(self):
        self.batches.on_epoch_begin()

    def on_epoch_end(self):
        self.batches.on_epoch_end()


class _WholeIndices:
    """The batches of indices of a DataLoader that `parts` divides."""

    def __init__(self, batches, parts):
        self.batches, self.parts = batches, parts

    def __iter__(self):
        return (indices for indices in self.batches if len(indices) % self.parts == 0)

    def __len__(self):
        rest = len(self.batches.sampler) % self.batches.batch_size % self.parts
        return len(self.batches) - bool(rest)


def _generated(batches, parts):
    said = False
    for batch in batches:
        if _whole(batch, parts):
            yield batch
        elif not said:
            said = True
            _say(parts)


def _loaded(loader, parts):
    if getattr(loader, "drop_last", False):
        return loader
    sampler = getattr(loader.batch_sampler, "sampler", None)
    if not hasattr(sampler, "__len__") or not hasattr(loader.batch_sampler, "batch_size"):
        raise UsageError(
            f"The last batch of this DataLoader may not divide into {parts} equal parts, and its "
            "size is not known. Expected DataLoader(..., drop_last=True), or a batch_size over a "
            f"data set of known length. Received: a {type(loader.dataset).__name__}."
        )
    batches = _WholeIndices(loader.batch_sampler, parts)
    if len(batches) < len(loader.batch_sampler):
        _say(parts)
    names = ("num_workers", "collate_fn", "pin_memory", "timeout", "worker_init_fn", "generator")
    names += ("multiprocessing_context", "prefetch_factor", "persistent_workers")
    options = {name: getattr(loader, name) for name in names}
    return type(loader)(loader.dataset, batch_sampler=batches, **options)


def _filtered(dataset, parts):
    sizes = [spec.shape[0] for spec in keras.tree.flatten(dataset.element_spec)]
    if sizes[0] is not None:
        return dataset
    import tensorflow as tf

    count = int(dataset.cardinality())
    if count > 0:  # then the length stays known, which Keras needs to end an epoch cleanly
        (last,) = dataset.skip(count - 1).take(1)
        if _whole(last, parts):
            return dataset
        _say(parts)
        return dataset.take(count - 1)
    _say(parts)
    return dataset.filter(lambda *batch: tf.shape(keras.tree.flatten(batch)[0])[0] % parts == 0)


def _whole(batch, parts):
    return keras.tree.flatten(batch)[0].shape[0] % parts == 0


def _say(parts):
    print(f"Batches that cannot be dealt out in {parts} equal parts are left out")
