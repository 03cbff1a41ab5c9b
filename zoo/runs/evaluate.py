"""Judges samples: every score that applies, beside its floor, with what fixes the numbers."""

import csv
import dataclasses
import datetime
import functools
import hashlib
import io
import json
import os
import pathlib
import shlex
import sys
import time

import numpy as np

from zoo import data, sampling
from zoo.data import synthetic
from zoo.errors import UsageError, nearest
from zoo.metrics import features as extractors
from zoo.runs import checkpoints, directory, keras_alone, pictures, views
from zoo.runs import config as configs
from zoo.runs.generate import load_generator

SAMPLES = 10_000
# Real pictures of the held-out split that samples are compared with; the rest would cost more than
# it tells.
REFERENCE = 10_000
LARGEST_SUBSET = 1000
# Of the latent points scored while training: not those of evaluate.py's default, so that the
# generator chosen by the ones is not flattered by the others.
TRAINING_SEED = 1

# Metric -> its version, raised with every change of what it computes, and the names of its scores
# with the direction that is better.
METRICS = {
    "frechet": (1, {"frechet": "lower"}),
    "kernel": (1, {"kernel": "lower"}),
    "precision_recall": (1, {"precision": "higher", "recall": "higher"}),
    "density_coverage": (1, {"density": "higher", "coverage": "higher"}),
    "classifier_score": (1, {"classifier_score": "higher"}),
    "class_coverage": (1, {"classes": "higher", "class_reverse_kl": "lower"}),
    "label_accuracy": (1, {"label_accuracy": "higher"}),
    "diversity_within_class": (1, {"diversity_within_class": "near 1"}),
    "memorisation": (
        1,
        {
            "memorisation": "near 0.5",
            "generated_distance": "near held_out_distance",
            "held_out_distance": "",
        },
    ),
}
# Of data whose distribution is known; see `views.score`.
KNOWN = "known_distribution"
KNOWN_VERSION = 1

COLUMNS = [
    *("date", "model", "dataset", "preset", "backend", "seed", "budget", "metric", "value"),
    # `reference` is the published value, and the columns behind `command` came later.
    *("samples", "reference", "commit", "command", "features", "features_hash", "floor"),
    *("floor_samples", "deviation", "reference_split", "reference_count", "resizer"),
    *("metric_version", "sample_seed", "trained_by", "trained_commit", "settings"),
    *("train_seconds", "train_cpu_seconds"),
]


@dataclasses.dataclass
class Reference:
    """What samples are compared with, computed once for any number of scorings.

    Attributes:
        features: float32 `(m, d)` of held-out real pictures.
        labels: int32 `(m,)`, or None.
        classes: int, how many the data set has, or 0.
        train: float32 `(t, d)` of all the pictures trained on, or None: then no memorisation.
    """

    features: np.ndarray
    labels: np.ndarray | None = None
    classes: int = 0
    train: np.ndarray | None = None

    @functools.cached_property
    def moments(self):
        """Mean and covariance of the features, float64, for the Frechet distance."""
        from zoo.metrics.frechet import moments

        return moments(self.features)


@dataclasses.dataclass
class Source:
    """Samples, and where they come from.

    Attributes:
        samples: uint8 NHWC, or float32 `(n, d)` of data that are not pictures.
        labels: int32 `(n,)`, the classes asked for, or None.
        name: str, what is judged, for a person.
        config: dict, the config of the run; empty for a file.
        hash: str, SHA-256 in hex of the file that the samples come from.
        step, seconds, cpu_seconds: of the run's newest checkpoint, or None.
    """

    samples: np.ndarray
    labels: np.ndarray | None
    name: str
    config: dict
    hash: str
    step: int | None = None
    seconds: float | None = None
    cpu_seconds: float | None = None


