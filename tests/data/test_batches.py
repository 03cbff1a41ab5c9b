"""The order of the data depends on the seed and the step alone."""

import itertools

import keras
import numpy as np
import pytest

from zoo import backend
from zoo.data import Dataset
from zoo.data.batches import batches, steps_per_epoch
from zoo.errors import UsageError

# Of 20 examples with seed 3 in batches of 5: the first batch, and the tenth.
FIRST, TENTH = [16, 12, 18, 8, 3], [4, 12, 13, 1, 7]


def numbered(count, labelled=True):
    """A data set in which each sample holds its index."""
    fields = {"image": images(count)}
    if labelled:
        fields["label"] = np.arange(count, dtype="int32")
    return Dataset("numbered", fields)


def images(count):
    samples = np.zeros((count, 2, 2, 1), "uint8")
    samples[:, 0, 0, 0] = np.arange(count)
    return samples


def domains(first=7, second=30):
    return Dataset("two", {"a": images(first), "b": images(second)}, ("A", "B"), independent=True)


def indices(batch):
    return {field: array[:, 0, 0, 0].tolist() for field, array in batch.items()}


def take(count, *args, **kwargs):
    return [
        batch["image"][:, 0, 0, 0] for batch in itertools.islice(batches(*args, **kwargs), count)
    ]


def test_an_iteration_begun_anywhere_equals_the_tail_of_a_whole_one():
    dataset = numbered(103)
    expected = take(31, dataset, 10, seed=5)
    for start in (0, 1, 9, 10, 11, 19, 20, 30):
        np.testing.assert_array_equal(
            take(31 - start, dataset, 10, seed=5, start=start), expected[start:]
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
    for batch in itertools.islice(batches(numbered(50), 10), 7):
        samples, labels = batch["image"], batch["label"]
        assert list(batch) == ["image", "label"]
        assert (samples.dtype, samples.shape) == (np.uint8, (10, 2, 2, 1))
        assert samples.flags.c_contiguous
        assert labels.dtype == np.int32
        np.testing.assert_array_equal(samples[:, 0, 0, 0], labels)
    (batch,) = itertools.islice(batches(numbered(50, labelled=False), 10), 1)
    assert list(batch) == ["image"]


def test_the_order_is_the_one_that_resumed_runs_have_seen():
    # Recorded before fields had names.
    assert take(1, numbered(20), 5, seed=3)[0].tolist() == FIRST
    assert take(1, numbered(20), 5, seed=3, start=9)[0].tolist() == TENTH


def test_batches_are_contiguous_whatever_the_data_is():
    turned = np.zeros((9, 4, 3, 2), "uint8").transpose(0, 2, 1, 3)
    for dataset in (
        Dataset("turned", {"image": turned}),
        Dataset("turned", {"a": turned, "b": turned}, independent=True),
    ):
        for array in next(batches(dataset, 4)).values():
            assert array.flags.c_contiguous


def test_pairs_stay_together():
    pairs = Dataset("pairs", {"input": images(20), "target": images(20)})
    for batch in itertools.islice(batches(pairs, 6, seed=1), 9):
        assert indices(batch)["input"] == indices(batch)["target"]


@pytest.mark.parametrize(("first", "second"), [(7, 30), (30, 7), (2, 100), (30, 30), (1, 10)])
def test_independent_fields_are_the_same_wherever_the_iteration_begins(first, second):
    dataset = domains(first, second)
    complete = list(map(indices, itertools.islice(batches(dataset, 10, seed=5), 40)))
    for start in (0, 1, 2, 3, 9, 10, 11, 39):
        tail = itertools.islice(batches(dataset, 10, seed=5, start=start), 40 - start)
        assert list(map(indices, tail)) == complete[start:]


def test_each_domain_comes_round_in_permutations_of_its_own():
    dataset = domains(7, 30)
    assert dataset.count == 30 and steps_per_epoch(dataset, 10) == 3
    for field, count in (("a", 7), ("b", 30)):
        taken = itertools.islice(batches(dataset, 10), 21)
        passes = np.reshape([indices(batch)[field] for batch in taken], (-1, count))
        np.testing.assert_array_equal(np.sort(passes), np.tile(np.arange(count), (len(passes), 1)))
        assert len(set(map(tuple, passes))) == len(passes), "every pass has the same order"


def test_domains_of_equal_size_are_not_shuffled_alike():
    (batch,) = itertools.islice(batches(domains(50, 50), 50), 1)
    order = indices(batch)
    assert np.mean(np.equal(order["a"], order["b"])) < 0.2
    (other,) = itertools.islice(batches(domains(50, 50), 50, seed=1), 1)
    assert np.mean(np.equal(order["a"], indices(other)["a"])) < 0.2


def test_a_batch_may_be_larger_than_the_smaller_domain_only():
    (batch,) = itertools.islice(batches(domains(3, 12), 12), 1)
    assert sorted(indices(batch)["a"]) == sorted([0, 1, 2] * 4)
    with pytest.raises(UsageError, match="at most 12"):
        next(batches(domains(3, 12), 13))


@pytest.mark.parametrize(
    "fields",
    [{}, {"label": np.arange(3)}, {"input": images(3), "target": images(4)}],
)
def test_fields_that_make_no_data_set_are_refused(fields):
    with pytest.raises(UsageError, match="do not make a data set"):
        Dataset("none", fields)


def test_a_batch_of_the_whole_data_is_one_step_and_a_larger_one_is_refused():
    dataset = numbered(10)
    assert steps_per_epoch(dataset, 10) == 1
    assert sorted(take(1, dataset, 10)[0]) == list(range(10))
    with pytest.raises(UsageError, match=r"at most 10;.*--batch_size.*Received: 11"):
        next(batches(dataset, 11))


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="tf.data is TensorFlow's")
def test_no_tuner_holds_up_the_end_of_training(gan):
    # A thread that is not woken frees the iterator at its next check, up to a minute later.
    stream = backend.stream(gan, lambda: batches(numbered(8), 4))
    assert stream.options().autotune.enabled is False
    batch = next(iter(stream))
    assert batch["image"].dtype == "uint8" and batch["image"].shape == (4, 2, 2, 1)
    assert batch["label"].dtype == "int32"
