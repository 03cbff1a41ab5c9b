"""Checks that a rewrite changes no number: compares the steps of two source trees bit for bit.

    KERAS_BACKEND=jax python benchmarks/unchanged.py record OUT.npz [CASE ...] [--source=TREE]
    python benchmarks/unchanged.py compare BEFORE.npz AFTER.npz

A case is a variant with a preset, or `dcgan` with one loss, penalty or option. Each takes 20 steps
from the same seed and records weights, averages, seeds, optimizer states, and the logs of both
epochs of ten steps. It uses only the public API.
"""

import argparse
import os
import pathlib
import sys

import numpy as np

BATCH = 8
EPOCHS, STEPS = 2, 10
VARIANTS = ("vanilla", "gaussian", "sine", "conditional", "cats_and_dogs", "dcgan")
SMALL = {"latent_dim": 4, "width": 4, "hidden": 8, "num_classes": 3}
SHAPES = {"gaussian": (2,), "sine": (10,)}
OPTIONS = {
    "label_smoothing": {"label_smoothing": 0.1},
    "penalty_every=1": {"penalty_every": 1},
    "weight_clip": {"weight_clip": 0.05},
    "gradient_clip": {"gradient_clip": 0.5},
    "instance_noise": {"instance_noise": 0.1, "instance_noise_images": 200.0},
    "augment": {"augment": "color,flip,scaling,rotation,translation,cutout"},
    "augment_strength": {"augment": "translation,cutout", "augment_strength": 0.4},
    "augment_target": {"augment": "flip", "augment_strength": 0.1, "augment_target": 0.6},
    "packing": {"packing": 2},
    "minibatch_std": {"minibatch_std": 4},
    "n_critic": {"n_critic": 3},
    "accumulate": {"accumulate": 2},
    "rmsprop": {"optimizer": "rmsprop"},
    "sgd": {"optimizer": "sgd"},
    "discriminator_learning_rate": {"discriminator_learning_rate": 1e-4},
    "linear decay": {"decay": "linear", "decay_steps": 15},
    "cosine decay": {"decay": "cosine", "decay_steps": 15},
    "no average": {"ema_half_life": 0.0},
    "ramp": {"ema_half_life": 20.0, "ema_ramp_up": 1.0},
    "spectral": {"discriminator_norm": "spectral"},
    "no norm": {"discriminator_norm": "none"},
    "discriminators": {"discriminators": 2},
    "max": {"discriminators": 2, "combination": "max"},
    "softmax": {"discriminators": 2, "combination": "softmax", "combination_sharpness": 0.5},
    "odd size": {"image_shape": (13, 13, 3)},
    "mixed_bfloat16": {"dtype": "mixed_bfloat16"},
    "mixed_float16": {"dtype": "mixed_float16"},
    "together": {
        "packing": 2,
        "n_critic": 2,
        "accumulate": 2,
        "augment": "flip",
        "minibatch_std": 2,
    },
}
LOSSES = (
    *("minimax", "non_saturating", "least_squares", "hinge", "wasserstein", "relativistic"),
    "relativistic_average",
)
PENALTIES = (None, "r1", "r2", "r1_r2", "wgan_gp", "dragan")


def cases():
    """Returns name -> (variant, preset, settings)."""
    entries = {f"{name} {preset}": (name, preset, {}) for name in VARIANTS for preset in PRESETS}
    entries |= {f"dcgan loss {loss}": ("dcgan", "default", {"loss": loss}) for loss in LOSSES}
    entries |= {f"dcgan penalty {p}": ("dcgan", "default", {"penalty": p}) for p in PENALTIES}
    entries |= {f"dcgan {option}": ("dcgan", "default", s) for option, s in OPTIONS.items()}
    return entries


PRESETS = ("default", "paper")


