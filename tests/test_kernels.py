"""What a backend computes by a kernel of its own is what Keras and the formula say."""

import collections

import helpers
import keras
import numpy as np
import pytest
from keras import ops

from zoo import backend

pytestmark = [pytest.mark.backend, pytest.mark.usefixtures("optimised")]


def normalised(x, gamma, beta, epsilon):
    """Batch normalisation by its formula, with nothing held constant."""
    axes = tuple(range(len(x.shape) - 1))
    mean = ops.mean(x, axes)
    variance = ops.mean(ops.square(x - mean), axes)
    return (x - mean) / ops.sqrt(variance + epsilon) * gamma + beta


@pytest.mark.parametrize("affine", [True, False], ids=["affine", "plain"])
@pytest.mark.parametrize("shape", [(6, 5, 4, 3), (8, 3)], ids=["images", "vectors"])
def test_batch_normalisation_and_its_second_derivative_follow_the_formula(shape, affine):
    random = np.random.default_rng(0)
    x, mixed = (ops.convert_to_tensor(random.normal(size=shape).astype("float32")) for _ in "xm")
    layer = keras.layers.BatchNormalization(momentum=0.9, scale=affine, center=affine)
    network = keras.Sequential([keras.Input(shape[1:]), layer])
    gamma, beta = 1.0, 0.0
    if affine:
        layer.gamma.assign([0.5, 1.0, 2.0])
        layer.beta.assign([-1.0, 0.0, 1.0])
        gamma, beta = layer.gamma, layer.beta
    backend.prepare(network)
    sharpness = keras.Variable(1.5)
    variables = [sharpness, *network.trainable_variables]

    def judged(normalise):
        def logits(x):
            return ops.sum(
                ops.tanh(sharpness * normalise(x)) * mixed, axis=tuple(range(1, len(shape)))
            )

        def penalty():
            values, gradient = backend.input_grad(logits, x)
            return ops.sum(ops.square(gradient)), (values, gradient)

        loss, (values, gradient), grads = backend.value_and_grad(penalty, variables)
        return [ops.convert_to_numpy(y) for y in (loss, values, gradient, *grads)]

    expected = judged(lambda x: normalised(x, gamma, beta, layer.epsilon))
    got = judged(lambda x: network(x, training=True))
    for a, b in zip(expected, got, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * np.abs(a).max())

    layer.moving_mean.assign([0.0] * 3)
    layer.moving_variance.assign([1.0] * 3)
    network(x, training=True)
    axes = tuple(range(len(shape) - 1))
    data = ops.convert_to_numpy(x)
    mean, variance = (ops.convert_to_numpy(v) for v in layer.non_trainable_variables)
    np.testing.assert_allclose(mean, 0.1 * data.mean(axes), atol=1e-6)
    np.testing.assert_allclose(variance, 0.9 + 0.1 * data.var(axes), atol=1e-6)


def test_batch_normalisation_in_inference_uses_the_moving_averages():
    layer = keras.layers.BatchNormalization()
    network = keras.Sequential([keras.Input((2,)), layer])
    layer.moving_mean.assign([1.0, 2.0])
    layer.moving_variance.assign([4.0, 9.0])
    backend.prepare(network)
    before = [ops.convert_to_numpy(v) for v in layer.variables]
    outputs = network(np.array([[3.0, 5.0], [1.0, 2.0]], "float32"), training=False)
    np.testing.assert_allclose(ops.convert_to_numpy(outputs), [[1.0, 1.0], [0.0, 0.0]], atol=1e-3)
    for a, b in zip(before, layer.variables, strict=True):
        np.testing.assert_array_equal(a, ops.convert_to_numpy(b))


def test_batch_normalisation_in_bfloat16_keeps_float32_averages():
    random = np.random.default_rng(0)
    data = (3 + random.normal(size=(64, 4, 4, 2))).astype("float32")
    layer = keras.layers.BatchNormalization(momentum=0.0, dtype="mixed_bfloat16")
    network = keras.Sequential([keras.Input((4, 4, 2)), layer])
    backend.prepare(network)
    outputs = network(ops.cast(data, "bfloat16"), training=True)
    assert keras.backend.standardize_dtype(outputs.dtype) == "bfloat16"
    outputs = ops.convert_to_numpy(ops.cast(outputs, "float32"))
    assert np.abs(outputs.mean((0, 1, 2))).max() < 0.02
    assert np.abs(outputs.std((0, 1, 2)) - 1).max() < 0.02
    np.testing.assert_allclose(layer.moving_mean, data.mean((0, 1, 2)), atol=0.01)
    np.testing.assert_allclose(layer.moving_variance, data.var((0, 1, 2)), atol=0.02)


