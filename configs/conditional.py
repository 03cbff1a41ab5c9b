"""Conditional GAN.

python train.py --model=conditional --dataset=mnist
python generate.py --run=runs/NAME --class=7
"""


def get_config(dataset, preset):
    """Returns the recipe: every number of it, setting -> value or function of the image's shape.

    Args:
        dataset: str, name of a data set with classes.
        preset: "default", the best measured here, or "paper", the network of the tutorials.
    """
    if preset == "paper":
        # Noise to 4x4 to 32x32, label planes, five discriminator updates; what the tutorial leaves
        # open (loss, optimizer, batch size) is as in Radford et al. 2016, section 4.
        return {
            "image_size": 32,
            "latent_dim": 100,
            "width": 64,
            "conditioning": "concat",
            "discriminator_norm": "batch",
            "n_critic": 5,
            "loss": "non_saturating",
            "penalty": None,
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
        "conditioning": "projection",
        "discriminator_norm": "batch",
        "n_critic": 1,
        "loss": "non_saturating",
        "penalty": None,
        "optimizer": "adam",
        "learning_rate": 1e-3,
        "beta_1": 0.5,
        "beta_2": 0.999,
        "ema_half_life": 5000.0,
        "ema_ramp_up": 0.1,
        "batch_size": 32,
        "epochs": 20,
        "sample_every": 250,
    }
