"""The same step on one, two and four devices: same global batch, same noise, same change."""

import subprocess
import sys

import helpers
import keras
import numpy as np
import pytest
import replicas

pytestmark = [
    pytest.mark.backend,
    pytest.mark.slow,  # plays every case in a process for each number of devices
    pytest.mark.skipif(keras.config.backend() == "torch", reason="PyTorch trains on one device"),
]

COUNTS = (1, 2, 4)
# With batch normalisation second derivatives are sums of large terms that nearly cancel, of which
# the weights here move by 0.5.
WIDER = {"normalised": 2e-6}


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    folder = tmp_path_factory.mktemp("played")
    program = helpers.ROOT / "tests" / "replicas.py"
    running = [
        subprocess.Popen(
            [sys.executable, program, "steps", str(count), folder / f"{count}.npz"],
            env=helpers.environment(keras.config.backend()),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for count in COUNTS
    ]
    said = [process.communicate()[0] for process in running]
    for process, text in zip(running, said, strict=True):
        assert process.returncode == 0, text
    return [dict(np.load(folder / f"{count}.npz")) for count in COUNTS]


@pytest.mark.parametrize("case", replicas.cases())
def test_the_step_is_the_same_on_any_number_of_devices(played, case):
    alone = {key: value for key, value in played[0].items() if key.split("|")[0] == case}
    moved = [key for key, value in alone.items() if np.abs(value).max() > 1e-6]
    assert len(moved) > len(alone) / 2, "weights that stay where they are prove nothing"
    for several in played[1:]:
        for key, value in alone.items():
            # Losses are of the order of 1 or 10, and summed in another order.
            atol = 5e-6 if key.endswith("|losses") else WIDER.get(case, 1e-6)
            np.testing.assert_allclose(several[key], value, rtol=0, atol=atol, err_msg=key)
