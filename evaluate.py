"""Judges the samples of a run: scores beside their floor, kept with what fixes the numbers.

python evaluate.py --run=mnist5
python evaluate.py --run=mnist5 --samples=5000 --metrics=frechet,precision_recall
python evaluate.py --samples=samples.npz --dataset=mnist --results=results.csv
"""

__keras_later__ = True  # which backend it is to have, a flag says

import os

from absl import flags

from zoo.cli import programs
from zoo.errors import UsageError

programs.define_source_flags()
flags.adopt_module_key_flags(programs)
DATASET = flags.DEFINE_string(
    "dataset", None, "What the samples are compared with; by default what the run was trained on."
)
SAMPLES = flags.DEFINE_string(
    "samples",
    None,
    "How many to draw; by default 10000, or as many as the train split has; of pictures to "
    "translate at most, by default all of the test split. Or an .npz file with "
    "`images` or `samples`, as generate.py writes it, instead of a run.",
)
SEED = flags.DEFINE_integer(
    "seed", 0, "Of the samples, and of what is chosen at random.", lower_bound=0
)
METRICS = flags.DEFINE_list(
    "metrics",
    None,
    "Of frechet, kernel, precision_recall, density_coverage, classifier_score, class_coverage, "
    "label_accuracy, diversity_within_class, memorisation; of pictures made of others l1, psnr, "
    "ssim, feature_distance on pairs, and frechet, kernel, cycle_error without. By default all "
    "that apply.",
)
FEATURES = flags.DEFINE_string(
    "features",
    None,
    "classifier:DATASET (a small network trained on it, once), imagenet, inception or raw "
    "(pixels). By default: the data set's classifier where it has classes, raw where it has none, "
    "imagenet for translated pictures.",
)
INCEPTION_WEIGHTS = flags.DEFINE_string(
    "inception_weights", None, "Weights file for --features=inception instead of a download."
)
DATA_DIR = flags.DEFINE_string("data_dir", None, "Where TFDS finds prepared data sets.")
BUDGET = flags.DEFINE_string(
    "budget", None, "What training cost, for --results; by default from the run's own clock."
)
RESULTS = flags.DEFINE_string(
    "results", None, "A CSV file such as results/results.csv, to which a row per score is added."
)


def run():
    FLAGS = flags.FLAGS
    count, path = None, SAMPLES.value
    if path is not None and path.replace("_", "").isdecimal():
        count, path = int(path), None
        if not 1 <= count <= 1_000_000:
            raise UsageError(f"Expected 1 to 1000000 samples. Received: --samples={SAMPLES.value}.")
    if path is not None:
        if FLAGS.run is not None or FLAGS.generator is not None:
            raise UsageError(
                "Expected exactly one of --run=NAME, --generator=FILE and --samples=FILE. "
                f"Received: --samples={path} beside another."
            )
        source = None
        programs.choose_backend(FLAGS.backend)
    else:
        source = programs.find_source(FLAGS.run, FLAGS.generator, FLAGS.runs_dir)
        programs.choose_backend(FLAGS.backend, programs.recorded_backend(source))
    with programs.quietly():
        from zoo.report import report
        from zoo.scoring import evaluate

    evaluate.evaluate(
        source,
        samples=path or count,
        dataset=DATASET.value,
        seed=SEED.value,
        metrics=METRICS.value,
        features=FEATURES.value,
        inception_weights=INCEPTION_WEIGHTS.value,
        data_dir=DATA_DIR.value,
        budget=BUDGET.value,
        results=RESULTS.value,
    )
    if source is not None and os.path.isdir(source):
        print(f"\nreport  {report.write_report(source)}")


if __name__ == "__main__":
    programs.main(run)
