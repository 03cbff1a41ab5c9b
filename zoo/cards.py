"""The head of a model card, which model hubs read: YAML between two lines of dashes.

The keys are those of Hugging Face's "Model Cards" (huggingface.co/docs/hub/model-cards). Values are
written as JSON, which is YAML too. Uses only the standard library.
"""

import json

# Task -> its name at hubs; of points and signals they know nothing.
PIPELINES = {
    "pictures": "unconditional-image-generation",
    "translation": "image-to-image",
    "unpaired_translation": "image-to-image",
    "enlarging": "image-to-image",
}
# Data set -> its name at hubs.
DATASETS = {"mnist": "ylecun/mnist"}


def head(name, model, task=None, dataset=None, licence=None, scores=None, classes=None):
    """Returns the head of a card as text, without what is not known.

    Args:
        name: str, of the trained model.
        model: str, name of the variant.
        task: str, its task, a key of `zoo.tasks.task.TASKS`.
        dataset: str, what it was trained on, such as "mnist".
        licence: str, as hubs name it, such as "apache-2.0".
        scores: dict of name -> float.
        classes: list of str, names of the classes that can be asked for.
    """
    kind, known = PIPELINES.get(task), DATASETS.get(dataset)
    fields = {
        "library_name": "keras",
        "license": licence,
        "pipeline_tag": kind,
        "tags": ["gan", "generative-adversarial-network", model],
        "datasets": [known] if known else None,
        "metrics": list(scores) if scores else None,
        "class_names": list(classes) if classes else None,
    }
    if scores:
        result = {
            "task": {"type": kind or "other"},
            "dataset": {"name": dataset, "type": known or dataset},
            "metrics": [{"type": score, "value": value} for score, value in scores.items()],
        }
        fields["model-index"] = [{"name": name, "results": [result]}]
    lines = [f"{key}: {json.dumps(value)}" for key, value in fields.items() if value is not None]
    return "\n".join(["---", *lines, "---", ""])


def class_names(path):
    """Returns the names of the classes that a card gives, a list of str; empty without them.

    Args:
        path: path of a card that `head` began, whether it exists or not.
    """
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read().split("---\n", 2)[1]
        lines = [line for line in text.splitlines() if line.startswith("class_names: ")]
        return [str(name) for name in json.loads(lines[0].partition(": ")[2])]
    except (OSError, ValueError, IndexError, TypeError):
        return []  # somebody else's file