def evaluate(
    source=None,
    *,
    samples=None,
    dataset=None,
    seed=0,
    metrics=None,
    features=None,
    inception_weights=None,
    data_dir=None,
    budget=None,
    results=None,
    say=print,
):
    """Scores a generator or a file of samples, prints a table, and keeps the numbers.

    A run also gets `neighbours.png` where its memorisation is scored: samples above the training
    pictures nearest to them.

    Beside each score stands its floor: the same function of as many real pictures of the train
    split. Real and generated pictures pass through the same extractor, at the same size.

    Args:
        source: run directory or generator file, or None for samples from a file.
        samples: int, how many to draw; or path of an .npz file with `images` uint8 NHWC or
            `samples` float32, and perhaps `labels`, as generate.py writes it. By default 10,000,
            or as many as the train split has, so that the floor has the same count.
        dataset: str; by default the run's.
        seed: int, of the samples and of what is chosen at random. The samples are those of
            generate.py with this seed.
        metrics: list of str from `METRICS`, or None for all that apply.
        features: str, name of an extractor; by default `classifier:DATASET` for data with classes
            and `raw` for others.
        inception_weights: path of a weights file, or None.
        data_dir: where prepared data sets lie.
        budget: str, the training's, for the table of results; by default from the run's clock.
        results: path of a CSV file to which a row for each score is added, or None.
        say: function that takes the text of the table.

    Returns:
        dict: what was written under its features' name into the run's `evaluation.json`.

    Raises:
        UsageError: see the messages. Nothing is written then.
    """
    _check_names(metrics, features, seed)
    if results is not None:
        _check_results(results)
    config = read_config(source)
    dataset = dataset or config.get("dataset")
    if not dataset:
        raise UsageError(
            "It is not known which data the samples are compared with. Name it by --dataset, as "
            "in --dataset=mnist."
        )
    if data.SOURCES.get(dataset.partition(":")[0]) == "synthetic":
        if metrics is not None or features is not None:
            raise UsageError(
                f"The scores of {dataset} follow from its known distribution: leave out "
                "--metrics and --features."
            )
        record, found = _evaluate_known(source, samples, dataset, seed, config)
        neighbours = None
    else:
        record, found, neighbours = _evaluate_pictures(
            source,
            samples,
            dataset,
            seed,
            config,
            metrics,
            features,
            inception_weights,
            data_dir,
        )
    say(table(record))
    # All files last, so that a failure leaves none.
    if source is not None and os.path.isdir(source):
        if neighbours is not None:
            pictures.save_png(pathlib.Path(source) / "neighbours.png", *neighbours)
        write_evaluation(pathlib.Path(source), record)
    if results is not None:
        append_rows(results, rows(record, found, dataset, budget, source))
    return record


def scores(images, labels, reference, extractor, metrics=None, seed=0):
    """Returns the scores of pictures against a prepared reference, name -> float.

    The function to call again and again while training: what depends on the reference alone is
    computed once.

    Args:
        images: uint8 `(n, h, w, c)`.
        labels: int32 `(n,)`, the classes asked for, or None.
        reference: `Reference` by the same extractor.
        extractor: `zoo.metrics.features.Extractor`.
        metrics: list of str from `METRICS`, or None for all that apply and accept so few samples.
        seed: int, of random subsets.

    Raises:
        UsageError: a metric that was asked for does not apply or needs more samples.
    """
    return scores_of(*extractor.extract(images), labels, reference, metrics, seed)[0]


def scores_of(found, probabilities, labels, reference, metrics=None, seed=0, distance=None):
    """`scores` of features that are there already.

    Args:
        found: float32 `(n, d)`. probabilities: float32 `(n, classes)`, or None.
        distance: float `(n,)` to the nearest of `reference.train`, if it is there already.

    Returns:
        `(scores, left_out)`: name -> float, and metric -> why it is not among them.
    """
    left_out = obstacles(probabilities, labels, reference)
    for name in metrics or ():
        if name in left_out:
            raise UsageError(f"The metric {name} does not apply: {left_out[name]}.")
    left_out = {name: why for name, why in left_out.items() if metrics is None}
    values = {}
    for name in METRICS if metrics is None else metrics:
        if name in left_out:
            continue
        try:
            values |= _compute(name, found, probabilities, labels, reference, seed, distance)
        except UsageError as error:
            if metrics is not None:
                raise
            left_out[name] = str(error).rstrip(".")
    return values, left_out


