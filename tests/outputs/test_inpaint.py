"""Pictures with holes, from files to files: masks, sizes, names, and what cannot be filled."""

import json
import pathlib
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
import running
from PIL import Image
from small_generators import make_run, points, sample, smooth
from small_translators import linear, read

from zoo import progress
from zoo.errors import UsageError
from zoo.outputs import inpaint as inpaint_module
from zoo.outputs.inpaint import inpaint
from zoo.outputs.latent_search import LatentSearch
from zoo.runs import checkpoints, directory

ROOT = pathlib.Path(__file__).parents[2]
HOLE = np.zeros((8, 8), bool)
HOLE[2:6, 3:7] = True


def quiet(_):
    pass


def save(array, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array.squeeze()).save(path)
    return str(path)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "plain", smooth())


@pytest.fixture
def files(plain, tmp_path):
    """A picture of the run's generator, and a mask."""
    picture = sample(keras.models.load_model(f"{plain}/generator.keras"), 100)
    save(picture, tmp_path / "picture.png")
    save(HOLE.astype("uint8") * 255, tmp_path / "mask.png")
    return tmp_path


def test_a_picture_with_a_mask_gets_answers_and_an_overview(plain, files):
    said = []
    written = inpaint(
        plain,
        str(files / "picture.png"),
        str(files / "mask.png"),
        count=3,
        steps=60,
        out=str(files / "out"),
        say=said.append,
    )
    names = [pathlib.Path(path).name for path in written]
    assert names == ["picture_overview.png", *(f"picture_{i}.png" for i in range(3))]
    picture = read(files / "picture.png")
    for path in written[1:]:
        answer = read(path)
        np.testing.assert_array_equal(answer[~HOLE], picture[~HOLE])
    assert read(written[0]).shape == (64, 5 * 64 + 4 * 2)
    assert [text for text in said if "prior" in text] == said[:1] and "no checkpoint" in said[0]
    assert "context loss" in said[-1]
    with pytest.raises(UsageError, match=r"picture_overview\.png and 3 more would be replaced"):
        inpaint(
            plain, str(files / "picture.png"), str(files / "mask.png"), 3, out=str(files / "out")
        )


def test_a_transparent_part_is_the_hole_and_a_generator_file_will_do(plain, files):
    grey = read(files / "picture.png")
    alpha = np.where(HOLE, 0, 255)
    save(np.stack([grey, grey, grey, alpha], -1).astype("uint8"), files / "holed.png")
    said = []
    paths = [
        inpaint(
            f"{plain}/generator.keras",
            str(files / name),
            mask,
            count=1,
            steps=20,
            out=str(files / out),
            say=said.append,
        )[1]
        for name, mask, out in (
            ("holed.png", None, "a"),
            ("picture.png", str(files / "mask.png"), "b"),
        )
    ]
    first, second = (pathlib.Path(path).read_bytes() for path in paths)
    assert first == second
    assert "a generator file holds none" in said[0]


def test_a_folder_takes_masks_of_the_same_names_or_one_for_all(plain, files, capsys):
    picture = read(files / "picture.png")
    for name in ("x", "deep/y"):
        save(picture, files / "in" / f"{name}.png")
        mask = HOLE if name == "x" else HOLE.T
        save(mask.astype("uint8") * 255, files / "masks" / f"{name}.bmp")
    options = {"count": 1, "steps": 10, "say": quiet}
    heard = set()
    with progress.heard_by(lambda what, done, total: heard.add(what)):
        written = inpaint(
            plain, str(files / "in"), str(files / "masks"), out=str(files / "out"), **options
        )
    assert len(written) == 4
    assert heard == {"deep/y (1 of 2): steps", "x (2 of 2): steps"}
    for name, mask in (("x", HOLE), ("deep/y", HOLE.T)):
        answer = read(files / "out" / f"{name}_0.png")
        np.testing.assert_array_equal(answer[~mask], picture[~mask])
        assert (answer[mask] != picture[mask]).any()
    # What cannot be read is left out.
    (files / "in" / "z.png").write_text("hello")
    shutil.copy(files / "masks" / "x.bmp", files / "masks" / "z.bmp")
    out = str(files / "rest")
    rest = inpaint(plain, str(files / "in"), str(files / "masks"), out=out, **options)
    assert len(rest) == 4 and "1 of 3 were skipped" in capsys.readouterr().err
    (files / "in" / "z.png").unlink()
    # Masks that lie among the pictures are not filled.
    inside = save(HOLE.astype("uint8") * 255, files / "in" / "mask.png")
    one = inpaint(plain, str(files / "in"), inside, out=str(files / "one"), **options)
    assert len(one) == 4
    pathlib.Path(inside).unlink()
    (files / "masks" / "x.bmp").unlink()
    with pytest.raises(UsageError, match="no mask of the name x in"):
        inpaint(plain, str(files / "in"), str(files / "masks"), out=str(files / "o"), **options)


