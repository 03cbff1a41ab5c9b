"""The generators that ship with the repository: small, described, and loaded by Keras alone."""

import hashlib
import json
import re

import helpers
import keras
import numpy as np
import pytest
import running
import yaml

import zoo
from zoo import installation
from zoo.errors import UsageError
from zoo.runs import network_files

FOLDER = installation.folder("pretrained")
NAMES = sorted(path.stem for path in FOLDER.glob("*.keras"))


@pytest.mark.backend
@pytest.mark.parametrize("name", NAMES)
def test_it_loads_and_draws_samples_that_differ(name):
    generator = zoo.pretrained(name)
    assert all(type(layer).__module__.startswith("keras.") for layer in generator.layers)
    z = np.random.default_rng(0).standard_normal((8, generator.inputs[0].shape[1]))
    inputs = [z.astype("float32")]
    if len(generator.inputs) > 1:
        inputs.append(np.zeros(8, "int32"))
    samples = keras.ops.convert_to_numpy(generator(inputs if len(inputs) > 1 else inputs[0]))
    assert np.isfinite(samples).all() and samples.std(axis=0).max() > 0.1
    if samples.ndim == 4:
        assert samples.min() >= -1 and samples.max() <= 1


@pytest.mark.parametrize("name", NAMES)
def test_its_card_tells_a_hub_what_it_tells_people(name):
    card = (FOLDER / f"{name}.md").read_text("utf-8")
    _, head, rest = card.split("---\n", 2)
    head = yaml.safe_load(head)
    assert head["library_name"] == "keras" and head["license"] in ("apache-2.0", "other")
    assert re.search(r"\| model \| `(\w+)`", rest)[1] in head["tags"]
    ((result,),) = [entry["results"] for entry in head["model-index"]]
    rows = re.findall(r"^\| (\w+) \| ([\d.e-]+) \| [\d.e-]+ \|$", rest, re.M)
    assert rows and {m["type"]: m["value"] for m in result["metrics"]} == {
        score: float(value) for score, value in rows
    }
    assert f"| data | {result['dataset']['name']} (" in rest
    generator = zoo.pretrained(name)
    count = network_files.class_count(generator) if len(generator.inputs) > 1 else 0
    assert len(head.get("class_names", [])) == count


@pytest.mark.parametrize("name", NAMES)
def test_it_is_small_and_its_card_is_about_this_very_file(name):
    path = FOLDER / f"{name}.keras"
    content = path.read_bytes()
    assert len(content) <= 25_000_000
    card = path.with_suffix(".md").read_text("utf-8")
    assert hashlib.sha256(content).hexdigest() in card
    for word in ("data", "trained by", "floor", "Meant for", f'zoo.pretrained("{name}")'):
        assert word in card
    assert any(path.with_suffix(suffix).exists() for suffix in (".png", ".jpg"))


def test_an_unknown_name_lists_what_there_is():
    with pytest.raises(UsageError, match=r"no pretrained 'grid52'.*Did you mean 'grid25'"):
        zoo.pretrained("grid52")


# The program runs in a process of its own.
@pytest.mark.slow
def test_a_run_is_published_with_a_card_of_its_own_numbers(tmp_path):
    session = running.start(tmp_path, "one", epochs=1)
    protocol = {"step": 16, "samples": 200, "reference": "64 of digits's test split"}
    content = (session.directory / "generator.keras").read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    protocol |= {"floor_samples": 100, "features": "raw", "source_hash": digest}
    record = {"protocol": protocol, "scores": {"frechet": 12.25, "frechet_deviation": 1.0}}
    record["floor"] = {"frechet": 3.5}
    evaluation = {"evaluations": {"raw": record}}
    (session.directory / "evaluation.json").write_text(json.dumps(evaluation))
    arguments = [f"--run={session.directory}", "--name=one_digits", f"--folder={tmp_path}"]
    helpers.python(helpers.ROOT / "results" / "publish.py", *arguments)
    assert (tmp_path / "one_digits.keras").read_bytes() == content
    card = (tmp_path / "one_digits.md").read_text("utf-8")
    assert "| frechet | 12.25 | 3.5 |" in card and "deviation" not in card
    assert "200 samples against 64 of digits's test split in raw" in card
    assert digest in card and "step 16" in card and "class_names" not in card
    last = session.directory / "samples" / "step-0000016.png"
    assert (tmp_path / "one_digits.png").read_bytes() == last.read_bytes()

    # Training went on after the judge had been.
    protocol["source_hash"] = "0" * 64
    (session.directory / "evaluation.json").write_text(json.dumps(evaluation))
    with pytest.raises(AssertionError, match="another generator than the one that was judged"):
        helpers.python(helpers.ROOT / "results" / "publish.py", *arguments)