def obstacles(probabilities, labels, reference):
    """Returns why a metric does not apply, metric -> str, for those that do not."""
    found = {}
    if probabilities is None:
        found["classifier_score"] = "these features name no classes"
    if probabilities is None or probabilities.shape[1] != reference.classes:
        why = "these features do not name the classes of the data"
        found["class_coverage"] = found["label_accuracy"] = why
    if labels is None:
        why = "the samples have no labels that were asked for"
        found["label_accuracy"] = found["diversity_within_class"] = why
    elif reference.labels is None:
        found["diversity_within_class"] = "the data have no classes"
    if reference.train is None:
        found["memorisation"] = (
            "it needs a split that was held out of training, and the features of all that was not"
        )
    return found


def _compute(name, found, probabilities, labels, reference, seed, distance):
    """Returns the scores of one metric, name -> float."""
    if name == "frechet":
        from zoo.metrics.frechet import frechet_from_moments, moments

        return {name: frechet_from_moments(*moments(found), *reference.moments)}
    if name == "kernel":
        from zoo.metrics.kernel import kernel_distance

        size = min(LARGEST_SUBSET, len(found), len(reference.features))
        mean, deviation = kernel_distance(found, reference.features, subset_size=size, seed=seed)
        return {name: mean, "kernel_deviation": deviation}
    if name == "precision_recall":
        from zoo.metrics.manifold import precision_recall

        return dict(
            zip(("precision", "recall"), precision_recall(found, reference.features), strict=True)
        )
    if name == "density_coverage":
        from zoo.metrics.manifold import density_coverage

        return dict(
            zip(("density", "coverage"), density_coverage(found, reference.features), strict=True)
        )
    if name == "classifier_score":
        from zoo.metrics.labels import classifier_score

        return {name: classifier_score(probabilities)}
    if name == "class_coverage":
        from zoo.metrics.modes import class_coverage

        coverage = class_coverage(probabilities.argmax(axis=1), reference.classes)
        return {
            "classes": float(coverage["modes"]),
            "class_reverse_kl": coverage["reverse_kl"],
        }
    if name == "label_accuracy":
        from zoo.metrics.labels import label_accuracy

        return {name: label_accuracy(probabilities, labels)}
    if name == "diversity_within_class":
        from zoo.metrics.labels import diversity_within_class

        return {
            name: diversity_within_class(
                found, labels, reference.features, reference.labels, seed=seed
            )
        }
    from zoo.metrics.memorisation import memorisation

    result = memorisation(found, reference.train, reference.features, distance)
    return {"memorisation": result.pop("closer")} | result


def read_config(source):
    """Returns the config of a run directory as it stands, or {} for anything else.

    Raises:
        UsageError: it is damaged.
    """
    if source is None or not os.path.isdir(source):
        return {}
    path = os.path.join(source, "config.json")
    try:
        with open(path, encoding="utf-8") as file:
            config = json.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read ({error}).") from None
    if not isinstance(config, dict):
        raise UsageError(f"{path} is damaged: expected one JSON object.")
    return config


def read_samples(path):
    """Returns the `Source` of an .npz file.

    Raises:
        UsageError: there is none, or it holds no samples.
    """
    try:
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise UsageError(
            f"There is no file of samples {path!r}. Expected --samples=COUNT, or the path of an "
            ".npz file, as generate.py --format=npz writes it."
        ) from None
    except (*checkpoints.DAMAGED, OSError, AttributeError) as error:
        raise UsageError(
            f"{path} is not an .npz file that can be read ({error}). Expected one as "
            "generate.py --format=npz writes it."
        ) from None
    found = arrays.get("images", arrays.get("samples"))
    if found is None or found.ndim < 2 or not len(found):
        raise UsageError(
            f"{path} holds no samples. Expected an array `images`, uint8 (n, height, width, 1 or "
            f"3), or `samples`, float (n, d). Received: {', '.join(arrays) or 'no array'}."
        )
    labels = arrays.get("labels")
    if labels is not None and (labels.shape != found.shape[:1] or labels.dtype.kind not in "iu"):
        raise UsageError(
            f"`labels` of {path} must be whole numbers, one for each sample. Expected shape "
            f"({len(found)},). Received: {labels.dtype} of shape {labels.shape}."
        )
    if found.ndim == 4:
        found = _pictures(found, path)
    return Source(found, labels, os.path.basename(path), {}, _file_hash(path))


