"""What users do with `fit`, `evaluate`, `predict` and `export`, as Keras's own models take it."""

import copy
import pickle

import keras
import numpy as np
import pytest
from helpers import (
    BATCH,
    SHAPES,
    data,
    each_variant,
    not_on_jax,
    numpy,
    part,
    small,
    snapshot,
    train,
)

from zoo.errors import UsageError

pytestmark = [pytest.mark.backend, pytest.mark.usefixtures("quick_compilation")]

GREY = (16, 16, 1)


@pytest.fixture
def gan():
    return compiled("dcgan", image_shape=GREY)


def compiled(name, **settings):
    model = small(name, **settings)
    model.compile()
    return model


def images(count=2 * BATCH, shape=GREY):
    return np.random.default_rng(1).uniform(-1, 1, (count, *shape)).astype("float32")


def labels(count=2 * BATCH):
    return (np.arange(count) % 3).astype("int32")


class Batches(keras.utils.PyDataset):
    def __init__(self, *arrays, size=BATCH):
        super().__init__()
        self.arrays, self.size = arrays, size

    def __len__(self):
        return -(-len(self.arrays[0]) // self.size)

    def __getitem__(self, i):
        return tuple(x[i * self.size : (i + 1) * self.size] for x in self.arrays)


def generated(*arrays, size=BATCH):
    batches = Batches(*arrays, size=size)
    while True:
        yield from (batches[i] for i in range(len(batches)))


def dataset(*arrays, size=BATCH):
    tf = pytest.importorskip("tensorflow")
    return tf.data.Dataset.from_tensor_slices(arrays).batch(size)


def loader(*arrays, size=BATCH):
    torch = pytest.importorskip("torch")
    tensors = torch.utils.data.TensorDataset(*(torch.tensor(x) for x in arrays))
    return torch.utils.data.DataLoader(tensors, batch_size=size)


# Games differ in these, and variants of a game do not.
each_shape = pytest.mark.parametrize("variant", SHAPES, indirect=True)
STREAMS = {"batches": Batches, "generator": generated, "dataset": dataset, "loader": loader}
each_stream = pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)


def fit(gan, x, y=None, **options):
    return gan.fit(x, y, verbose=0, **{"batch_size": BATCH, "shuffle": False} | options).history


def last(history):
    return {name: values[-1] for name, values in history.items()}


# Evaluation


@each_shape
def test_validation_gives_every_loss_and_changes_nothing(variant):
    x, y = data(variant)
    seen = x if y is None else (x, y)
    with_validation = last(train(variant, validation_data=seen).history)
    after = snapshot(variant)
    logged = {n for n in with_validation if not n.startswith("val_")}
    own = {n for part in variant.part.values() for n in part.reports} | {"loss_scale"}
    assert {f"val_{name}" for name in logged - own} == set(with_validation) - logged
    assert all(np.isfinite(value) for value in with_validation.values())
    again = variant.evaluate(x, y, batch_size=BATCH, return_dict=True, verbose=0)
    for value, kept in zip(snapshot(variant)[: len(after)], after, strict=True):
        np.testing.assert_array_equal(value, kept)
    assert again == {
        n.removeprefix("val_"): v for n, v in with_validation.items() if n not in logged
    }


def test_training_with_validation_equals_training_without():
    plain, validated = compiled("dcgan", image_shape=GREY), compiled("dcgan", image_shape=GREY)
    fit(plain, images(), epochs=2)
    fit(validated, images(), epochs=2, validation_data=images(BATCH))
    for a, b in zip(plain.weights, validated.weights, strict=True):
        np.testing.assert_array_equal(numpy(a), numpy(b))


@not_on_jax
def test_a_loss_of_validation_is_that_of_a_step_with_the_same_weights():
    gan = compiled("dcgan", image_shape=GREY, learning_rate=0.0, penalty=None)
    x = images(BATCH)
    history = last(fit(gan, x, validation_data=x))
    # With rates of 0 only the noise of the two differs.
    assert history["val_d_loss"] == pytest.approx(history["d_loss"], rel=0.1)
    assert history["val_d_loss"] != history["d_loss"]


@not_on_jax
def test_the_last_part_of_the_arrays_can_be_kept_for_validation(gan):
    x = images(3 * BATCH)
    split = compiled("dcgan", image_shape=GREY)
    given = fit(gan, x[: 2 * BATCH], validation_data=x[2 * BATCH :])
    assert fit(split, x, validation_split=1 / 3) == given


