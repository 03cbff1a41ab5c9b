"""What the page does with a visitor's picture."""

import json

import keras
import numpy as np
import pytest
import small_generators
import small_translators
from PIL import Image

from zoo import progress
from zoo.app import holes, loading, pictures
from zoo.data import images
from zoo.errors import UsageError
from zoo.outputs import generate, inpaint, translate


def test_a_picture_is_translated_in_the_chosen_direction(tmp_path):
    both = [small_translators.linear(-1.0), small_translators.linear(0.5)]
    made = pictures.Pictures(
        small_translators.make_run(tmp_path / "run", "cyclegan", both), "--run=run"
    )
    assert made.directions == ["a_to_b", "b_to_a"] and not made.enlarges
    image = small_translators.picture(1, (30, 45))
    path = small_translators.save(image, tmp_path / "mine.png")
    negative = small_translators.read(made.translated(path, "a_to_b"))
    assert np.abs(negative.astype(int) - (255 - image)).max() <= 1
    assert np.ptp(small_translators.read(made.translated(path, "b_to_a"))) < np.ptp(image)
    assert made.command("b_to_a") == (
        "python generate.py --run=run --input=PICTURE --direction=b_to_a --out=made.png"
    )
    assert made.resizable
    resized = small_translators.read(made.translated(path, "a_to_b", resized=True))
    brought = images.prepare(Image.fromarray(image), (32, 32), 3, "crop")
    assert np.abs(resized.astype(int) - (255 - brought)).max() <= 1
    assert "--direction=a_to_b --resize=crop --out" in made.command("a_to_b", resized=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.png", "run"]


def test_an_enlarged_picture_is_shown_beside_interpolation(tmp_path):
    image = keras.Input((None, None, 3), name="image")
    network = keras.Model(image, keras.layers.UpSampling2D(2)(image))
    network.save(tmp_path / "generator.keras")
    made = pictures.Pictures(str(tmp_path / "generator.keras"), "--generator=x")
    path = small_translators.save(small_translators.picture(2), tmp_path / "mine.png")
    before, after = made.enlarged(path)
    after = small_translators.read(after)
    assert made.enlarges and not made.resizable
    assert before.shape == after.shape == (64, 64, 3)
    assert np.abs(before.astype(int) - after).mean() < 10


def test_a_hole_gets_several_answers_that_keep_what_is_known(tmp_path, monkeypatch):
    path = tmp_path / "generator.keras"
    small_generators.smooth().save(path)
    monkeypatch.setattr(holes, "STEPS", 20)
    made = holes.Holes(str(path), "--run=x")
    assert made.command(3) == (
        "python generate.py --run=x --input=PICTURE --mask=MASK --resize=crop --count=4 --seed=3"
    )
    picture = np.full((8, 8, 3), 120, "uint8")
    hole = np.zeros((8, 8), bool)
    hole[2:5, 2:5] = True
    heard = []
    with progress.heard_by(lambda *told: heard.append(told)):
        answers = made.filled(picture, hole)
    assert heard == [("picture: steps", 10, 20), ("picture: steps", 20, 20)]
    assert len(answers) == holes.ANSWERS
    for answer in answers:
        known = answer.reshape(8, 8, -1)[~hole]
        assert (known == 120).all()
    with pytest.raises(UsageError, match="no hole yet"):
        made.filled(picture, hole & False)


def test_a_network_that_has_learnt_to_fill_holes_gives_one_answer_of_any_size(tmp_path):
    image, mask = (
        keras.Input((None, None, 3), name="image"),
        keras.Input((None, None, 1), name="mask"),
    )
    known = keras.layers.Multiply()([image, keras.layers.Rescaling(-1.0, 1.0)(mask)])
    keras.Model([image, mask], known).save(tmp_path / "generator.keras")
    picture = small_translators.picture(5, (20, 31))
    hole = np.zeros((20, 31), bool)
    hole[2:5, 2:9] = True
    made = holes.Holes(str(tmp_path / "generator.keras"), "--run=x")
    (answer,) = made.filled(picture, hole)
    assert made.command() == "python generate.py --run=x --input=PICTURE --mask=MASK"
    np.testing.assert_array_equal(answer[~hole], picture[~hole])
    assert (np.abs(answer[hole] - 127.5) < 1).all()


def test_a_hole_in_a_large_picture_becomes_one_in_what_the_search_draws(tmp_path, monkeypatch):
    small_generators.smooth(3).save(tmp_path / "generator.keras")
    monkeypatch.setattr(holes, "STEPS", 20)
    made = holes.Holes(str(tmp_path / "generator.keras"), "--run=x")
    small = small_translators.picture(3, (8, 8))
    large = small.repeat(3, 0).repeat(3, 1)
    wide = np.pad(large, [(0, 0), (12, 12), (0, 0)], mode="edge")
    hole = np.zeros((24, 48), bool)
    hole[4, 12 + 4] = hole[5, 12 + 5] = True  # of one pixel in the middle
    expected = images.prepare(Image.fromarray(wide), (8, 8), 3, "crop")
    for answer in made.filled(wide, hole):
        different = np.argwhere((answer != expected).any(axis=-1)).tolist()
        assert [1, 1] in different and len(different) <= 4
    outside = np.zeros((24, 48), bool)
    outside[:, :6] = True
    with pytest.raises(UsageError, match=r"no hole yet: .* in the middle of the picture"):
        made.filled(wide, outside)
    with pytest.raises(UsageError, match="nothing but hole: leave some"):
        made.filled(wide, ~outside)


def test_what_is_no_picture_or_a_huge_one_is_a_sentence(tmp_path, monkeypatch):
    (tmp_path / "notes.txt").write_text(json.dumps("no picture"))
    with pytest.raises(UsageError, match="no picture that can be read"):
        pictures.checked(tmp_path / "notes.txt")
    with pytest.raises(UsageError, match="no picture yet"):
        pictures.checked(None)
    path = small_translators.save(small_translators.picture(2), tmp_path / "mine.png")
    monkeypatch.setattr(pictures, "LARGEST", 1000)
    with pytest.raises(UsageError, match=r"at most 1,000 pixels.*Received: 32x32"):
        pictures.checked(path)


def test_a_drawing_becomes_a_picture_of_the_size_and_the_colours_that_the_network_knows(tmp_path):
    networks = [small_translators.linear(1.0)]
    run = small_translators.make_run(tmp_path / "plain", "pix2pix", networks)
    made = pictures.Pictures(run, "--run=plain")
    assert made.canvas == (512, 512) and "#000000" in made.colours
    drawing = np.zeros((512, 512, 4), "uint8")
    drawing[:64, 64:] = 255, 0, 0, 255
    image = small_translators.read(made.drawn(drawing))
    assert image.shape == (32, 32, 3)
    assert (image[:4, 4:] == (255, 0, 0)).all() and (image[4:] == 255).all()
    run = small_translators.make_run(tmp_path / "maps", "pix2pix", networks, labels=2)
    config = json.loads((tmp_path / "maps" / "config.json").read_text())
    config["class_names"] = ["#000000", "#ff0000"]
    (tmp_path / "maps" / "config.json").write_text(json.dumps(config))
    made = pictures.Pictures(run, "--run=maps")
    assert made.colours == ["#000000", "#ff0000"]
    drawing[64:128, 64:] = 250, 20, 10, 200  # as the edge of a brush
    path = made.drawn(drawing)
    image = small_translators.read(path)
    assert (image[:8, 4:] == (255, 0, 0)).all() and (image[8:] == 0).all()
    np.testing.assert_array_equal(small_translators.read(made.translated(path)), image)
    with pytest.raises(UsageError, match="no drawing yet"):
        made.drawn(drawing * 0)


def test_networks_are_loaded_once_and_not_at_each_picture(tmp_path, monkeypatch):
    both = [small_translators.linear(-1.0), small_translators.linear(0.5)]
    run = small_translators.make_run(tmp_path / "run", "cyclegan", both)
    small_translators.painter().save(tmp_path / "painter.keras")
    translator = pictures.Pictures(run, "--run=run")
    painter = holes.Holes(str(tmp_path / "painter.keras"), "--run=x")

    def fail(*arguments):
        raise AssertionError("loaded again")

    for module in (generate, inpaint):
        monkeypatch.setattr(module, "load_generator", fail)
    monkeypatch.setattr(translate, "load", fail)
    path = small_translators.save(small_translators.picture(1), tmp_path / "mine.png")
    for direction in translator.directions:
        translator.translated(path, direction)
    hole = np.zeros((32, 32), bool)
    hole[4:8, 4:8] = True
    assert len(painter.filled(small_translators.picture(1), hole)) == 1


def voxels():
    z = keras.Input((4,), name="z")
    return keras.Model(z, keras.layers.Reshape((2, 2, 2, 1))(keras.layers.Dense(8)(z)))


def with_a_sample_beside_the_noise():
    inputs = [keras.Input((4,), name=name) for name in ("z", "sample")]
    return keras.Model(inputs, keras.layers.Dense(8)(keras.layers.Add()(inputs)))


@pytest.mark.parametrize(
    ("make", "received"),
    [
        (voxels, r"inputs z, outputs of shape \(2, 2, 2, 1\)"),
        (with_a_sample_beside_the_noise, "inputs z, sample"),
    ],
)
def test_a_network_that_the_page_cannot_show_is_one_sentence(tmp_path, make, received):
    make().save(tmp_path / "generator.keras")
    with pytest.raises(UsageError, match=rf"page cannot show what .* Received: .*{received}"):
        loading.load(str(tmp_path / "generator.keras"))


def test_a_run_without_a_generator_yet_is_one_sentence(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model": "dcgan"}))
    with pytest.raises(UsageError, match=r"has no generator.keras yet. Expected one"):
        loading.load(str(tmp_path))


def test_what_the_page_does_follows_from_the_network(tmp_path):
    made = {
        "noise": small_generators.points(),
        "pictures": small_translators.linear(),
        "holes": small_translators.painter(),
    }
    for kind, network in made.items():
        network.save(tmp_path / f"{kind}.keras")
        assert loading.load(str(tmp_path / f"{kind}.keras"))[0] == kind
