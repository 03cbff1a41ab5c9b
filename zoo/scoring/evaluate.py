"""Scores samples: every score that applies, its floor, and the protocol behind the numbers."""

import os
import pathlib

import numpy as np

from zoo import config_file, data, sampling
from zoo.data import synthetic
from zoo.data.catalog import located
from zoo.data.images import CHANNELS
from zoo.drawing import pictures
from zoo.errors import UsageError, nearest
from zoo.metrics import extractors
from zoo.metrics.splits import splits
from zoo.outputs import inpaint
from zoo.outputs.generate import load_generator
from zoo.progress import Progress
from zoo.runs import checkpoints, network_files, networks
from zoo.scoring import enlarging, inpainting, translation
from zoo.scoring.judge import SEEN, default_features
from zoo.scoring.judged import Judged, hash_of, of_networks, protocol
from zoo.scoring.results import append_rows, check_results, rows, table, write_evaluation
from zoo.scoring.scores import (
    EVERY,
    KNOWN,
    KNOWN_VERSION,
    METRICS,
    check_apply,
    compares_whole,
    gave,
    prepare,
    scores_of,
)
from zoo.tasks.pictures import neighbours as draw_neighbours
from zoo.tasks.points import known_scores

SAMPLES = 10_000


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

    `zoo.scoring.translation` scores networks that turn pictures into pictures: on `pairs:` by the
    distance to the targets, on `domains:` by the similarity to the other side. On `crops:`
    `zoo.scoring.enlarging` scores networks that enlarge, and `zoo.scoring.inpainting` those that
    fill holes. `samples` then limits the number of test pictures.

    If the features of the training pictures are computed, a run also gets `neighbours.png`: samples
    above their nearest training pictures.

    Each score has a floor: the same function of as many real pictures of the train split, or of
    half of the pictures against the other half; see `zoo.scoring.scores.prepare`. Real and
    generated pictures pass through the same extractor, at the same size.

    Args:
        source: run directory or generator file, or None for samples from a file.
        samples: int, number of samples; or path of an .npz file from generate.py with `images`
            uint8 NHWC or `samples` float32, and optional `labels`. By default 10,000, or the size
            of a smaller train split, so that the floor has the same count.
        dataset: str; by default the run's.
        seed: int, seed of the samples and of random choices. generate.py draws the same samples
            with it.
        metrics: list of str from `METRICS`, or None for all that apply.
        features: str, name of an extractor; by default as `zoo.scoring.judge.default_features`.
        inception_weights: path of a weights file, or None.
        data_dir: folder of prepared data sets.
        budget: str, training budget for the table of results; by default from the run's clock.
        results: path of a CSV file that gets a row per score, or None.
        say: function called with the text of the table.

    Returns:
        dict: the record in the run's `evaluation.json`, under the name of its features.

    Raises:
        UsageError: see the messages. Nothing is written then.
    """
    _check_names(metrics, features, seed)
    if results is not None:
        check_results(results)
    config = {} if source is None else config_file.read(source) or {}
    if config.get("dataset"):
        config["dataset"] = located(config["dataset"])
    dataset = located(dataset) if dataset else config.get("dataset")
    if not dataset:
        raise UsageError(
            "It is not known which data the samples are compared with. Name it by --dataset, as "
            "in --dataset=mnist."
        )
    kind = data.SOURCES.get(dataset.partition(":")[0])
    neighbours = None
    if source is not None and inpaint.fills(source):
        record, judged = inpainting.evaluate(
            source, samples, dataset, seed, config, metrics, features, inception_weights, data_dir
        )
    elif kind == "crops":
        record, judged = enlarging.evaluate(
            source, samples, dataset, seed, config, metrics, features, inception_weights, data_dir
        )
    elif kind in translation.KINDS or networks.translates(config):
        record, judged = translation.evaluate(
            source, samples, dataset, seed, config, metrics, features, inception_weights, data_dir
        )
    elif kind == "synthetic":
        if metrics is not None or features is not None:
            raise UsageError(
                f"The scores of {dataset} follow from its known distribution: leave out "
                "--metrics and --features."
            )
        record, judged = _evaluate_known(source, samples, dataset, seed, config)
    else:
        record, judged, neighbours = _evaluate_pictures(
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
    # Write all files last, so a failure leaves none.
    if source is not None and os.path.isdir(source):
        if neighbours is not None:
            pictures.save_png(pathlib.Path(source) / "neighbours.png", *neighbours)
        write_evaluation(pathlib.Path(source), record)
    if results is not None:
        append_rows(results, rows(record, judged, dataset, budget, source))
    return record


def read_samples(path):
    """Returns the `Judged` samples of an .npz file.

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
    values = arrays.get("images", arrays.get("samples"))
    if values is None or values.ndim < 2 or not len(values):
        raise UsageError(
            f"{path} holds no samples. Expected an array `images`, uint8 (n, height, width, 1, "
            f"3 or 4), or `samples`, float (n, d). Received: {', '.join(arrays) or 'no array'}."
        )
    labels = arrays.get("labels")
    if labels is not None and (labels.shape != values.shape[:1] or labels.dtype.kind not in "iu"):
        raise UsageError(
            f"`labels` of {path} must be whole numbers, one for each sample. Expected shape "
            f"({len(values)},). Received: {labels.dtype} of shape {labels.shape}."
        )
    if values.ndim == 4:
        values = _pictures(values, path)
    return Judged(values, labels, os.path.basename(path), {}, hash_of(path))


