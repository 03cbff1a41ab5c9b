"""Cats and dogs at 256x256.

    python train.py --model=cats_and_dogs --dataset=folder:PATH --precision=mixed_bfloat16

One folder per class gives a generator that can be asked for a class. On a CPU 128 pixels take a
quarter of the time:

    python train.py --model=cats_and_dogs --dataset=folder:PATH --set image_size=128
"""

PRESETS = ("default", "paper", "pixels")


def get_config(dataset, preset):
    """Returns the recipe: every number of it, setting -> value or function of the image's shape.

    Args:
        dataset: str, name of the data set.
        preset: "default", a discriminator of pretrained features, by far the best on a CPU;
            "pixels", one that sees pixels, which needs no pretrained network; or "paper", the
            settings of FastGAN.
    """
    if preset == "paper":
        # Liu et al. 2021, section 4 and the authors' code: hinge loss, batch size 8, learning rate
        # 2e-4, beta_1 0.5, DiffAugment without flips, average of .999 per step, 50,000 steps.
        return {
            "image_size": 256,
            "latent_dim": 256,
            "width": 64,
            "activation": "glu",
            "generator_norm": "batch",
            "discriminator_norm": "spectral",
            "loss": "hinge",
            "penalty": None,
            "penalty_weight": lambda shape: (shape[0] / 64) ** 2,
            "augment": "color,translation,cutout",
            "optimizer": "adam",
            "learning_rate": 2e-4,
            "beta_1": 0.5,
            "beta_2": 0.999,
            # 0.999 ** (5545 / 8) is a half.
            "ema_half_life": 5545.0,
            "ema_ramp_up": 1e6,
            "batch_size": 8,
            "epochs": 110,
            "sample_every": 500,
        }
    if preset == "pixels":
        return {
            "image_size": 256,
            "latent_dim": 256,
            "width": 64,
            "activation": "glu",
            "generator_norm": "group",
            "discriminator_norm": "none",
            "loss": "relativistic",
            "penalty": "r1_r2",
            "penalty_weight": lambda shape: (shape[0] / 64) ** 2,
            "augment": "flip,color,translation,cutout",
            "optimizer": "adam",
            "learning_rate": 2e-4,
            "beta_1": 0.0,
            "beta_2": 0.99,
            "ema_half_life": 10_000.0,
            "ema_ramp_up": 0.1,
            "batch_size": 16,
            "epochs": 200,
            "sample_every": 500,
        }
    return {
        "image_size": 256,
        "latent_dim": 256,
        "width": 32,
        "activation": "leaky_relu",
        "generator_norm": "batch",
        "discriminator_features": "efficientnet_lite0",
        "feature_size": 128,
        "discriminator_norm": "none",
        "loss": "relativistic",
        "penalty": "r1_r2",
        # 0.002 for the mean square of a gradient at 7.5 features for each pixel.
        "penalty_weight": lambda shape: 0.015 * max(shape[0], 128) ** 2,
        "augment": "flip,translation,cutout:0.3",
        "optimizer": "adam",
        "learning_rate": 2e-4,
        "beta_1": 0.0,
        "beta_2": 0.99,
        "ema_half_life": 5_000.0,
        "ema_ramp_up": 0.05,
        "batch_size": 16,
        "epochs": 2000,
        "sample_every": 500,
    }