def draw(source, generator, count, seed, config):
    """Draws samples with `generator`, that of a run directory or file, classes in turn.

    Returns:
        `Source`.

    Raises:
        UsageError: it gives pictures that are not finite, or does not tell its classes.
    """
    shape = generator.inputs[0].shape[1:]
    labels = None
    if len(generator.inputs) == 2:
        classes = keras_alone.class_count(generator) or len(config.get("class_names") or [])
        if not classes:
            raise UsageError(
                f"Neither the generator of {source} nor a config.json says how many classes there "
                "are. Draw samples with generate.py --class=... --format=npz, and judge that file "
                "with --samples=FILE."
            )
        labels = np.arange(count, dtype="int32") % classes
    parts = []
    with extractors.Progress("samples", count) as progress:
        z = sampling.latents(count, int(np.prod(shape)), seed).reshape(-1, *shape)
        # In pieces, so that only the finished pictures are all in memory.
        for start in range(0, count, 16 * sampling.CHUNK):
            piece = slice(start, start + 16 * sampling.CHUNK)
            part = sampling.run_generator(
                generator, z[piece], None if labels is None else labels[piece]
            )
            parts.append(_pictures(part, source) if part.ndim == 4 else part)
            progress(start + len(part))
    is_run = os.path.isdir(source)
    meta = _newest_meta(source) if is_run else {}
    path = os.path.join(source, "generator.keras") if is_run else source
    return Source(
        np.concatenate(parts),
        labels,
        os.path.basename(os.path.abspath(source)),
        config,
        _file_hash(path),
        *(meta.get(key) for key in ("step", "seconds", "cpu_seconds")),
    )


def table(record):
    """Returns the scores of a record as a text for people."""
    protocol = record["protocol"]
    values, floor = record["scores"], record["floor"]
    step = "" if protocol["step"] is None else f", step {protocol['step']:,}"
    lines = [
        f"{protocol['judged']}{step}: {protocol['samples']:,} samples of seed {protocol['seed']} "
        f"against {protocol['reference']}"
    ]
    if protocol["features"] != KNOWN:
        right = protocol["features_accuracy"]
        right = "" if right is None else f", {right:.2%} right on the held-out split"
        lines.append(
            f"features: {protocol['features']} ({protocol['features_hash'][:12]}{right}); "
            f"resizer: {protocol['resizer']}"
        )
    lines += [f"note: {note}." for note in protocol["notes"]]
    cells = [("score", "", f"floor ({protocol['floor_samples']:,} real)", "better")]
    for name, value in values.items():
        if not name.endswith("_deviation"):
            cells.append(
                (
                    name,
                    _shown(name, value, values),
                    _shown(name, floor[name], floor) if name in floor else "-",
                    _better(name),
                )
            )
    widths = [max(len(row[i]) for row in cells) for i in range(4)]
    lines.append("")
    for name, value, real, better in cells:
        line = f"{name:{widths[0]}}  {value:>{widths[1]}}  {real:>{widths[2]}}  {better}"
        lines.append(line.rstrip())
    return "\n".join(lines)


def write_evaluation(run, record):
    """Puts a record into the run's `evaluation.json`, under the name of its features.

    What else is there stays: what training wrote, and other features' scores. Scores of the same
    protocol and the same generator are added to, those of another are replaced.
    """
    path = run / "evaluation.json"
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        content = {}
    content = content if isinstance(content, dict) else {}
    kept = content.get("evaluations")
    kept = dict(kept) if isinstance(kept, dict) else {}
    name = record["protocol"]["features"]
    try:
        old = kept[name]
        same = all(
            old["protocol"][key] == record["protocol"][key]
            for key in record["protocol"]
            if key not in ("notes", "metrics", "date", "command", "commit")
        )
        if same:
            versions = old["protocol"]["metrics"] | record["protocol"]["metrics"]
            record = {
                "protocol": record["protocol"] | {"metrics": versions},
                **{part: old[part] | record[part] for part in ("scores", "floor")},
            }
    except (KeyError, TypeError):
        pass
    kept[name] = record
    directory.write_json(path, content | {"evaluations": kept})


