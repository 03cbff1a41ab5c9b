"""Puts a run's generator into pretrained/, with its card and a picture.

    python results/publish.py --run=RUN --name=dcgan_mnist

The run has been judged by evaluate.py before: the card quotes evaluation.json and nothing else.
"""

__keras_later__ = True  # a flag chooses the backend first

import hashlib
import json
import os
import pathlib
import shutil
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

import zoo  # noqa: E402, found by the line above
from zoo import cards, keras_files  # noqa: E402, found by the line above
from zoo.cli import programs  # noqa: E402, found by the line above
from zoo.errors import UsageError  # noqa: E402, found by the line above
from zoo.scoring import results  # noqa: E402, found by the line above

FLAGS = programs.FLAGS
MOST_BYTES = 25_000_000
# A larger picture is written as JPEG.
MOST_PNG = 1_000_000
# Of the data, for the card; other data need a line here.
LICENCES = {
    "digits": "the test part of Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, "
    "UCI Machine Learning Repository, 1998, CC BY 4.0",
    "folder:cats_and_dogs": "3,636 photographs of Asirra, by Elson, Douceur, Howell and Saul, CCS "
    "2007, the data of Kaggle's Dogs vs. Cats, for research",
    "mnist": "LeCun, Cortes and Burges, MNIST, CC BY-SA 3.0",
    "gaussian": "made-up numbers, none",
    "ring8": "made-up points, none",
    "grid25": "made-up points, none",
    "sine": "made-up signals, none",
}

programs.flags.DEFINE_string("run", None, "Run whose generator is published.", required=True)
programs.flags.DEFINE_string("runs_dir", "runs", "Where runs lie.")
programs.flags.DEFINE_string("name", None, "Name it gets, such as dcgan_mnist.", required=True)
programs.flags.DEFINE_string("folder", str(ROOT / "pretrained"), "Where it is put.")


def main():
    run = pathlib.Path(programs.find_run(FLAGS.run, FLAGS.runs_dir))
    config, environment, evaluation = (
        json.loads((run / f"{name}.json").read_text("utf-8"))
        for name in ("config", "environment", "evaluation")
    )
    generator = run / "generator.keras"
    size = generator.stat().st_size
    if size > MOST_BYTES:
        raise UsageError(
            f"The generator is too large to ship. Expected at most {MOST_BYTES:,} bytes, with a "
            f"smaller width for example. Received: {size:,}."
        )
    records = evaluation["evaluations"].values()
    # A folder is named by its end, wherever it lies on this machine.
    source, _, place = config["dataset"].partition(":")
    dataset = f"{source}:{pathlib.Path(place).name}" if place else source
    if dataset not in LICENCES:
        raise UsageError(
            f"The licence of {dataset} is not known. Add it to LICENCES in {__file__}."
        )
    content = generator.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    record = next((r for r in records if r["protocol"]["source_hash"] == digest), None)
    if record is None:
        raise UsageError(
            f"{run.name} has another generator than the one that was judged. Run evaluate.py again."
        )
    target = pathlib.Path(FLAGS.folder) / f"{FLAGS.name}.keras"
    part = target.with_name(f".{FLAGS.name}.part.keras")
    part.write_bytes(content)
    # The same weights, in a file that older Keras reads too; a run of long ago may lack it.
    keras_files.strip(part)
    content = part.read_bytes()
    part.replace(target)
    picture = put_picture(max((run / "samples").glob("step-*.png")), target)
    protocol = record["protocol"]
    protocol["reference"] = protocol["reference"].replace(config["dataset"], dataset)
    text = card(config | {"dataset": dataset}, environment, record, content, picture)
    target.with_suffix(".md").write_text(text, encoding="utf-8")
    print(os.path.relpath(target))


def put_picture(source, target):
    """Copies a picture beside `target`, as JPEG if it is large, and returns its path."""
    if source.stat().st_size <= MOST_PNG:
        return pathlib.Path(shutil.copyfile(source, target.with_suffix(".png")))
    from PIL import Image

    path = target.with_suffix(".jpg")
    Image.open(source).convert("RGB").save(path, quality=85, optimize=True)
    return path


def card(config, environment, record, content, picture):
    """Returns the markdown of a card.

    Args:
        config, environment: dicts, what the run directory holds under these names.
        record: dict, one evaluation of `evaluation.json`.
        content: bytes of the generator's file.
        picture: path of the picture beside it.
    """
    protocol, variant = record["protocol"], zoo.get(config["model"])
    shown = [
        name
        for name in record["scores"]
        if name in record["floor"] and not name.endswith("_deviation")
    ]
    scores = "\n".join(
        f"| {name} | {record['scores'][name]:.4g} | {format(record['floor'][name], '.4g')} |"
        for name in shown
    )
    about = {
        "model": f"`{config['model']}` (zoo/models/{config['model']}.py), {config['preset']} "
        "preset",
        "data": f"{config['dataset']} ({LICENCES[config['dataset']]})",
        "trained by": f"`{results.shared(environment['command'])}` at commit "
        f"{environment['commit']}",
        "trained on": f"{environment['backend']}, {', '.join(environment['devices'])}, step "
        f"{protocol['step']:,}",
        "file": f"{len(content):,} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}",
    }
    lines = "\n".join(f"| {name} | {value} |" for name, value in about.items())
    head = cards.head(
        FLAGS.name,
        config["model"],
        variant.task,
        config["dataset"],
        "other" if "for research" in LICENCES[config["dataset"]] else "apache-2.0",
        {name: float(f"{record['scores'][name]:.4g}") for name in shown},
        config["class_names"] if "num_classes" in variant.settings() else None,
    )
    return f"""{head}
# {FLAGS.name}

```python
generator = zoo.pretrained("{FLAGS.name}")  # or keras.models.load_model on the file
```

![samples]({picture.name})

| | |
| --- | --- |
{lines}

Scores of {protocol["samples"]:,} samples against {protocol["reference"]}\
{_features(protocol)}. The floor is what {protocol["floor_samples"]:,} real ones score.

| score | value | floor |
| --- | --- | --- |
{scores}

Meant for teaching, for tests and as a start of further training. It draws what its data hold and
knows nothing else; it has not been looked at for bias beyond that.
"""


def _features(protocol):
    return "" if protocol["features"] == "known_distribution" else f" in {protocol['features']}"


if __name__ == "__main__":
    programs.main(main)
