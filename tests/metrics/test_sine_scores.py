import numpy as np
import pytest
import scipy.stats

from zoo.data.synthetic import sine_parameters, sine_signals
from zoo.errors import UsageError
from zoo.metrics.sine import fit_sines, sine_scores


def parameters(n, seed=0):
    wide = {"frequency": (0.4, 2.7), "phase": (0, 2 * np.pi), "amplitude": (0.1, 2)}
    return sine_parameters(n, seed, **wide)


def test_known_parameters_are_recovered_from_noiseless_signals():
    true = parameters(300)
    fit = fit_sines(sine_signals(true))
    np.testing.assert_allclose(fit["amplitude"], true["amplitude"], atol=1e-6)
    np.testing.assert_allclose(fit["frequency"], true["frequency"], atol=1e-6)
    turn = np.abs(np.exp(1j * fit["phase"]) - np.exp(1j * true["phase"]))
    assert turn.max() < 1e-5
    assert fit["residual"].max() < 1e-6


def test_noise_of_known_rms_leaves_what_three_fitted_parameters_leave():
    rng = np.random.default_rng(0)
    signals = sine_signals(sine_parameters(3000, 0)) + 0.05 * rng.standard_normal((3000, 10))
    left = np.sqrt(np.square(fit_sines(signals)["residual"]).mean())
    assert left == pytest.approx(0.05 * np.sqrt(1 - 3 / 10), rel=0.02)


def test_no_frequency_fits_better_than_the_one_found():
    signals = np.random.default_rng(1).standard_normal((20, 10))
    residuals = fit_sines(signals)["residual"]
    for frequency in np.linspace(0.2, 3, 2000):
        angle = frequency * np.arange(10)
        basis = np.stack([np.sin(angle), np.cos(angle)], axis=1)
        rest = signals.T - basis @ np.linalg.lstsq(basis, signals.T, rcond=None)[0]
        assert (np.sqrt(np.square(rest).mean(axis=0)) >= residuals - 1e-6).all()


def test_true_signals_score_near_zero():
    scores = sine_scores(sine_signals(sine_parameters(2000, 0)), sine_parameters(2000, 1))
    assert scores["residual_mean"] < 1e-6 and scores["residual_median"] < 1e-6
    for name, width in (("frequency", 0.3), ("amplitude", 0.3), ("phase", 1)):
        assert scores[f"{name}_wasserstein"] < 0.03 * width


def test_each_distance_sees_its_own_parameter_alone():
    true = sine_parameters(1000, 0)
    for name, shift in (("frequency", 0.2), ("amplitude", 0.3), ("phase", 0.5)):
        scores = sine_scores(sine_signals({**true, name: true[name] + shift}), true)
        for other in ("frequency", "amplitude", "phase"):
            expected = shift if other == name else 0
            assert scores[f"{other}_wasserstein"] == pytest.approx(expected, abs=1e-4)


def test_the_phase_goes_the_short_way_round_the_circle():
    true = sine_parameters(1000, 0)
    scores = sine_scores(sine_signals({**true, "phase": true["phase"] - 0.9}), true)
    assert scores["phase_wasserstein"] == pytest.approx(0.9, abs=1e-4)
    scores = sine_scores(sine_signals({**true, "phase": true["phase"] + np.pi}), true)
    assert 2 < scores["phase_wasserstein"] < np.pi


def test_the_distance_agrees_with_scipy_for_samples_of_unequal_size():
    true, other = sine_parameters(150, 0), sine_parameters(260, 1, frequency=(1.0, 1.4))
    scores = sine_scores(sine_signals(true), other)
    expected = scipy.stats.wasserstein_distance(true["frequency"], other["frequency"])
    assert scores["frequency_wasserstein"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    "bad", [np.zeros((99, 10)), np.zeros((200, 3)), np.full((200, 10), np.nan)]
)
def test_too_few_too_short_or_broken_signals_are_refused(bad):
    with pytest.raises(UsageError, match="Received"):
        sine_scores(bad, sine_parameters(100, 0))


def test_a_silent_generator_gets_finite_scores():
    assert all(map(np.isfinite, sine_scores(np.zeros((100, 10)), sine_parameters(100, 0)).values()))
