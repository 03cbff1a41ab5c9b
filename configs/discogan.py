"""DiscoGAN.

python train.py --model=discogan --dataset=domains:PATH
python generate.py --run=RUN --direction=b_to_a --input=FOLDER --out=FOLDER
"""


def get_config(dataset, preset):
    """Returns the recipe: every number of it, setting -> value.

    Args:
        dataset: str, name of a data set of two domains.
        preset: "default", sized for a CPU and not measured yet, or "paper".
    """
    if preset == "paper":
        # The authors' code, discogan/image_translation.py.
        return {
            "image_size": 64,
            "width": 64,
            "generator_moves": 2,
            "loss": "non_saturating",
            "adversarial_weight": 0.1,
            "features_weight": 0.9,
            "reconstruction_rate": 0.5,
            "early_reconstruction_rate": 0.01,
            # 10,000 of their steps, of which three are a round: the generators take two of them.
            "early_rounds": 3333,
            "jitter": 0.0,
            "mirror": False,
            "optimizer": "adam",
            "learning_rate": 2e-4,
            "weight_decay": 1e-5,
            "beta_1": 0.5,
            "beta_2": 0.999,
            "ema_half_life": 0.0,
            "ema_ramp_up": 0.1,
            "batch_size": 64,
            "epochs": 5000,
            "sample_every": 1000,
        }
    return {
        "image_size": 64,
        "width": 32,
        "generator_moves": 2,
        "loss": "non_saturating",
        "adversarial_weight": 0.1,
        "features_weight": 0.9,
        "reconstruction_rate": 0.5,
        "early_reconstruction_rate": 0.01,
        "early_rounds": 200,
        "jitter": 0.0,
        "mirror": True,
        "optimizer": "adam",
        "learning_rate": 5e-4,
        "weight_decay": 1e-5,
        "beta_1": 0.5,
        "beta_2": 0.999,
        "ema_half_life": 1000.0,
        "ema_ramp_up": 0.1,
        "batch_size": 16,
        "epochs": 200,
        "sample_every": 250,
    }
