import keras
import numpy as np
import pytest
from keras import ops

from zoo.errors import UsageError
from zoo.parts import losses

# Two densities on five points whose probabilities are counts, so that a batch holds them exactly.
COUNTS_P = np.array([6, 5, 3, 1, 1])
COUNTS_Q = np.array([1, 2, 3, 4, 6])
P, Q = COUNTS_P / 16, COUNTS_Q / 16
REAL, FAKE = np.repeat(np.arange(5), COUNTS_P), np.repeat(np.arange(5), COUNTS_Q)


def softplus(x):
    return np.logaddexp(0, x)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


FORMULAS = {
    "minimax": (
        lambda r, f: -np.log(sigmoid(r)).mean() - np.log(1 - sigmoid(f)).mean(),
        lambda r, f: np.log(1 - sigmoid(f)).mean(),
    ),
    "non_saturating": (
        lambda r, f: -np.log(sigmoid(r)).mean() - np.log(1 - sigmoid(f)).mean(),
        lambda r, f: -np.log(sigmoid(f)).mean(),
    ),
    "least_squares": (
        lambda r, f: ((r - 1) ** 2).mean() / 2 + (f**2).mean() / 2,
        lambda r, f: ((f - 1) ** 2).mean() / 2,
    ),
    "hinge": (
        lambda r, f: -np.minimum(0, -1 + r).mean() - np.minimum(0, -1 - f).mean(),
        lambda r, f: -f.mean(),
    ),
    "wasserstein": (lambda r, f: f.mean() - r.mean(), lambda r, f: -f.mean()),
    "relativistic": (
        lambda r, f: -np.log(sigmoid(r - f)).mean(),
        lambda r, f: -np.log(sigmoid(f - r)).mean(),
    ),
    "relativistic_average": (
        lambda r, f: (
            -np.log(sigmoid(r - f.mean())).mean() - np.log(1 - sigmoid(f - r.mean())).mean()
        ),
        lambda r, f: (
            -np.log(sigmoid(f - r.mean())).mean() - np.log(1 - sigmoid(r - f.mean())).mean()
        ),
    ),
}


def loss_of(name, logits, **options):
    """The discriminator's loss when point k has logit `logits[k]`."""
    if name == "relativistic":  # in expectation every real meets every fake
        real, fake = np.repeat(REAL, 16), np.tile(FAKE, 16)
    else:
        real, fake = REAL, FAKE
    take = lambda index: ops.take(logits, index, axis=0)  # noqa: E731
    return losses.get(name, **options).discriminator(take(real), take(fake))


def test_every_loss_has_a_formula_here():
    assert set(FORMULAS) == set(losses.LOSSES)


@pytest.mark.parametrize("name", FORMULAS)
def test_losses_are_the_papers_formulas(name):
    rng = np.random.default_rng(0)
    real, fake = rng.normal(1, 2, 32).astype("float32"), rng.normal(-1, 2, 32).astype("float32")
    loss = losses.get(name)
    discriminator, generator = FORMULAS[name]
    got = ops.convert_to_numpy(loss.discriminator(real, fake))
    assert got.shape == () and got.dtype == "float32"
    np.testing.assert_allclose(got, discriminator(real, fake), rtol=1e-5)
    np.testing.assert_allclose(loss.generator(fake, real), generator(real, fake), rtol=1e-5)
    if not loss.uses_real:
        np.testing.assert_allclose(loss.generator(fake), generator(real, fake), rtol=1e-5)


@pytest.mark.parametrize("name", FORMULAS)
def test_uses_real_says_whether_the_generator_looks_at_real_logits(name):
    loss = losses.get(name)
    fake = np.array([0.5, -1.0], "float32")
    values = [float(loss.generator(fake, np.array(real, "float32"))) for real in ([0, 1], [2, -3])]
    assert loss.uses_real == (values[0] != values[1])
    if loss.uses_real:
        with pytest.raises(UsageError, match="real_logits"):
            loss.generator(fake)


@pytest.mark.parametrize("name", FORMULAS)
def test_sure_discriminators_give_finite_losses_and_gradients(name, gradients):
    logits = keras.Variable(np.array([1e4, -1e4, 0, 1e2, -1e2], "float32"))
    loss = losses.get(name)
    for fn in (
        lambda: loss_of(name, logits.value),
        lambda: loss.generator(logits.value, -logits.value),
    ):
        value, (gradient,) = gradients(fn, [logits])()
        assert np.isfinite(value) and np.isfinite(gradient).all()


