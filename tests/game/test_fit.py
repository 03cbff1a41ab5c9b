"""What `fit` takes: arrays and streams of batches, labels, weights, a smaller last batch."""

import keras
import numpy as np
import pytest
from fitting import GREY, Batches, compiled, dataset, each_stream, fit, generated, images, labels
from helpers import BATCH, data, not_on_jax, numpy, part

from zoo.errors import UsageError

pytestmark = pytest.mark.backend


@pytest.fixture
def gan():
    return compiled("dcgan", image_shape=GREY)


@not_on_jax
@each_stream
def test_streams_train_as_the_same_arrays_do(gan, stream):
    x = images()
    streamed = compiled("dcgan", image_shape=GREY)
    steps = {"steps_per_epoch": 2} if stream is generated else {}
    given = fit(gan, x, epochs=2)
    assert fit(streamed, stream(x), batch_size=None, epochs=2, **steps) == given


def test_tensors_are_checked_as_arrays_are(gan):
    x = images()
    tensor = keras.ops.convert_to_tensor(x)
    other = compiled("dcgan", image_shape=GREY)
    assert fit(gan, tensor) == fit(other, x)
    with pytest.raises(UsageError, match="wrong range"):
        fit(gan, 255 * tensor)


BAD = {
    "range": (lambda: (127 * (images() + 1),), "wrong range"),
    "shape": (lambda: (images(shape=(8, 16, 1)),), "another shape"),
    "labels": (lambda: (images(), labels()), "no classes"),
}


@each_stream
@pytest.mark.parametrize("arrays, message", BAD.values(), ids=BAD)
def test_the_first_batch_of_a_stream_is_checked(gan, stream, arrays, message):
    with pytest.raises(UsageError, match=message):
        fit(gan, stream(*arrays()), batch_size=None, steps_per_epoch=1)


BAD_LABELS = {
    "one_hot": (np.eye(3)[labels()], "argmax"),
    "float": (labels().astype("float32"), "astype"),
    "string": (np.array(["cat", "dog", "owl"])[labels()], "unique"),
    "column": (labels()[:, None], r"labels\[:, 0\]"),
    "few": (labels(5), "one for each sample"),
    "range": (labels() + 1, "no class 3"),
    "none": (None, "no labels"),
}


@pytest.mark.parametrize("y, message", BAD_LABELS.values(), ids=BAD_LABELS)
def test_labels_of_another_kind_are_refused_with_advice(y, message):
    conditional = compiled("conditional", num_classes=3)
    x = images(shape=conditional.sample_shape)
    with pytest.raises(UsageError, match=message):
        fit(conditional, x, y)
    arrays = (x,) if y is None else (x, y)
    if y is None or (len(y) == len(x) and y.dtype.kind != "U"):
        with pytest.raises(UsageError, match=message):
            fit(conditional, Batches(*arrays), batch_size=None)


def test_images_from_0_to_1_are_pointed_out(gan):
    with pytest.warns(UserWarning, match=r"pass 2 \* images - 1"):
        fit(gan, (images() + 1) / 2)


def test_a_data_set_without_batches_is_told_how(gan):
    with pytest.raises(UsageError, match=r"use \.batch\(32\)"):
        fit(gan, dataset(images()).unbatch(), batch_size=None)


def test_an_empty_stream_is_refused(gan):
    with pytest.raises(UsageError, match="no batch"):
        fit(gan, iter_of_nothing(), batch_size=None, steps_per_epoch=1)


def iter_of_nothing():
    yield from ()


@not_on_jax
def test_grey_images_need_no_axis_of_channels(gan):
    flat = compiled("dcgan", image_shape=GREY)
    x = images()
    given = fit(gan, x, validation_data=x)
    assert fit(flat, x[..., 0], validation_data=x[..., 0]) == given
    streamed = compiled("dcgan", image_shape=GREY)
    history = fit(streamed, Batches(x[..., 0]), batch_size=None)
    assert history == {name: values for name, values in given.items() if "val_" not in name}


@not_on_jax
@pytest.mark.parametrize("setting", ["packing", "n_critic"])
@each_stream
def test_a_last_batch_that_cannot_be_dealt_out_is_left_out(setting, stream, capsys):
    size = 2 * BATCH if setting == "n_critic" else BATCH
    x = images(2 * size + 3)
    whole = compiled("dcgan", image_shape=GREY, **{setting: 2})
    given = fit(whole, x[: 2 * size])
    gan = compiled("dcgan", image_shape=GREY, **{setting: 2})
    steps = {"steps_per_epoch": 2} if stream is generated else {}
    assert fit(gan, stream(x, size=size), batch_size=None, **steps) == given
    if stream is not generated:  # which does not reach the end
        assert capsys.readouterr().out.count("left out") == 1


