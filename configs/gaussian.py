"""Fully connected GAN on the line and in the plane.

python train.py --model=gaussian --dataset=gaussian
python train.py --model=gaussian --dataset=ring8
python train.py --model=gaussian --dataset=grid25
"""


def get_config(dataset, preset):
    """Returns the recipe: every number of it, setting -> value.

    Args:
        dataset: str, name of a data set of numbers or points.
        preset: "default", the best measured here, or "paper", Nag's.
    """
    line = dataset == "gaussian"
    if preset == "paper":
        # Nag 2017, see zoo/models/gaussian.py. 30 epochs of 1,000 steps are his 30,000 updates.
        return {
            "latent_dim": 1 if line else 2,
            "hidden": 50,
            "depth": 2,
            "generator_activation": "elu,sigmoid",
            "discriminator_activation": "elu",
            "scale": 1.0,
            "loss": "non_saturating",
            "penalty": None,
            "penalty_weight": 0.1,
            "optimizer": "adam",
            "learning_rate": 2e-4,
            "decay": "linear",
            "decay_steps": 0,
            "beta_1": 0.9,
            "beta_2": 0.999,
            "ema_half_life": 0.0,
            "ema_ramp_up": 0.1,
            "batch_size": 100,
            "epochs": 30,
            "sample_every": 1000,
        }
    # An epoch has 390 steps. The learning rate falls until the last one, so change `decay_steps`
    # together with `epochs`.
    epochs = 16 if line else 32
    return {
        "latent_dim": 2,
        "hidden": 128,
        "depth": 3,
        "generator_activation": "relu",
        "discriminator_activation": "leaky_relu",
        "scale": 4.0,
        "loss": "non_saturating",
        "penalty": "r1_r2",
        "penalty_weight": 0.1,
        "optimizer": "adam",
        "learning_rate": 2e-3,
        "decay": "linear",
        "decay_steps": 390 * epochs,
        "beta_1": 0.0,
        "beta_2": 0.99,
        "ema_half_life": 200_000.0,
        "ema_ramp_up": 0.1,
        "batch_size": 256,
        "epochs": epochs,
        "sample_every": 390 if line else 1560,
    }
