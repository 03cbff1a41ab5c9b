"""Scores networks that turn pictures into pictures, beside simple baselines.

With pairs, each translated picture is compared with its own target. Without pairs, all translated
pictures of one side are compared with all real ones of the other. Each score stands beside two
baselines: the unchanged input pictures and the mean training picture. A useful network beats both.
"""

import dataclasses
import os

import numpy as np

from zoo import data, sampling
from zoo.data import labels
from zoo.errors import UsageError
from zoo.metrics import extractors, segmenter, sides
from zoo.metrics.splits import splits
from zoo.outputs import tiles, translate
from zoo.progress import Progress
from zoo.runs import assembly, network_files, networks
from zoo.scoring.judge import learnt_from, unseen
from zoo.scoring.judged import of_networks, protocol
from zoo.scoring.scores import LARGEST_SUBSET, PAIRED, SEGMENTED, UNPAIRED, check_apply

# Module of `zoo.data` -> metric -> version and scores.
KINDS = {"pairs": PAIRED | SEGMENTED, "domains": UNPAIRED}
# Most test pictures per side.
MOST = 10_000
CHUNK = 8
# Training pictures that tell whether the inputs are label maps.
LOOKED_AT = 64
SIDES = {"a_to_b": ("a", "b"), "b_to_a": ("b", "a")}


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
    """Scores the networks of a run or a file on the held-out part of a data set.

    Args:
        source: run directory or network file.
        samples: int, most test pictures per side, or None for all up to 10,000.
        dataset: str, of `pairs:` or `domains:`.
        seed: int, of random subsets.
        config: dict, the config of the run; empty for a file.
        metrics: list of str, of `PAIRED` or `UNPAIRED`, or None for all.
        features: str, name of an extractor; by default `imagenet`, or `imagenet_lite1` where the
            run has learnt from those; with alpha `raw`.
        inception_weights, data_dir: as for `zoo.scoring.evaluate.evaluate`.

    Returns:
        `(record, judged)`: a dict of `protocol`, `scores`, `floor` and `baselines`, in which
        `input` and `mean` have scores of their own; and the `Judged` pictures.

    Raises:
        UsageError: the data do not fit the networks, or a metric does not apply.
    """
    kind = data.SOURCES.get(dataset.partition(":")[0])
    translators = _networks(source, dataset, kind)
    check_apply(metrics, KINDS[kind], f"pictures of {kind}")
    asked = metrics is not None
    metrics = metrics if asked else list(KINDS[kind])
    first = next(iter(translators.values()))
    options = options_of(dataset, config, first, data_dir)
    parts = splits(dataset, **options)
    channels = parts.train.samples.shape[-1]
    if channels != first.inputs[0].shape[-1]:
        raise UsageError(
            f"The pictures of {dataset} do not fit the networks of {source}. Expected "
            f"{first.inputs[0].shape[-1]} channels. Received: {channels}."
        )
    judge = _judge(dataset, parts, options, metrics, asked) if kind == "pairs" else None
    if judge is None:
        metrics = [name for name in metrics if name not in SEGMENTED]
    extractor = extractors.extractor(
        features or ("raw" if channels == 4 else unseen(config)),
        data_dir=data_dir,
        inception_weights=inception_weights,
    )
    notes = notes_of(parts, dataset, config, extractor)
    if judge is not None:
        notes.append(
            f"label scores are those of {judge.segmenter.name} ({judge.segmenter.hash[:12]}), "
            f"which has learnt the {judge.segmenter.labels} labels from the real pairs"
        )
    score = _paired if kind == "pairs" else _unpaired
    record, drawn, more = score(
        translators, parts, samples or MOST, metrics, extractor, seed, notes, judge
    )
    files = networks.find(source).values()
    judged = of_networks(drawn, None, source, config, files)
    about = protocol(judged, seed, notes) | {
        "dataset": dataset,
        "reference_split": parts.reference,
        "features": extractor.name,
        "features_hash": extractor.hash,
        "features_accuracy": extractor.accuracy,
        "resizer": extractor.resizer(parts.held_out.samples.shape[1:]),
        "metrics": {name: KINDS[kind][name][0] for name in metrics},
        "baselines": {
            "input": "the pictures as they were, untouched",
            "mean": f"the mean training picture of the {_other(kind)}",
        },
        **more,
    }
    return {"protocol": about, **record}, judged


def _other(kind):
    return "targets" if kind == "pairs" else "other side; of cycle_error of its own"


