"""Generator files that somebody else has made: nothing in them is executed or written elsewhere."""

import io
import json
import pathlib
import zipfile

import keras
import pytest
from keras import layers

from zoo.runs import network_files


@pytest.fixture
def good(tmp_path):
    z = keras.Input((4,), name="z")
    path = tmp_path / "good.keras"
    keras.Model(z, layers.Dense(3)(z)).save(path)
    return path


def changed(source, path, change):
    """Writes the `.keras` file `source` again with its members dict changed by `change`."""
    with zipfile.ZipFile(source) as file:
        members = {name: file.read(name) for name in file.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


@pytest.mark.parametrize("name", ["../evil.txt", "/tmp/evil-{0}.txt", "assets/../../evil.txt"])
def test_a_zip_whose_paths_leave_it_writes_nothing_elsewhere(good, tmp_path, name):
    folder = tmp_path / "deep" / "deeper"
    folder.mkdir(parents=True)
    name = name.format(tmp_path.name)
    path = changed(good, folder / "evil.keras", lambda members: members.update({name: b"evil"}))
    before = {p for p in tmp_path.rglob("*")}
    try:
        network_files.load(path)
    except ValueError as error:
        assert "\n" not in str(error)
    assert {p for p in tmp_path.rglob("*")} == before
    assert not pathlib.Path(f"/tmp/evil-{tmp_path.name}.txt").exists()


HARM = {"module": "os", "class_name": "system", "config": "touch harmed", "registered_name": None}


def function(members):
    config = json.loads(members["config.json"])
    dense = config["config"]["layers"][1]["config"]
    dense["activation"] = {
        "module": "builtins",
        "class_name": "function",
        "config": "eval",
        "registered_name": "eval",
    }
    members["config.json"] = json.dumps(config).encode()


def foreign_class(members):
    config = json.loads(members["config.json"])
    config["config"]["layers"][1] |= HARM
    members["config.json"] = json.dumps(config).encode()


def other_weights(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("nothing", b"")
    members["model.weights.h5"] = buffer.getvalue()


def no_config(members):
    del members["config.json"]


def config_of_a_list(members):
    members["config.json"] = b"[1, 2]"


CHANGES = (function, foreign_class, other_weights, no_config, config_of_a_list)


@pytest.mark.parametrize("change", CHANGES)
def test_a_swapped_file_is_refused_in_one_sentence(good, tmp_path, monkeypatch, change):
    monkeypatch.chdir(tmp_path)
    path = changed(good, tmp_path / "swapped.keras", change)
    with pytest.raises(ValueError) as caught:
        network_files.load(path)
    assert "\n" not in str(caught.value) and "swapped.keras" in str(caught.value)
    assert not (tmp_path / "harmed").exists()


def test_the_untouched_file_is_accepted(good, tmp_path):
    network_files.load(changed(good, tmp_path / "same.keras", lambda members: None))