def test_resizing_brings_picture_and_mask_to_the_size(plain, tmp_path):
    large = np.full((40, 24, 3), 90, "uint8")
    mask = np.zeros((40, 24), "uint8")
    mask[15:20, 6:12] = 255
    paths = save(large, tmp_path / "large.png"), save(mask, tmp_path / "mask.png")
    with pytest.raises(UsageError, match=r"draws pictures of 8x8.*--resize=crop.*of 40x24"):
        inpaint(plain, *paths, out=str(tmp_path / "out"), say=quiet)
    said = []
    options = {"count": 1, "steps": 5, "out": str(tmp_path / "out"), "say": said.append}
    _, path = inpaint(plain, *paths, resize="crop", **options)
    answer = read(path)
    changed = answer != 90
    assert answer.shape == (8, 8) and 2 <= changed.sum() <= 9 and changed[2:5, 2:4].any()
    assert not changed[:2].any() and not changed[6:].any()
    assert "8x8 (height x width): crop" in said[0]


def test_the_classes_of_the_answers_are_named(tmp_path):
    run = make_run(tmp_path / "run", smooth(classes=3), class_names=["a", "b", "c"])
    picture = sample(keras.models.load_model(f"{run}/generator.keras"), 5, np.array([2]))
    paths = save(picture, tmp_path / "p.png"), save(HOLE.astype("uint8") * 255, tmp_path / "m.png")
    said = []
    inpaint(run, *paths, count=4, steps=10, out=str(tmp_path / "all"), say=said.append)
    named = said[-1].partition("classes ")[2].split(", ")
    assert len(named) == 4 and set(named) <= set("abc")
    inpaint(run, *paths, count=2, classes="b", steps=10, out=str(tmp_path / "b"), say=said.append)
    assert said[-1].endswith("classes b, b")
    with pytest.raises(UsageError, match="no class 'd'"):
        inpaint(run, *paths, classes="d", out=str(tmp_path / "d"), say=said.append)


@pytest.mark.parametrize(
    ("picture", "mask", "message"),
    [
        ((8, 8), np.zeros((7, 8)), r"size of .*mask\.png is not .*Expected 8x8.*Received: 7x8"),
        ((8, 8), np.zeros((8, 8)), "no hole"),
        ((8, 8), np.full((8, 8), 255), r"nothing but hole: .*mask\.png .*black, .* to be kept\.$"),
        ((8, 8), None, r"picture\.png has no transparency.*--mask=FILE"),
        ((8, 8, 4), None, "no hole: the transparency of"),
        ((8, 8, 3), HOLE * 255, "has colours"),
    ],
)
def test_what_cannot_be_filled_is_one_sentence(plain, tmp_path, picture, mask, message):
    values = np.random.default_rng(0).integers(0, 256, picture)
    if picture[2:] == (4,):
        values[..., 3] = 255
    path = save(values.astype("uint8"), tmp_path / "picture.png")
    if mask is not None:
        mask = save(mask.astype("uint8"), tmp_path / "mask.png")
    with pytest.raises(UsageError, match=message) as caught:
        inpaint(plain, path, mask, out=str(tmp_path / "out"), say=quiet)
    assert "\n" not in str(caught.value) and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (points, "cannot fill holes.*samples of shape"),
        (lambda: smooth(channels=4), "1 or 3 channels.*samples of shape"),
        (linear, "makes pictures of pictures"),
    ],
)
def test_a_run_that_fills_no_holes_is_one_sentence(files, make, message):
    run = make_run(files / "run", make())
    with pytest.raises(UsageError, match=message):
        inpaint(run, str(files / "picture.png"), str(files / "mask.png"), say=quiet)