@not_on_jax
@pytest.mark.parametrize("setting", ["packing", "accumulate"])
def test_the_rest_of_arrays_is_as_large_as_it_can_be(setting, capsys):
    gan, whole = (compiled("dcgan", image_shape=GREY, **{setting: 2}) for _ in range(2))
    every = gan.penalty_every if setting == "packing" else 1
    x = images(BATCH + 2 * every + 1)
    assert fit(gan, x) == fit(whole, x[:-1])
    assert "1 of" in capsys.readouterr().out


def test_weights_draw_samples_as_often_as_they_say():
    weighted, repeated = compiled("dcgan", image_shape=GREY), compiled("dcgan", image_shape=GREY)
    x, counts = images(2 * BATCH), np.tile([2, 0, 1, 1], BATCH // 2)
    fit(weighted, x, sample_weight=counts)
    fit(repeated, np.repeat(x, counts, axis=0))
    for a, b in zip(weighted.weights, repeated.weights, strict=True):
        np.testing.assert_array_equal(numpy(a), numpy(b))


@not_on_jax
def test_weights_of_classes_are_weights_of_their_samples():
    by_class, by_sample = (compiled("conditional", num_classes=3) for _ in range(2))
    x, y = images(2 * BATCH, by_class.sample_shape), labels()
    fit(by_class, x, y, class_weight={0: 3.0, 1: 0.5})
    fit(by_sample, x, y, sample_weight=np.array([3.0, 0.5, 1.0])[y])
    for a, b in zip(by_class.weights, by_sample.weights, strict=True):
        np.testing.assert_array_equal(numpy(a), numpy(b))


@pytest.mark.parametrize(
    "options",
    [
        {"sample_weight": np.ones(3)},
        {"sample_weight": -np.ones(2 * BATCH)},
        {"sample_weight": np.zeros(2 * BATCH)},
        {"class_weight": {0: 1.0}},
    ],
)
def test_weights_that_mean_nothing_are_refused(gan, options):
    with pytest.raises(UsageError, match=r"Expected .*Received: "):
        fit(gan, images(), **options)


def test_a_stream_takes_no_weights(gan):
    with pytest.raises(UsageError, match="a stream draws by itself"):
        fit(gan, Batches(images()), batch_size=None, sample_weight=np.ones(2 * BATCH))
    with pytest.raises(UsageError, match="3 parts"):
        fit(gan, Batches(images(), images(), np.ones(2 * BATCH)), batch_size=None)


def test_dictionaries_of_fields_of_unequal_length_are_refused():
    pix2pix = compiled("pix2pix")
    x, _ = data(pix2pix)
    name = next(iter(x))
    with pytest.raises(UsageError, match="belong together"):
        fit(pix2pix, x | {name: part(x[name], slice(1, None))})


def test_a_loader_whose_last_batch_is_not_known_is_refused_or_drops_it():
    torch = pytest.importorskip("torch")

    class Samples(torch.utils.data.IterableDataset):
        def __iter__(self):
            return iter((x,) for x in torch.tensor(images()))

    packed = compiled("dcgan", image_shape=GREY, packing=2)
    with pytest.raises(UsageError, match="drop_last=True"):
        fit(packed, torch.utils.data.DataLoader(Samples(), batch_size=BATCH), batch_size=None)
    whole = torch.utils.data.DataLoader(Samples(), batch_size=BATCH, drop_last=True)
    assert np.isfinite(fit(packed, whole, batch_size=None)["loss"]).all()


def test_a_data_set_of_unknown_length_reports_the_losses_of_its_steps():
    known, unknown = (compiled("dcgan", image_shape=GREY) for _ in range(2))
    given = fit(known, dataset(images()), batch_size=None)
    streamed = dataset(images()).filter(lambda *batch: True)
    assert fit(unknown, streamed, batch_size=None) == given


def test_packing_fits_into_what_the_penalty_looks_at():
    packed = compiled("dcgan", image_shape=GREY, packing=2, penalty="r1", penalty_every=4)
    with pytest.raises(UsageError, match="one of 4 samples, and packing joins 2"):
        fit(packed, images(20), batch_size=10)
    assert np.isfinite(fit(packed, images(14), batch_size=14)["loss"]).all()


def test_a_stream_that_is_too_short_is_told(gan):
    with pytest.warns(UserWarning, match="ran out of data"):
        fit(gan, dataset(images()), batch_size=None, steps_per_epoch=5)
