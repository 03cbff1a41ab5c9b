"""Free-form inpainting.

python train.py --model=inpainting --dataset=folder:PATH
python train.py --model=inpainting --dataset=folder:PATH --set image_size=128
python generate.py --run=RUN --input=photo.jpg --mask=mask.png --out=FOLDER
"""


def get_config(dataset, preset):
    """Returns the recipe: every number of it, setting -> value.

    Args:
        dataset: str, name of a data set of pictures.
        preset: "default", the best measured here, or "paper".
    """
    if preset == "paper":
        # Yu et al. 2019, sections 3 and 4; Adam's rates are those of Yu et al. 2018.
        return {
            "image_size": 256,
            "channels": 3,
            "width": 24,
            "discriminator_width": 64,
            "judged": "features",
            "attention_stride": 2,
            "holes": "box,brush",
            "hole_size": 0.5,
            "loss": "hinge",
            "l1_weight": 1.0,
            "adversarial_weight": 1.0,
            "jitter": 0.0,
            "mirror": False,
            "optimizer": "adam",
            "learning_rate": 1e-4,
            "beta_1": 0.5,
            "beta_2": 0.999,
            "ema_half_life": 0.0,
            "ema_ramp_up": 0.1,
            "batch_size": 16,
            "epochs": 100,
            "sample_every": 1000,
        }
    return {
        "image_size": 64,
        "width": 12,
        "discriminator_width": 24,
        "judged": "places",
        "attention_stride": 1,
        "holes": "box,brush",
        "hole_size": 0.5,
        "loss": "hinge",
        "l1_weight": 1.0,
        "adversarial_weight": 1.0,
        "jitter": 0.0,
        "mirror": True,
        "optimizer": "adam",
        "learning_rate": 1e-3,
        "discriminator_learning_rate": 4e-4,
        "beta_1": 0.5,
        "beta_2": 0.999,
        "ema_half_life": 500.0,
        "ema_ramp_up": 0.1,
        "batch_size": 4,
        "epochs": 100,
        "sample_every": 250,
    }
