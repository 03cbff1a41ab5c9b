"""Scores the holes that a run fills in pictures of its own test split, beside simple fillings.

python -m benchmarks.holes --run=dcgan-mnist --hole=centre --pictures=20

Prints a table of PSNR and SSIM in the hole and, of whole pictures, the distance of features. Writes
a picture: rows of the truth, the hole, the harmonic filling, and the first answers of the search.
"""

__keras_later__ = True  # a flag chooses the backend first

import importlib.util
import os

from absl import flags

from zoo.cli import programs
from zoo.errors import UsageError

FLAGS = flags.FLAGS
HOLES = ("centre", "right", "random")
ANSWERS = 8
SHOWN = 4

flags.DEFINE_enum(
    "hole",
    "centre",
    HOLES,
    "centre: half of each side; right: the right half; random: four of five pixels.",
)
flags.DEFINE_integer("pictures", 20, "How many pictures of the test split.", lower_bound=1)
flags.DEFINE_integer("steps", 400, "Most steps of a search.", lower_bound=1)
flags.DEFINE_float("far", 0.1, "Least weight of a known pixel; 0 in the paper.", lower_bound=0)
flags.DEFINE_float("prior", 0.003, "Weight of the discriminator.", lower_bound=0)
flags.DEFINE_string("features", "imagenet", "The extractor for the distance; none for no distance.")
programs.DEFINE_path("out", None, "The picture; by default holes_<hole>.png in the run.")


def run():
    source = programs.find_source(FLAGS.run, FLAGS.generator, FLAGS.runs_dir)
    if not os.path.isdir(source):
        raise UsageError("A file has no data of its own. Expected --run=NAME.")
    programs.choose_backend(FLAGS.backend, programs.recorded_backend(source))
    with programs.quietly():
        import numpy as np

        from zoo import config_file
        from zoo.drawing import pictures
        from zoo.metrics import extractors
        from zoo.outputs.generate import load_generator
        from zoo.outputs.inpaint import discriminator_of
        from zoo.outputs.latent_search import CHUNK, LatentSearch
        from zoo.progress import Progress
        from zoo.runs import assembly, network_files

    config = config_file.read(source)
    # Before the searches: weights may be missing.
    extractor = None if FLAGS.features == "none" else extractors.extractor(FLAGS.features)
    samples = assembly.load_data(config, assembly.Source(), split="test").samples
    truth = np.asarray(samples[: FLAGS.pictures])
    hole = hole_of(FLAGS.hole, truth.shape[1:3])
    generator = load_generator(source)
    classes = network_files.class_count(generator) if len(generator.inputs) > 1 else None
    labels = np.arange(max(min(classes, CHUNK), ANSWERS)) % classes if classes else None
    search = LatentSearch(
        generator,
        discriminator_of(source, generator, print),
        config.get("loss") or "non_saturating",
        prior=FLAGS.prior,
        far=FLAGS.far,
    )
    filled, rows = {}, []
    with Progress("pictures", len(truth)) as progress:
        for done, picture in enumerate(truth):
            found = search(picture, hole, ANSWERS, labels=labels, steps=FLAGS.steps)
            fillings = {
                "search: first answer": found.images[0],
                "search: last answer": found.images[-1],
                "search: first, not blended": np.where(
                    hole[..., np.newaxis], found.samples[0], picture
                ),
                **simple(picture, hole),
            }
            for name, image in fillings.items():
                filled.setdefault(name, []).append(image)
            holed = np.where(hole[..., np.newaxis], np.uint8(128), picture)
            rows.append([picture, holed, fillings["harmonic"], *found.images[:SHOWN]])
            progress(done + 1)
    out = FLAGS.out or os.path.join(source, f"holes_{FLAGS.hole}.png")
    pictures.save_png(out, pictures.grid(np.concatenate(rows), 3 + SHOWN))
    filled = {name: np.stack(images) for name, images in filled.items()}
    print(table(truth, filled, hole, extractor))
    print(out)


def hole_of(kind, size):
    """Returns a hole, bool `(height, width)`, True at unknown pixels.

    Args:
        kind: one of HOLES.
        size: (height, width).
    """
    import numpy as np

    height, width = size
    hole = np.zeros(size, bool)
    if kind == "centre":
        hole[height // 4 : height // 4 + height // 2, width // 4 : width // 4 + width // 2] = True
    elif kind == "right":
        hole[:, width // 2 :] = True
    else:
        hole[:] = np.random.default_rng(0).random(size) < 0.8
    return hole


def simple(picture, hole):
    """Returns name -> picture, uint8 HWC, with its hole filled without any training.

    Telea's method (2004) is among them if OpenCV is installed.
    """
    import numpy as np

    from zoo.outputs.blending import blended

    mean = picture.copy()
    mean[hole] = np.rint(picture[~hole].mean(axis=0))
    fillings = {
        "mean colour": mean,
        "harmonic": blended(np.zeros((1, *picture.shape)), picture, hole)[0],
    }
    if importlib.util.find_spec("cv2") is not None:
        import cv2

        telea = cv2.inpaint(picture.squeeze(), hole.astype("uint8"), 3, cv2.INPAINT_TELEA)
        fillings["Telea"] = telea.reshape(picture.shape)
    return fillings


def table(truth, filled, hole, extractor=None):
    """Returns a table in Markdown, a row for each filling.

    Args:
        truth: uint8 `(n, height, width, channels)`.
        filled: name -> uint8 of this shape.
        hole: bool `(height, width)`.
        extractor: of `zoo.metrics.extractors`, for the distance; None for no distance.
    """
    import numpy as np

    from zoo.metrics import paired

    hole = np.repeat(hole[np.newaxis], len(truth), axis=0)
    own = None if extractor is None else extractor.features(truth)
    lines = [
        f"| filling of {len(truth)} | PSNR | SSIM | {FLAGS.features} |",
        "| --- | --- | --- | --- |",
    ]
    for name, images in filled.items():
        scores = [
            f"{paired.psnr(images, truth, hole):.2f}",
            f"{paired.ssim(images, truth, hole):.3f}",
        ]
        distance = "" if own is None else paired.feature_distance(extractor.features(images), own)
        scores.append(distance if own is None else f"{distance:.3f}")
        lines.append(f"| {name} | {' | '.join(scores)} |")
    return "\n".join(lines)


programs.define_source_flags()
if __name__ == "__main__":
    programs.main(run)
