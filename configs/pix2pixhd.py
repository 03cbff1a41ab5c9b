"""pix2pixHD.

python train.py --model=pix2pixhd --dataset=pairs:PATH
python train.py --model=pix2pixhd --dataset=pairs:PATH --set labels=35
python train.py --model=pix2pixhd --dataset=pairs:PATH --set image_size=512x1024
python generate.py --run=RUN --input=FOLDER --out=FOLDER
"""


def get_config(dataset, preset):
    """Returns the recipe: every number of it, setting -> value.

    Args:
        dataset: str, name of a data set of pairs.
        preset: "default", the best measured here, or "paper".
    """
    if preset == "paper":
        # Wang et al. 2018, sections 3 and 4 and appendix A.2, for 2048x1024 pixels of Cityscapes.
        return {
            "image_size": "1024x2048",
            "width": 64,
            "halvings": 4,
            "blocks": 9,
            "enhancer_blocks": 3,
            "scales": 3,
            "discriminator_width": 64,
            "patch_halvings": 3,
            "loss": "least_squares",
            # Twice, as the loss here is half the square.
            "adversarial_weight": 2.0,
            "features_weight": 10.0,
            "perceptual_weight": 10.0,
            "perceptual_features": "efficientnet_lite0",
            "perceptual_maps": 4,
            # 200 epochs of 2,975 pictures at half the size, then 20 with the enhancer alone.
            "global_rounds": 595_000,
            "enhancer_rounds": 59_500,
            "jitter": 0.0,
            "mirror": True,
            "optimizer": "adam",
            "learning_rate": 2e-4,
            "decay": "linear",
            "decay_after": 297_500,
            "decay_steps": 297_500,
            "decay_to": 0.0,
            "beta_1": 0.5,
            "beta_2": 0.999,
            "ema_half_life": 0.0,
            "ema_ramp_up": 0.1,
            "batch_size": 1,
            "epochs": 420,
            "sample_every": 1000,
        }
    return {
        "image_size": 128,
        "width": 16,
        "halvings": 3,
        "blocks": 4,
        "enhancer_blocks": 1,
        "scales": 2,
        "discriminator_width": 32,
        "patch_halvings": 3,
        "loss": "least_squares",
        "adversarial_weight": 1.0,
        "features_weight": 10.0,
        "perceptual_weight": 1.0,
        "perceptual_features": "efficientnet_lite0",
        "perceptual_maps": 3,
        "global_rounds": 500,
        "enhancer_rounds": 0,
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