@pytest.mark.parametrize("name", FORMULAS)
def test_half_precision_logits_are_averaged_in_float32(name):
    logits = ops.cast(np.linspace(-2, 2, 1000, dtype="float32"), "bfloat16")
    got = losses.get(name).discriminator(logits, ops.flip(logits))
    exact = np.asarray(ops.convert_to_numpy(ops.cast(logits, "float32")), "float64")
    assert keras.backend.standardize_dtype(got.dtype) == "float32"
    np.testing.assert_allclose(float(got), FORMULAS[name][0](exact, exact[::-1]), rtol=1e-5)


def test_value_of_the_game_at_the_optimal_discriminator():
    """Goodfellow et al. 2014, theorem 1: V = -log 4 + 2 JSD(p, q)."""
    value = -float(loss_of("minimax", np.log(P / Q).astype("float32")))
    middle = (P + Q) / 2
    divergence = (P * np.log(P / middle)).sum() / 2 + (Q * np.log(Q / middle)).sum() / 2
    assert value == pytest.approx(-np.log(4) + 2 * divergence, abs=1e-6)


# What the discriminator converges to, for each loss that has a closed form.
OPTIMA = [
    ("minimax", {}, np.log(P / Q)),
    ("non_saturating", {}, np.log(P / Q)),
    ("minimax", {"label_smoothing": 0.1}, np.log(0.9 * P / (0.1 * P + Q))),
    ("least_squares", {}, P / (P + Q)),
    ("least_squares", {"label_smoothing": 0.1}, 0.9 * P / (P + Q)),
    ("hinge", {}, np.sign(P - Q)),
    ("relativistic", {}, np.log(P / Q)),
]


@pytest.mark.parametrize("name, options, optimum", OPTIMA)
def test_nothing_near_the_optimal_discriminator_is_better(name, options, optimum):
    best = float(loss_of(name, optimum.astype("float32"), **options))
    rng = np.random.default_rng(0)
    for _ in range(40):
        # Adding a constant changes nothing for the relativistic loss, so it is left out for all.
        step = rng.normal(size=5)
        step -= step.mean()
        other = optimum + 0.2 * step / np.linalg.norm(step)
        assert float(loss_of(name, other.astype("float32"), **options)) > best + 1e-5


@pytest.mark.parametrize("name, options, optimum", [o for o in OPTIMA if o[0] != "hinge"])
def test_gradient_vanishes_at_the_optimal_discriminator(name, options, optimum, gradients):
    logits = keras.Variable(optimum.astype("float32"))
    _, (gradient,) = gradients(lambda: loss_of(name, logits.value, **options), [logits])()
    np.testing.assert_allclose(gradient, 0, atol=1e-6)


@pytest.mark.parametrize("name", ["least_squares", "hinge"])
def test_gradient_descent_finds_the_optimal_discriminator(name, gradients):
    optimum = next(o[2] for o in OPTIMA if o[:2] == (name, {}))
    logits = keras.Variable(np.array([0.3, -0.2, 0.0, 0.1, -0.4], "float32"))
    compute = gradients(lambda: loss_of(name, logits.value), [logits])
    for step in range(60):
        _, (gradient,) = compute()
        rate = 2.0 if name == "least_squares" else 3 / (1 + step)
        logits.assign(ops.convert_to_numpy(logits.value) - rate * gradient)
    differs = P != Q  # where they agree every logit in [-1, 1] is as good for hinge
    np.testing.assert_allclose(
        ops.convert_to_numpy(logits.value)[differs], optimum[differs], atol=0.05
    )


def test_saturating_generator_gets_little_gradient_from_a_sure_discriminator(gradients):
    logits = keras.Variable(np.array([-10.0], "float32"))
    slope = {
        name: gradients(lambda n=name: losses.get(n).generator(logits.value), [logits])()[1][0][0]
        for name in ("minimax", "non_saturating")
    }
    assert -1e-4 < slope["minimax"] < 0
    assert slope["non_saturating"] == pytest.approx(-1, abs=1e-4)


@pytest.mark.parametrize("name", ["hinge", "wasserstein", "relativistic", "relativistic_average"])
def test_smoothing_is_refused_where_there_is_no_target(name):
    with pytest.raises(UsageError, match="least_squares"):
        losses.get(name, label_smoothing=0.1)
    assert losses.get(name, label_smoothing=0.0) == losses.LOSSES[name]


@pytest.mark.parametrize("smoothing", [-0.1, 0.5, float("nan")])
def test_smoothing_out_of_range_is_refused(smoothing):
    with pytest.raises(UsageError, match="label_smoothing"):
        losses.get("minimax", label_smoothing=smoothing)


def test_smoothing_leaves_the_generator_alone():
    assert losses.get("minimax", 0.2).generator is losses.LOSSES["minimax"].generator


def test_unknown_loss_names_the_near_ones():
    with pytest.raises(UsageError, match="Did you mean 'wasserstein'"):
        losses.get("waserstein")