def draw(source, generator, count, seed, config):
    """Draws samples with `generator`, that of a run directory or file, classes in turn.

    Returns:
        `Judged`.

    Raises:
        UsageError: it gives pictures that are not finite, or its number of classes is unknown.
    """
    shape = generator.inputs[0].shape[1:]
    labels = None
    if len(generator.inputs) == 2:
        classes = network_files.class_count(generator) or len(config.get("class_names") or [])
        if not classes:
            raise UsageError(
                f"Neither the generator of {source} nor a config.json says how many classes there "
                "are. Draw samples with generate.py --class=... --format=npz, and judge that file "
                "with --samples=FILE."
            )
        labels = np.arange(count, dtype="int32") % classes
    parts = []
    with Progress("samples", count) as progress:
        z = sampling.latents(count, int(np.prod(shape)), seed).reshape(-1, *shape)
        # In pieces, so memory holds only finished pictures.
        for start in range(0, count, 16 * sampling.CHUNK):
            piece = slice(start, start + 16 * sampling.CHUNK)
            part = sampling.run_generator(
                generator, z[piece], None if labels is None else labels[piece]
            )
            parts.append(_pictures(part, source) if part.ndim == 4 else part)
            progress(start + len(part))
    paths = networks.find(source).values()
    return of_networks(np.concatenate(parts), labels, source, config, paths)


def _evaluate_pictures(
    source, samples, dataset, seed, config, metrics, features, inception_weights, data_dir
):
    check_apply(metrics, METRICS, "samples of noise")
    own = dataset == config.get("dataset")
    pixel_range = config.get("pixel_range") if own else None
    judged = read_samples(samples) if source is None else None
    generator = load_generator(source) if judged is None else None
    shape = _picture_shape(judged.samples if judged else generator.outputs[0])
    parts = splits(
        dataset,
        image_size=shape[:2],
        channels=shape[-1],
        resize=config.get("resize", "crop") if own else "crop",
        pixel_range=pixel_range,
        data_dir=data_dir,
    )
    notes = []
    recorded = config.get("data_fingerprint")
    if own and parts.own and recorded not in (None, parts.loaded.fingerprint):
        notes.append(f"{dataset} has changed since the run was trained on it")
    if features is None:
        features = default_features(dataset, shape[-1], parts.loaded.class_names, config)
    elif features == SEEN.get(config.get("discriminator_features")):
        notes.append(
            f"the discriminator saw the features {features} too, so they do not judge alone"
        )
    extractor = extractors.extractor(
        features,
        pixel_range=pixel_range,
        data_dir=data_dir,
        inception_weights=inception_weights,
    )
    if not parts.own:
        notes.append(f"{dataset} has no test split, so the run has seen the pictures compared with")
    if extractor.comparable:
        notes.append(extractor.comparable)
    whole = compares_whole(parts, extractor.name)
    train = parts.loaded if whole else parts.train
    count = min(SAMPLES, len(train.samples)) if samples is None else samples
    judged = judged or draw(source, generator, count, seed, config)
    count = len(judged.samples)

    keep_train = memorises(metrics, parts.own, extractor)
    reference, real, known = prepare(parts, extractor, count, keep_train)
    generated = extractor.extract(judged.samples, "samples")
    neighbours = distance = None
    if known is not None:
        from zoo.metrics.memorisation import nearest_neighbours

        distance, which = nearest_neighbours(generated[0], reference.train)
        step = "" if judged.step is None else f" of step {judged.step:,}"
        neighbours = (
            draw_neighbours(judged.samples, known, distance, which),
            f"Samples{step}, each above the training picture of {dataset} that is nearest to it, "
            f"of {len(known):,}, in the features {extractor.name}; copies would show among the "
            "closest.",
        )
    values, left_out = scores_of(*generated, judged.labels, reference, metrics, seed, distance)
    if not values:
        raise UsageError(
            "No metric applies: " + "; ".join(f"{n}: {w}" for n, w in left_out.items()) + "."
        )
    # Memorisation compares with the train split itself, so it has no floor.
    comparable = [name for name in METRICS if name != "memorisation" and gave(name, values)]
    floor = real.scores(comparable, seed, labelled=judged.labels is not None)
    if len(real.features) < count:
        notes.append(
            f"the floor is that of {len(real.features):,} pictures, all there are for it, and of "
            "more it would be lower"
        )
    notes += [f"{name} left out: {why}" for name, why in left_out.items() if _is_news(name, why)]
    about = protocol(judged, seed, notes) | {
        "dataset": dataset,
        "reference": f"{len(reference.features):,} of {dataset}'s {reference.split}",
        "reference_split": reference.split,
        "reference_count": len(reference.features),
        "floor_samples": len(real.features),
        "features": extractor.name,
        "features_hash": extractor.hash,
        "features_accuracy": extractor.accuracy,
        "resizer": extractor.resizer(shape),
        "metrics": {name: METRICS[name][0] for name in METRICS if gave(name, values)},
    }
    return {"protocol": about, "scores": values, "floor": floor}, judged, neighbours


