"""Fully connected GAN on the line and in the plane.

python train.py --model=gaussian --dataset=gaussian
python train.py --model=gaussian --dataset=ring8
python train.py --model=gaussian --dataset=grid25
"""


def get_config(dataset, preset):
    """Returns what differs from the model's own defaults, name -> value.

    Args:
        dataset: str, name of a data set of numbers or points.
        preset: "default", the best measured here, or "paper", the founding settings.
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
            "optimizer": "adam",
            "learning_rate": 2e-4,
            "decay_steps": 0,
            "beta_1": 0.9,
            "beta_2": 0.999,
            "ema_half_life": 0.0,
            "batch_size": 100,
            "epochs": 30,
            "sample_every": 1000,
        }
    # An epoch has 390 steps. The learning rate falls until the last one, so change `decay_steps`
    # together with `epochs`.
    epochs = 16 if line else 32
    return {
        "batch_size": 256,
        "epochs": epochs,
        "decay_steps": 390 * epochs,
        "sample_every": 390 if line else 1560,
    }