def rows(record, found, dataset, budget=None, source=None):
    """Returns the rows of results.csv for a record: a dict for each score.

    Args:
        found: the `Source` that was judged.
        budget: str, or None for what the run's clock says.
        source: run directory, whose `environment.json` tells how it was trained, or None.
    """
    protocol, config = record["protocol"], found.config
    trained = _environment(source)
    common = {
        "date": protocol["date"],
        "model": config.get("model") or found.name,
        "dataset": config.get("dataset") or dataset,
        "preset": config.get("preset", ""),
        "backend": config.get("backend", ""),
        "seed": config.get("seed", ""),
        "budget": budget if budget is not None else _budget(found),
        "samples": protocol["samples"],
        "commit": protocol["commit"] or "",
        "command": protocol["command"],
        "features": protocol["features"],
        "features_hash": protocol["features_hash"],
        "floor_samples": protocol["floor_samples"],
        "reference_split": protocol["reference_split"],
        "reference_count": protocol["reference_count"],
        "resizer": protocol["resizer"],
        "sample_seed": protocol["seed"],
        "trained_by": trained.get("command") or "",
        "trained_commit": trained.get("commit") or "",
        "settings": _settings(config, trained.get("command") or ""),
        "train_seconds": "" if found.seconds is None else f"{found.seconds:.1f}",
        "train_cpu_seconds": "" if found.cpu_seconds is None else f"{found.cpu_seconds:.1f}",
    }
    if dataset != common["dataset"]:
        common["reference_split"] = f"{dataset}: {common['reference_split']}"
    versions = {score: version for version, names in METRICS.values() for score in names}
    return [
        common
        | {
            "metric": name,
            "value": f"{value:.6g}",
            "floor": f"{record['floor'][name]:.6g}" if name in record["floor"] else "",
            "deviation": _deviation(record["scores"], name),
            "metric_version": versions.get(name, KNOWN_VERSION),
        }
        for name, value in record["scores"].items()
        if not name.endswith("_deviation")
    ]


def append_rows(path, new):
    """Adds rows to a CSV file with the columns of results.csv, which is made if it is missing."""
    _check_results(path)
    path = pathlib.Path(path)
    is_new = not path.exists() or not path.stat().st_size
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    if is_new:
        writer.writeheader()
    elif not path.read_bytes().endswith(b"\n"):
        text.write("\n")
    writer.writerows(new)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Appended in one write, so that two evaluations at once lose nothing.
    with path.open("ab", buffering=0) as file:
        file.write(text.getvalue().encode())


def _evaluate_pictures(
    source, samples, dataset, seed, config, metrics, features, inception_weights, data_dir
):
    own = dataset == config.get("dataset")
    found = read_samples(samples) if source is None else None
    generator = load_generator(source) if found is None else None
    shape = _picture_shape(found.samples if found else generator.outputs[0])
    parts = extractors.splits(
        dataset,
        image_size=shape[0],
        channels=shape[-1],
        resize=config.get("resize", "crop") if own else "crop",
        data_dir=data_dir,
    )
    train = parts.train
    notes = []
    recorded = config.get("data_fingerprint")
    if own and parts.own and recorded not in (None, train.fingerprint):
        notes.append(f"{dataset} has changed since the run was trained on it")
    if not parts.own:
        notes.append(f"{dataset} has no test split, so the run has seen the pictures held out here")
    if features is None:
        features = f"classifier:{dataset}" if len(train.class_names) > 1 else "raw"
    extractor = extractors.extractor(
        features, data_dir=data_dir, inception_weights=inception_weights
    )
    if extractor.comparable:
        notes.append(extractor.comparable)
    count = min(SAMPLES, len(train.samples)) if samples is None else samples
    found = found or draw(source, generator, count, seed, config)
    count = len(found.samples)

    whole = memorises(metrics, parts.own, extractor)
    reference, real, real_labels = prepare(parts, extractor, count, whole)
    generated = extractor.extract(found.samples, "samples")
    neighbours = distance = None
    if whole:
        from zoo.metrics.memorisation import nearest_neighbours

        distance, which = nearest_neighbours(generated[0], reference.train)
        step = "" if found.step is None else f" of step {found.step:,}"
        neighbours = (
            views.neighbours(found.samples, train.samples, distance, which),
            f"Samples{step}, each above the training picture of {dataset} that is nearest to it in "
            f"the features {extractor.name}; copies would show among the closest.",
        )
    values, left_out = scores_of(*generated, found.labels, reference, metrics, seed, distance)
    if not values:
        raise UsageError(
            "No metric applies: " + "; ".join(f"{n}: {w}" for n, w in left_out.items()) + "."
        )
    # Of what the train split is itself measured against, it has no floor.
    comparable = [name for name in METRICS if name != "memorisation" and _gave(name, values)]
    labels = real_labels if found.labels is not None else None
    floor = {}
    for name in comparable:
        floor |= scores_of(*real, labels, reference, [name], seed)[0]
    if len(real[0]) < count:
        notes.append(
            f"the floor is that of {len(real[0]):,} pictures, all there are for training, and of "
            "more it would be lower"
        )
    notes += [f"{name} left out: {why}" for name, why in left_out.items() if _is_news(name, why)]
    protocol = _protocol(found, seed, notes) | {
        "dataset": dataset,
        "reference": f"{len(reference.features):,} of {dataset}'s {parts.reference}",
        "reference_split": parts.reference,
        "reference_count": len(reference.features),
        "floor_samples": len(real[0]),
        "features": extractor.name,
        "features_hash": extractor.hash,
        "features_accuracy": extractor.accuracy,
        "resizer": extractor.resizer(shape),
        "metrics": {name: METRICS[name][0] for name in METRICS if _gave(name, values)},
    }
    return {"protocol": protocol, "scores": values, "floor": floor}, found, neighbours


