"""Conditional GAN.

python train.py --model=conditional --dataset=mnist
python generate.py --run=runs/NAME --class=7
"""


def get_config(dataset, preset):
    """Returns what differs from the model's own defaults, name -> value.

    Args:
        dataset: str, name of a data set with classes.
        preset: "default", the best measured here, or "paper", the founding settings.
    """
    if preset == "paper":
        # Noise to 4x4 to 32x32, label planes, five discriminator updates; what the founding sketch
        # leaves open (loss, optimizer, batch size) is as in Radford et al. 2016, section 4.
        return {
            "image_size": 32,
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
            "batch_size": 128,
        }
    return {"batch_size": 32}
