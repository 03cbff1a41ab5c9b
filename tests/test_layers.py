import keras
import numpy as np
import pytest
from keras import ops

from zoo import backend
from zoo.layers import MinibatchStdDev, SpectralConv2D, SpectralDense, fold, folded
from zoo.parts import penalties

LAYERS = {
    "dense": (lambda: SpectralDense(5, activation="tanh"), (4, 7)),
    "dense_to_one": (lambda: SpectralDense(1, use_bias=False), (4, 7)),
    "conv": (lambda: SpectralConv2D(6, 3, strides=2, padding="same"), (4, 8, 8, 3)),
    "grouped": (lambda: SpectralConv2D(6, 3, groups=2, use_bias=False), (4, 8, 8, 4)),
}


def data(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def numpy(x):
    return ops.convert_to_numpy(ops.stop_gradient(x))


def built(name):
    keras.utils.set_random_seed(1)
    make, shape = LAYERS[name]
    layer, x = make(), data(shape)
    layer.build(shape)
    if layer.use_bias:
        layer.bias.assign(data(layer.bias.shape, 5))
    return layer, x


def weight(layer):
    """The kernel as the optimizer sees it, as a matrix."""
    kernel = numpy(layer.trainable_variables[0].value)
    return kernel.reshape(-1, kernel.shape[-1])


@pytest.mark.parametrize("name", LAYERS)
def test_kernel_has_spectral_norm_one_after_some_training_calls(name):
    layer, x = built(name)
    before = weight(layer)
    for _ in range(100):
        layer(x, training=True)
    kernel = numpy(layer.kernel)
    norm = np.linalg.svd(kernel.reshape(-1, kernel.shape[-1]), compute_uv=False)[0]
    assert norm == pytest.approx(1, abs=1e-3)
    np.testing.assert_array_equal(weight(layer), before)
    top = np.linalg.svd(before, compute_uv=False)[0]
    np.testing.assert_allclose(kernel.reshape(before.shape), before / top, rtol=2e-3, atol=1e-4)


def test_a_training_call_is_one_power_iteration_and_inference_none():
    layer, x = built("conv")
    u, w = numpy(layer.u.value), weight(layer)
    layer(x)
    layer(x, training=False)
    np.testing.assert_array_equal(numpy(layer.u.value), u)
    layer(x, training=True)
    v = w @ u / np.linalg.norm(w @ u)
    expected = v @ w / np.linalg.norm(v @ w)
    np.testing.assert_allclose(numpy(layer.u.value), expected, atol=1e-5)


@pytest.mark.parametrize("name", LAYERS)
def test_inference_repeats_the_last_training_call(name):
    layer, x = built(name)
    trained = numpy(layer(x, training=True))
    np.testing.assert_allclose(numpy(layer(x, training=False)), trained, rtol=1e-5, atol=1e-6)


def test_a_kernel_of_zeros_gives_zeros():
    layer = SpectralDense(3, kernel_initializer="zeros")
    np.testing.assert_array_equal(numpy(layer(data((2, 4)), training=True)), np.zeros((2, 3)))


class Critic(keras.Model):
    """A discriminator's step with everything in it: two calls in training mode, and a penalty."""

    def __init__(self, network):
        super().__init__()
        self.network = network
        self.tracker = keras.metrics.Mean("loss")

    def build(self, input_shape):
        self.built = True

    def call(self, inputs, training=None):
        return self.network(inputs, training=training)

    @backend.train_step
    def train_step(self, x):
        x = x[0] if isinstance(x, tuple) else x

        def logits(x, training=True):
            return self.network(x, training=training)[:, 0]

        def loss():
            # The call in inference mode uses `u`, which the later calls then assign.
            values = logits(x, training=False), logits(x), logits(-x)
            penalty = penalties.r1(logits, x, -x, None)
            return sum(ops.mean(ops.softplus(v)) for v in values) + 10 * penalty, ()

        variables = self.network.trainable_variables
        value, _, grads = backend.value_and_grad(loss, variables)
        with backend.no_grad():
            self.optimizer.apply(grads, variables)
        self.tracker.update_state(value)
        return {"loss": self.tracker.result()}


def critic(*extra):
    keras.utils.set_random_seed(2)
    return keras.Sequential(
        [
            keras.Input((8, 8, 2)),
            SpectralConv2D(6, 3, strides=2, padding="same"),
            keras.layers.LeakyReLU(0.2),
            SpectralConv2D(8, 3, strides=2, padding="same", activation="tanh"),
            *extra,
            keras.layers.Flatten(),
            SpectralDense(1),
        ]
    )


@pytest.mark.parametrize("extra", [(), (MinibatchStdDev(),)])
def test_a_discriminator_trains_with_a_penalty_in_a_compiled_step(extra):
    network = critic(*extra)
    model = Critic(network)
    model.compile(optimizer=keras.optimizers.Adam(3e-3))
    spectral = [layer for layer in network.layers if hasattr(layer, "u")]
    before = [(numpy(s.u.value), weight(s)) for s in spectral]
    history = model.fit(data((24, 8, 8, 2)), batch_size=8, epochs=3, verbose=0, shuffle=False)
    losses = history.history["loss"]
    assert np.isfinite(losses).all() and losses[-1] < losses[0]
    for layer, (u, w) in zip(spectral[:2], before[:2], strict=True):
        assert abs(numpy(layer.u.value) - u).max() > 1e-3
        assert abs(weight(layer) - w).max() > 1e-3
        normalised = numpy(layer.kernel).reshape(weight(layer).shape)
        assert np.linalg.svd(normalised, compute_uv=False)[0] == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("name", LAYERS)
def test_config_and_file_give_back_the_same_layer(name, tmp_path):
    make, shape = LAYERS[name]
    model = keras.Sequential([keras.Input(shape[1:]), make()])
    x = data(shape)
    for _ in range(3):
        model(x, training=True)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.layers[0]) is type(model.layers[0])
    np.testing.assert_array_equal(numpy(loaded(x)), numpy(model(x)))
    # The weight itself, not the normalised kernel, so that training goes on where it stopped.
    np.testing.assert_array_equal(weight(loaded.layers[0]), weight(model.layers[0]))
    np.testing.assert_array_equal(numpy(loaded.layers[0].u.value), numpy(model.layers[0].u.value))
    model.save_weights(tmp_path / "model.weights.h5")
    again = keras.models.clone_model(model)
    again.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(numpy(again(x)), numpy(model(x)))


