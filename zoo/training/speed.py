"""How fast a model trains here, in a process of its own: `python -m zoo.training.speed SPEC`.

What `python -m zoo.fastest` asks for each backend. The spec is a JSON object: `model`, `dataset`
(None for random samples), `preset` and `overrides` as `zoo.runs.config.resolve` takes them,
`data_dir`, `precisions`, `seconds` that each of them is measured, and `patience`, the seconds after
which the process ends itself, counted once its data are there, however long they are prepared. The
last line printed is a JSON object: precision -> images per second.
"""

import json
import signal
import sys
import time

import numpy as np

import zoo
from zoo import data
from zoo.errors import UsageError
from zoo.runs import assembly

WARM = 3  # steps before the first that is timed; in them things are compiled
STRETCHES = 3  # in turn, so that a machine which is slow for a while is so for all


def rates(spec):
    """Returns precision -> real images per second of the training step: the fastest stretch.

    Raises:
        UsageError: a setting is unknown or out of range.
    """
    from zoo.runs import config as configs

    steps = {}
    for precision in spec["precisions"]:
        overrides = {**spec["overrides"], "precision": precision}
        name = spec["dataset"]
        config = configs.resolve(spec["model"], name or "made up", spec["preset"], overrides)
        size = assembly.batch_size(config)
        if name:
            dataset = assembly.load_data(config, assembly.Source(spec["data_dir"], False))
        else:
            dataset = made_up(config, size)
        if hasattr(signal, "alarm"):  # not on Windows
            # Ends the process also where it waits inside a library.
            signal.alarm(spec["patience"])
        gan = assembly.build(assembly.complete(config, dataset))
        x, y = batch(dataset, size)
        y = y if gan.num_classes else None
        steps[precision] = lambda gan=gan, x=x, y=y: gan.train_on_batch(x, y)
        for _ in range(WARM):
            steps[precision]()
    best = dict.fromkeys(steps, 0.0)
    for _ in range(STRETCHES):
        for precision, step in steps.items():
            start, count = time.perf_counter(), 0
            while (took := time.perf_counter() - start) < spec["seconds"] / STRETCHES or not count:
                step()
                count += 1
            best[precision] = max(best[precision], count * size / took)
    return best


def batch(dataset, size):
    """Returns samples and labels, or None, of the first `size` examples, if need be in turn."""
    chosen = np.arange(size) % len(dataset.samples)
    labels = dataset.labels
    return dataset.samples[chosen], None if labels is None else labels[chosen]


def made_up(config, examples):
    """Returns a `zoo.data.Dataset` of random samples of the shape that the model has by default.

    Args:
        config: as `zoo.runs.config.resolve` returns it.
        examples: int, how many.
    """
    own = zoo.get(config["model"]).settings()
    shape = tuple(own["image_shape"].default)
    if len(shape) == 3:
        size, channels = config["image_size"], config["channels"]
        shape = (size or shape[0], size or shape[1], channels or shape[2])
    random = np.random.default_rng(0)
    if len(shape) == 3:
        samples = random.integers(0, 256, (examples, *shape), "uint8")
    else:
        samples = random.normal(size=(examples, *shape)).astype("float32")
    if "num_classes" not in own:
        return data.Dataset("made up", samples, None, (), "")
    labels = random.integers(0, 10, examples).astype("int32")
    return data.Dataset("made up", samples, labels, tuple("0123456789"), "")


if __name__ == "__main__":
    try:
        print(json.dumps(rates(json.loads(sys.argv[1]))))
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
