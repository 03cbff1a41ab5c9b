"""Scores networks that enlarge pictures, beside bicubic interpolation.

Each picture is made small by `zoo.data.bicubic`, as MATLAB's `imresize` does it, enlarged by the
network, and compared with itself. So the numbers stand beside those of papers, where these say the
same about luminance and borders.
"""

import numpy as np

from zoo import data
from zoo.data import bicubic
from zoo.errors import UsageError, lacks_split
from zoo.metrics import enlarged, extractors, paired
from zoo.outputs import tiles, translate
from zoo.progress import Progress
from zoo.runs import networks
from zoo.scoring.judge import learnt_from, unseen
from zoo.scoring.judged import of_networks, protocol
from zoo.scoring.scores import ENLARGED, check_apply


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
    """Scores the network of a run or a file on the pictures of `crops:PATH`, at their own size.

    Of a run's own data these are those of its test split, or all where there is none; of another
    folder its test split, or all.

    Args:
        source, samples, dataset, seed, config, metrics, features, inception_weights, data_dir: as
            for `zoo.scoring.translation.evaluate`; the features are by default those of
            EfficientNet-Lite1 where the run learnt from Lite0's, else Lite0's.

    Returns:
        `(record, judged)`: a dict of `protocol`, `scores`, `floor` and `baselines`, in which
        `input` has the scores of bicubic interpolation; and the `Judged` pictures, cut to one size.

    Raises:
        UsageError: the data do not fit the network, or a metric does not apply.
    """
    if source is None:
        raise UsageError(
            f"Pictures in a file cannot be compared with {dataset}: what they were made of is not "
            "known. Expected --run=NAME or --generator=FILE instead of a file of samples."
        )
    paths = networks.find(source)
    network = translate.load_translator(next(iter(paths.values())), next(iter(paths)))
    scale, channels = tiles.factor(network), network.inputs[0].shape[-1]
    if scale == 1 or len(paths) > 1:
        raise UsageError(
            f"The pictures of {dataset} judge a network that enlarges. Expected a run of a model "
            f"such as srgan, or another --dataset. Received: {source}, which keeps their size."
        )
    check_apply(metrics, ENLARGED, "pictures that are enlarged")
    metrics = list(ENLARGED) if metrics is None else metrics
    own, notes = dataset == config.get("dataset"), []
    # What the window of SSIM needs inside the border.
    least = scale * -(-(paired.WINDOW + 2 * scale) // scale)
    crops, split, fingerprint = _pictures(dataset, config, channels, data_dir, least)
    if own and split == "train":
        notes.append(f"{dataset} has no test split, so the run has seen the pictures")
    if own and split == "train" and config.get("data_fingerprint") not in (None, fingerprint):
        notes.append(f"{dataset} has changed since the run was trained on it")
    if config.get("degradation", "bicubic") != "bicubic":
        notes.append("the small pictures here are made by bicubic interpolation alone")
    if channels == 1:
        metrics = [name for name in metrics if not name.endswith("_rgb")]
    extractor = None
    if "feature_distance" in metrics:
        features = features or unseen(config)
        if features == learnt_from(config):
            notes.append(f"the run has learnt from the features {features}, so they do not judge")
        extractor = extractors.extractor(
            features, data_dir=data_dir, inception_weights=inception_weights
        )
        if extractor.comparable:
            notes.append(extractor.comparable)
    values = {"scores": [], "input": []}
    drawn, count = [], min(crops.pictures, samples or crops.pictures)
    with Progress("enlarged pictures", count) as progress:
        for i in range(count):
            target, small = bicubic.shrunk(crops.picture(i), scale)
            candidates = {"scores": tiles.enlarged(network, small), "input": None}
            candidates["input"] = bicubic.resized(small, target.shape[:2])
            for name, image in candidates.items():
                values[name].append(_scores(image, target, metrics, scale, extractor))
            drawn.append(candidates["scores"])
            progress(i + 1)
    means = {
        name: {metric: float(np.mean([x[metric] for x in each])) for metric in metrics}
        for name, each in values.items()
    }
    height, width = np.min([image.shape[:2] for image in drawn], axis=0)
    judged = of_networks(
        np.stack([image[:height, :width] for image in drawn]), None, source, config, paths.values()
    )
    where = {"test": "test split", "train": "pictures"}[split]
    about = protocol(judged, seed, notes) | {
        "dataset": dataset,
        "scale": scale,
        "border": scale,
        "reference": f"{count:,} of its {where}, at their own size",
        "reference_split": where,
        "reference_count": count,
        "floor_samples": "",
        "features": extractor.name if extractor else "none",
        "features_hash": extractor.hash if extractor else "",
        "features_accuracy": extractor.accuracy if extractor else None,
        "resizer": "bicubic, as MATLAB's imresize",
        "metrics": {name: ENLARGED[name][0] for name in metrics},
        "baselines": {"input": f"the small pictures enlarged {scale} times by bicubic"},
    }
    record = {"scores": means["scores"], "floor": {}, "baselines": {"input": means["input"]}}
    return {"protocol": about, **record}, judged


def _pictures(dataset, config, channels, data_dir, least):
    """Returns the `Crops` of the pictures that judge, their split, and its fingerprint."""
    own = dataset == config.get("dataset")
    options = {"image_size": least, "channels": channels, "data_dir": data_dir}
    options["pixel_range"] = config.get("pixel_range") if own else None
    for split in ("test", "train"):
        try:
            loaded = data.load(dataset, split=split, **options)
        except UsageError as error:
            if split == "train" or not lacks_split(error):
                raise
            continue
        return loaded.fields["high"], split, loaded.fingerprint


def _scores(image, target, metrics, border, extractor):
    """Returns the scores of one picture, metric -> float."""
    values = {}
    for metric in metrics:
        if metric == "feature_distance":
            both = [extractor.features(x[np.newaxis]) for x in (image, target)]
            values[metric] = paired.feature_distance(*both)
            continue
        kind, _, on = metric.partition("_")
        pair = [enlarged.luma(x) if on == "luma" else x for x in (image, target)]
        values[metric] = getattr(enlarged, kind)(*pair, border)
    return values
