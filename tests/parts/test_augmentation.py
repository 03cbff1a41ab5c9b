import keras
import numpy as np
import pytest
import scipy.ndimage
from keras import ops

import zoo
from zoo import backend
from zoo.errors import UsageError
from zoo.parts import augmentation
from zoo.parts.augmentation import MAX_ANGLE, TRANSFORMATIONS

EVERYTHING = ",".join(TRANSFORMATIONS)
GEOMETRY = "flip,scaling,rotation,translation,cutout"


def images(shape=(6, 12, 16, 3), seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype("float32")


def jit(fn):
    """Makes JAX compile once instead of once for each operation, which takes it longer."""
    if keras.config.backend() == "jax":
        import jax

        return jax.jit(fn)
    return fn


def apply(x, policy, random, strength=1.0):
    def fn(x):
        return augmentation.augment(x, policy, random, strength)

    return ops.convert_to_numpy(jit(fn)(x))


def test_policies_are_read_from_text_and_sequences_in_the_order_of_application():
    assert augmentation.parse("color,translation,cutout") == dict.fromkeys(
        ("color", "translation", "cutout"), 1.0
    )
    assert [*augmentation.parse(" cutout , flip ")] == ["flip", "cutout"]
    assert augmentation.parse(["cutout:0.3", "flip"]) == {"flip": 1.0, "cutout": 0.3}
    assert augmentation.parse("") == augmentation.parse(None) == augmentation.parse(()) == {}


@pytest.mark.parametrize("probability", ["", "much", "1.5", "-0.1", "nan"])
def test_a_probability_is_a_number_from_0_to_1(probability):
    with pytest.raises(UsageError, match=rf"from 0 to 1.*Received: 'cutout:{probability}'"):
        augmentation.parse(f"flip,cutout:{probability}")


def test_unknown_transformation_names_the_near_ones():
    with pytest.raises(UsageError, match="Did you mean 'translation'"):
        augmentation.parse("color,translate")


def test_samples_that_are_not_images_are_refused(random):
    with pytest.raises(UsageError, match=r"Received: shape \(5, 2\)"):
        augmentation.augment(np.zeros((5, 2), "float32"), "flip", random)


@pytest.mark.parametrize("policy", [*TRANSFORMATIONS, EVERYTHING])
def test_strength_zero_changes_nothing_and_one_changes_something(policy, random):
    x = images()
    np.testing.assert_array_equal(apply(x, policy, random, 0.0), x)
    changed = apply(x, policy, random, 1.0)
    assert changed.shape == x.shape and changed.dtype == "float32"
    assert np.abs(changed - x).max() > 0.05


@pytest.mark.parametrize("policy", ["scaling", "rotation", "cutout"])
def test_strength_is_the_probability_for_each_image(policy, random):
    x = images((2000, 5, 5, 1))
    changed = (apply(x, policy, random, 0.3) != x).any(axis=(1, 2, 3))
    assert changed.mean() == pytest.approx(0.3, abs=0.05)
    # Times its own.
    changed = (apply(x, f"{policy}:0.5", random, 0.6) != x).any(axis=(1, 2, 3))
    assert changed.mean() == pytest.approx(0.3, abs=0.05)


def test_a_game_augments_with_the_probabilities_of_its_setting():
    gan = zoo.create("vanilla", image_shape=(5, 5, 1), augment="cutout:0.2")
    x = images((2000, 5, 5, 1))
    changed = ops.convert_to_numpy(gan.seen(ops.convert_to_tensor(x))) != x
    assert changed.any(axis=(1, 2, 3)).mean() == pytest.approx(0.2, abs=0.05)


def test_images_draw_for_themselves(random):
    x = np.repeat(images((1, 8, 8, 3)), 20, axis=0)
    for policy in ("color", "rotation"):
        assert len(np.unique(apply(x, policy, random), axis=0)) == 20


@pytest.mark.parametrize("shape", [(3, 8, 8, 1), (2, 7, 11, 3), (1, 3, 2, 2)])
def test_any_size_and_number_of_channels(shape, random):
    result = apply(images(shape), EVERYTHING, random)
    assert result.shape == shape and np.isfinite(result).all()


def test_colour_is_that_of_diffaugment(constant):
    x = images().astype("float64")
    x = x + (0.8 - 0.5)
    x = (x - x.mean(axis=3, keepdims=True)) * (0.8 * 2) + x.mean(axis=3, keepdims=True)
    middle = x.mean(axis=(1, 2, 3), keepdims=True)
    x = (x - middle) * (0.8 + 0.5) + middle
    np.testing.assert_allclose(apply(images(), "color", constant(0.8)), x, rtol=1e-4, atol=1e-5)


def test_saturation_leaves_grey_images_alone(constant):
    # Drawn so that brightness and contrast do nothing: what is left is saturation by a factor of 1.
    x = images((2, 4, 4, 1))
    np.testing.assert_allclose(apply(x, "color", constant(0.5)), x, atol=1e-6)


def test_flip_exchanges_left_and_right(constant):
    x = images()
    np.testing.assert_array_equal(apply(x, "flip", constant(0.4)), x[:, :, ::-1])
    np.testing.assert_array_equal(apply(x, "flip", constant(0.6)), x)


@pytest.mark.parametrize("uniform, part", [(0.0, -1 / 8), (0.5, 0), (0.9999, 1 / 8)])
def test_translation_moves_whole_pixels_and_fills_with_grey(uniform, part, constant):
    x = images((2, 16, 24, 3))
    expected = scipy.ndimage.shift(x, (0, 16 * part, 24 * part, 0), order=0, cval=0)
    np.testing.assert_array_equal(apply(x, "translation", constant(uniform)), expected)


@pytest.mark.parametrize("size", [15, 16])
def test_cutout_covers_half_of_each_side_at_most(size, random):
    x = np.ones((500, size, size, 1), "float32")
    hole = apply(x, "cutout", random) == 0
    rows, columns = hole.any(axis=(2, 3)).sum(axis=1), hole.any(axis=(1, 3)).sum(axis=1)
    assert rows.max() == columns.max() == 8
    assert rows.min() == columns.min() == 4  # half of it outside
    np.testing.assert_array_equal(hole.sum(axis=(1, 2, 3)), rows * columns)  # a rectangle


@pytest.mark.parametrize("policy", ["rotation", "scaling", "flip,scaling,rotation,translation"])
@pytest.mark.parametrize("uniform, normal", [(0.2, 1.0), (0.9, -2.0), (0.0, 0.5)])
def test_warps_are_those_of_scipy(policy, uniform, normal, constant):
    x = images((1, 17, 24, 2))
    centre = np.array([8, 11.5])
    matrix, offset = np.eye(2), np.zeros(2)  # from an output pixel back to the input
    if "rotation" in policy:
        angle = (2 * uniform - 1) * MAX_ANGLE
        matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if "scaling" in policy:
        matrix = matrix / 2 ** (0.2 * normal)
    if "flip" in policy and uniform < 0.5:
        matrix = np.diag([1, -1]) @ matrix
    if "translation" in policy:
        offset = np.array([np.floor(uniform * 5) - 2, np.floor(uniform * 7) - 3])
    expected = np.stack(
        [
            scipy.ndimage.affine_transform(
                x[0, :, :, c].astype("float64"),
                matrix,
                centre - matrix @ (centre + offset),
                order=1,
                mode="grid-constant",
            )
            for c in range(2)
        ],
        axis=-1,
    )
    got = apply(x, policy, constant(uniform, normal))[0]
    np.testing.assert_allclose(got, expected, atol=1e-4)


@pytest.mark.parametrize("size", [15, 16])
def test_cutout_reaches_both_ends_alike(size, constant):
    x = np.ones((1, size, size, 1), "float32")
    first, last = np.ones((2, size, size))
    first[:4, :4] = last[-4:, -4:] = 0
    np.testing.assert_array_equal(apply(x, "cutout", constant(0.0))[0, :, :, 0], first)
    np.testing.assert_array_equal(apply(x, "cutout", constant(0.9999))[0, :, :, 0], last)


@pytest.mark.parametrize("policy", [*GEOMETRY.split(","), GEOMETRY])
def test_gradient_of_a_linear_transformation_is_its_adjoint(policy, constant):
    """<T x, y> = <x, T' y>, where T' y is the gradient of <T x, y> with respect to x."""
    x, y, draws = images(seed=1), images(seed=2), constant(0.3, 1.3)

    def product(x):
        return ops.sum(ops.multiply(augmentation.augment(x, policy, draws), y), axis=(1, 2, 3))

    _, gradient = jit(lambda x: backend.input_grad(product, x))(ops.convert_to_tensor(x))
    result = apply(x, policy, draws)
    gradient = ops.convert_to_numpy(ops.stop_gradient(gradient))
    assert abs(gradient - y).max() > 0.05
    assert (x * gradient).sum() == pytest.approx((result * y).sum(), rel=1e-4)


def test_gradient_through_colour_is_that_of_finite_differences(constant):
    x, y, draws = images(seed=1), images(seed=2), constant(0.9)

    def product(x):
        return ops.sum(ops.multiply(augmentation.augment(x, "color", draws), y), axis=(1, 2, 3))

    _, gradient = jit(lambda x: backend.input_grad(product, x))(ops.convert_to_tensor(x))
    step = images(seed=3)
    low, high = (
        ops.convert_to_numpy(product(ops.convert_to_tensor(x + s * step))).sum()
        for s in (-0.5, 0.5)
    )
    slope = (ops.convert_to_numpy(ops.stop_gradient(gradient)) * step).sum()
    assert slope == pytest.approx(high - low, rel=1e-3)


def test_it_compiles_with_a_strength_that_changes(compiled, constant):
    x, draws = images(), constant(0.3, 1.3)
    step = compiled(lambda x, strength: augmentation.augment(x, EVERYTHING, draws, strength))
    for strength in (0.0, 0.2, 1.0):
        got = ops.convert_to_numpy(step(x, np.float32(strength)))
        np.testing.assert_allclose(got, apply(x, EVERYTHING, draws, strength), atol=1e-5)


def test_random_draws_compile_with_a_batch_size_that_is_not_known(compiled, random):
    x = images()
    step = compiled(lambda x: augmentation.augment(x, EVERYTHING, random))
    assert ops.convert_to_numpy(step(x)).shape == x.shape


def test_the_controller_follows_the_sign_of_the_difference():
    def after(strength, sign_mean, **options):
        value = augmentation.adapted_strength(strength, sign_mean, images=1000, **options)
        return float(ops.convert_to_numpy(value))

    assert after(0.5, 0.7) == pytest.approx(0.502)  # 1000 of 500 000 images
    assert after(0.5, 0.5) == pytest.approx(0.498)
    assert after(0.5, 0.6) == pytest.approx(0.5)
    assert after(0.5, 0.5, target=0.4, speed_images=10_000) == pytest.approx(0.6)
    assert after(0.0, -1.0) == 0 and after(1.0, 1.0) == 1
    assert after(ops.convert_to_tensor(0.5), ops.convert_to_tensor(0.7)) == pytest.approx(0.502)


def test_the_controller_takes_speed_images_from_none_to_all():
    strength = 0.0
    for _ in range(10):
        strength = augmentation.adapted_strength(strength, 0.9, images=50, speed_images=1000)
    assert float(ops.convert_to_numpy(strength)) == pytest.approx(0.5)