def play(variant, preset, settings):
    """Returns name -> array of the weights, other state and logs after 20 steps."""
    import keras

    import zoo
    from zoo.runs import config

    keras.utils.set_random_seed(0)
    own = zoo.get(variant).settings()
    shape = SHAPES.get(variant, (16, 16, 1))
    resolved = config.resolve(variant, "ring8" if variant == "gaussian" else "mnist", preset)
    shaped = "image_shape" if "image_shape" in own else "sample_shape"
    chosen = config.model_settings(resolved) | {shaped: shape}
    chosen |= {name: value for name, value in SMALL.items() if name in own} | settings
    shape = chosen[shaped]
    gan = zoo.create(variant, **chosen)
    gan.compile()
    size = BATCH * chosen.get("n_critic", 1)
    count = size * STEPS
    random = np.random.default_rng(0)
    if len(shape) == 3:
        x = random.integers(0, 256, (count, *shape)).astype("uint8")
    else:
        x = random.normal(size=(count, *shape)).astype("float32")
    y = random.integers(0, 3, count).astype("int32") if chosen.get("num_classes") else None
    options = {"batch_size": BATCH, "epochs": EPOCHS, "shuffle": False, "verbose": 0}
    history = gan.fit(x, y, **options).history

    def value(tensor):
        return np.array(keras.ops.convert_to_numpy(tensor), "float64")

    seen = {}
    for variable in [*gan.variables, *gan.optimizer.variables]:
        name = variable.path
        while name in seen:
            name += "'"
        seen[name] = value(variable)
    return seen | {f"log {name}": np.array(values) for name, values in history.items()}


def record(out, source, wanted):
    sys.path.insert(0, str(pathlib.Path(source).resolve()))
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    outputs = {}
    for name, case in cases().items():
        if wanted and name not in wanted:
            continue
        try:
            arrays = play(*case)
        except ValueError as error:  # a case that the backend refuses
            print(f"{name}: {str(error)[:80]}", flush=True)
            continue
        outputs |= {f"{name}|{i:03d}|{key}": value for i, (key, value) in enumerate(arrays.items())}
        print(name, flush=True)
    np.savez(out, **outputs)


def compare(before, after):
    """Prints the cases that differ, and by how much at most."""
    with np.load(before) as first, np.load(after) as second:

        def by_case(file):
            groups = {}
            for key in file.files:
                case, _, name = key.split("|")
                groups.setdefault(case, []).append((name, file[key]))
            return groups

        old, new = by_case(first), by_case(second)
    worst = 0.0
    for case in old:
        if case not in new:
            print(f"{case}: missing")
            worst = float("inf")
            continue
        apart = 0.0
        for part in ("weights", "log"):
            # Weights are matched by order and not by name, because a rewrite may rename them.
            a, b = (
                [v for n, v in side[case] if n.startswith("log ") == (part == "log")]
                if part == "weights"
                else [v for n, v in sorted(side[case], key=lambda x: x[0]) if n.startswith("log ")]
                for side in (old, new)
            )
            if part == "log":
                names = {n for n, _ in old[case] if n.startswith("log ")}
                b = [v for n, v in sorted(new[case], key=lambda x: x[0]) if n in names]
            if [x.shape for x in a] != [x.shape for x in b]:
                print(f"{case}: other {part}: {len(a)} and {len(b)}")
                apart = float("inf")
                continue
            for x, y in zip(a, b, strict=True):
                if not np.array_equal(x, y, equal_nan=True):
                    scale = max(float(np.nanmax(np.abs(x))), 1e-30)
                    apart = max(apart, float(np.nanmax(np.abs(x - y))) / scale)
        worst = max(worst, apart)
        if apart:
            print(f"{case}: differs by {apart:.2g} of the largest value")
    print(f"{len(old)} cases, {'bit for bit' if not worst else f'at most {worst:.2g} apart'}")
    return 1 if worst > 1e-6 else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("do", choices=("record", "compare"))
    parser.add_argument("paths", nargs="+")
    parser.add_argument("--source", default=".")
    arguments = parser.parse_args()
    if arguments.do == "record":
        record(arguments.paths[0], arguments.source, arguments.paths[1:])
        return 0
    return compare(*arguments.paths)


if __name__ == "__main__":
    sys.exit(main())
