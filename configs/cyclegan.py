"""CycleGAN.

python train.py --model=cyclegan --dataset=domains:PATH
python generate.py --run=RUN --direction=b_to_a --input=FOLDER --out=FOLDER
"""


def get_config(dataset, preset):
    """Returns the recipe: every number of it, setting -> value, or function of shape and rounds.

    Args:
        dataset: str, name of a data set of two domains.
        preset: "default", the best measured here, or "paper".
    """
    if preset == "paper":
        # Zhu et al. 2017, section 4 and appendix 7.
        return {
            "image_size": 256,
            "width": 64,
            "blocks": lambda shape: 9 if min(shape[:2]) >= 256 else 6,
            "upsampling": "transposed",
            "padding": "reflect",
            "input_skip": False,
            "patch_halvings": 3,
            "loss": "least_squares",
            "adversarial_weight": 2.0,
            "cycle_weight": 10.0,
            "identity_weight": 5.0,
            "jitter": 30 / 256,
            "mirror": True,
            "pool_size": 50,
            "optimizer": "adam",
            "learning_rate": 2e-4,
            "decay": "linear",
            "decay_after": lambda shape, rounds: 100 * rounds,
            "decay_steps": lambda shape, rounds: 100 * rounds,
            "decay_to": 0.0,
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
        "width": 16,
        "blocks": 4,
        "upsampling": "nearest",
        "padding": "zero",
        "input_skip": True,
        "patch_halvings": 3,
        "loss": "least_squares",
        "adversarial_weight": 2.0,
        "cycle_weight": 5.0,
        "identity_weight": 0.0,
        "jitter": 0.1,
        "mirror": True,
        "pool_size": 50,
        "optimizer": "adam",
        "learning_rate": 1e-3,
        "decay": "linear",
        "decay_after": 0,
        "decay_steps": 0,
        "decay_to": 0.01,
        "beta_1": 0.5,
        "beta_2": 0.999,
        "ema_half_life": 500.0,
        "ema_ramp_up": 0.1,
        "batch_size": 2,
        "epochs": 200,
        "sample_every": 250,
    }