@pytest.mark.parametrize("name", LAYERS)
def test_a_folded_layer_is_stock_and_equal(name):
    layer, x = built(name)
    layer(x, training=True)
    stock = fold(layer)
    assert type(stock) in (keras.layers.Dense, keras.layers.Conv2D)
    np.testing.assert_allclose(numpy(stock(x)), numpy(layer(x)), rtol=1e-5, atol=1e-6)


def test_a_folded_model_is_stock_and_equal_however_it_is_built():
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 2), name="image")
    label = keras.Input((), dtype="int32", name="label")
    shared = SpectralConv2D(2, 3, padding="same", activation="relu")
    x = keras.layers.BatchNormalization()(shared(shared(image)))
    x = critic()(x)
    x = x + SpectralDense(1)(keras.layers.Embedding(3, 4)(label))
    model = keras.Model([image, label], ops.reshape(x, (-1,)))
    inputs = [data((5, 8, 8, 2)), np.array([0, 1, 2, 1, 0], "int32")]
    for _ in range(3):
        model(inputs, training=True)
    stock = folded(model)
    assert "zoo" in model.to_json() and "zoo" not in stock.to_json()
    np.testing.assert_allclose(numpy(stock(inputs)), numpy(model(inputs)), rtol=1e-4, atol=1e-6)
    assert [i.name for i in stock.inputs] == ["image", "label"]
    expected = numpy(model(inputs))
    for variable in stock.variables:
        variable.assign(ops.zeros_like(variable.value))
    np.testing.assert_array_equal(numpy(model(inputs)), expected)  # nothing is shared


