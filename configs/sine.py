"""Fully connected GAN of ten-point sine signals.

python train.py --model=sine --dataset=sine
"""


def get_config(dataset, preset):
    """Returns the recipe: every number of it, setting -> value.

    Args:
        dataset: str, name of a data set of signals.
        preset: "default", the best measured here, or "paper", the book's.
    """
    if preset == "paper":
        return {
            "latent_dim": 1,
            "hidden": 10,
            "depth": 2,
            "loss": "non_saturating",
            "penalty": None,
            "penalty_weight": 0.02,
            "gradient_clip": 0.2,
            "weight_clip": 0.25,
            "generator_weight_clip": 0.25,
            "optimizer": "sgd",
            "learning_rate": 0.01,
            "beta_1": 0.0,
            "beta_2": 0.99,
            "ema_half_life": 0.0,
            "ema_ramp_up": 0.1,
            "batch_size": 64,
            "epochs": 32,  # of 1,562 steps: the book's 50,000 updates
            "sample_every": 1562,
        }
    return {
        "latent_dim": 4,
        "hidden": 128,
        "depth": 2,
        "loss": "relativistic",
        "penalty": "r1_r2",
        "penalty_weight": 0.02,
        "optimizer": "adam",
        "learning_rate": 1e-3,
        "beta_1": 0.0,
        "beta_2": 0.99,
        "ema_half_life": 50_000.0,
        "ema_ramp_up": 0.1,
        "batch_size": 256,
        "epochs": 12,
        "sample_every": 390,
    }