def _networks(source, dataset, kind):
    """Returns name -> network of a source that fits a kind of data."""
    if source is None:
        raise UsageError(
            f"Pictures in a file cannot be compared with {dataset}: what they were made of is not "
            "known. Expected --run=NAME or --generator=FILE instead of a file of samples."
        )
    if kind not in KINDS:
        raise UsageError(
            f"The networks of {source} make pictures of pictures, and {dataset} has nothing to "
            "compare those with. Expected a --dataset of pairs:PATH or domains:PATH, or for a "
            "network that enlarges of crops:PATH."
        )
    paths = networks.find(source)
    translators = {name: translate.load_translator(path, name) for name, path in paths.items()}
    if kind == "domains" and set(translators) != set(SIDES):
        raise UsageError(
            f"Without pairs, as {dataset} has none, both directions are scored. Expected a run of "
            f"a model such as cyclegan. Received: {source}, which holds {', '.join(translators)}."
        )
    if any(tiles.factor(network) > 1 for network in translators.values()):
        raise UsageError(
            f"The network of {source} enlarges, and {dataset} holds pictures of one size. Expected "
            f"a --dataset of crops:PATH, the large ones alone. Received: {dataset}."
        )
    if kind == "pairs" and len(translators) > 1:
        raise UsageError(
            f"On pairs, as {dataset} has them, one network is scored. Expected the file of one, "
            f"--generator={os.path.join(source, 'a_to_b.keras')}. "
            f"Received: {source}, which holds {', '.join(translators)}."
        )
    return translators


def options_of(dataset, config, network, data_dir):
    options = {"data_dir": data_dir}
    if config:
        options |= assembly.data_options(config, assembly.Source(data_dir))
    else:
        size = network_files.fixed_size(network)
        options |= {"image_size": size, "channels": network.inputs[0].shape[-1]}
    return {name: options[name] for name in options if name in data.options_of(dataset)}


def notes_of(parts, dataset, config, extractor):
    notes = []
    recorded = config.get("data_fingerprint")
    own = dataset == config.get("dataset") and parts.own
    if own and recorded not in (None, parts.train.fingerprint):
        notes.append(f"{dataset} has changed since the run was trained on it")
    if not parts.own:
        notes.append(f"{dataset} has no test split, so the run has seen the pictures held out here")
    if extractor is None:
        return notes
    if extractor.name == learnt_from(config):
        notes.append(f"the run has learnt from the features {extractor.name}, so they do not judge")
    if extractor.comparable:
        notes.append(extractor.comparable)
    return notes


@dataclasses.dataclass
class _Judge:
    """A segmenter, and the labels of the held-out inputs, uint8 `(n, height, width)`."""

    segmenter: segmenter.Segmenter
    labels: np.ndarray


def _judge(dataset, parts, options, metrics, asked):
    """Returns the `_Judge` of pictures made of label maps, or None if there are none.

    It reads the label maps without mixing their colours, whatever the run did, so it is the same
    for all runs on these data.
    """
    if "segmentation" not in metrics:
        return None
    if not labels.few(parts.train.fields["input"][:LOOKED_AT]):
        if asked:
            raise UsageError(
                f"The metric segmentation does not apply: the inputs of {dataset} are no label "
                "maps, pictures of a few flat colours. Leave it out of --metrics."
            )
        return None
    channels = min(parts.train.samples.shape[-1], 3)
    own = splits(dataset, **options | {"labels": 256, "channels": channels})
    names = own.train.class_names
    train, test = (labels.numbers(x.fields["input"], names) for x in (own.train, own.held_out))
    network = segmenter.segmenter(
        dataset, own.train.fields["target"], train, names, own.train.fingerprint
    )
    return _Judge(network, test)


def _paired(translators, parts, most, metrics, extractor, seed, notes, judge):
    """Returns the scores on pairs, the translated pictures, and entries for the protocol."""
    (network,) = translators.values()
    which = chosen(len(parts.held_out.samples), most)
    given, target = (parts.held_out.fields[name][which] for name in ("input", "target"))
    drawn = _translated(network, given, "translated pictures")
    mean = np.broadcast_to(_mean(parts.train.fields["target"]), target.shape)
    sets = {"scores": drawn, "input": given, "mean": mean}
    values = {name: {} for name in sets}
    floor = {}
    for metric in metrics:
        for name, images in sets.items():
            if metric == "segmentation":
                values[name] |= _of_labels(judge, images, which)
            else:
                values[name][metric] = _of_pairs(metric, images, target, extractor)
        if metric == "segmentation":
            floor |= _of_labels(judge, target, which)
    more = {
        "reference": f"{len(target):,} targets of its {parts.reference}",
        "reference_count": len(target),
        "floor_samples": "",
    }
    baselines = {name: values.pop(name) for name in ("input", "mean")}
    return {"scores": values["scores"], "floor": floor, "baselines": baselines}, drawn, more


def _of_labels(judge, images, which):
    return judge.segmenter.agreement(np.ascontiguousarray(images[..., :3]), judge.labels[which])


def _of_pairs(metric, images, target, extractor):
    from zoo.metrics import paired

    if metric == "feature_distance":
        both = [extractor.features(np.ascontiguousarray(x)) for x in (images, target)]
        return paired.feature_distance(*both)
    return getattr(paired, metric)(images, target)


