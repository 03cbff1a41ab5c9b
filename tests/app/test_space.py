"""The folder that runs a page by itself: what goes there, and what does not."""

import importlib.metadata
import importlib.util
import json

import pytest
import small_generators
import small_translators
import yaml
from test_visitors import voxels

from zoo import cards, config_file, installation
from zoo.app import space
from zoo.errors import UsageError

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("gradio") is None, reason="a Space names its version of Gradio"
)


def test_networks_go_there_and_nothing_of_the_data_or_the_training(tmp_path):
    both = [small_translators.linear(-1.0), small_translators.linear(0.5)]
    dataset = f"domains:{tmp_path}/of_mine"
    run = small_translators.make_run(tmp_path / "runs" / "two", "cyclegan", both, dataset)
    for name in ("checkpoints/step-1.npz", "samples/step-1.png", "metrics.csv", "report.html"):
        (tmp_path / "runs" / "two" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "runs" / "two" / name).write_text("of the training")
    (tmp_path / "folder").mkdir()  # empty
    made = space.write(tmp_path / "folder", run)
    assert made == str(tmp_path / "folder") and sorted(p.name for p in tmp_path.iterdir()) == [
        *("folder", "runs")
    ]
    files = {
        path.relative_to(made).as_posix()
        for path in (tmp_path / "folder").rglob("*")
        if path.is_file() and "zoo" not in path.relative_to(made).parts
    }
    assert files == {
        *("LICENSE", "README.md", "app.py", "requirements.txt", "runs/two/config.json"),
        *("runs/two/a_to_b.keras", "runs/two/b_to_a.keras"),
    }
    for path in (tmp_path / "folder").rglob("*"):
        assert path.is_dir() or str(tmp_path).encode() not in path.read_bytes(), path
    config = json.loads((tmp_path / "folder" / "runs" / "two" / "config.json").read_text("utf-8"))
    assert config["model"] == "cyclegan" and config["image_size"] == 32
    assert not list((tmp_path / "folder" / "zoo").rglob("*.keras"))
    assert (tmp_path / "folder" / "zoo" / "configs" / "cyclegan.py").is_file()


def test_its_readme_begins_with_what_spaces_read(tmp_path):
    small_generators.pictures().save(tmp_path / "my digits: 7.keras")
    made = tmp_path / "made"
    space.write(made, str(tmp_path / "my digits: 7.keras"))
    _, head, text = (made / "README.md").read_text("utf-8").split("---\n", 2)
    fields = yaml.safe_load(head)
    assert fields["title"] == "my digits: 7" and fields["app_file"] == "app.py"
    assert fields["sdk"] == "gradio"
    assert fields["sdk_version"] == importlib.metadata.version("gradio")
    assert isinstance(fields["python_version"], str)
    assert "'--generator=my digits: 7.keras'" in (made / "app.py").read_text("utf-8")
    assert "from noise to samples" in text


def test_classes_keep_the_names_of_the_card(tmp_path):
    source = tmp_path / "pets.keras"
    small_generators.pictures(classes=2).save(source)
    head = cards.head("pets", "cats_and_dogs", classes=["cat", "dog"])
    source.with_suffix(".md").write_text(head, encoding="utf-8")
    made = tmp_path / "made"
    space.write(made, str(source))
    assert config_file.class_names(str(made / "pets.keras")) == ["cat", "dog"]


def test_its_requirements_are_those_of_the_package_that_a_page_needs():
    wanted = space.requirements()
    assert set(wanted) <= {*installation.requirements(), *installation.requirements("app")}
    names = {space._package(line) for line in wanted}
    assert names == {*space.NEEDED, "gradio"} and all(">=" in line for line in wanted)


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    small_generators.pictures().save(tmp_path / "generator.keras")
    source = str(tmp_path / "generator.keras")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"full is not empty.*new or an empty folder"):
        space.write(tmp_path / "full", source)
    with pytest.raises(UsageError, match=r"mine.txt is a file"):
        space.write(tmp_path / "full" / "mine.txt", source)
    voxels().save(tmp_path / "voxels.keras")
    with pytest.raises(UsageError, match="page cannot show"):
        space.write(tmp_path / "made", str(tmp_path / "voxels.keras"))
    before = ["full", "generator.keras", "voxels.keras"]
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert (tmp_path / "full" / "mine.txt").read_text() == "mine"


def test_a_write_that_fails_leaves_nothing(tmp_path, monkeypatch):
    small_generators.pictures().save(tmp_path / "generator.keras")

    def full(folder):
        folder.mkdir()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(space, "_copy_code", full)
    with pytest.raises(OSError, match="No space left"):
        space.write(tmp_path / "made", str(tmp_path / "generator.keras"))
    assert [path.name for path in tmp_path.iterdir()] == ["generator.keras"]


def test_a_folder_of_such_writes_no_other(tmp_path, monkeypatch):
    def missing(extra=""):
        raise importlib.metadata.PackageNotFoundError

    monkeypatch.setattr(installation, "requirements", missing)
    with pytest.raises(UsageError, match="is itself a folder that --space has written"):
        space.write(tmp_path / "made", "generator.keras")
