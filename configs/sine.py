"""Fully connected GAN of ten-point sine signals.

python train.py --model=sine --dataset=sine
"""


def get_config(dataset, preset):
    """Returns what differs from the model's own defaults, name -> value.

    Args:
        dataset: str, name of a data set of signals.
        preset: "default", the best measured here, or "paper", the founding settings.
    """
    if preset == "paper":
        return {
            "latent_dim": 1,
            "hidden": 10,
            "depth": 2,
            "loss": "non_saturating",
            "penalty": None,
            "gradient_clip": 0.2,
            "weight_clip": 0.25,
            "generator_weight_clip": 0.25,
            "optimizer": "sgd",
            "learning_rate": 0.01,
            "ema_half_life": 0.0,
            "batch_size": 64,
            "epochs": 32,  # of 1,562 steps: the founding 50,000 updates
            "sample_every": 1562,
        }
    return {"batch_size": 256, "epochs": 12, "sample_every": 390}
