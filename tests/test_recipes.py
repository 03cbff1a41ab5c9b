"""`python -m zoo.recipes`: every setting that `--set` takes, with its meaning."""

import re
import subprocess
import sys

import helpers
import pytest

import zoo
from zoo import recipes
from zoo.errors import UsageError
from zoo.runs import config


@pytest.mark.parametrize("model", zoo.names())
def test_every_setting_is_shown_once_and_explained(model):
    text = recipes.describe(model)
    blocks = re.findall(r"^(\w+) = (.*)\n((?:    .*\n?)+)", text, re.M)
    recipe = config.resolve(model, "")
    assert sorted(name for name, _, _ in blocks) == sorted(config.known_settings(model))
    for name, value, meaning in blocks:
        assert value.split("   (paper")[0] == repr(recipe[name])
        assert meaning.strip(), name


def test_a_data_set_shows_its_recipe_and_the_paper_s_values():
    text = recipes.describe("gaussian", "ring8")
    asked = config.resolve("gaussian", "ring8")
    paper = config.resolve("gaussian", "ring8", "paper")
    assert f"\nepochs = {asked['epochs']}   (paper: {paper['epochs']})\n" in text
    assert f"\ndecay_steps = {asked['decay_steps']}   (paper: 0)\n" in text
    with pytest.raises(UsageError, match="dcgan"):
        recipes.describe("dcgn")
    with pytest.raises(UsageError, match="ring8"):
        recipes.describe("gaussian", "rng8")


@pytest.mark.slow  # starts a process: what an import prints shows in a fresh one only
def test_the_program_prints_the_settings_and_nothing_else():
    command = [sys.executable, "-m", "zoo.recipes", "gaussian"]
    done = subprocess.run(command, cwd=helpers.ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout == recipes.describe("gaussian") + "\n"