def test_keras_stops_a_training_by_a_loss_of_validation(gan):
    stop = keras.callbacks.EarlyStopping("val_d_loss", min_delta=1e9, patience=1)
    history = fit(gan, images(), epochs=9, validation_data=images(BATCH), callbacks=[stop])
    assert len(history["loss"]) == 2


def test_the_noise_of_the_discriminator_falls_in_evaluations_too():
    gan = compiled("dcgan", image_shape=GREY, instance_noise=50.0, instance_noise_images=64.0)
    gan.optimizer.learning_rate = 0.0
    x = images(8 * BATCH)
    before = gan.evaluate(x[:BATCH], return_dict=True, verbose=0)
    fit(gan, x)
    after = gan.evaluate(x[:BATCH], return_dict=True, verbose=0)
    assert abs(after["d_real"]) < abs(before["d_real"]) / 2


# Weights


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


# Sources


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


# A last batch that is smaller


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


# Inference


@each_variant
def test_a_model_called_is_the_averaged_network(variant):
    name = variant.averaged[0]
    for weight in variant.network(name).trainable_weights:
        weight.assign(2 * numpy(weight))
    network = variant.network(f"ema_{name}")
    random = np.random.default_rng(0)
    given = {}
    for tensor in network.inputs:
        whole = tensor.dtype == "int32"
        shape = (2, *tensor.shape[1:])
        values = random.integers(0, 2, shape) if whole else random.normal(size=shape)
        given[tensor.name] = values.astype(tensor.dtype)
    x = [*given.values()] if len(given) > 1 else next(iter(given.values()))
    expected = numpy(network(x))
    np.testing.assert_array_equal(numpy(variant(x)), expected)
    np.testing.assert_allclose(variant.predict(x, verbose=0), expected, atol=1e-5)
    assert np.abs(numpy(variant.network(name)(x)) - expected).max() > 0


def test_keras_exports_the_averaged_network_and_names_it(gan, tmp_path, capsys):
    if keras.config.backend() != "tensorflow":
        pytest.skip("Keras itself exports from other backends with packages of theirs")
    import tensorflow as tf

    fit(gan, images())
    gan.export(str(tmp_path / "saved"), verbose=True)
    assert "averaged network 'generator'" in capsys.readouterr().out
    z = np.random.default_rng(0).normal(size=(3, gan.latent_dim)).astype("float32")
    saved = tf.saved_model.load(str(tmp_path / "saved"))
    np.testing.assert_allclose(saved.serve(z), numpy(gan(z)), atol=1e-5)


def test_an_interrupted_training_leaves_a_model_that_works():
    gan, whole = (compiled("dcgan", image_shape=GREY) for _ in range(2))

    def interrupt(batch, logs):
        if batch == 1:
            raise KeyboardInterrupt

    stop = keras.callbacks.LambdaCallback(on_train_batch_end=interrupt)
    with pytest.raises(KeyboardInterrupt):
        fit(gan, images(4 * BATCH), callbacks=[stop])
    fit(whole, images(4 * BATCH)[: 2 * BATCH])
    np.testing.assert_array_equal(gan.generate(4), whole.generate(4))
    assert np.isfinite(fit(gan, images())["loss"][0])


# How it is compiled


@not_on_jax
@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_frozen_layers_stay_through_training_saving_and_loading(player, tmp_path):
    gan = small("dcgan", image_shape=GREY)
    network = gan.network(player)
    layer = next(x for x in network.layers if len(x.trainable_weights) and "norm" not in x.name)
    layer.trainable = False
    gan.compile()
    before = [numpy(w) for w in layer.weights]
    fit(gan, images())
    gan.save(tmp_path / "gan.keras")
    again = keras.models.load_model(tmp_path / "gan.keras")
    fit(again, images())
    for model in (gan, again):
        kept = model.network(player).get_layer(layer.name)
        assert not kept.trainable
        for a, b in zip(kept.weights, before, strict=True):
            np.testing.assert_array_equal(numpy(a), b)


def test_layers_frozen_after_compile_need_another_compile(gan):
    layer = next(x for x in gan.generator.layers if x.trainable_weights)
    layer.trainable = False
    before = [numpy(w) for w in layer.weights]
    gan.compile()
    fit(gan, images())
    for a, b in zip(layer.weights, before, strict=True):
        np.testing.assert_array_equal(numpy(a), b)


def test_a_player_with_nothing_to_move_is_refused():
    gan = small("dcgan", image_shape=GREY)
    gan.discriminator.trainable = False
    with pytest.raises(UsageError, match="discriminator has no weight that it could move"):
        gan.compile()


