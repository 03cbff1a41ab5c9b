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
# Of 9 and 2 examples of two classes with seed 3 in batches of 6, drawn evenly: likewise.
EVEN_FIRST, EVEN_TENTH = [7, 5, 0, 8, 3, 7], [10, 7, 2, 8, 7, 4]


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


def unequal(*counts):
    """A data set of `counts[i]` examples of class i, whose samples hold their index."""
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    return Dataset("unequal", {"image": images(len(labels)), "label": labels.astype("int32")})


def test_even_classes_come_equally_often_and_each_shows_all_of_its_examples():
    dataset = unequal(70, 3, 0, 20)
    taken = list(itertools.islice(batches(dataset, 8, seed=4, even_classes=True), 105))
    labels = np.concatenate([batch["label"] for batch in taken])
    shown = np.concatenate([batch["image"][:, 0, 0, 0] for batch in taken])
    np.testing.assert_array_equal(dataset.labels[shown], labels)
    rounds = labels.reshape(-1, 3)
    np.testing.assert_array_equal(np.sort(rounds), np.tile([0, 1, 3], (len(rounds), 1)))
    assert len(set(map(tuple, rounds))) == 6, "the classes have one order only"
    for label, count in ((0, 70), (1, 3), (3, 20)):
        passes = shown[labels == label]
        passes = passes[: len(passes) // count * count].reshape(-1, count)
        members = np.flatnonzero(dataset.labels == label)
        np.testing.assert_array_equal(np.sort(passes), np.tile(members, (len(passes), 1)))
        assert len(set(map(tuple, passes))) > 1, "every pass has the same order"


@pytest.mark.parametrize("counts", [(70, 3, 20), (1, 40), (30,), (1,) * 40])
def test_even_classes_are_the_same_wherever_the_iteration_begins(counts):
    dataset = unequal(*counts)
    complete = take(40, dataset, 7, seed=5, even_classes=True)
    for start in (0, 1, 2, 9, 10, 11, 39):
        tail = take(40 - start, dataset, 7, seed=5, start=start, even_classes=True)
        np.testing.assert_array_equal(tail, complete[start:])
    assert np.any(take(40, dataset, 7, seed=6, even_classes=True) != np.array(complete))


def test_the_order_of_even_classes_is_the_one_that_resumed_runs_have_seen():
    dataset = unequal(9, 2)
    first, tenth = take(10, dataset, 6, seed=3, even_classes=True)[::9]
    assert (first.tolist(), tenth.tolist()) == (EVEN_FIRST, EVEN_TENTH)


def test_without_classes_there_are_none_to_draw_evenly():
    for dataset in (numbered(20, labelled=False), domains()):
        with pytest.raises(UsageError, match=r"no classes to draw evenly in.*even_classes=true"):
            next(batches(dataset, 5, even_classes=True))


def test_a_batch_that_is_too_large_names_one_that_fits():
    with pytest.raises(UsageError, match=r"at most 10; .*--batch_size=10\. Received: 32"):
        steps_per_epoch(numbered(10), 32)
    with pytest.raises(UsageError, match=r"at most 2, .*5 batches; .*=2\. Received: 32"):
        steps_per_epoch(numbered(10), 160, moves=5)
    with pytest.raises(UsageError, match=r"at least 5; .*n_critic=1\. Received: 1"):
        steps_per_epoch(numbered(1), 160, moves=5)


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
