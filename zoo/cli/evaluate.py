"""Scores the samples of a run, beside their floor, and records the protocol.

python evaluate.py --run=mnist5
python evaluate.py --run=mnist5 --samples=5000 --metrics=frechet,precision_recall
python evaluate.py --samples=samples.npz --dataset=mnist --results=results.csv
"""

import os

from absl import flags

from zoo.cli import programs
from zoo.errors import UsageError

programs.define_source_flags()
flags.adopt_module_key_flags(programs)
DATASET = flags.DEFINE_string(
    "dataset", None, "Data to compare with; by default the training data of the run."
)
SAMPLES = programs.DEFINE_path(
    "samples",
    None,
    "How many to draw; by default 10000, or as many as the train split has; of pictures to "
    "translate at most, by default all of the test split. Or an .npz file with "
    "`images` or `samples`, as generate.py writes it, instead of a run.",
)
SEED = flags.DEFINE_integer("seed", 0, "Seed of the samples and of random choices.", lower_bound=0)
METRICS = flags.DEFINE_list(
    "metrics",
    None,
    "Of frechet, kernel, precision_recall, density_coverage, classifier_score, class_coverage, "
    "label_accuracy, named, diversity_within_class, memorisation; of pictures made of others l1, "
    "psnr, ssim, feature_distance on pairs, and frechet, kernel, cycle_error without. By default "
    "all that apply.",
)
FEATURES = flags.DEFINE_string(
    "features",
    None,
    "imagenet, imagenet_lite1, classifier:DATASET (a small network trained on it, once), inception "
    "or raw (pixels). By default: imagenet for colour photographs, or imagenet_lite1 if the "
    "discriminator saw the features of imagenet; for others the data set's classifier, or raw "
    "where it has no classes.",
)
INCEPTION_WEIGHTS = programs.DEFINE_path(
    "inception_weights", None, "Weights file for --features=inception instead of a download."
)
DATA_DIR = programs.DEFINE_path("data_dir", None, "Where TFDS finds prepared data sets.")
BUDGET = flags.DEFINE_string(
    "budget", None, "Cost of the training, for --results; by default from the run's clock."
)
RESULTS = programs.DEFINE_path(
    "results", None, "A CSV file such as results/results.csv that gets a row per score."
)


def run():
    FLAGS = flags.FLAGS
    count, path = None, SAMPLES.value
    if path is not None and path.replace("_", "").isdecimal():
        count, path = int(path), None
        if not 1 <= count <= 1_000_000:
            raise UsageError(f"Expected 1 to 1000000 samples. Received: --samples={SAMPLES.value}.")
    if path is not None:
        if any(FLAGS[name].value is not None for name in ("run", "generator", "pretrained")):
            raise UsageError(
                "Expected exactly one of --run, --generator, --pretrained and --samples=FILE. "
                f"Received: --samples={path} beside another."
            )
        source = None
        programs.choose_backend(FLAGS.backend)
    else:
        source = programs.source()
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


def start():
    """Runs the program and exits the process."""
    programs.main(run)
