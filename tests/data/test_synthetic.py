import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from zoo.data import synthetic
from zoo.data.synthetic import Mixture
from zoo.errors import UsageError

TWO = "0.3*normal(-2, 0.5) + 0.7*normal(3, 1)"


def test_a_target_is_read_with_its_weights_normalised():
    assert Mixture.parse("normal(4, 1.25)") == Mixture((1.0,), (4.0,), (1.25,))
    mixture = Mixture.parse(" 3 * normal( -2,.5 )+7*normal(+3,1e+0)")
    assert mixture == Mixture((0.3, 0.7), (-2.0, 3.0), (0.5, 1.0))
    assert Mixture.parse(str(mixture)) == mixture


@pytest.mark.parametrize(
    "text",
    [
        "",
        "4, 1.25",
        "normal(4)",
        "normal(4, 0)",
        "normal(4, -1)",
        "-1*normal(4, 1)",
        "0*normal(4, 1)",
        "normal(4, 1) +",
        "normal(4, 1) normal(5, 1)",
        "uniform(0, 1)",
        "normal(4, 1e999)",
        "1e308*normal(0, 1) + 1e308*normal(0, 1)",
        "__import__('os')",
    ],
)
def test_a_target_that_makes_no_sense_is_refused_with_what_was_received(text):
    with pytest.raises(UsageError, match="Received: target=") as error:
        Mixture.parse(text)
    assert repr(text) in str(error.value)


def test_the_mixture_agrees_with_scipy():
    mixture = Mixture.parse(TWO)
    parts = [(0.3, scipy.stats.norm(-2, 0.5)), (0.7, scipy.stats.norm(3, 1))]
    x = np.linspace(-8, 9, 50).reshape(5, 10)
    np.testing.assert_allclose(mixture.pdf(x), sum(w * p.pdf(x) for w, p in parts), atol=1e-12)
    np.testing.assert_allclose(mixture.cdf(x), sum(w * p.cdf(x) for w, p in parts), atol=1e-12)
    area, _ = scipy.integrate.quad(lambda t: mixture.cdf(t), -30, 2.5, limit=200)
    assert mixture.cdf_integral(2.5) == pytest.approx(area, abs=1e-8)
    draws = mixture.sample(200_000, np.random.default_rng(0))
    assert draws.mean() == pytest.approx(mixture.mean, abs=0.02)
    assert draws.std() == pytest.approx(mixture.std, abs=0.02)


def test_ring_and_grid_have_the_published_geometry():
    centres, std = synthetic.modes("ring8")
    np.testing.assert_allclose(np.linalg.norm(centres, axis=1), 2)
    np.testing.assert_allclose(centres[2], [0, 2], atol=1e-12)
    # PacGAN has radius 1 and std 0.01.
    assert len(centres) == 8 and std / 2 == pytest.approx(0.01 / 1)
    centres, std = synthetic.modes("grid25")
    assert sorted(map(tuple, centres)) == [(i, j) for i in range(-4, 5, 2) for j in range(-4, 5, 2)]
    assert std == 0.05
    with pytest.raises(UsageError, match="grid25, ring8"):
        synthetic.modes("ring")


@pytest.mark.parametrize("name", ["ring8", "grid25"])
def test_points_surround_every_centre_evenly_with_the_std(name):
    centres, std = synthetic.modes(name)
    points = synthetic.load(name, n=20_000).samples
    offsets = points[:, None] - centres
    nearest = np.linalg.norm(offsets, axis=2).argmin(axis=1)
    counts = np.bincount(nearest, minlength=len(centres))
    assert np.abs(counts * len(centres) / len(points) - 1).max() < 0.15
    offset = offsets[np.arange(len(points)), nearest]
    np.testing.assert_allclose(offset.std(axis=0), std, rtol=0.03)


def test_signals_follow_the_formula_with_parameters_in_their_ranges():
    parameters = synthetic.sine_parameters(500, seed=3)
    for name, low, high in [("phase", 0, 1), ("frequency", 1.2, 1.5), ("amplitude", 0.5, 0.8)]:
        values = parameters[name]
        assert low <= values.min() < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < values.max() <= high
    samples = synthetic.sine(500, seed=3).samples
    for row in (0, 499):
        a, f, p = (parameters[name][row] for name in ("amplitude", "frequency", "phase"))
        expected = [a * np.sin(p + f * i) for i in range(10)]
        np.testing.assert_allclose(samples[row], expected, atol=1e-6)


@pytest.mark.parametrize(("name", "columns"), [("gaussian", 1), ("ring8", 2), ("sine", 10)])
def test_a_data_set_is_float32_fixed_by_its_seed_and_new_on_the_test_split(name, columns):
    data = synthetic.load(name, n=200, seed=1)
    assert data.name == name and data.samples.dtype == np.float32
    assert data.samples.shape == (200, columns)
    assert data.labels is None and data.class_names == () and data.skipped == ()
    again = synthetic.load(name, n=200, seed=1)
    np.testing.assert_array_equal(again.samples, data.samples)
    assert again.fingerprint == data.fingerprint and len(data.fingerprint) == 64
    for other in (
        synthetic.load(name, n=200, seed=2),
        synthetic.load(name, n=200, seed=1, split="test"),
    ):
        assert other.fingerprint != data.fingerprint
        assert np.isin(other.samples, data.samples).mean() < 0.05


def test_a_gaussian_set_takes_a_target():
    samples = synthetic.load("gaussian", n=20_000, target=TWO).samples
    assert samples.mean() == pytest.approx(Mixture.parse(TWO).mean, abs=0.1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "ring9"}, "ring8"),
        ({"name": "ring8", "split": "validation"}, "train and test"),
        ({"name": "ring8", "radios": 3}, "'radius'"),
        ({"name": "sine", "phases": (0, 1)}, "'phase'"),
        ({"name": "ring8", "std": 0}, "std above zero"),
        ({"name": "gaussian", "n": 0}, "n above zero"),
    ],
)
def test_what_cannot_be_drawn_is_refused(arguments, message):
    with pytest.raises(UsageError, match=message):
        synthetic.load(**arguments)
