"""Scores the holes that a run fills in pictures of its own test split, beside simple fillings.

python -m benchmarks.holes --run=dcgan-mnist --hole=centre --pictures=20
python -m benchmarks.holes --run=faces --beside=dcgan-faces --hole=brush --pictures=20

Prints a table of PSNR and SSIM in the hole and, of whole pictures, the distance of features. Writes
a picture: rows of the truth, the hole, the harmonic filling, and the answers: that of a run that
has learnt to fill holes, or the first and the last of a search.
"""

__keras_later__ = True  # a flag chooses the backend first

import os

from absl import flags

from zoo.cli import programs
from zoo.errors import UsageError

FLAGS = flags.FLAGS
HOLES = ("centre", "right", "random", "brush")
ANSWERS = 8

flags.DEFINE_enum(
    "hole",
    "centre",
    HOLES,
    "centre: half of each side; right: the right half; random: four of five pixels; brush: strokes "
    "that differ from picture to picture.",
)
flags.DEFINE_string("beside", None, "Another run, of pictures of the same size.")
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
        from zoo.outputs.filling import simple
        from zoo.progress import Progress
        from zoo.runs import assembly

    config = config_file.read(source)
    # Before the searches: weights may be missing.
    extractor = None if FLAGS.features == "none" else extractors.extractor(FLAGS.features)
    samples = assembly.load_data(config, assembly.Source(), split="test").samples
    truth = np.asarray(samples[: FLAGS.pictures])
    holes = holes_of(FLAGS.hole, len(truth), truth.shape[1:3])
    sources = [source]
    if FLAGS.beside:
        sources.append(programs.find_source(FLAGS.beside, None, FLAGS.runs_dir))
    fillers = [filler(each) for each in sources]
    filled, rows = {}, []
    with Progress("pictures", len(truth)) as progress:
        for done, (picture, hole) in enumerate(zip(truth, holes, strict=True)):
            fillings, shown = {}, []
            for fill in fillers:
                own = fill(picture, hole)
                fillings |= own
                shown += [image for name, image in own.items() if "not blended" not in name]
            fillings |= simple(picture, hole)
            for name, image in fillings.items():
                filled.setdefault(name, []).append(image)
            holed = np.where(hole[..., np.newaxis], np.uint8(128), picture)
            rows.append([picture, holed, fillings["harmonic"], *shown])
            progress(done + 1)
    out = FLAGS.out or os.path.join(source, f"holes_{FLAGS.hole}.png")
    pictures.save_png(out, pictures.grid(np.concatenate(rows), len(rows[0])))
    filled = {name: np.stack(images) for name, images in filled.items()}
    print(table(truth, filled, holes, extractor))
    print(out)


def filler(source):
    """Returns a function from picture and hole to name -> picture, its hole filled by a run.

    Args:
        source: run directory.
    """
    import numpy as np

    from zoo import config_file
    from zoo.outputs import filling
    from zoo.outputs.generate import load_generator
    from zoo.outputs.inpaint import discriminator_of
    from zoo.outputs.latent_search import CHUNK, LatentSearch
    from zoo.runs import network_files

    generator = load_generator(source)
    if network_files.fills(generator):
        return lambda picture, hole: {"network": filling.filled(generator, picture, hole)}
    classes = network_files.class_count(generator) if len(generator.inputs) > 1 else None
    labels = np.arange(max(min(classes, CHUNK), ANSWERS)) % classes if classes else None
    search = LatentSearch(
        generator,
        discriminator_of(source, generator, print),
        config_file.read(source).get("loss") or "non_saturating",
        prior=FLAGS.prior,
        far=FLAGS.far,
    )

    def searched(picture, hole):
        found = search(picture, hole, ANSWERS, labels=labels, steps=FLAGS.steps)
        unblended = np.where(hole[..., np.newaxis], found.samples[0], picture)
        return {
            "search: first answer": found.images[0],
            "search: last answer": found.images[-1],
            "search: first, not blended": unblended,
        }

    return searched


def holes_of(kind, count, size):
    """Returns the holes of so many pictures, bool `(count, height, width)`.

    Args:
        kind: one of HOLES. count: int. size: (height, width).
    """
    import numpy as np

    from zoo.scoring.inpainting import masks

    if kind in ("centre", "brush"):
        return masks(count, size)["box" if kind == "centre" else "brush"]
    holes = np.zeros((count, *size), bool)
    if kind == "right":
        holes[:, :, size[1] // 2 :] = True
    else:
        holes[:] = np.random.default_rng(0).random(size) < 0.8
    return holes


def table(truth, filled, holes, extractor=None):
    """Returns a table in Markdown, a row for each filling.

    Args:
        truth: uint8 `(n, height, width, channels)`.
        filled: name -> uint8 of this shape.
        holes: bool `(n, height, width)`.
        extractor: of `zoo.metrics.extractors`, for the distance; None for no distance.
    """
    from zoo.metrics import paired

    own = None if extractor is None else extractor.features(truth)
    lines = [
        f"| filling of {len(truth)} | PSNR | SSIM | {FLAGS.features} |",
        "| --- | --- | --- | --- |",
    ]
    for name, images in filled.items():
        scores = [
            f"{paired.psnr(images, truth, holes):.2f}",
            f"{paired.ssim(images, truth, holes):.3f}",
        ]
        distance = "" if own is None else paired.feature_distance(extractor.features(images), own)
        scores.append(distance if own is None else f"{distance:.3f}")
        lines.append(f"| {name} | {' | '.join(scores)} |")
    return "\n".join(lines)


programs.define_source_flags()
if __name__ == "__main__":
    programs.main(run)
