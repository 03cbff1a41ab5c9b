"""Whole models as files, folders and repositories of a hub: `zoo.load`, `save_to_preset`."""

import sys
import types

import helpers
import keras
import numpy as np
import pytest
import running
import yaml
from keras.src.saving import saving_lib

import zoo
from zoo.errors import UsageError


def equal(gan, other):
    pairs = zip(helpers.state(gan), helpers.state(other), strict=True)
    return all(np.array_equal(helpers.numpy(a), helpers.numpy(b)) for a, b in pairs)


@pytest.mark.parametrize("variant", ["conditional", "cyclegan"], indirect=True)
def test_a_preset_is_the_whole_model_its_networks_and_a_card(variant, tmp_path):
    folder = variant.save_to_preset(tmp_path / "my_gan")
    again = zoo.load(folder)
    assert type(again) is type(variant) and again.compiled and equal(variant, again)
    for name in variant.averaged:
        network = keras.models.load_model(tmp_path / "my_gan" / f"{name}.keras")
        assert all(type(layer).__module__.startswith("keras.") for layer in network.layers)
    card = (tmp_path / "my_gan" / "README.md").read_text("utf-8")
    head = yaml.safe_load(card.split("---\n")[1])
    assert head["library_name"] == "keras" and "license" not in head
    of_noise = type(variant).__name__ == "ConditionalGAN"
    assert head["pipeline_tag"].startswith("unconditional" if of_noise else "image-to-image")
    assert (tmp_path / "my_gan" / "samples.png").is_file() == of_noise
    assert [path.name for path in tmp_path.iterdir()] == ["my_gan"]


def test_a_preset_comes_from_the_hub_and_without_its_package_a_line_installs_it(
    gan, tmp_path, monkeypatch
):
    folder = gan.save_to_preset(tmp_path / "preset")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UsageError, match=r"`pip install huggingface_hub`. Received: hf://me/gan"):
        zoo.load("hf://me/gan")
    asked = []
    hub = types.ModuleType("huggingface_hub")
    hub.__spec__ = types.SimpleNamespace()
    hub.snapshot_download = lambda repo_id, **_: asked.append(repo_id) or folder
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    monkeypatch.setattr(saving_lib, "huggingface_hub", hub)
    assert equal(gan, zoo.load("hf://me/gan")) and asked == ["me/gan"]


def test_a_file_and_a_run_are_models_too(gan, tmp_path):
    gan.save(tmp_path / "gan.keras")
    assert equal(gan, zoo.load(tmp_path / "gan.keras"))
    session = running.start(tmp_path, "run", epochs=1)
    loaded = zoo.load(session.directory)
    generator = keras.models.load_model(session.directory / "generator.keras")
    drawn = loaded.inference_generator().get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(drawn, generator.get_weights(), strict=True))
    assert {int(helpers.numpy(o.iterations)) for o in loaded.optimizer.optimizers} == {session.step}


def test_nothing_else_is_overwritten_and_what_cannot_be_loaded_is_a_sentence(gan, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(UsageError, match=r"not empty.*something else"):
        gan.save_to_preset(tmp_path / "mine", overwrite=True)
    gan.save_to_preset(tmp_path / "preset")
    with pytest.raises(UsageError, match="overwrite=True"):
        gan.save_to_preset(tmp_path / "preset")
    gan.save_to_preset(tmp_path / "preset", overwrite=True)
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep"
    with pytest.raises(UsageError, match=r"no such model.*nowhere"):
        zoo.load(tmp_path / "nowhere")
    with pytest.raises(UsageError, match=r"config\.json"):
        zoo.load(tmp_path / "mine")
    (tmp_path / "broken.keras").write_bytes(b"zip")
    with pytest.raises(UsageError, match=r"broken\.keras cannot be loaded"):
        zoo.load(tmp_path / "broken.keras")
