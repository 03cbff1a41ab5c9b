"""Validation and `evaluate`: the losses of all players, of which nobody learns."""

import keras
import numpy as np
import pytest
from fitting import GREY, compiled, each_shape, fit, images, last
from helpers import BATCH, data, not_on_jax, numpy, snapshot, train

pytestmark = pytest.mark.backend


@pytest.fixture
def gan():
    return compiled("dcgan", image_shape=GREY)


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


def test_an_evaluation_knows_how_many_rounds_were_played():
    """Instance noise falls with them, and at its end the logits are those without noise."""
    gone = {"instance_noise": 50.0, "instance_noise_images": 64.0}
    noisy, plain = (compiled("dcgan", image_shape=GREY, **noise) for noise in (gone, {}))
    noisy.optimizer.learning_rate = 0.0
    x = images(8 * BATCH)

    def logits(model):
        return model.evaluate(x[:BATCH], return_dict=True, verbose=0)["d_real"]

    assert logits(noisy) != pytest.approx(logits(plain), abs=1e-4)
    fit(noisy, x)
    assert logits(noisy) == pytest.approx(logits(plain), abs=1e-5)


def test_an_interrupted_evaluation_leaves_a_model_that_works(gan):
    def interrupt(batch, logs=None):
        raise KeyboardInterrupt

    before = gan.generate(4)
    stop = keras.callbacks.LambdaCallback(on_test_batch_end=interrupt)
    with pytest.raises(KeyboardInterrupt):
        gan.evaluate(images(), batch_size=BATCH, verbose=0, callbacks=[stop])
    np.testing.assert_array_equal(gan.generate(4), before)
    assert np.isfinite(fit(gan, images())["loss"][0])