@dataclasses.dataclass
class Judge:
    """Scores a generator of pictures while it is trained. Made by `judge`.

    Attributes:
        reference: `Reference`, by the same extractor.
        extractor: `zoo.metrics.features.Extractor`.
        samples: int, how many are drawn for a score.
        floor: float, the Frechet distance of as many real pictures.
        seconds: float, about what one score takes.
    """

    reference: Reference
    extractor: extractors.Extractor
    samples: int
    floor: float
    seconds: float

    @property
    def protocol(self):
        """What two scores must share to be compared."""
        return {
            "samples": self.samples,
            "features": self.extractor.name,
            "features_hash": self.extractor.hash[:12],
        }

    def score(self, model):
        """Returns the Frechet distance of a GAN's averaged generator, a float.

        The samples are those of the same latent points each time. None where they are not finite.
        """
        images = model.generate(self.samples, seed=TRAINING_SEED)
        if not np.isfinite(images).all():
            return None
        images = sampling.to_uint8(images)
        return scores(images, None, self.reference, self.extractor, ["frechet"])["frechet"]


def judge(config, data_dir=None, say=print):
    """Prepares the scores of a run's pictures, before its first step.

    Features that `score_features` names are trained or loaded, however long that takes. Without it
    they are those of `classifier:DATASET`, but only where that has been trained on this machine
    before; where not, or where the held-out pictures cannot be had, one line says how to get
    scores, and the run has none.

    Args:
        config: the completed config of a run.
        data_dir: str, where prepared data sets lie.
        say: function that takes that line.

    Returns:
        `Judge`, or None.

    Raises:
        UsageError: what `score_features` asks for cannot be had.
    """
    dataset, name = config["dataset"], config["score_features"]
    pictured = len(config["sample_shape"]) == 3
    if name is not None and not pictured:
        raise UsageError(
            f"The scores of {dataset} follow from its known distribution: leave out "
            f"score_features. Received: score_features={name!r}."
        )
    if config["score_every"] is None or not pictured:
        return None
    if name is not None:
        return _judge(config, extractors.extractor(name, data_dir=data_dir), data_dir)
    why = f"{dataset} has no classes. Get them with --set score_features=inception, or =raw"
    if len(config["class_names"]) > 1:
        name = f"classifier:{dataset}"
        why = (
            f"{name} has not been trained on this machine. Get them with "
            f"--set score_features={name}, which trains it first, for minutes"
        )
        try:
            found = extractors.classifier(dataset, data_dir=data_dir, only_cached=True)
            if found is not None:
                return _judge(config, found, data_dir)
        except UsageError as error:
            why = str(error)
    say(f"no scores while training: {why.rstrip('.')}.")
    return None