@pytest.mark.parametrize(
    "arguments",
    [{}, {"beta_1": 0.0, "epsilon": 1e-3}, {"global_clipnorm": 0.1}, {"amsgrad": True}],
    ids=["defaults", "no momentum", "clipped", "amsgrad"],
)
def test_adam_is_kerass_adam(arguments):
    random = np.random.default_rng(0)
    start = [random.normal(size=shape).astype("float32") for shape in ((3, 4), (4,))]
    steps = [[random.normal(size=w.shape).astype("float32") for w in start] for _ in range(5)]
    ends = []
    for apply in (backend.apply, lambda optimizer, *rest: optimizer.apply(*rest)):
        schedule = keras.optimizers.schedules.PolynomialDecay(0.1, 4, 0.01)
        optimizer = keras.optimizers.Adam(schedule, **arguments)
        variables = [keras.Variable(w) for w in start]
        optimizer.build(variables)
        for gradients in steps:
            with backend.no_grad():
                apply(optimizer, [ops.convert_to_tensor(g) for g in gradients], variables)
        ends.append([ops.convert_to_numpy(v) for v in (*variables, *optimizer.variables)])
    for a, b in zip(*ends, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="others need no such kernels")
def test_a_step_on_tensorflow_takes_the_kernels():
    import tensorflow as tf

    gan = helpers.small("dcgan", penalty=None)
    gan.compile()
    x, _ = helpers.data(gan)
    graph = tf.function(lambda x: gan.train_step(x)).get_concrete_function(tf.constant(x)).graph
    kinds = collections.Counter(operation.type for operation in graph.get_operations())
    assert kinds["ResourceApplyAdam"] == len(gan.trainable_variables)
    assert kinds["FusedBatchNormV3"] >= 4 and kinds["FusedBatchNormGradV3"] >= 4
    assert not kinds["SquaredDifference"], "a layer computes its moments by single operations"


@pytest.mark.skipif(keras.config.backend() != "torch", reason="others have kernels of their own")
def test_a_step_on_pytorch_takes_the_kernels_and_copies_no_convolution():
    import torch

    gan = helpers.small("dcgan", penalty=None)
    gan.compile()
    x, _ = helpers.data(gan)
    gan.train_step(x)
    options = {"activities": [torch.profiler.ProfilerActivity.CPU], "record_shapes": True}
    with torch.profiler.profile(**options) as profile:
        gan.train_step(x)
    counts = collections.Counter(event.name for event in profile.events())
    assert counts["aten::_fused_adam_"] == len(gan.players)
    assert counts["aten::native_batch_norm"] >= 4 and not counts["aten::rsqrt"]
    kernels = {
        tuple(layer.kernel.shape[i] for i in order)
        for name in gan.network_names
        for layer in gan.network(name).layers
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Conv2DTranspose)
        for order in ((0, 1, 2, 3), (3, 2, 0, 1))
    }
    # Within its gradient PyTorch brings kernels in the order it likes.
    copies = [e for e in profile.events() if e.name in ("aten::copy_", "aten::clone")]
    copies = [e for e in copies if e.cpu_parent is None or e.cpu_parent.name != "aten::_to_copy"]
    assert kernels and not kernels & {tuple(e.input_shapes[0]) for e in copies}


@pytest.mark.parametrize(
    ("strides", "size", "padding"), [(1, 5, "same"), (2, 6, "same"), (2, 7, "valid")]
)
def test_a_depthwise_convolution_and_its_derivatives_are_kerass(strides, size, padding):
    def build():
        layer = keras.layers.DepthwiseConv2D(3, strides, padding, 2, activation="tanh")
        return keras.Sequential([keras.Input((size, size, 3)), layer])

    assert_prepared_computes_the_same(build)


@pytest.mark.parametrize("kind", [keras.layers.Conv2D, keras.layers.Conv2DTranspose])
@pytest.mark.parametrize(
    ("kernel", "strides", "padding", "size", "activation"),
    [
        *((4, 2, "same", 5, None), (5, 2, "same", 4, "tanh")),
        *((3, 1, "valid", 4, None), (2, 3, "valid", 7, None)),
    ],
)
def test_a_convolution_and_its_derivatives_are_kerass(
    kind, kernel, strides, padding, size, activation
):
    def build():
        layer = kind(3, kernel, strides, padding, activation=activation, bias_initializer="ones")
        return keras.Sequential([keras.Input((size, size, 2)), layer])

    assert_prepared_computes_the_same(build)


@pytest.mark.parametrize(("strides", "use_bias"), [(1, False), (2, True)])
def test_a_grouped_convolution_and_its_derivatives_are_kerass(strides, use_bias):
    def build():
        options = {"padding": "same", "groups": 2, "use_bias": use_bias}
        layer = keras.layers.Conv2D(6, 3, strides, activation="tanh", **options)
        return keras.Sequential([keras.Input((5, 4, 4)), layer])

    assert_prepared_computes_the_same(build)