def _unpaired(translators, parts, most, metrics, extractor, seed, notes, judge=None):
    """Does the same as `_paired` for both directions between two sides."""
    test, train = parts.held_out.fields, parts.train.fields
    least = min(map(len, test.values()))
    if least < 2:
        raise UsageError(
            f"Expected at least 2 pictures of each side in the {parts.reference} of "
            f"{parts.held_out.name}. Received: {least}."
        )
    test = {side: array[chosen(len(array), most)] for side, array in test.items()}
    scores, floor, counts, drawn = {}, {}, {}, []
    baselines = {"input": {}, "mean": {}}
    by_features = [name for name in metrics if name not in ("cycle_error", "sides")]
    named = None
    if "sides" in metrics:
        named = sides.sides(parts.train.name, train, parts.train.fingerprint)
        notes.append(f"named_as_other is what {named.name} says ({named.hash[:12]})")
    real = {}
    if by_features:
        real = {side: extractor.features(array) for side, array in test.items()}
    for name, (own, other) in SIDES.items():
        translated = _translated(translators[name], test[own], f"translated pictures, {name}")
        drawn.append(translated)
        if by_features:
            mean = extractor.features(_mean(train[other])[np.newaxis])
            which = chosen(len(train[other]), len(translated))
            sets = {
                "scores": extractor.features(translated),
                "input": real[own],
                "mean": np.repeat(mean, len(translated), axis=0),
                "floor": extractor.features(train[other][which]),
            }
            into = {"scores": scores, "floor": floor, **baselines}
            for key, features in sets.items():
                for metric in by_features:
                    into[key] |= _of_heaps(metric, name, features, real[other], seed)
            counts[name] = {
                "samples": len(translated),
                "reference_count": len(real[other]),
                "floor_samples": len(which),
            }
        else:
            counts[name] = {"samples": len(translated), "reference_count": len(test[own])}
        if named:
            key = f"{name}_named_as_other"
            scores[key] = named.share(translated, other)
            baselines["input"][key] = named.share(test[own], other)
            floor[key] = named.share(test[other], other)
        if "cycle_error" in metrics:
            back = {"a_to_b": "b_to_a", "b_to_a": "a_to_b"}[name]
            returned = _translated(translators[back], translated, f"and back, {back}")
            mean = np.broadcast_to(_mean(train[own]), test[own].shape)
            for values, images in ((scores, returned), (baselines["mean"], mean)):
                values[f"{name}_cycle_error"] = _of_pairs("l1", images, test[own], None)
    _note_counts(notes, counts, real, by_features)
    both = " and ".join(f"{len(array):,} of {side}" for side, array in test.items())
    more = {
        "counts": counts,
        "reference": f"{both} in its {parts.reference}",
        "reference_count": min(map(len, test.values())),
        "floor_samples": min(count.get("floor_samples", 0) for count in counts.values()) or "",
    }
    drawn = np.concatenate(drawn)
    return {"scores": scores, "floor": floor, "baselines": baselines}, drawn, more


def _of_heaps(metric, direction, features, reference, seed):
    """Returns the scores of features against those of real pictures, name -> float."""
    name = f"{direction}_{metric}"
    if metric == "frechet":
        from zoo.metrics.frechet import frechet_of_few

        return {name: frechet_of_few(features, reference)}
    from zoo.metrics.kernel import kernel_distance

    size = min(LARGEST_SUBSET, len(features), len(reference))
    if size == len(features) == len(reference):
        # There is one subset: all of them.
        return {name: kernel_distance(features, reference, subsets=1, subset_size=size)[0]}
    mean, deviation = kernel_distance(features, reference, subset_size=size, seed=seed)
    return {name: mean, f"{name}_deviation": deviation}


def _note_counts(notes, counts, real, by_features):
    for name, count in counts.items():
        if count.get("floor_samples", count["samples"]) < count["samples"]:
            notes.append(
                f"the floor of {name} is that of {count['floor_samples']:,} pictures, all there "
                "are for training, and of more it would be lower"
            )
    if "frechet" not in by_features:
        return
    dimensions = next(iter(real.values())).shape[1]
    fewest = min(min(count["samples"], count["reference_count"]) for count in counts.values())
    if fewest < dimensions:
        notes.append(
            f"a Frechet distance of {fewest:,} pictures in {dimensions:,} dimensions is far above "
            "that of many: compare it only with what stands beside it"
        )


def _translated(network, images, what):
    multiple = 1 if network_files.fixed_size(network) else network_files.multiple(network)
    drawn = []
    with Progress(what, len(images)) as progress:
        for start in range(0, len(images), CHUNK):
            drawn.append(sampling.translated(network, images[start : start + CHUNK], multiple))
            progress(start + len(drawn[-1]))
    return np.concatenate(drawn)


def chosen(count, most):
    """Returns the indices of at most `most` of `count` pictures, the same each time."""
    return np.sort(np.random.default_rng(0).permutation(count)[:most])


def _mean(images):
    """Returns the mean picture of uint8 `(n, h, w, c)`: uint8 `(h, w, c)`."""
    total = sum(images[i : i + 256].sum(axis=0, dtype="int64") for i in range(0, len(images), 256))
    return np.rint(total / len(images)).astype("uint8")
