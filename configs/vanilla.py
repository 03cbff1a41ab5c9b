"""Vanilla GAN, fully connected.

python train.py --model=vanilla --dataset=mnist
"""


def get_config(dataset, preset):
    """Returns what differs from the model's own defaults, name -> value.

    Args:
        dataset: str, name of the data set.
        preset: "default", the best measured here, or "paper", the founding settings.
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
            "batch_size": 32,
            "sample_every": 1875,  # an epoch of MNIST
        }
    return {}
