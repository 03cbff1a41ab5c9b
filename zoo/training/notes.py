"""What a run says about its data before its first step, a line for each surprise."""

import numpy as np

import zoo
from zoo.data import crops
from zoo.runs import assembly

UNEQUAL = 5  # largest by smallest class, above which a line says so
LOOKED_AT = 100  # pictures, to find out whether all are the same
FEW = 100  # samples that a discriminator knows by heart in minutes
SHORT = 1000  # steps in which nothing is learnt
AUGMENT = "flip,color,translation,cutout"


def notes(dataset, config):
    """Returns sentences, a list of str.

    Args:
        dataset: the `zoo.data.Dataset` of the run.
        config: its completed config.
    """
    found = [
        alike(dataset),
        unequal_classes(dataset, config),
        few_samples(dataset, config),
        rest(dataset, config),
    ]
    return [*dataset.notes, *filter(None, found)]


def alike(dataset):
    """Returns a sentence if pictures from all over a field are the same."""
    for name, values in dataset.fields.items():
        chosen = np.unique(np.linspace(0, len(values) - 1, LOOKED_AT).astype(int))
        seen = values[chosen]
        # Crops of one picture look alike here: each shows its middle.
        several = getattr(values, "pictures", len(values)) > 1
        if seen.ndim == 4 and several and (seen == seen[:1]).all():
            return (
                f"{len(seen):,} pictures of {dataset.name} ({name}) are all the same, so there is "
                "nothing else to learn; look at the files"
            )
    return None


def unequal_classes(dataset, config):
    """Returns a sentence if a model of classes would see a class far more often than another."""
    knows_classes = "num_classes" in zoo.get(config["model"]).settings()
    if dataset.labels is None or not knows_classes or config["even_classes"]:
        return None
    counts = np.bincount(dataset.labels, minlength=len(dataset.class_names))
    least, most = int(counts.argmin()), int(counts.argmax())
    if counts[most] <= UNEQUAL * counts[least]:
        return None
    names = dataset.class_names
    return (
        f"the classes of {dataset.name} are very unequal, from {counts[least]:,} samples "
        f"({names[least]}) to {counts[most]:,} ({names[most]}); --set even_classes=true draws each "
        "class equally often"
    )


def few_samples(dataset, config):
    """Returns a sentence if there are few samples, with the settings that help."""
    if dataset.count >= FEW:
        return None
    steps = max(dataset.count // assembly.batch_size(config), 1)
    advice = []
    if config.get("augment") == "":
        advice.append(f"--set augment={AUGMENT} shows more of them")
    if steps * config["epochs"] < SHORT:
        epochs = -(-SHORT // steps)
        advice.append(
            f"{config['epochs']:,} epochs of them are {steps * config['epochs']:,} steps, so ask "
            f"for more, such as --epochs={epochs}"
        )
    what = counted(dataset.count, "sample")
    if isinstance(dataset.samples, crops.Crops):
        of = counted(dataset.samples.pictures, "picture")
        what = f"{counted(dataset.count, 'crop')} of {of}"
    what += " is" if dataset.count == 1 else " are"
    return "; ".join([f"{what} little to learn from and soon known by heart", *advice])


def counted(count, noun):
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def rest(dataset, config):
    """Returns a sentence if some samples of an epoch do not fill a batch."""
    count = dataset.count % assembly.batch_size(config)
    if not count or config["even_classes"]:
        return None
    return (
        f"{count} of {dataset.count:,} samples fill no batch: each epoch leaves out as many at "
        "random"
    )
