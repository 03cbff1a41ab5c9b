"""What the page does with a visitor's picture."""

import json

import keras
import numpy as np
import pytest
import small_generators
import small_translators

from zoo.app import pictures
from zoo.errors import UsageError


def test_a_picture_is_translated_in_the_chosen_direction(tmp_path):
    both = [small_translators.linear(-1.0), small_translators.linear(0.5)]
    made = pictures.Pictures(
        small_translators.make_run(tmp_path / "run", "cyclegan", both), "--run=run"
    )
    assert made.directions == ["a_to_b", "b_to_a"] and not made.enlarges
    image = small_translators.picture(1, (30, 45))
    path = small_translators.save(image, tmp_path / "mine.png")
    negative = made.translated(path, "a_to_b")
    assert np.abs(negative.astype(int) - (255 - image)).max() <= 1
    assert np.ptp(made.translated(path, "b_to_a")) < np.ptp(image)
    assert made.command("b_to_a") == (
        "python generate.py --run=run --input=PICTURE --direction=b_to_a --out=made.png"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.png", "run"]


def test_an_enlarged_picture_is_shown_beside_interpolation(tmp_path):
    image = keras.Input((None, None, 3), name="image")
    network = keras.Model(image, keras.layers.UpSampling2D(2)(image))
    network.save(tmp_path / "generator.keras")
    made = pictures.Pictures(str(tmp_path / "generator.keras"), "--generator=x")
    path = small_translators.save(small_translators.picture(2), tmp_path / "mine.png")
    before, after = made.enlarged(path)
    assert made.enlarges and before.shape == after.shape == (64, 64, 3)
    assert np.abs(before.astype(int) - after).mean() < 10


def test_a_hole_gets_several_answers_that_keep_what_is_known(tmp_path, monkeypatch):
    path = tmp_path / "generator.keras"
    small_generators.smooth().save(path)
    monkeypatch.setattr(pictures, "STEPS", 20)
    picture = np.full((8, 8, 3), 120, "uint8")
    hole = np.zeros((8, 8), bool)
    hole[2:5, 2:5] = True
    answers = pictures.filled(str(path), picture, hole)
    assert len(answers) == pictures.ANSWERS
    for answer in answers:
        known = answer.reshape(8, 8, -1)[~hole]
        assert (known == 120).all()
    with pytest.raises(UsageError, match="no hole yet"):
        pictures.filled(str(path), picture, hole & False)


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
    answer = pictures.completed(str(tmp_path / "generator.keras"), picture, hole)
    np.testing.assert_array_equal(answer[~hole], picture[~hole])
    assert (np.abs(answer[hole] - 127.5) < 1).all()


def test_a_painted_hole_touches_whole_pixels_and_the_others_are_exact():
    small = small_translators.picture(3, (8, 6))
    hole = np.zeros((24, 18), bool)
    hole[4, 4] = True
    picture, reduced = pictures.reduced(small.repeat(3, 0).repeat(3, 1), hole, (8, 6))
    assert np.array_equal(picture, small)
    assert np.argwhere(reduced).tolist() == [[1, 1]]
    assert pictures.reduced(small, hole[:8, :6], (5, 5))[0] is small
    assert pictures.brought(small_translators.picture(3, (64, 40)), (8, 8)).shape == (8, 8, 3)


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