def test_missing_and_damaged_files_are_one_sentence(plain, files):
    (files / "text.png").write_text("hello")
    (files / "in").mkdir()
    save(np.zeros((8, 8), "uint8"), files / "in" / "x.png")
    good, bad, none = (str(files / name) for name in ("picture.png", "text.png", "none.png"))
    for inputs, mask, message in (
        (none, good, "no file or folder"),
        (good, none, "no file or folder .*--mask"),
        (bad, good, r"text\.png cannot be used: not a picture"),
        (good, bad, r"text\.png cannot be used: not a picture"),
        (good, str(files / "in"), "is a folder, and --input"),
    ):
        with pytest.raises(UsageError, match=message):
            inpaint(plain, inputs, mask, out=str(files / "out"), say=quiet)
    with pytest.raises(UsageError, match="1 to 64 answers"):
        inpaint(plain, good, good, count=65, say=quiet)


@pytest.mark.backend
def test_a_run_brings_its_own_discriminator(tmp_path):
    gan, config = running.build()
    run = tmp_path / "run"
    directory.write_json(run / "config.json", config)
    checkpoints.save(run / "checkpoints", gan, {"step": 1})
    gan.inference_generator().save(run / "generator.keras")
    picture = np.random.default_rng(0).integers(0, 256, (16, 16)).astype("uint8")
    mask = np.zeros((16, 16), "uint8")
    mask[4:12, 4:12] = 255
    paths = save(picture, tmp_path / "p.png"), save(mask, tmp_path / "m.png")
    said = []
    out = str(tmp_path / "out")
    written = inpaint(str(run), *paths, count=2, steps=5, out=out, say=said.append)
    assert len(written) == 3 and not [text for text in said if "prior" in text]


@pytest.mark.slow  # a process for each
@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["--input={0}/picture.png", "--mask={0}/mask.png", "--steps=5", "--count=2"], 0, ""),
        (["--input={0}/picture.png"], 2, "--mask=FILE"),
        (["--mask={0}/mask.png"], 2, "there is no picture. Expected --input=PATH"),
        (["--input={0}/picture.png", "--walk"], 2, "--walk is for samples"),
    ],
)
def test_the_program_fills_holes(plain, files, flags, code, message):
    flags = [flag.format(files) for flag in flags]
    done = subprocess.run(
        [sys.executable, "generate.py", f"--run={plain}", f"--out={files / 'out'}", *flags],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == code and message in done.stderr, done.stderr
    assert (files / "out" / "picture_1.png").exists() == (code == 0)


def test_the_search_gets_what_was_asked_for(plain, files, monkeypatch):
    made, asked = [], []

    class Watched(LatentSearch):
        def __init__(self, *arguments):
            made.append(arguments)
            super().__init__(*arguments)

        def __call__(self, *arguments, **options):
            asked.append(arguments)
            return super().__call__(*arguments, **options)

    monkeypatch.setattr(inpaint_module, "LatentSearch", Watched)
    monkeypatch.setattr(inpaint_module, "discriminator_of", lambda *_: None)
    paths = str(files / "picture.png"), str(files / "mask.png")
    plain = shutil.copytree(plain, files / "run")
    config = json.loads((plain / "config.json").read_text()) | {"loss": "hinge"}
    (plain / "config.json").write_text(json.dumps(config))
    inpaint(str(plain), *paths, count=2, seed=7, steps=3, out=str(files / "o"), say=quiet)
    ((_, _, loss),) = made
    assert loss == "hinge"
    ((_, _, *rest),) = asked
    assert rest == [2, 7, None, 3]


def test_no_picture_or_mask_is_replaced_and_out_is_a_folder(plain, files):
    picture = (files / "picture.png").read_bytes()
    (files / "picture.png").rename(files / "x_0.png")
    save(HOLE.astype("uint8") * 255, files / "x.png")
    with pytest.raises(UsageError, match=r"x_0\.png is one of the pictures given"):
        inpaint(
            *(plain, str(files), str(files / "mask.png")),
            count=1,
            resize="crop",
            out=str(files),
            overwrite=True,
            say=quiet,
        )
    assert (files / "x_0.png").read_bytes() == picture
    (files / "note.txt").write_text("mine")
    for out in ("note.txt", "new.png"):
        with pytest.raises(UsageError, match="--out is a folder"):
            inpaint(plain, str(files / "x_0.png"), str(files / "mask.png"), out=str(files / out))
