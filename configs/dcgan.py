"""DCGAN.

python train.py --model=dcgan --dataset=mnist
"""


def get_config(dataset, preset):
    """Returns what differs from the model's own defaults, name -> value.

    Args:
        dataset: str, name of the data set.
        preset: "default", the best measured here, or "paper", the settings of the paper.
    """
    if preset == "paper":
        # Radford et al. 2016, section 4: "All models were trained with mini-batch stochastic
        # gradient descent with a mini-batch size of 128 ... learning rate 0.0002 ... beta1 0.5".
        return {
            "width": 128,
            "kernel_size": 5,
            "penalty": None,
            "learning_rate": 2e-4,
            "beta_1": 0.5,
            "discriminator_norm": "batch",
            "ema_half_life": 0.0,
            "batch_size": 128,
        }
    return {"batch_size": 32}
