"""The order of the data depends on the seed and the step alone."""

import itertools

import keras
import numpy as np
import pytest

from zoo import backend
from zoo.data import Dataset
from zoo.data.batches import batches, steps_per_epoch
from zoo.errors import UsageError


def numbered(count, labelled=True):
    """A data set whose samples tell their own index."""
    samples = np.zeros((count, 2, 2, 1), "uint8")
    samples[:, 0, 0, 0] = np.arange(count)
    labels = np.arange(count, dtype="int32") if labelled else None
    return Dataset("numbered", samples, labels, (), "")


def take(count, *args, **kwargs):
    return [batch[0][:, 0, 0, 0] for batch in itertools.islice(batches(*args, **kwargs), count)]


def test_an_iteration_begun_anywhere_equals_the_tail_of_a_whole_one():
    dataset = numbered(103)
    whole = take(31, dataset, 10, seed=5)
    for start in (0, 1, 9, 10, 11, 19, 20, 30):
        np.testing.assert_array_equal(
            take(31 - start, dataset, 10, seed=5, start=start), whole[start:]
        )


def test_an_epoch_shows_each_sample_once_without_the_ragged_rest():
    dataset = numbered(103)
    assert steps_per_epoch(dataset, 10) == 10
    rests = []
    for epoch in range(3):
        shown = np.concatenate(take(10, dataset, 10, start=10 * epoch))
        assert len(set(shown)) == 100
        rests.append(sorted(set(range(103)) - set(shown)))
    assert len(set(map(tuple, rests))) > 1, "the same samples would never be seen"


def test_epochs_and_seeds_have_orders_of_their_own():
    dataset = numbered(100)
    first, second = np.reshape(take(20, dataset, 10, seed=1), (2, 100))
    (other,) = np.reshape(take(10, dataset, 10, seed=2), (1, 100))
    for a, b in itertools.combinations((np.arange(100), first, second, other), 2):
        assert np.mean(a == b) < 0.2


def test_batches_have_the_types_of_the_data_and_keep_labels_beside_samples():
    for samples, labels in itertools.islice(batches(numbered(50), 10), 7):
        assert (samples.dtype, samples.shape) == (np.uint8, (10, 2, 2, 1))
        assert labels.dtype == np.int32
        np.testing.assert_array_equal(samples[:, 0, 0, 0], labels)
    (batch,) = itertools.islice(batches(numbered(50, labelled=False), 10), 1)
    assert len(batch) == 1


def test_a_batch_of_the_whole_data_is_one_step_and_a_larger_one_is_refused():
    dataset = numbered(10)
    assert steps_per_epoch(dataset, 10) == 1
    assert sorted(take(1, dataset, 10)[0]) == list(range(10))
    with pytest.raises(UsageError, match=r"at most 10;.*--batch_size.*Received: 11"):
        next(batches(dataset, 11))


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="tf.data is TensorFlow's")
def test_no_tuner_holds_up_the_end_of_training(gan):
    # One that is not woken lets go of the iterator at its next look, a minute later at worst.
    stream = backend.stream(gan, lambda: batches(numbered(8), 4))
    assert stream.options().autotune.enabled is False
    images, labels = next(iter(stream))
    assert images.dtype == "uint8" and images.shape == (4, 2, 2, 1) and labels.dtype == "int32"
