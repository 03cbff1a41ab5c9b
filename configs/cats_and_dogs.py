"""Cats and dogs at 256x256.

    python train.py --model=cats_and_dogs --dataset=folder:PATH --precision=mixed_bfloat16

One folder per class gives a generator that can be asked for a class. On a CPU:

    python train.py --model=cats_and_dogs --dataset=folder:PATH --set image_size=64 --set width=8
"""


def get_config(dataset, preset):
    """Returns what differs from the model's own defaults, name -> value.

    Args:
        dataset: str, name of the data set.
        preset: "default", or "paper", the settings of FastGAN.
    """
    run = {"image_size": 256, "batch_size": 16, "epochs": 200, "sample_every": 500}
    if preset == "paper":
        # Liu et al. 2021, section 4 and the authors' code: hinge loss, batch size 8, learning rate
        # 2e-4, beta_1 0.5, DiffAugment without flips, average of .999 per step, 50,000 steps.
        return {
            **run,
            "batch_size": 8,
            "loss": "hinge",
            "penalty": None,
            "generator_norm": "batch",
            "discriminator_norm": "spectral",
            "augment": "color,translation,cutout",
            "learning_rate": 2e-4,
            "beta_1": 0.5,
            "beta_2": 0.999,
            # 0.999 ** (5545 / 8) is a half.
            "ema_half_life": 5545.0,
            "ema_ramp_up": 1e6,
            "epochs": 110,
        }
    return run
