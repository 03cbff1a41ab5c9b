"""A network's file loads with Keras alone, on any backend, whichever wrote it."""

import helpers
import numpy as np
import pytest

pytestmark = pytest.mark.slow  # starts two processes for each backend


# Runs once, under whichever backend the suite runs first: it starts the others by itself.
@pytest.fixture(scope="module")
def read(made, tmp_path_factory):
    """What each backend draws with the generators of all: `read[reader]["writer/name.format"]`."""
    folder = tmp_path_factory.mktemp("read")
    helpers.on_each_backend(
        lambda backend: (helpers.PARITY, "read", made, folder / f"{backend}.npz"), with_zoo=False
    )
    results = {}
    for backend in helpers.BACKENDS:
        with np.load(folder / f"{backend}.npz") as file:
            results[backend] = dict(file)
    return results


@pytest.mark.parametrize("format", ["keras", "h5"])
@pytest.mark.parametrize("reader", helpers.BACKENDS)
@pytest.mark.parametrize("writer", helpers.BACKENDS)
@pytest.mark.parametrize("name", helpers.SHAPES)
def test_a_generator_draws_the_same_wherever_it_is_loaded(made, read, name, writer, reader, format):
    expected = np.load(made / writer / f"{name}.npy")
    assert np.ptp(expected, axis=0).max() > 0.01, "all samples are the same"
    drawn = read[reader][f"{writer}/{name}.{format}"]
    np.testing.assert_allclose(drawn, expected, atol=1e-5)
