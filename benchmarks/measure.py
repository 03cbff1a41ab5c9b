"""One measurement in a separate process: `python -m benchmarks.measure SPEC`.

The spec is a JSON object: `kind`, one of `KINDS`; `seconds` of measurement; `started`, the clock
(`time.time()`) at the start of the process; and for a training `model`, `overrides` and `examples`.
The last line of output is a JSON object: the measurements, or `skipped`, a sentence.
"""

import json
import pathlib
import resource
import sys
import time

import numpy as np

# The warm-up takes at least this many steps and this share of the measured seconds. The measured
# stretch has at least as many steps, so that one long step more or less does not count.
STEPS, WARM_SHARE = 5, 0.25
BATCH = 64  # of the references and of the models compared with them
MATRIX, BLOCK = 3072, 0.1  # side of the matrices; least seconds between two looks at the clock


class Watch:
    """Times the first step of a training and, after a warm-up, a stretch of steps.

    Reading a loss waits for its step to end. So losses are read only at the first step and at both
    ends of the stretch, and a backend may work ahead in between.

    Args:
        spec: dict, the spec of the measurement.
        spent: list of one float; the stream of batches adds the seconds it takes.
    """

    def __init__(self, spec, spent):
        self.spec, self.spent = spec, spent
        self.first_step = self.start = None
        self.steps, self.done = 0, False

    def after(self, loss):
        """Counts a step that is done or on its way; `float(loss)` waits for its end."""
        self.steps += 1
        now = time.perf_counter()
        if self.first_step is None:
            float(loss)
            self.first_step = time.time() - self.spec["started"]
            self.warm = time.perf_counter() + WARM_SHARE * self.spec["seconds"]
        elif self.start is None:
            if self.steps >= STEPS and now >= self.warm:
                float(loss)
                self.start, self.steps = time.perf_counter(), 0
                self.spent_before = self.spent[0]
        elif self.steps >= STEPS and now - self.start >= self.spec["seconds"]:
            float(loss)
            self.seconds = time.perf_counter() - self.start
            self.waited = self.spent[0] - self.spent_before
            self.done = True

    def result(self, batch_size, operations, imported):
        """Returns the measurements of a training, a dict.

        Args:
            batch_size: int, real samples in a step.
            operations: float, operations for each real sample, or None.
            imported: float, seconds that the imports took.
        """
        rate = self.steps * batch_size / self.seconds
        return {
            "images_per_second": rate,
            "first_step": self.first_step,
            "import": imported,
            "data": self.waited / self.seconds,
            "memory": memory(),
            "operations": operations,
            "operations_per_second": operations and rate * operations,
            "steps": self.steps,
        }


def zoo(spec):
    """Measures one of our models, trained by `fit` as train.py does it."""
    start = time.perf_counter()
    import zoo  # noqa: F401

    imported = time.perf_counter() - start

    from benchmarks import operations
    from zoo import backend
    from zoo.runs import assembly
    from zoo.runs import config as configs
    from zoo.training import speed

    config = configs.resolve(spec["model"], "made up", "default", spec["overrides"])
    dataset = speed.made_up(config, spec["examples"])
    gan = assembly.build(assembly.complete(config, dataset))
    spent = [0.0]
    watch = Watch(spec, spent)
    size = assembly.batch_size(config)
    stream = backend.stream(gan, lambda: timed(dataset, size, spent))
    fit(gan, stream, watch, "loss")
    return watch.result(size, operations.of_step(gan), imported)


def keras_idiom(spec):
    """Measures the reference in the official Keras idiom, trained as ours is."""
    start = time.perf_counter()
    import keras  # noqa: F401

    imported = time.perf_counter() - start

    from benchmarks import operations
    from benchmarks.references import keras_dcgan
    from zoo import data

    samples = images(spec["examples"])
    dataset = data.Dataset("made up", {"image": samples})
    gan = keras_dcgan.KerasDCGAN(spec["overrides"]["width"])
    gan.compile()
    spent = [0.0]
    watch = Watch(spec, spent)
    stream = ((fields["image"],) for (fields,) in timed(dataset, BATCH, spent))
    fit(gan, stream, watch, "g_loss")
    networks = (operations.of_network(n) for n in (gan.generator, gan.discriminator))
    each = sum(p * n for p, n in zip(keras_dcgan.PASSES, networks, strict=True))
    return watch.result(BATCH, each, imported)