@pytest.mark.parametrize(
    "configure, value",
    [
        (keras.config.set_image_data_format, "channels_first"),
        (keras.config.set_floatx, "float16"),
    ],
)
def test_settings_of_keras_that_no_network_is_built_for_are_refused(configure, value):
    before = keras.config.image_data_format(), keras.config.floatx()
    configure(value)
    try:
        with pytest.raises(UsageError, match=value):
            small("dcgan")
    finally:
        keras.config.set_image_data_format(before[0])
        keras.config.set_floatx(before[1])


def test_callbacks_that_cannot_work_are_refused(gan):
    with pytest.raises(UsageError, match="ema_generator"):
        fit(gan, images(), callbacks=[keras.callbacks.SwapEMAWeights()])
    falling = compiled("dcgan", image_shape=GREY, decay_steps=100)
    for callback in (
        keras.callbacks.ReduceLROnPlateau("g_loss"),
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2),
    ):
        with pytest.raises(UsageError, match="already follow a schedule"):
            fit(falling, images(), callbacks=[callback])


@not_on_jax
def test_callbacks_of_keras_work(gan, tmp_path):
    rates = []
    callbacks = [
        keras.callbacks.ReduceLROnPlateau("g_loss", patience=1, min_delta=1e9, factor=0.5),
        keras.callbacks.ModelCheckpoint(str(tmp_path / "{epoch}.keras")),
        keras.callbacks.ModelCheckpoint(
            str(tmp_path / "{epoch}.weights.h5"), save_weights_only=True
        ),
        keras.callbacks.BackupAndRestore(str(tmp_path / "backup")),
        keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: rates.append(float(gan.optimizer.learning_rate))
        ),
    ]
    fit(gan, images(), epochs=3, callbacks=callbacks)
    assert rates[2] == pytest.approx(rates[1] / 2)
    assert {"1.keras", "3.keras", "2.weights.h5"} <= {p.name for p in tmp_path.iterdir()}
    again = keras.models.load_model(tmp_path / "3.keras")
    other = compiled("dcgan", image_shape=GREY)
    other.load_weights(tmp_path / "3.weights.h5")
    for model in (again, other):
        np.testing.assert_array_equal(model.generate(4), gan.generate(4))


def test_samples_of_a_batch_are_those_of_any_way_to_run():
    x = images()
    kinds = [{}, {"run_eagerly": True}]
    if keras.config.backend() != "torch":
        kinds += [{"steps_per_execution": 2}]
    drawn = []
    for options in kinds:
        gan = small("dcgan", image_shape=GREY)
        gan.compile(**options)
        fit(gan, x)
        drawn.append(gan.generate(4, ema=False))
    for samples in drawn[1:]:
        np.testing.assert_allclose(samples, drawn[0], atol=1e-5)


def test_dictionaries_of_fields_of_unequal_length_are_refused():
    pix2pix = compiled("pix2pix")
    x, _ = data(pix2pix)
    name = next(iter(x))
    with pytest.raises(UsageError, match="belong together"):
        fit(pix2pix, x | {name: part(x[name], slice(1, None))})


@each_variant
def test_a_notebook_gets_a_picture(variant):
    if variant.task.endswith("translation"):
        shown = variant.show(np.zeros((2, *variant.image_shape), "uint8"))
    else:
        shown = variant.show(4, seed=3)
        assert shown.size != variant.show(64).size or "picture" not in variant.task
    assert shown._repr_png_() and min(shown.size) >= 64
    assert len(np.unique(np.asarray(shown))) > 2


COPIES = {"deepcopy": copy.deepcopy, "pickle": lambda gan: pickle.loads(pickle.dumps(gan))}


# One of each shape of game: an original and its copy are each compiled.
@pytest.mark.slow
@not_on_jax
@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("variant", ["conditional", "cyclegan"], indirect=True)
def test_a_copy_trains_on_like_its_original_and_apart_from_it(variant, copied):
    train(variant)
    kept = snapshot(variant)
    other = copied(variant)
    train(other)
    for a, b in zip(snapshot(variant), kept, strict=True):
        np.testing.assert_array_equal(a, b)
    train(variant)
    for a, b in zip(snapshot(variant), snapshot(other), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_clone_begins_anew_with_the_same_settings(gan):
    fit(gan, images())
    clone = keras.models.clone_model(gan)
    assert clone.get_config() | {"name": gan.name} == gan.get_config()
    clone.compile()
    fresh = compiled("dcgan", image_shape=GREY)
    assert fit(clone, images()) == fit(fresh, images())
