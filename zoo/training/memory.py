"""The memory of a run: an estimate before it starts, and advice if memory runs out."""

import contextlib
import sys

import numpy as np

from zoo import backend, machine
from zoo.errors import UsageError
from zoo.progress import say

LARGE = 2**30  # bytes from which the estimate is printed before training


def tell(gan, dataset, config):
    """Prints a large estimate of memory, with a warning if the machine or its GPU has less.

    Data on the disk do not count: the system keeps as much of them in memory as there is room for.
    """
    step, samples = estimate(gan, config), dataset.bytes_in_memory
    if step + samples < LARGE:
        return
    say(f"memory: at least {_gib(step)} for the step and {_gib(samples)} for the data")
    on_cpu = computes_on_cpu()
    places = [(samples + (step if on_cpu else 0), machine.memory()[0], "this machine")]
    if not on_cpu:
        # Each GPU takes its share of the batch, and the data stay outside.
        places.append((step / backend.replicas_of(gan), machine.gpu_memory(), "a GPU here"))
    for needed, there, place in places:
        if there is not None and needed > there:
            print(
                f"warning: {_gib(needed)} of that is more than the {_gib(there)} {place} has; take "
                "a smaller --batch_size, or smaller pictures with --set image_size=N",
                file=sys.stderr,
            )


@contextlib.contextmanager
def told(gan, dataset, session):
    """Turns the failure of a device that is out of memory into a UsageError with advice."""
    try:
        yield
    except Exception as error:
        if not backend.out_of_memory(error):
            raise
        config, samples = session.config, dataset.bytes_in_memory
        fitting = largest_batch(gan, config, samples)
        if fitting:
            advice = (
                f"Go on in a new run, with --continue_from={session.directory} and "
                f"--batch_size={fitting} or smaller, or --set accumulate={config['accumulate'] * 2}"
            )
        else:
            advice = (
                "Start a run with smaller pictures, --set image_size=N, or a narrower model; with "
                f"--init_from={session.directory} it begins with the weights that fit"
            )
        raise UsageError(
            f"The memory was not enough at step {session.step + 1:,}, and the run was stopped: "
            f"the estimate is at least {_gib(estimate(gan, config))} for the step and "
            f"{_gib(samples)} for the data. {advice}. Received: "
            f"batch_size={config['batch_size']}."
        ) from error


def largest_batch(gan, config, samples):
    """Returns a batch size to try when that of `config` did not fit, or 0 if none will.

    It is at most half of it, and by the estimate fits into the GPU, or into this machine beside
    `samples` bytes of data.
    """
    fixed = estimate(gan, {**config, "batch_size": 0})
    each = estimate(gan, {**config, "batch_size": 1}) - fixed
    on_cpu, most = computes_on_cpu(), config["batch_size"] // 2
    there = machine.memory()[0] if on_cpu else machine.gpu_memory()
    if there is not None:
        room = there - fixed - (samples if on_cpu else 0)
        most = min(most, int(room // each) * backend.replicas_of(gan))
    divisor = config["accumulate"] * config.get("packing", 1)
    return max(most // divisor * divisor, 0)


def computes_on_cpu():
    return all(device.upper() == "CPU" for device in backend.devices())


def _gib(size):
    return f"{size / 2**30:,.1f} GiB"


def estimate(gan, config):
    """Estimates the bytes of a step: weights, moments, gradients, and activations kept for them.

    A discriminator sees the real and the generated batch. Each activation and its gradient are kept
    once, and again for a penalty on the gradient. A real step takes more: the library itself and
    copies inside operations are not counted, nor are networks whose sides are open.
    """
    width = 4 if config["precision"] == "float32" else 2
    weights = sum(backend.value_of(v).nbytes for v in [*gan.variables, *gan.optimizer.variables])
    gradients = 4 * sum(gan.network(name).count_params() for name in gan.network_names)

    def activations(network):
        if None in network.inputs[0].shape[1:]:
            return 0
        return sum(
            activations(layer) if hasattr(layer, "layers") else int(np.prod(layer.output.shape[1:]))
            for layer in network.layers
        )

    judged = 4 if config.get("penalty") else 2
    making = {name for player in gan.all_players for name in player.makes}
    values = sum(
        activations(gan.network(name)) * (1 if name in making else judged)
        for name in gan.network_names
    )
    return weights + gradients + 2 * width * config["batch_size"] * values