def pytorch(spec, **options):
    """Measures the reference in plain PyTorch, trained in a plain loop."""
    start = time.perf_counter()
    import torch

    imported = time.perf_counter() - start

    from benchmarks.references import pytorch_dcgan as reference

    samples = images(spec["examples"])
    gan = reference.PyTorchDCGAN(spec["overrides"]["width"], **options)
    spent = [0.0]
    watch = Watch(spec, spent)
    stream = timed_shuffle(samples, BATCH, spent)
    while not watch.done:
        try:
            loss = gan.step(next(stream))
        except Exception as error:
            if not options.get("compiled") or watch.first_step is not None:
                raise
            reason = " ".join(str(error).split())[:200]
            return {"skipped": f"torch.compile does not work on this machine: {reason}"}
        watch.after(loss)
    z = torch.zeros(1, reference.LATENT_DIM, device=gan.device)
    image = torch.zeros(1, 1, 28, 28, device=gan.device)
    each = reference.PASSES[0] * reference.operations(gan.generator, z)
    each += reference.PASSES[1] * reference.operations(gan.discriminator, image)
    return watch.result(BATCH, each, imported)


def pytorch_compiled(spec):
    """Does the same as `pytorch` with both networks compiled."""
    return pytorch(spec, compiled=True)


def pytorch_bfloat16(spec):
    """Does the same as `pytorch` under autocast to bfloat16."""
    return pytorch(spec, bfloat16=True)


def product(spec):
    """Measures the rate of the backend's float32 matrix product in the fastest of some blocks."""
    import keras
    from keras import ops

    from zoo import backend

    side = spec["side"]
    random = np.random.default_rng(0)
    a, b = (ops.convert_to_tensor(random.normal(size=(side, side)).astype("float32")) for _ in "ab")
    rates, count = [], 1
    float(ops.matmul(a, b)[0, 0])
    end = time.perf_counter() + spec["seconds"]
    while time.perf_counter() < end or not rates:
        start = time.perf_counter()
        for _ in range(count):
            c = ops.matmul(a, b)
        float(c[0, 0])
        took = time.perf_counter() - start
        if took < BLOCK:
            count *= 2  # On a fast GPU the waiting would count.
        else:
            rates.append(2 * side**3 * count / took)
    return {
        "operations_per_second": max(rates),
        "side": side,
        "devices": backend.devices(),
        "backend": keras.config.backend(),
    }


def fit(gan, stream, watch, name):
    """Trains by `fit` on a stream of batches until the watch is done."""
    import keras

    class Tell(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            watch.after(logs[name])
            if watch.done:
                self.model.stop_training = True

    gan.fit(stream, steps_per_epoch=2**40, callbacks=[Tell()], shuffle=False, verbose=0)


def images(count):
    """Returns random images uint8 `(count, 28, 28, 1)` for a reference."""
    return np.random.default_rng(0).integers(0, 256, (count, 28, 28, 1), "uint8")


def timed(dataset, batch_size, spent):
    """Yields batches as train.py does, and adds the seconds that each takes to `spent[0]`."""
    from zoo.data import batches

    stream = batches.batches(dataset, batch_size)
    while True:
        start = time.perf_counter()
        batch = next(stream)
        spent[0] += time.perf_counter() - start
        # Keras takes the batches of a generator in tuples.
        yield (batch,)


def timed_shuffle(samples, batch_size, spent):
    """Does the same as `timed` without the package, so this process imports PyTorch only."""
    random = np.random.default_rng(0)
    while True:
        order = random.permutation(len(samples))
        for i in range(0, len(samples) - batch_size + 1, batch_size):
            start = time.perf_counter()
            batch = samples[order[i : i + batch_size]]
            spent[0] += time.perf_counter() - start
            yield batch


def memory():
    """Returns the largest resident memory of this process so far, in bytes."""
    try:
        # Preferred, because the number of getrusage begins with the memory of the parent.
        status = pathlib.Path("/proc/self/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


KINDS = {
    "zoo": zoo,
    "keras": keras_idiom,
    "pytorch": pytorch,
    "pytorch_compiled": pytorch_compiled,
    "pytorch_bfloat16": pytorch_bfloat16,
    "product": product,
}

if __name__ == "__main__":
    spec = json.loads(sys.argv[1])
    print(json.dumps(KINDS[spec["kind"]](spec)))
