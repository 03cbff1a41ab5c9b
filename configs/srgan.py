"""SRGAN.

python train.py --model=srgan --dataset=crops:PATH
python train.py --model=srgan --dataset=crops:PATH --set stages=error
python generate.py --run=RUN --input=photo.jpg --out=FOLDER
"""


def get_config(dataset, preset):
    """Returns the recipe: every number of it, setting -> value.

    Args:
        dataset: str, name of a data set of `crops:`.
        preset: "default", the best measured here, or "paper".
    """
    if preset == "paper":
        # Ledig et al. 2017, section 3.2.
        return {
            "image_size": 96,
            "scale": 4,
            "degradation": "bicubic",
            "width": 64,
            "blocks": 16,
            "kernel_size": 9,
            "generator_norm": "batch",
            "input_skip": False,
            "stages": "both",
            "error_rounds": 1_000_000,
            "error_learning_rate": 1e-4,
            "error_decay_to": 1.0,
            "loss": "non_saturating",
            "error_weight": 0.0,
            "perceptual_weight": 0.02,
            "perceptual_features": "efficientnet_lite0",
            "perceptual_maps": 3,
            "adversarial_weight": 1e-3,
            "jitter": 0.0,
            "mirror": False,
            "optimizer": "adam",
            "learning_rate": 1e-4,
            # At once, after 1e5 rounds of the second stage.
            "decay": "linear",
            "decay_after": 100_000,
            "decay_steps": 1,
            "decay_to": 0.1,
            "beta_1": 0.9,
            "beta_2": 0.999,
            "ema_half_life": 0.0,
            "ema_ramp_up": 0.1,
            "batch_size": 16,
            # 1.2e6 rounds where an epoch has 350,000 crops, as many as the paper's pictures.
            "epochs": 55,
            "sample_every": 5000,
        }
    return {
        "image_size": 48,
        "scale": 4,
        "degradation": "bicubic",
        "width": 32,
        "blocks": 6,
        "kernel_size": 5,
        "generator_norm": "none",
        "input_skip": True,
        "stages": "both",
        "error_rounds": 4000,
        "error_learning_rate": 1e-3,
        "error_decay_to": 0.05,
        "loss": "non_saturating",
        "error_weight": 0.1,
        "perceptual_weight": 0.02,
        "perceptual_features": "efficientnet_lite0",
        "perceptual_maps": 3,
        "adversarial_weight": 1e-3,
        "jitter": 0.0,
        "mirror": True,
        "optimizer": "adam",
        "learning_rate": 2e-4,
        "beta_1": 0.9,
        "beta_2": 0.999,
        "ema_half_life": 2000.0,
        "ema_ramp_up": 0.1,
        "batch_size": 16,
        "epochs": 200,
        "sample_every": 500,
    }
