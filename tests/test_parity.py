"""The same three steps on every backend."""

import helpers
import numpy as np
import parity
import pytest

pytestmark = pytest.mark.slow  # plays every case in a process for each backend

# Runs once, under whichever backend the suite runs first: it starts the others by itself.
CASES = list(parity.cases())


@pytest.fixture(scope="module")
def played(made):
    results = {}
    for backend in helpers.BACKENDS:
        with np.load(made / backend / "steps.npz") as file:
            results[backend] = dict(file)
    return results


@pytest.mark.skipif(len(helpers.BACKENDS) < 2, reason="one backend is installed")
@pytest.mark.parametrize("case", CASES)
def test_backends_take_the_same_steps(played, case):
    first, *others = played
    keys = [key for key in played[first] if key.split("|")[0] == case]
    assert len(keys) > 10
    for backend in others:
        for key in keys:
            compare(played[first][key], played[backend][key], f"{key} on {first} and {backend}")


def test_a_compiled_step_is_the_eager_one(played):
    for backend, results in played.items():
        for key in results:
            if key.startswith("compiled|"):
                compare(results[key], results[key.replace("compiled", "dcgan")], (key, backend))


def compare(one, other, name):
    """Asserts that two changes of a variable are the same to float32."""
    assert one.shape == other.shape, name
    # Of how far the variable moved, as a vector, and not below what its own rounding hides.
    far = np.linalg.norm(one - other) <= 1e-3 * np.linalg.norm(one) + 1e-6 * np.sqrt(one.size)
    assert far, f"{name}: {np.linalg.norm(one - other):g} apart of {np.linalg.norm(one):g}"


@pytest.mark.parametrize("case", CASES)
def test_the_steps_are_worth_comparing(played, case):
    for results in played.values():
        moved = {key: np.abs(results[key]).max() for key in results if f"{case}|" in key}
        still = [key for key, value in moved.items() if value == 0 and "noise" not in key]
        assert len(still) <= len(moved) / 4, still
        assert all(np.isfinite(value) for value in moved.values())
