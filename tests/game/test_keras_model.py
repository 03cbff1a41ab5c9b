"""A game as a model of Keras: called, exported, frozen, watched by callbacks."""

import keras
import numpy as np
import pytest
from fitting import GREY, compiled, fit, images
from helpers import BATCH, each_game, not_on_jax, numpy, small

from zoo.errors import UsageError
from zoo.tasks.task import task_of

pytestmark = pytest.mark.backend


@pytest.fixture
def gan():
    return compiled("dcgan", image_shape=GREY)


@each_game
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


@each_game
def test_a_notebook_gets_a_picture(variant):
    if task_of(variant.task).translates:
        shown = variant.show(np.zeros((2, *variant.image_shape), "uint8"))
    elif task_of(variant.task).fills:
        holes = np.zeros((2, *variant.image_shape[:2]), bool)
        holes[:, 4:8, 4:8] = True
        pictures = np.zeros((2, *variant.image_shape), "uint8")
        shown = variant.show(pictures, holes)
    else:
        shown = variant.show(4, seed=3)
        assert shown.size != variant.show(64).size or "picture" not in variant.task
    assert shown._repr_png_() and min(shown.size) >= 64
    assert len(np.unique(np.asarray(shown))) > 2
