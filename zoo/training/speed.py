"""Training speed of a model on this machine: `python -m zoo.training.speed SPEC`.

`python -m zoo.fastest` runs it for each backend. The spec is a JSON object: `model`, `dataset`
(None for random samples), `preset` and `overrides` as in `zoo.runs.config.resolve`, `data_dir`,
`precisions`, `seconds` of measurement for each precision, and `patience`. After `patience` seconds,
not counting the preparation of data, the process ends itself. The last line of output is a JSON
object: precision -> images per second.
"""

import json
import signal
import sys
import time

import numpy as np

import zoo
from zoo import data
from zoo.data.images import parse_size
from zoo.errors import UsageError
from zoo.runs import assembly
from zoo.tasks.task import task_of

WARM = 3  # steps before the timing starts; they compile
STRETCHES = 3  # precisions take turns, so a slow moment of the machine affects all of them


def rates(spec):
    """Returns precision -> real images per second of the training step, from the fastest stretch.

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
            # Also ends a process that waits inside a library.
            signal.alarm(spec["patience"])
        gan = assembly.build(assembly.complete(config, dataset))
        fields = batch(dataset, size)
        steps[precision] = lambda gan=gan, fields=fields: gan.train_on_batch(fields)
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
    """Returns the fields of `size` examples, repeating them if there are fewer."""
    return {name: x[np.arange(size) % len(x)] for name, x in dataset.fields.items()}


def made_up(config, examples):
    """Returns a `zoo.data.Dataset` of random samples in the model's default shape.

    Args:
        config: as `zoo.runs.config.resolve` returns it.
        examples: int, number of examples.
    """
    model = zoo.get(config["model"])
    own, shape = model.settings(), model.default_shape
    images = model.shape_setting == "image_shape"
    if images and config["image_size"]:
        shape = (*parse_size(config["image_size"]), shape[2])
    if images and config["channels"]:
        shape = (*shape[:2], config["channels"])
    random = np.random.default_rng(0)

    def samples():
        if images:
            return random.integers(0, 256, (examples, *shape), "uint8")
        return random.normal(size=(examples, *shape)).astype("float32")

    fields, names = {name: samples() for name in task_of(model.task).fields}, ()
    if "num_classes" in own:
        fields["label"] = random.integers(0, 10, examples).astype("int32")
        names = tuple("0123456789")
    return data.Dataset("made up", fields, names)


if __name__ == "__main__":
    try:
        print(json.dumps(rates(json.loads(sys.argv[1]))))
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