def _judge(config, extractor, data_dir):
    shape = config["sample_shape"]
    parts = extractors.splits(
        config["dataset"],
        image_size=shape[0],
        channels=shape[-1],
        resize=config["resize"],
        data_dir=data_dir,
    )
    # No more than the floor can have: a score of more samples would be lower.
    count = min(config["score_samples"], len(parts.train.samples))
    start = time.monotonic()
    reference, real, _ = prepare(parts, extractor, count)
    share = count / (count + len(reference.features))
    seconds = share * (time.monotonic() - start)
    start = time.monotonic()
    floor = scores_of(*real, None, reference, ["frechet"])[0]["frechet"]
    return Judge(reference, extractor, count, floor, seconds + time.monotonic() - start)


def memorises(metrics, own, extractor):
    """Returns whether the features of the whole train split are needed."""
    if metrics is not None:
        return "memorisation" in metrics and own
    # 60,000 pictures through Inception are an hour on a CPU, so it must be asked for.
    return own and extractor.name != "inception"


def prepare(parts, extractor, count, whole=False):
    """Computes what samples are compared with.

    Args:
        parts: `zoo.metrics.features.Splits`.
        extractor: `zoo.metrics.features.Extractor`.
        count: int, how many pictures of the train split make the floor, if it has so many. They
            are always the same, so that the floor is a constant of the protocol.
        whole: bool, whether the features of the whole train split are kept, for memorisation.

    Returns:
        `(reference, real, real_labels)`: the `Reference`; the features and probabilities of the
        floor's pictures; their labels, or None.
    """
    train, held_out = parts.train, parts.held_out
    chosen = np.sort(np.random.default_rng(0).permutation(len(held_out.samples))[:REFERENCE])
    features, _ = extractor.extract(held_out.samples[chosen], "real pictures")
    floor = np.random.default_rng(1).permutation(len(train.samples))[:count]
    everything = None
    if whole:
        everything, likely = extractor.extract(train.samples, "training pictures")
        real = everything[floor], None if likely is None else likely[floor]
    else:
        real = extractor.extract(train.samples[floor], "real pictures")
    reference = Reference(
        features,
        None if held_out.labels is None else held_out.labels[chosen],
        len(held_out.class_names),
        everything,
    )
    return reference, real, None if train.labels is None else train.labels[floor]


class _Given:
    """Samples in the place of the model that `views.score` asks for them."""

    def __init__(self, samples):
        self.samples = samples

    def generate(self, count, seed):
        return self.samples


def _evaluate_known(source, samples, dataset, seed, config):
    count = SAMPLES if samples is None else samples
    if source is None:
        found = read_samples(samples)
    else:
        found = draw(source, load_generator(source), count, seed, config)
    count = len(found.samples)
    options = {}
    if dataset == "gaussian" and config.get("target"):
        options["target"] = config["target"]
    real = synthetic.load(dataset, split="test", n=count, seed=seed, **options)
    if found.samples.shape[1:] != real.samples.shape[1:]:
        raise UsageError(
            f"The samples of {found.name} are not like those of {dataset}. Expected shape "
            f"(n, {real.samples.shape[1]}). Received: {found.samples.shape}."
        )
    values, floor = (
        {name: float(v) for name, v in views.score(_Given(x), real, config).items()}
        for x in (found.samples, real.samples)
    )
    protocol = _protocol(found, seed, []) | {
        "dataset": dataset,
        "reference": f"the known distribution of {dataset}",
        "reference_split": "known distribution",
        "reference_count": "",
        "floor_samples": count,
        "features": KNOWN,
        "features_hash": "",
        "features_accuracy": None,
        "resizer": "none",
        "metrics": {KNOWN: KNOWN_VERSION},
    }
    return {"protocol": protocol, "scores": values, "floor": floor}, found


def _protocol(found, seed, notes):
    return {
        "judged": found.name,
        "step": found.step,
        "samples": len(found.samples),
        "seed": seed,
        "source_hash": found.hash,
        "notes": notes,
        "date": datetime.date.today().isoformat(),
        "commit": directory.commit(),
        "command": shlex.join(["python", os.path.basename(sys.argv[0]), *sys.argv[1:]]),
    }


