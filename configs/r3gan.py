"""R3GAN.

python train.py --model=r3gan --dataset=cifar10
python train.py --model=r3gan --dataset=folder:PATH --set image_size=64
"""


def get_config(dataset, preset):
    """Returns the recipe: every number of it, setting -> value or function of the image's shape.

    Args:
        dataset: str, name of the data set.
        preset: "default", or "paper", the authors' settings at 32, 64 and 256 pixels.
    """
    if preset == "paper":
        # The authors' code for CIFAR-10, FFHQ at 64 and FFHQ at 256 pixels: everything on a cosine
        # over 20 million images. Their script takes the size of the minibatch as an argument.
        return {
            "image_size": 32,
            "latent_dim": 64,
            "width": 768,
            "full_width_to": 32,
            "group_size": 16,
            "blocks": 2,
            "loss": "relativistic",
            "penalty": "r1_r2",
            "penalty_weight": lambda shape: gamma(shape[0], 0.05),
            "final_penalty_weight": lambda shape: gamma(shape[0], 0.05) / 10,
            "augment": "color:0.5,flip,scaling,rotation,translation,cutout",
            "augment_strength": 0.0,
            "final_augment_strength": lambda shape: 0.55 if shape[0] <= 32 else 0.3,
            "optimizer": "adam",
            "learning_rate": 2e-4,
            "decay": "cosine",
            "decay_steps": 39_062,
            "decay_to": 0.25,
            "beta_1": 0.0,
            "beta_2": 0.9,
            "final_beta_2": 0.99,
            "ema_half_life": 0.0,
            "final_ema_half_life": lambda shape: 5e6 if shape[0] <= 32 else 5e5,
            "ema_ramp_up": 1e6,
            "batch_size": 512,
            "epochs": 400,
            "sample_every": 500,
        }
    return {
        "image_size": 32,
        "latent_dim": 64,
        "width": 64,
        # Beyond 64 pixels, so that the channels at the largest size still hold one group.
        "full_width_to": lambda shape: 16 if shape[0] <= 64 else 32,
        "group_size": 16,
        "blocks": 1,
        "loss": "relativistic",
        "penalty": "r1_r2",
        "penalty_weight": lambda shape: gamma(shape[0], 0.5),
        "final_penalty_weight": lambda shape: gamma(shape[0], 0.5) / 10,
        "augment": "flip,color,translation,cutout",
        "augment_strength": 0.0,
        "final_augment_strength": 0.3,
        "optimizer": "adam",
        "learning_rate": 1e-3,
        "decay": "cosine",
        "decay_steps": 20_000,
        "decay_to": 0.25,
        "beta_1": 0.0,
        "beta_2": 0.9,
        "final_beta_2": 0.99,
        "ema_half_life": 1_000.0,
        "final_ema_half_life": 50_000.0,
        "ema_ramp_up": 0.1,
        "batch_size": 32,
        "epochs": 400,
        "sample_every": 250,
    }


def gamma(size, at_32):
    """Returns the first gamma: the authors' 2 at 64 pixels and 150 at 256, 20 between them."""
    return at_32 if size <= 32 else {64: 2.0, 128: 20.0}.get(size, 150.0)