def memorises(metrics, own, extractor):
    """Returns whether the features of the complete train split are needed."""
    if metrics is not None:
        return "memorisation" in metrics and own
    # Slow features must be requested.
    return own and extractor.name not in extractors.PRETRAINED


def _evaluate_known(source, samples, dataset, seed, config):
    count = SAMPLES if samples is None else samples
    if source is None:
        judged = read_samples(samples)
    else:
        judged = draw(source, load_generator(source), count, seed, config)
    count = len(judged.samples)
    options = {}
    if dataset == "gaussian" and config.get("target"):
        options["target"] = config["target"]
    real = synthetic.load(dataset, split="test", n=count, seed=seed, **options)
    if judged.samples.shape[1:] != real.samples.shape[1:]:
        raise UsageError(
            f"The samples of {judged.name} are not like those of {dataset}. Expected shape "
            f"(n, {real.samples.shape[1]}). Received: {judged.samples.shape}."
        )
    values, floor = (
        {name: float(v) for name, v in known_scores(x, dataset, config).items()}
        for x in (judged.samples, real.samples)
    )
    about = protocol(judged, seed, []) | {
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
    return {"protocol": about, "scores": values, "floor": floor}, judged


def _check_names(metrics, features, seed):
    for name in metrics or ():
        if name not in EVERY:
            raise UsageError(f"There is no metric {name!r}.{nearest(name, EVERY)}")
    if metrics is not None and not metrics:
        raise UsageError(f"Expected at least one metric.{nearest('', EVERY)}")
    if features is not None:
        extractors.check(features)
    if seed < 0:
        raise UsageError(f"Expected a seed from 0 up. Received: {seed}.")


def _picture_shape(tensor):
    shape = tuple(tensor.shape[1:])
    if len(shape) != 3 or shape[-1] not in CHANNELS:
        raise UsageError(
            f"Samples of shape {shape} are not pictures with 1, 3 or 4 channels, so they cannot be "
            "compared with pictures. Choose the --dataset they were trained on."
        )
    return shape


def _pictures(images, path):
    """Returns pictures as uint8, converted from float in [-1, 1] if needed."""
    if images.dtype == np.uint8:
        return images
    if images.dtype.kind != "f" or not np.isfinite(images).all() or np.abs(images).max() > 1.01:
        raise UsageError(
            f"The pictures of {path} must be uint8, or finite float numbers in [-1, 1]. "
            f"Received: {images.dtype} from {np.min(images):.3g} to {np.max(images):.3g}."
        )
    return sampling.to_uint8(images)


def _is_news(name, why):
    # A model without classes obviously has no labels.
    return "no labels" not in why and name != "memorisation"
