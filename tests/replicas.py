"""A program that starts with devices of its own, for test_replicas.py and test_layouts.py.

python replicas.py steps DEVICES OUT.npz [CASE ...]   a step of each case on so many devices
python replicas.py turns FOLDER                       runs that change their devices on the way
"""

import itertools
import os
import pathlib
import sys

import numpy as np

BATCH = 16


def cases():
    """Returns name -> (variant, settings)."""
    import helpers

    from zoo.parts.augmentation import TRANSFORMATIONS
    from zoo.parts.losses import LOSSES
    from zoo.parts.penalties import PENALTIES

    # Every loss and every penalty, in as few cases as possible.
    pairs = zip(LOSSES, itertools.cycle(PENALTIES), strict=False)
    assert len(LOSSES) >= len(PENALTIES)
    variations = {
        f"{loss} {penalty}": {"loss": loss, "penalty": penalty} for loss, penalty in pairs
    }
    variations |= {name: {"optimizer": name} for name in ("adam", "rmsprop")}
    variations |= {
        "augment": {"augment": ",".join(TRANSFORMATIONS), "augment_strength": 0.5},
        "weight_clip": {"weight_clip": 0.05, "loss": "wasserstein"},
        "gradient_clip": {"gradient_clip": 0.01},
        "instance_noise": {"instance_noise": 0.3},
        "packing": {"packing": 2},
        "minibatch_std": {"minibatch_std": 4},
        "n_critic": {"n_critic": 2, "penalty": "wgan_gp"},
        "accumulate": {"accumulate": 2, "penalty": "dragan", "augment": "color"},
        "adaptive": {"augment": "color", "augment_strength": 0.4, "augment_target": 0.1},
        "loss_scale": {"penalty": "r1", "gradient_clip": 0.01},
        "warm_start": {"warm_start_rounds": 1},
        "compiled": {"n_critic": 2, "augment": "flip", "generator_norm": "batch"},
    }
    several = {"discriminators": 2, "combination_sharpness": 1e3}
    variations |= {name: several | {"combination": name} for name in ("max", "softmax")}
    # All but the variants themselves on the smallest.
    small = {
        name: ("vanilla", {"generator_norm": "none"} | settings)
        for name, settings in variations.items()
    }
    return (
        small
        | {name: (name, settings) for name, settings in helpers.SHAPES.items()}
        | {
            "projected": ("cats_and_dogs", {"augment": "translation"}),
            "srgan": ("srgan", {"degradation": "blur,noise,jpeg"}),
            "discogan": ("discogan", {"weight_decay": 0.0}),
            "inpainting": ("inpainting", {"l1_weight": 2.0}),
            "spectral": ("dcgan", {"discriminator_norm": "spectral"}),
            "normalised": ("dcgan", {"penalty": "r1"}),
        }
    )


def play(name, variant, settings, layout):
    """Yields how far each variable moved in a step, and its losses."""
    import helpers
    import keras

    from zoo import backend

    settings = {"optimizer": "sgd", "learning_rate": 0.05} | settings
    with layout.making():
        gan = helpers.small(variant, **settings)
        # The first steps of Adam and RMSprop are nearly a sign, which turns the last bit of a
        # gradient near zero into a full step. An epsilon stops that.
        optimizer = {"class_name": name, "config": {"learning_rate": 0.01, "epsilon": 0.01}}
        has_epsilon = name in ("adam", "rmsprop")
        optimizer = keras.optimizers.get(optimizer) if has_epsilon else None
        if name == "loss_scale":
            optimizer = keras.optimizers.LossScaleOptimizer(gan.new_optimizer(gan.players[0]))
        # In TensorFlow one eager step is faster than tracing it; JAX would compile every operation.
        eagerly = keras.config.backend() == "tensorflow" and name != "compiled"
        # Without this the autoencoder would use Adam, whatever the setting says.
        options = {"autoencoder_optimizer": keras.optimizers.SGD(1e-3)}
        options = options if name == "warm_start" else {}
        gan.compile(optimizer, run_eagerly=eagerly, **options)
    random = np.random.default_rng(0)
    for variable in gan.trainable_variables:
        value = random.normal(0, 0.1, variable.shape).astype("float32")
        variable.assign(value + (1 if "gamma" in variable.path else 0))
    for variable in gan.weights:
        # Fill the pool, so that pictures are exchanged.
        if variable.name == "pool_filled":
            variable.assign(gan.pool_size)
        elif variable.name.startswith("pool_"):
            variable.assign(random.uniform(-1, 1, variable.shape).astype("float32"))
    helpers.average_anew(gan)
    before = [helpers.numpy(v) for v in gan.weights]
    x, y = helpers.data(gan, BATCH * gan.minibatches)

    def batches():
        while True:
            yield (x,) if y is None else (x, y)

    with layout.training():
        stream = backend.stream(gan, batches)
        losses = gan.fit(stream, steps_per_epoch=1, shuffle=False, verbose=0).history
    yield "losses", np.array([losses[key][0] for key in sorted(losses)])
    for i, (variable, value) in enumerate(zip(gan.weights, before, strict=True)):
        yield f"{i:03d} {variable.name}", helpers.numpy(variable) - value


def steps(devices, out, *names):
    from zoo import backend

    # On several workers of one device each, where TF_CONFIG names them.
    workers = "TF_CONFIG" in os.environ
    layout = backend.distribute(*(["multiworker", None] if workers else ["mirrored", int(devices)]))
    assert layout.replicas == int(devices)
    exact = 2.0**53 - 1  # with fewer than 64 bits another number
    assert layout.gather([exact, layout.index]) == [[exact, i] for i in range(layout.workers)]
    results = {}
    for name, case in cases().items():
        if names and name not in names:
            continue
        for key, value in play(name, *case, layout):
            results[f"{name}|{key}"] = value
    if layout.chief:
        np.savez(out, **results)
    layout.leave()


def turns(folder):
    """Trains each run, changing devices in the middle of its epochs."""
    from zoo import backend
    from zoo.runs import assembly, config
    from zoo.training import train

    layouts = {1: backend.Layout(), 2: backend.distribute("mirrored", 2)}
    assert layouts[2].replicas == 2
    settings = {"hidden": 8, "batch_size": 200, "epochs": 3, "optimizer": "sgd"}
    settings |= {"learning_rate": 0.01, "score_every": None, "n_critic": 2}
    # A slope of 1 has no kink where the last bit of a sum would decide between two slopes.
    settings["slope"] = 1.0
    resolved = config.resolve("vanilla", "digits", overrides=settings)
    for path in ("1-1-1", "2-1-2"):
        source = assembly.Source()
        counts = [int(n) for n in path.split("-")]
        # Of 4 steps an epoch: stops in the middle of the first and the second.
        for i, (count, stop) in enumerate(zip(counts, (2, 6, None), strict=True)):
            stopping(stop)
            layout = layouts[count]
            if i == 0:
                train.start(resolved, source=source, runs_dir=folder, name=path, layout=layout)
            else:
                train.resume(pathlib.Path(folder) / path, source=source, layout=layout)


def stopping(step):
    """Makes runs stop after `step`, if it is not None, as a signal would."""
    from zoo.training.session import Clock

    counted = Clock.on_train_batch_begin

    def begin(self, batch, logs=None):
        if step is not None and self.session.step + 1 == step:
            self.session.stop = "enough"
        getattr(counted, "before", counted)(self, batch, logs)

    begin.before = getattr(counted, "before", counted)
    Clock.on_train_batch_begin = begin


if __name__ == "__main__":
    {"steps": steps, "turns": turns}[sys.argv[1]](*sys.argv[2:])
