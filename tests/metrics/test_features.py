"""Extractors: the same features every time and everywhere, and weights that are trained once."""

import io
import random

import helpers
import keras
import numpy as np
import pytest
from PIL import Image

from zoo import data
from zoo.errors import UsageError
from zoo.metrics import classifier, features, splits
from zoo.metrics.extractors import extractor as extractor_of


@pytest.fixture(autouse=True)
def quick(monkeypatch, tmp_path):
    """Uses a recipe of 12 steps and a separate cache."""
    monkeypatch.setattr(classifier, "EPOCHS", 1)
    monkeypatch.setattr(classifier, "LEAST_STEPS", 1)
    monkeypatch.setenv("ZOO_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The classifier of digits after 30 steps, and its file in the cache."""
    with pytest.MonkeyPatch.context() as patch:
        root = tmp_path_factory.mktemp("cache")
        patch.setenv("ZOO_CACHE_DIR", str(root))
        patch.setattr(classifier, "EPOCHS", 1)
        patch.setattr(classifier, "LEAST_STEPS", 30)
        made = extractor_of("classifier:digits")
        (path,) = (root / "features").iterdir()
        return made, path


@pytest.fixture
def cached(trained, tmp_path, monkeypatch):
    """Puts a copy of that file where it is looked for, and counts trainings instead of training."""
    monkeypatch.setattr(classifier, "LEAST_STEPS", 30)
    path = tmp_path / "cache" / "features" / trained[1].name
    path.parent.mkdir(parents=True)
    path.write_bytes(trained[1].read_bytes())
    trainings = []
    monkeypatch.setattr(classifier, "fit", lambda *_: trainings.append(1))
    return path, trainings


def digits():
    return data.load("digits", split="test").samples


def test_the_classifier_tells_digits_apart(trained):
    extractor, _ = trained
    test = data.load("digits", split="test")
    vectors, probabilities = extractor.extract(test.samples)
    assert vectors.shape == (179, 128) and vectors.dtype == np.float32 and vectors.min() == 0
    assert probabilities.shape == (179, 10) and extractor.classes == 10 and extractor.dim == 128
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    accuracy = (probabilities.argmax(axis=1) == test.labels).mean()
    assert accuracy == extractor.accuracy > 0.9
    np.testing.assert_array_equal(extractor.features(test.samples), vectors)
    np.testing.assert_array_equal(extractor.probabilities(test.samples), probabilities)
    assert extractor.comparable is None


def test_a_picture_has_the_same_features_alone_and_among_others(trained):
    extractor, _ = trained
    many = extractor.features(np.concatenate([digits(), digits()]))
    np.testing.assert_array_equal(extractor.features(digits()[170:171]), many[170:171])
    np.testing.assert_array_equal(many[:179], many[179:])


def test_its_training_is_as_long_as_the_recipe_says(monkeypatch):
    totals = []

    class Counted(classifier.Progress):
        def __init__(self, what, total):
            totals.append(total)
            super().__init__(what, total)

    monkeypatch.setattr(classifier, "Progress", Counted)
    extractor_of("classifier:digits")
    assert totals == [12]


@pytest.mark.slow  # trains twice
def test_training_depends_on_recipe_and_data_and_leaves_other_random_numbers_alone(
    tmp_path, monkeypatch
):
    for length in ("EPOCHS", "LEAST_STEPS"):
        monkeypatch.setattr(classifier, length, 1)
    monkeypatch.setenv("ZOO_CACHE_DIR", str(tmp_path / "one"))
    keras.utils.set_random_seed(1)
    before = random.getstate(), np.random.get_state()[1].copy()
    first = extractor_of("classifier:digits")
    assert random.getstate() == before[0]
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])
    keras.utils.set_random_seed(2)
    monkeypatch.setenv("ZOO_CACHE_DIR", str(tmp_path / "other"))
    assert extractor_of("classifier:digits").hash == first.hash


