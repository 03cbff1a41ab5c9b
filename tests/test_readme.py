"""What the README says works: its commands run as they stand, its tables come from the rows."""

import importlib.util
import os
import pathlib
import re
import runpy
import shlex
import subprocess
import sys

import helpers
import numpy as np
import pytest
import test_registry
from PIL import Image

import zoo

ROOT = pathlib.Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
# The guides whose commands run on what earlier ones made; test_export_page.py has its own.
GUIDES = "".join(
    (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    for name in ("data", "resume", "usage", "devices")
)
VARIANTS = (ROOT / "docs" / "variants.md").read_text(encoding="utf-8")

# What makes a command short enough for a test; absl takes the last value of a flag.
BRIEF = ["--max_minutes=0.02", "--epochs=2"]
SHORTER = {
    "train.py --model=dcgan": ["--set", "width=4", *BRIEF],
    "train.py --model=conditional": ["--set", "width=4", *BRIEF],
    "train.py --model=cats_and_dogs": ["--set", "width=2", "--set", "image_size=32", *BRIEF],
    "train.py --model=pix2pix": ["--set", "width=2", "--set", "image_size=32", *BRIEF],
    "train.py --model=pix2pixhd": [
        *("--set", "width=2", "--set", "image_size=32", "--set", "blocks=1"),
        *("--set", "enhancer_blocks=1", *BRIEF),
    ],
    "train.py --model=cyclegan": [
        *("--set", "width=2", "--set", "image_size=32", "--set", "blocks=1"),
        *BRIEF,
    ],
    "train.py --model=discogan": [
        *("--set", "width=2", "--set", "image_size=32", "--batch_size=2"),
        *BRIEF,
    ],
    "train.py --model=srgan": [
        *("--set", "width=4", "--set", "image_size=32", "--set", "blocks=1"),
        *BRIEF,
    ],
    "train.py --model=inpainting": [
        *("--set", "width=2", "--set", "discriminator_width=2", "--set", "image_size=32"),
        *BRIEF,
    ],
    "train.py --model": BRIEF,
    # The classifier of the judge takes minutes to train, and to compare with all of MNIST half one.
    "evaluate.py": ["--samples=200", "--features=raw", "--metrics=kernel"],
    "train.py --continue_from": BRIEF,
    "train.py --resume": ["--epochs=3", "--max_minutes=0.02"],
    "examples/cluster/two_workers.py": BRIEF,
    "train.py --list": [],
    "generate.py": [],
    "generate.py --run=dcgan-mnist --input": ["--steps=20"],
    "export.py": [],
}

PLACE = re.compile(r"(?<![\w.])/(?:work|tmp|home|root|Users)/")


def commands():
    """The `python ...` lines of the shell blocks of README and its guides, bare."""
    blocks = re.findall(r"```bash\n(.*?)```", README + GUIDES, re.S)
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith("python ")]


@pytest.mark.slow  # a process for each command, each of which imports TensorFlow
@pytest.mark.skipif("ZOO_DATA_DIR" not in os.environ, reason="the README trains on MNIST")
def test_every_command_of_the_readme_runs(tmp_path):
    if importlib.util.find_spec("tf2onnx") is None:
        pytest.skip("the README exports to ONNX, which needs requirements-onnx.txt")
    rng = np.random.default_rng(0)
    folders = {"pictures": 70, "pets/cat": 70, "pets/dog": 70, "pairs": 140}
    for folder, width in (folders | {"two_kinds/day": 70, "two_kinds/night": 70}).items():
        (tmp_path / "my" / folder).mkdir(parents=True)
        for i in range(70 if folder.startswith("p") else 6):
            picture = Image.fromarray(rng.integers(0, 256, (80, width, 3)).astype("uint8"))
            picture.save(tmp_path / "my" / folder / f"{i}.png")
    for name, whole in (("digit", False), ("photo", False), ("mask", True)):
        picture = np.zeros((28, 28), "uint8")
        picture[8:20, 8:20] = 255 if whole else rng.integers(0, 256, (12, 12))
        Image.fromarray(picture).save(tmp_path / "my" / f"{name}.png")
    found = commands()
    assert len(found) >= 7
    for line in found:
        _, program, *flags = shlex.split(line)
        key = max((k for k in SHORTER if line.startswith(f"python {k}")), key=len)
        command = [sys.executable, str(ROOT / program), *flags, *SHORTER[key]]
        process = subprocess.run(command, cwd=tmp_path, timeout=300, capture_output=True, text=True)
        assert process.returncode == 0, f"{line}\n{process.stderr}"
    assert (tmp_path / "runs" / "dcgan-mnist" / "report.html").is_file()


