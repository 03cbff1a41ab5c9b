import keras
import numpy as np
import pytest
from keras import ops

from zoo.errors import UsageError
from zoo.layers import SpectralConv2D, SpectralDense
from zoo.parts import augmentation, penalties

SHAPES = [(6, 1), (6, 7), (6, 5, 4, 3)]


def samples(shape, seed):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype("float32")


def quadratic(weights):
    """A discriminator with a known gradient: D(x) = sum(w x^2) / 2, grad D(x) = w x."""

    def discriminate(x):
        return ops.sum(ops.multiply(weights, ops.square(x)), axis=tuple(range(1, len(x.shape)))) / 2

    return discriminate


def norms(x):
    return np.sqrt((x.reshape(len(x), -1).astype("float64") ** 2).sum(axis=1))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", penalties.PENALTIES)
def test_penalties_are_the_papers_formulas(name, shape, constant):
    real, fake, w = samples(shape, 0), samples(shape, 1), samples(shape[1:], 2)
    expected = {
        "r1": (norms(w * real) ** 2).mean() / 2,
        "r2": (norms(w * fake) ** 2).mean() / 2,
        "r1_r2": (norms(w * real) ** 2).mean() / 2 + (norms(w * fake) ** 2).mean() / 2,
        "wgan_gp": ((norms(w * (0.3 * real + 0.7 * fake)) - 1) ** 2).mean(),
        "dragan": ((norms(w * (real + 0.25 * -1.5)) - 1) ** 2).mean(),
    }[name]
    penalty = penalties.get(name)
    got = penalty(quadratic(w), real, fake, constant(uniform=0.3, normal=-1.5))
    got = ops.convert_to_numpy(got)
    assert got.shape == () and got.dtype == "float32"
    np.testing.assert_allclose(got, expected, rtol=1e-4)


def test_interpolation_draws_one_number_per_sample():
    class Steps:
        def uniform(self, shape):
            assert tuple(int(n) for n in shape) == (4,)
            return ops.convert_to_tensor(np.array([0, 0.25, 0.5, 0.75], "float32"))

    real, fake, w = samples((4, 3, 3, 2), 0), samples((4, 3, 3, 2), 1), samples((3, 3, 2), 2)
    part = np.array([0, 0.25, 0.5, 0.75]).reshape(4, 1, 1, 1)
    expected = ((norms(w * (part * real + (1 - part) * fake)) - 1) ** 2).mean()
    got = penalties.wgan_gp(quadratic(w), real, fake, Steps())
    np.testing.assert_allclose(float(ops.convert_to_numpy(got)), expected, rtol=1e-4)


def network():
    """Smooth, so that finite differences see no kinks."""
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((8, 8, 2)),
            SpectralConv2D(6, 3, strides=2, padding="same", activation="tanh"),
            SpectralConv2D(8, 3, strides=2, padding="same", activation="softplus"),
            keras.layers.Flatten(),
            SpectralDense(1),
        ]
    )


@pytest.mark.parametrize("name", penalties.PENALTIES)
def test_gradients_of_penalties_are_those_of_finite_differences(name, gradients, constant):
    model = network()
    real, fake = samples((4, 8, 8, 2), 0), samples((4, 8, 8, 2), 1)
    draws = constant(uniform=0.4, normal=0.5)
    variables = model.trainable_variables

    def penalty():
        # The slopes of this small network are far from 1: scaled, so that every penalty bends.
        return penalties.get(name)(lambda x: 3 * model(x)[:, 0], real, fake, draws)

    compute = gradients(penalty, variables)
    _, grads = compute()
    rng = np.random.default_rng(3)
    start = [ops.convert_to_numpy(v.value) for v in variables]
    kernels = [i for i, v in enumerate(variables) if len(v.shape) > 1]
    for index in kernels:
        direction = rng.normal(size=start[index].shape).astype("float32")
        # Half along the gradient, so that what is compared is not just rounding noise.
        direction /= np.linalg.norm(direction)
        direction += grads[index] / np.linalg.norm(grads[index])
        values = []
        for sign in (1, -1):
            variables[index].assign(start[index] + sign * 5e-3 * direction)
            values.append(compute()[0])
        variables[index].assign(start[index])
        slope = (values[0] - values[1]) / 1e-2
        assert slope == pytest.approx(float((grads[index] * direction).sum()), rel=2e-2)


def test_a_penalty_reaches_through_augmentation(gradients, constant):
    """With D and T linear R1 is 1/2 |T' w|^2, quadratic in w, so that w dR1/dw is 2 R1."""
    w = keras.Variable(samples((8, 8, 1), 0))
    real = samples((3, 8, 8, 1), 1)

    def penalty():
        def discriminate(x):
            x = augmentation.augment(x, "rotation,scaling,cutout", constant(0.2, 0.7))
            return ops.sum(w.value * x, axis=(1, 2, 3))

        return penalties.r1(discriminate, real, real, None)

    value, (gradient,) = gradients(penalty, [w])()
    plain = (ops.convert_to_numpy(w.value) ** 2).sum() / 2
    assert 0 < value < 0.95 * plain
    assert (gradient * ops.convert_to_numpy(w.value)).sum() == pytest.approx(2 * value, rel=1e-4)


@pytest.mark.parametrize("name", ["wgan_gp", "dragan"])
def test_a_dead_discriminator_gives_finite_gradients(name, gradients, random):
    w = keras.Variable(np.zeros((5,), "float32"))
    real = samples((4, 5), 0)
    value, (gradient,) = gradients(
        lambda: penalties.get(name)(quadratic(w.value), real, real, random), [w]
    )()
    assert value == pytest.approx(1, abs=1e-4) and np.isfinite(gradient).all()


@pytest.mark.parametrize("name", penalties.PENALTIES)
def test_penalties_compile(name, compiled, constant):
    real, fake, w = samples((4, 3, 3, 1), 0), samples((4, 3, 3, 1), 1), samples((3, 3, 1), 2)
    draws = constant(0.3, 0.1)

    def penalty(real, fake):
        return penalties.get(name)(quadratic(w), real, fake, draws)

    np.testing.assert_allclose(
        ops.convert_to_numpy(compiled(penalty)(real, fake)),
        ops.convert_to_numpy(penalty(real, fake)),
        rtol=1e-5,
    )


def test_clip_weights_assigns_and_keeps_what_is_inside():
    variables = [keras.Variable(np.array([-1, -0.005, 0, 0.01, 3], "float32"))]
    penalties.clip_weights(variables, 0.01)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(variables[0].value),
        np.array([-0.01, -0.005, 0, 0.01, 0.01], "float32"),
    )


@pytest.mark.parametrize("limit", [0, -1, float("nan")])
def test_clip_weights_refuses_a_limit_that_is_not_positive(limit):
    with pytest.raises(UsageError, match="above 0"):
        penalties.clip_weights([], limit)


def test_unknown_penalty_names_the_near_ones():
    with pytest.raises(UsageError, match="Did you mean 'wgan_gp'"):
        penalties.get("wgan-gp")
