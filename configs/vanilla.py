"""Vanilla GAN, fully connected.

python train.py --model=vanilla --dataset=mnist
"""


def get_config(dataset, preset):
    """Returns the recipe: every number of it, setting -> value.

    Args:
        dataset: str, name of the data set.
        preset: "default", the best measured here, or "paper", the network of the tutorials.
    """
    if preset == "paper":
        return {
            "latent_dim": 128,
            "hidden": 512,
            "depth": 1,
            "slope": 0.01,
            "generator_norm": "none",
            "loss": "non_saturating",
            "penalty": None,
            "optimizer": "adam",
            "learning_rate": 3e-4,
            "beta_1": 0.9,
            "beta_2": 0.999,
            "ema_half_life": 0.0,
            "ema_ramp_up": 0.1,
            "batch_size": 32,
            "epochs": 20,
            "sample_every": 1875,  # an epoch of MNIST
        }
    return {
        "latent_dim": 128,
        "hidden": 512,
        "depth": 3,
        "slope": 0.2,
        "generator_norm": "batch",
        "loss": "non_saturating",
        "penalty": None,
        "optimizer": "adam",
        "learning_rate": 1e-3,
        "beta_1": 0.5,
        "beta_2": 0.999,
        "ema_half_life": 20_000.0,
        "ema_ramp_up": 0.1,
        "batch_size": 64,
        "epochs": 20,
        "sample_every": 250,
    }