def test_mixed_precision_keeps_the_singular_vector_in_float32():
    layer = SpectralConv2D(4, 3, dtype="mixed_bfloat16")
    x = data((2, 8, 8, 3))
    result = layer(x, training=True)
    assert keras.backend.standardize_dtype(result.dtype) == "bfloat16"
    assert layer.u.dtype == layer.trainable_variables[0].dtype == "float32"
    exact = SpectralConv2D(4, 3)
    exact.build(x.shape)
    exact.set_weights(layer.get_weights())
    np.testing.assert_allclose(
        numpy(ops.cast(result, "float32")), numpy(exact(x)), atol=0.03, rtol=0.03
    )


def deviation(x):
    """Karras et al. 2018 in numpy, for one group."""
    flat = x.reshape(len(x), -1).astype("float64")
    return np.sqrt(flat.var(axis=0) + 1e-8).mean()


@pytest.mark.parametrize(
    "batch, groups, shape",
    [
        (8, [4, 4], (4, 4, 3)),
        (8, [4, 4], (7,)),
        (3, [3], (4, 4, 3)),
        (1, [1], (4, 4, 3)),
        (5, [3, 2], (4, 4, 3)),
        (9, [3, 3, 3], (4, 4, 3)),
    ],
)
def test_minibatch_deviation_is_that_of_each_group(batch, groups, shape):
    x = data((batch, *shape))
    layer = MinibatchStdDev()
    got = numpy(layer(x))
    assert got.shape == layer.compute_output_shape(x.shape) == (*x.shape[:-1], shape[-1] + 1)
    np.testing.assert_array_equal(got[..., :-1], x)
    start = 0
    for size in groups:
        part = slice(start, start + size)
        np.testing.assert_allclose(got[part, ..., -1], deviation(x[part]), rtol=1e-4)
        start += size


def test_minibatch_deviation_of_halves_is_that_of_the_whole():
    x, layer = data((16, 4, 4, 3)), MinibatchStdDev()
    halves = np.concatenate([numpy(layer(x[:8])), numpy(layer(x[8:]))])
    np.testing.assert_allclose(numpy(layer(x)), halves, rtol=1e-5)


def test_minibatch_deviation_of_equal_samples_has_finite_gradients():
    x = ops.convert_to_tensor(np.ones((4, 2, 2, 1), "float32"))
    layer = MinibatchStdDev()
    _, gradient = backend.input_grad(lambda x: ops.sum(layer(x)[..., -1], axis=(1, 2)), x)
    assert np.isfinite(numpy(gradient)).all()


def test_minibatch_deviation_is_kept_in_a_file_and_takes_any_batch(tmp_path):
    model = keras.Sequential([keras.Input((4, 4, 3)), MinibatchStdDev(group_size=3)])
    assert model.output_shape == (None, 4, 4, 4)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.layers[0].group_size == 3
    x = data((7, 4, 4, 3))
    expected = numpy(MinibatchStdDev(group_size=3)(x))
    np.testing.assert_allclose(loaded.predict(x, verbose=0), expected, rtol=1e-5)


def test_minibatch_deviation_under_mixed_precision_is_computed_in_float32():
    # Neighbours in bfloat16: their mean, 257, has no bfloat16 of its own.
    x = np.array([256, 258, 256, 258], "float32").reshape(4, 1)
    result = MinibatchStdDev(dtype="mixed_bfloat16")(ops.cast(x, "bfloat16"))
    assert keras.backend.standardize_dtype(result.dtype) == "bfloat16"
    np.testing.assert_array_equal(numpy(ops.cast(result, "float32"))[:, 1], 1)


@pytest.mark.parametrize("size", [0, -1])
def test_an_empty_group_is_refused(size):
    with pytest.raises(ValueError, match="at least one"):
        MinibatchStdDev(group_size=size)
