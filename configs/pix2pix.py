"""pix2pix.

python train.py --model=pix2pix --dataset=pairs:PATH
python train.py --model=pix2pix --dataset=pairs:PATH --set image_size=256
python generate.py --run=RUN --input=FOLDER --out=FOLDER
"""


def get_config(dataset, preset):
    """Returns the recipe: every number of it, setting -> value.

    Args:
        dataset: str, name of a data set of pairs.
        preset: "default", the best measured here, or "paper".
    """
    if preset == "paper":
        # Isola et al. 2017, appendix 6.
        return {
            "image_size": 256,
            "width": 64,
            "dropout": 0.5,
            "patch_halvings": 3,
            "loss": "non_saturating",
            "adversarial_weight": 1.0,
            "l1_weight": 100.0,
            "jitter": 30 / 256,
            "mirror": True,
            "optimizer": "adam",
            "learning_rate": 2e-4,
            "beta_1": 0.5,
            "beta_2": 0.999,
            "ema_half_life": 0.0,
            "ema_ramp_up": 0.1,
            "batch_size": 1,
            "epochs": 200,
            "sample_every": 1000,
        }
    return {
        "image_size": 128,
        "width": 32,
        "dropout": 0.5,
        "patch_halvings": 3,
        "loss": "non_saturating",
        "adversarial_weight": 1.0,
        "l1_weight": 100.0,
        "jitter": 0.1,
        "mirror": True,
        "optimizer": "adam",
        "learning_rate": 1e-3,
        "discriminator_learning_rate": 2e-4,
        "beta_1": 0.5,
        "beta_2": 0.999,
        "ema_half_life": 500.0,
        "ema_ramp_up": 0.1,
        "batch_size": 4,
        "epochs": 200,
        "sample_every": 250,
    }