def _check_names(metrics, features, seed):
    for name in metrics or ():
        if name not in METRICS:
            raise UsageError(f"There is no metric {name!r}.{nearest(name, METRICS)}")
    if metrics is not None and not metrics:
        raise UsageError(f"Expected at least one metric.{nearest('', METRICS)}")
    kind = None if features is None else features.partition(":")[0]
    if kind not in (None, "classifier", "inception", "raw"):
        raise UsageError(
            f"There is no feature extractor {features!r}.{nearest(features, extractors.KINDS)}"
        )
    if seed < 0:
        raise UsageError(f"Expected a seed from 0 up. Received: {seed}.")


def _check_results(path):
    """Refuses a file that rows cannot be added to, before any work is done."""
    if os.path.isdir(path):
        raise UsageError(f"--results={path} is a folder. Expected the path of a CSV file.")
    if not os.path.exists(path) or not os.path.getsize(path):
        return
    with open(path, encoding="utf-8", errors="replace", newline="") as file:
        header = next(csv.reader(file), [])
    if header != COLUMNS:
        raise UsageError(
            f"--results={path} is not a table of results, and was left alone. Expected a new file, "
            f"or one with the columns {', '.join(COLUMNS)}. Received: {', '.join(header)[:200]}."
        )


def _picture_shape(tensor):
    shape = tuple(tensor.shape[1:])
    if len(shape) != 3 or shape[-1] not in (1, 3) or shape[0] != shape[1]:
        raise UsageError(
            f"Samples of shape {shape} are not square pictures with 1 or 3 channels, so they "
            "cannot be compared with pictures. Choose the --dataset they were trained on."
        )
    return shape


def _pictures(images, path):
    """Returns pictures as uint8: as they are, or from float in [-1, 1]."""
    if images.dtype == np.uint8:
        return images
    if images.dtype.kind != "f" or not np.isfinite(images).all() or np.abs(images).max() > 1.01:
        raise UsageError(
            f"The pictures of {path} must be uint8, or finite float numbers in [-1, 1]. "
            f"Received: {images.dtype} from {np.min(images):.3g} to {np.max(images):.3g}."
        )
    return sampling.to_uint8(images)


def _newest_meta(run):
    for path in reversed(checkpoints.listing(os.path.join(run, "checkpoints"))):
        if meta := checkpoints.read_meta(path):
            return meta
    return {}


def _budget(found):
    for seconds, unit in ((found.cpu_seconds, "CPU seconds"), (found.seconds, "seconds")):
        if seconds:
            # Two digits: seeds of one budget end a little apart and are one line of the table.
            return f"{float(f'{seconds:.2g}'):,.0f} {unit}"
    return ""


def _environment(run):
    """What a run's `environment.json` says of how it was trained; empty for a file."""
    if run is None:
        return {}
    try:
        content = json.loads(pathlib.Path(run, "environment.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _settings(config, command):
    """What a run's config changes of its recipe, but for when it ends: "loss=hinge width=64"."""
    try:
        recipe = configs.resolve(config["model"], config["dataset"], config["preset"])
    except (KeyError, UsageError):
        return ""
    # Where nobody asked for a size the config has that of the data, which is no change.
    own = [name for name in ("image_size", "channels") if f"{name}=" not in command]
    ignored = (*configs.RESUMABLE, "seed", *own)
    changed = (
        (name, config[name])
        for name, value in recipe.items()
        if name in config and config[name] != value and name not in ignored
    )
    return " ".join(f"{name}={value}" for name, value in sorted(changed))


def _file_hash(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def _gave(metric, values):
    return any(score in values for score in METRICS[metric][1])


def _is_news(name, why):
    # That a model without classes has no labels goes without saying.
    return "no labels" not in why and name != "memorisation"


def _better(name):
    return next((names[name] for _, names in METRICS.values() if name in names), "")


def _deviation(values, name):
    value = values.get(f"{name}_deviation")
    return "" if value is None else f"{value:.6g}"


def _shown(name, value, values):
    deviation = values.get(f"{name}_deviation")
    more = "" if deviation is None else f" ± {deviation:.2g}"
    return f"{value:.4g}{more}"