def assert_prepared_computes_the_same(build):
    """Compares a network with one that the backend has prepared: values and both derivatives."""
    shape = build().input_shape[1:]
    x = np.random.default_rng(0).normal(size=(3, *shape)).astype("float32")
    results = []
    for prepare in (lambda network: None, backend.prepare):
        network = build()
        random = np.random.default_rng(1)
        for variable in network.trainable_variables:
            variable.assign(random.normal(size=variable.shape).astype("float32"))
        prepare(network)
        scale = keras.Variable(np.ones(x.shape, "float32"))

        def loss(network=network, scale=scale):
            outputs = network(scale * x, training=True)
            return ops.sum(ops.square(outputs)), outputs

        _, outputs, grads = backend.value_and_grad(loss, [scale, *network.trainable_variables])

        # Of second order, as a penalty takes it.
        def penalty(network=network):
            def sums(x):
                return ops.sum(ops.square(network(x)), axis=(1, 2, 3))

            values, gradient = backend.input_grad(sums, ops.convert_to_tensor(x))
            return ops.sum(ops.square(gradient)), values

        *_, second = backend.value_and_grad(penalty, network.trainable_variables)
        results.append([helpers.numpy(y) for y in (outputs, *grads, *second)])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * np.abs(a).max())


DOUBLED = {"a generator's": ({}, {}), "with an activation": ({}, {"activation": "tanh"})}
# What the shortcut must leave alone.
DOUBLED |= {
    "by three": ({"size": 3}, {}),
    "bilinear": ({"interpolation": "bilinear"}, {}),
    "of 5x5": ({}, {"kernel_size": 5}),
    "with strides": ({}, {"strides": 2}),
    "at the border": ({}, {"padding": "valid"}),
    "in groups": ({}, {"groups": 2}),
}


@pytest.mark.parametrize("case", DOUBLED)
def test_doubled_sides_and_a_convolution_are_kerass(case):
    doubling, convolution = DOUBLED[case]

    def build():
        images = keras.Input((4, 6, 2))
        x = keras.layers.UpSampling2D(**{"size": 2} | doubling)(images)
        convolution_of = {"filters": 4, "kernel_size": 3, "padding": "same"} | convolution
        return keras.Model(images, keras.layers.Conv2D(**convolution_of)(x))

    assert_prepared_computes_the_same(build)


@pytest.mark.parametrize("other", [keras.layers.Identity, keras.layers.Conv2D])
def test_doubled_sides_that_two_layers_use_are_kerass(other):
    def build():
        images = keras.Input((4, 6, 2))
        x = keras.layers.UpSampling2D(2)(images)
        y = keras.layers.Conv2D(2, 3, padding="same")(x)
        options = {"filters": 2, "kernel_size": 3, "padding": "same"}
        z = other(**options if other is keras.layers.Conv2D else {})(x)
        return keras.Model(images, keras.layers.Add()([y, z]))

    assert_prepared_computes_the_same(build)


def test_doubled_sides_that_are_an_output_stay_doubled():
    images = keras.Input((4, 6, 2))
    x = keras.layers.UpSampling2D(2)(images)
    network = keras.Model(images, [x, keras.layers.Conv2D(2, 3, padding="same")(x)])
    backend.prepare(network)
    assert [y.shape for y in network(np.ones((1, 4, 6, 2), "float32"))] == [(1, 8, 12, 2)] * 2


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="others need no such kernels")
def test_a_generator_that_doubles_takes_the_shortcut_and_its_file_has_the_layers():
    import tensorflow as tf

    gan = helpers.small("cats_and_dogs", activation="glu")
    step = tf.function(lambda z, y: gan.generator([z, y], training=True))
    graph = step.get_concrete_function(tf.zeros((2, 4)), tf.zeros((2,), tf.int32)).graph
    kinds = collections.Counter(operation.type for operation in graph.get_operations())
    # One for `z`, and one for a value and one for its gate at 8 and 16 pixels.
    assert kinds["Conv2DBackpropInput"] == 2 + 2 * 2
    kept = [type(layer).__name__ for layer in gan.inference_generator().layers]
    assert kept.count("UpSampling2D") == 2


@pytest.mark.skipif(keras.config.backend() != "jax", reason="others compute it fast as it is")
def test_a_step_on_jax_takes_no_kernel_gradient_over_images_full_of_zeros():
    import jax

    gan = helpers.small("dcgan", penalty="r1")
    gan.compile()
    x, _ = helpers.data(gan)
    groups = (
        *(gan.trainable_variables, gan.non_trainable_variables),
        *(gan.optimizer.variables, gan.metrics_variables),
    )
    state = [[v.value for v in group] for group in groups]
    compiled = jax.jit(lambda state, x: gan.train_step(state, (x,))).lower(state, x)
    text = compiled.as_text("hlo")
    # The gradient of a kernel sums over the samples of both its inputs, which is what f01b says.
    lines = [line for line in text.splitlines() if "dim_labels=f01b_i01o" in line]
    assert lines and not [line for line in lines if "lhs_dilate" in line]
