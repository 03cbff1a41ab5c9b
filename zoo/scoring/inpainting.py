"""Scores networks that fill holes, within the holes, beside simple fillings.

The same holes each time: a box of half of each side in the middle, and strokes of a brush that
differ from picture to picture. All but the hole is equal in what is compared, so the distance in
features, which looks at whole pictures, comes from the hole too.
"""

import numpy as np

from zoo import data
from zoo.errors import UsageError
from zoo.metrics import extractors, paired
from zoo.metrics.splits import splits
from zoo.outputs import filling
from zoo.outputs.generate import load_generator
from zoo.parts import holes
from zoo.progress import Progress
from zoo.runs import networks
from zoo.scoring import translation
from zoo.scoring.judged import of_networks, protocol
from zoo.scoring.scores import FILLED, check_apply

# Shares of a picture that the strokes of a brush may cover.
LEAST, MOST = 0.1, 0.4
BASELINES = {
    "mean": "the mean of the known pixels",
    "harmonic": "the smoothest surface that meets the known pixels",
    "telea": "the method of Telea (2004), by OpenCV, radius 3",
}


def evaluate(
    source,
    samples,
    dataset,
    seed,
    config,
    metrics=None,
    features=None,
    inception_weights=None,
    data_dir=None,
):
    """Scores the network of a run or a file on the held-out pictures of a data set.

    Args:
        source, samples, dataset, seed, config, metrics, features, inception_weights, data_dir: as
            for `zoo.scoring.translation.evaluate`.

    Returns:
        `(record, judged)`: a dict of `protocol`, `scores`, `floor` and `baselines`, those of
        `zoo.outputs.filling.simple`, each score once for each kind of hole; and the `Judged` filled
        pictures.

    Raises:
        UsageError: the data do not fit the network, or a metric does not apply.
    """
    check_apply(metrics, FILLED, "pictures whose holes are filled")
    metrics = list(FILLED) if metrics is None else metrics
    if data.SOURCES.get(dataset.partition(":")[0]) in ("crops", "pairs", "domains", "synthetic"):
        raise UsageError(
            f"{source} fills holes in pictures, and {dataset} is no data set of single pictures. "
            "Expected --dataset=folder:PATH, or one such as mnist."
        )
    network = load_generator(source)
    channels = network.inputs[0].shape[-1]
    parts = splits(dataset, **translation.options_of(dataset, config, network, data_dir))
    if parts.train.samples.shape[-1] != channels:
        raise UsageError(
            f"The pictures of {dataset} do not fit the network of {source}. Expected {channels} "
            f"channels. Received: {parts.train.samples.shape[-1]}."
        )
    extractor = None
    if "feature_distance" in metrics:
        extractor = extractors.extractor(
            features or "imagenet", data_dir=data_dir, inception_weights=inception_weights
        )
    chosen = translation.chosen(len(parts.held_out.samples), samples or translation.MOST)
    truth = np.ascontiguousarray(parts.held_out.samples[chosen])
    real = extractor.features(truth) if extractor else None
    scores, baselines, drawn = {}, {}, []
    for kind, unknown in masks(len(truth), truth.shape[1:3]).items():
        sets = {}
        with Progress(f"filled pictures, {kind}", len(truth)) as progress:
            for done, (picture, hole) in enumerate(zip(truth, unknown, strict=True), 1):
                fillings = {"network": filling.filled(network, picture, hole)}
                for name, image in (fillings | filling.simple(picture, hole)).items():
                    sets.setdefault(name, []).append(image)
                progress(done)
        drawn += sets["network"]
        for name, images in sets.items():
            into = scores if name == "network" else baselines.setdefault(name, {})
            images = np.stack(images)
            for metric in metrics:
                if metric == "feature_distance":
                    value = paired.feature_distance(extractor.features(images), real)
                else:
                    score = getattr(paired, metric.removeprefix("hole_"))
                    value = score(images, truth, unknown)
                into[f"{kind}_{metric}"] = value
    notes = translation.notes_of(parts, dataset, config, extractor)
    judged = of_networks(np.stack(drawn), None, source, config, networks.find(source).values())
    about = protocol(judged, seed, notes) | {
        "dataset": dataset,
        "reference": f"{len(truth):,} of its {parts.reference}, a box and strokes of a brush each",
        "reference_split": parts.reference,
        "reference_count": len(truth),
        "floor_samples": "",
        "features": extractor.name if extractor else "none",
        "features_hash": extractor.hash if extractor else "",
        "features_accuracy": extractor.accuracy if extractor else None,
        "resizer": extractor.resizer(truth.shape[1:]) if extractor else "none",
        "metrics": {name: FILLED[name][0] for name in metrics},
        "baselines": {name: BASELINES[name] for name in baselines},
    }
    return {"protocol": about, "scores": scores, "floor": {}, "baselines": baselines}, judged


def masks(count, size):
    """Returns the holes of so many pictures, kind -> bool `(count, height, width)`.

    Args:
        count: int. size: (height, width).
    """
    height, width = size
    box = np.zeros((count, *size), bool)
    rows, columns = (slice(side // 4, side // 4 + side // 2) for side in size)
    box[:, rows, columns] = True
    kept, seed = [], 0
    inner = slice(paired.EDGE, height - paired.EDGE), slice(paired.EDGE, width - paired.EDGE)
    while len(kept) < count:
        # All at once, or each would be an operation by itself.
        for hole in holes.fixed(256, size, ("brush",), seed=seed):
            # SSIM needs a pixel of the hole whose window lies in the picture.
            if LEAST <= hole.mean() <= MOST and hole[inner].any():
                kept.append(hole)
        seed += 1
    return {"box": box, "brush": np.stack(kept[:count])}
