"""The memory a run takes: told before it starts where it is large, and where it was not enough."""

import contextlib
import sys

import numpy as np

from zoo import backend, machine
from zoo.errors import UsageError

LARGE = 2**30  # bytes from which on the estimate is said before training


def tell(gan, dataset, config):
    """Prints the estimate of memory where it is large, with a warning where there is not so much.

    A GPU's memory is not looked at: what does not fit there ends with an error that says so, where
    the system kills a process without a word.
    """
    step, samples = estimate(gan, config), dataset.nbytes
    if step + samples < LARGE:
        return
    print(f"memory: at least {_gib(step)} for the step and {_gib(samples)} for the data")
    needed, there = samples + (step if computes_on_cpu() else 0), machine.memory()[0]
    if there is not None and needed > there:
        print(
            f"warning: that is more than the {_gib(there)} this machine has; take a smaller "
            "--batch_size, or smaller pictures with --set image_size=N",
            file=sys.stderr,
        )


@contextlib.contextmanager
def told(gan, dataset, session):
    """Turns the failure of a device that has no memory left into a UsageError with a way out."""
    try:
        yield
    except Exception as error:
        if not backend.out_of_memory(error):
            raise
        config, samples = session.config, dataset.nbytes
        fitting = largest_batch(gan, config, samples)
        advice = (
            f"--batch_size={fitting} or smaller, or --set accumulate={config['accumulate'] * 2}"
            if fitting
            else "smaller pictures, --set image_size=N, or a narrower model"
        )
        raise UsageError(
            f"The memory was not enough at step {session.step + 1:,}, and the run was stopped: "
            f"the estimate is at least {_gib(estimate(gan, config))} for the step and "
            f"{_gib(samples)} for the data. Start a run with {advice}; with "
            f"--init_from={session.directory} it begins with the weights of this one. Received: "
            f"batch_size={config['batch_size']}."
        ) from error


def largest_batch(gan, config, samples):
    """Returns a batch size to try where that of `config` did not fit, 0 if none will.

    At most half of it, and by the estimate no more than this machine holds beside `samples` bytes
    of data.
    """
    fixed = estimate(gan, {**config, "batch_size": 0})
    each = estimate(gan, {**config, "batch_size": 1}) - fixed
    most, there = config["batch_size"] // 2, machine.memory()[0]
    if there is not None and computes_on_cpu():
        most = min(most, int((there - samples - fixed) // each))
    divisor = config["accumulate"] * config.get("packing", 1)
    return max(most // divisor * divisor, 0)


def computes_on_cpu():
    return all(device.upper() == "CPU" for device in backend.devices())


def _gib(size):
    return f"{size / 2**30:,.1f} GiB"


def estimate(gan, config):
    """Estimates the bytes of a step: weights, moments, gradients, and activations kept for them.

    A discriminator sees the real and the generated batch; each activation is kept once and its
    gradient once. A penalty on the gradient keeps both of them again. It is less than what a step
    takes: copies inside of the operations and the library itself are not counted.
    """
    width = 4 if config["precision"] == "float32" else 2
    weights = sum(backend.value_of(v).nbytes for v in [*gan.variables, *gan.optimizer.variables])
    gradients = 4 * sum(gan.network(name).count_params() for name in gan.network_names)

    def activations(network):
        outputs = [node.output for node in network.layers]
        return sum(int(np.prod(output.shape[1:])) for output in outputs)

    judged = 4 if config.get("penalty") else 2
    making = {name for player in gan.all_players for name in player.makes}
    values = sum(
        activations(gan.network(name)) * (1 if name in making else judged)
        for name in gan.network_names
    )
    return weights + gradients + 2 * width * config["batch_size"] * values
