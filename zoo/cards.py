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


def head(name, model, task=None, dataset=None, licence=None, scores=None):
    """Returns the head of a card as text, without what is not known.

    Args:
        name: str, of the trained model.
        model: str, name of the variant.
        task: str, its task, a key of `zoo.tasks.task.TASKS`.
        dataset: str, what it was trained on, such as "mnist".
        licence: str, as hubs name it, such as "apache-2.0".
        scores: dict of name -> float.
    """
    kind, known = PIPELINES.get(task), DATASETS.get(dataset)
    fields = {
        "library_name": "keras",
        "license": licence,
        "pipeline_tag": kind,
        "tags": ["gan", "generative-adversarial-network", model],
        "datasets": [known] if known else None,
        "metrics": list(scores) if scores else None,
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