def test_what_is_cached_is_not_trained_again(trained, cached):
    path, trainings = cached
    again = extractor_of("classifier:digits")
    assert trainings == [] and again.hash == trained[0].hash
    assert again.accuracy == trained[0].accuracy
    np.testing.assert_array_equal(again.features(digits()), trained[0].features(digits()))
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("change", ["RECIPE", "EPOCHS", "LEAST_STEPS"])
def test_another_recipe_is_trained_anew(cached, monkeypatch, change):
    monkeypatch.setattr(classifier, change, 99)
    extractor_of("classifier:digits")
    assert cached[1] == [1]


def test_other_data_are_trained_on_anew(cached, monkeypatch):
    load = data.load

    def fewer(name, **options):
        dataset = load(name, **options)
        return splits._part(dataset, {n: array[:100] for n, array in dataset.fields.items()})

    monkeypatch.setattr(data, "load", fewer)
    extractor_of("classifier:digits")
    assert cached[1] == [1]


def change_a_weight(content):
    with np.load(io.BytesIO(content)) as file:
        arrays = dict(file)
    arrays["weight03"] = arrays["weight03"] + 1e-3
    changed = io.BytesIO()
    np.savez(changed, **arrays)
    return changed.getvalue()


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: b"hello",
        lambda content: content[: len(content) // 2],
        lambda content: content[:5000] + b"12345678" + content[5008:],
        change_a_weight,
    ],
)
def test_what_is_damaged_is_trained_again(trained, cached, damage, capsys):
    path, trainings = cached
    path.write_bytes(damage(path.read_bytes()))
    extractor_of("classifier:digits")
    message = capsys.readouterr().err
    assert trainings == [1] and "is damaged" in message and path.name in message
    extractor_of("classifier:digits")
    assert trainings == [1]


def test_a_cache_that_cannot_be_written_costs_the_time_only(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(classifier, "fit", lambda *_: None)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "features").write_text("in the way")
    assert extractor_of("classifier:digits").dim == 128
    assert "could not be written" in capsys.readouterr().err
    assert (tmp_path / "cache" / "features").read_text() == "in the way"


@pytest.mark.backend
def test_every_backend_finds_the_same_features():
    # numpy draws the weights and pictures; TensorFlow computed the numbers.
    network = classifier.build((28, 28, 1), 10)
    images = np.random.default_rng(0).integers(0, 256, (3, 28, 28, 1)).astype("uint8")
    vectors, probabilities = features.Extractor("mine", network).extract(images)
    assert vectors.argmax(axis=1).tolist() == [25, 95, 125]
    np.testing.assert_allclose(vectors.max(axis=1), [6.67476, 5.81469, 5.83847], rtol=1e-4)
    np.testing.assert_allclose(vectors.sum(axis=1), [99.1528, 104.71, 108.368], rtol=1e-4)
    np.testing.assert_allclose(probabilities.max(axis=1), [0.317963, 0.350344, 0.362696], rtol=1e-4)


def test_the_side_of_the_pictures_may_be_any():
    for shape in ((4, 4, 1), (1, 1, 3), (33, 20, 3)):
        network = classifier.build(shape, 3)
        images = np.zeros((2, *shape), "uint8")
        assert features.Extractor("mine", network).features(images).shape == (2, 128)


def test_pictures_are_brought_to_the_size_of_the_network(trained):
    extractor, _ = trained
    same = digits()
    large = np.repeat(same.repeat(2, axis=1).repeat(2, axis=2), 3, axis=3)
    assert extractor.resizer(same.shape[1:]) == "none"
    assert extractor.resizer(large.shape[1:]) == f"{features.RESIZER}, to 32x32"
    likely = extractor.probabilities(same).argmax(axis=1)
    assert (extractor.probabilities(large).argmax(axis=1) == likely).mean() > 0.95