def test_the_demo_without_make_is_the_demo_of_make():
    (made,) = re.findall(r"^\t\$\(RUN\) (train\.py .*)$", (ROOT / "Makefile").read_text(), re.M)
    (plain,) = re.findall(r"^\.venv/bin/python (train\.py .*)$", README, re.M)
    assert set(plain.split()) <= set(made.split())


def test_the_tables_of_the_pages_come_from_the_rows():
    pages = runpy.run_path(str(ROOT / "results" / "table.py"))["pages"]
    for page, text in pages().items():
        assert page.read_text("utf-8") == text, "run python results/table.py"


def test_the_results_name_no_place_of_one_machine():
    for path in (ROOT / "results").glob("*-*.json"):
        assert not PLACE.search(path.read_text("utf-8")), path
    for name in ("results.csv", "recipes.csv", "trials.csv"):
        for number, line in enumerate((ROOT / "results" / name).read_text("utf-8").splitlines(), 1):
            assert not PLACE.search(line), f"{name}:{number}"


def test_the_headline_is_the_recipe_with_fewest_changes_and_the_score_that_says_most():
    table = runpy.run_path(str(ROOT / "results" / "table.py"))
    row = dict.fromkeys([*table["PROTOCOL"], "seed", "floor", "reference"], "")
    row |= {"model": "m", "dataset": "pairs:x", "preset": "default", "budget": "9 s"}
    rows = [
        row | {"settings": settings, "metric": metric, "metric_version": "1", "value": value}
        for settings, values in (("a=1", ("5", "6")), ("a=1 b=2", ("1", "2")))
        for metric, value in zip(("l1", "feature_distance"), values, strict=True)
    ]
    assert table["headline"](rows, "m") == "pairs:x, 9 s: feature_distance 6"


@pytest.mark.parametrize(("name", "networks"), [("MyGAN", 2), ("Twins", 4)])
def test_the_variants_of_the_page_pass_what_every_variant_must(name, networks):
    blocks = re.findall(r"```python\n(.*?)```", VARIANTS, re.S)
    (block,) = [block for block in blocks if f"class {name}(" in block]
    made = {}
    exec(block, made)
    settings, meanings = made[name].settings(), made[name].meanings()
    assert not [setting for setting in settings if not meanings.get(setting)]
    gan = made[name](image_shape=(8, 8, 1), width=4)
    gan.compile()
    assert len(gan.network_names) == networks
    weights = [v for n in gan.network_names for v in gan.network(n).trainable_variables]
    before = [helpers.numpy(v) for v in weights]
    test_registry.test_a_variant_learns_with_finite_losses(gan)
    for variable, value in zip(weights, before, strict=True):
        assert (helpers.numpy(variable) != value).any(), variable.path
    test_registry.test_the_seed_decides_the_initial_weights(gan)
    test_registry.test_an_inference_network_holds_the_average_and_stock_layers(gan)
    if "minibatch_std" in settings:
        layers = made[name](image_shape=(8, 8, 1), width=4, minibatch_std=2).discriminator.layers
        assert "MinibatchStdDev" in [type(layer).__name__ for layer in layers]


def test_the_page_names_every_part():
    parts = {part.__name__ for name in zoo.names() for part in zoo.get(name).parts}
    assert parts <= set(re.findall(r"`(\w+)`", VARIANTS.partition("| part |")[2]))


def test_the_pictures_of_the_readme_exist():
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", README)
    assert pictures
    for path in pictures:
        assert (ROOT / path).is_file(), path
