"""DCGAN.

python train.py --model=dcgan --dataset=mnist
"""


def get_config(dataset, preset):
    """Returns the recipe: every number of it, setting -> value or function of the image's shape.

    Args:
        dataset: str, name of the data set.
        preset: "default", the best measured here, or "paper", the settings of the paper.
    """
    if preset == "paper":
        # Radford et al. 2016, section 4: "All models were trained with mini-batch stochastic
        # gradient descent with a mini-batch size of 128 ... learning rate 0.0002 ... beta1 0.5".
        return {
            "latent_dim": 100,
            "width": 128,
            "kernel_size": 5,
            "discriminator_norm": "batch",
            "loss": "non_saturating",
            "penalty": None,
            "penalty_weight": 0.3,
            "penalty_every": 4,
            "optimizer": "adam",
            "learning_rate": 2e-4,
            "beta_1": 0.5,
            "beta_2": 0.999,
            "ema_half_life": 0.0,
            "ema_ramp_up": 0.1,
            "batch_size": 128,
            "epochs": 20,
            "sample_every": 250,
        }
    return {
        "latent_dim": 100,
        "width": lambda shape: 32 if max(shape) <= 32 else 16,
        "kernel_size": 4,
        "discriminator_norm": "batch",
        "loss": "non_saturating",
        "penalty": "r1",
        "penalty_weight": 0.3,
        "penalty_every": 4,
        "optimizer": "adam",
        "learning_rate": lambda shape: 2e-3 if max(shape) <= 32 else 1e-3,
        "beta_1": 0.5,
        "beta_2": 0.999,
        "ema_half_life": 1_000_000.0,
        "ema_ramp_up": 0.1,
        "batch_size": 32,
        "epochs": 20,
        "sample_every": 250,
    }