def test_resizing_is_antialiased_and_neither_rounds_nor_clips():
    images = np.random.default_rng(0).integers(0, 256, (2, 9, 12, 3)).astype("uint8")
    small = features.resized(images, 4, 5, 3)
    assert small.shape == (2, 4, 5, 3) and small.dtype == np.float32
    plane = Image.fromarray(images[1, ..., 2].astype("float32"))
    expected = np.asarray(plane.resize((5, 4), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(small[1, ..., 2], expected)
    assert (small % 1 != 0).any()
    stripes = np.zeros((1, 64, 64, 1), "uint8")
    stripes[:, :, ::2] = 254
    inside = features.resized(stripes, 16, 16, 3)[0, :, 3:-3]
    np.testing.assert_allclose(inside, 127, atol=3)
    edge = np.zeros((1, 4, 4, 1), "uint8")
    edge[:, 2:] = 255
    assert features.resized(edge, 8, 8, 1).max() > 255


def test_grey_is_repeated_and_colour_becomes_luma():
    grey = np.full((1, 2, 2, 1), 77, "uint8")
    np.testing.assert_array_equal(features.resized(grey, 2, 2, 3), np.full((1, 2, 2, 3), 77.0))
    red = np.zeros((1, 2, 2, 3), "uint8")
    red[..., 0] = 100
    np.testing.assert_allclose(features.resized(red, 2, 2, 1), 29.9, rtol=1e-6)


def test_raw_features_are_pixels():
    raw = extractor_of("raw")
    vectors = raw.features(np.array([[[[0], [255]], [[51], [204]]]], "uint8"))
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, [[-1, 1, -0.6, 0.6]], atol=1e-6)
    assert raw.probabilities(digits()) is None and raw.dim is None
    # SHA-256 of no bytes.
    assert raw.hash.startswith("e3b0c44298fc1c14")
    assert raw.resizer((5, 5, 1)) == "none"


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((2, 8, 8, 1), "float32"),
        np.zeros((8, 8, 1), "uint8"),
        np.zeros((2, 8, 8, 2), "uint8"),
        np.zeros((0, 8, 8, 1), "uint8"),
    ],
)
def test_other_arrays_are_refused(images):
    with pytest.raises(UsageError, match="Received"):
        extractor_of("raw").features(images)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("inceptoin", "'inception'"),
        ("", "Valid: classifier:DATASET, imagenet, imagenet_lite1, inception, raw"),
        ("classifier", "classifier:DATASET"),
        ("classifier:", "classifier:DATASET"),
        ("raw:mnist", "Valid"),
        ("imagenet:b0", "Valid"),
        ("classifier:digist", "'digits'"),
        ("classifier:ring8", "vectors"),
    ],
)
def test_an_unknown_extractor_is_one_sentence(name, message):
    with pytest.raises(UsageError) as caught:
        extractor_of(name)
    assert message in str(caught.value)


def test_a_folder_without_classes_has_no_classifier(tmp_path):
    with pytest.raises(UsageError, match=r"has none.*--features=raw"):
        extractor_of("classifier:" + helpers.picture_folder(tmp_path / "flat", 10))


def test_a_folder_with_classes_has_a_classifier(tmp_path, monkeypatch):
    monkeypatch.setattr(classifier, "fit", lambda *_: None)
    name = helpers.picture_folder(tmp_path / "two", 20, ("dark", "light"))
    extractor = extractor_of(f"classifier:{name}")
    # Not its path, so that scores stay comparable where the folder is moved.
    assert extractor.name == "classifier:folder:two" and extractor.classes == 2


def test_the_stacked_classifier_names_each_channel(trained):
    single, _ = trained
    extractor = features.StackedExtractor("classifier:stacked_mnist", single)
    test = data.load("digits", split="test")
    pictures = np.concatenate([test.samples[i : i + 100] for i in (0, 30, 60)], axis=-1)
    vectors, probabilities = extractor.extract(pictures)
    alone = [single.extract(test.samples[i : i + 100]) for i in (0, 30, 60)]
    np.testing.assert_array_equal(vectors, np.concatenate([f for f, _ in alone], axis=1))
    digits = [p.argmax(axis=1) for _, p in alone]
    number = 100 * digits[0] + 10 * digits[1] + digits[2]
    np.testing.assert_array_equal(probabilities.argmax(axis=1), number)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-4)
    assert (extractor.dim, extractor.classes) == (384, 1000)
    assert (vectors.shape[1], probabilities.shape[1]) == (384, 1000)
    with pytest.raises(UsageError, match="three channels"):
        extractor.extract(test.samples)
