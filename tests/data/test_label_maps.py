"""Label maps: their colours are found, counted, never mixed, and refused where they do not fit."""

import io

import numpy as np
import pytest
from PIL import Image

from zoo.data import labels, load, pairs
from zoo.errors import UsageError

pytestmark = pytest.mark.faults


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_CACHE_DIR", str(tmp_path / "cache"))


def blocks(values, seed, sides=(6, 8), times=5):
    """A map whose squares have values of a list."""
    chosen = np.random.default_rng(seed).integers(0, len(values), sides)
    return np.array(values, "uint8")[chosen].repeat(times, axis=0).repeat(times, axis=1)


def photo(seed, size=(30, 40)):
    """Smooth colours with a little noise."""
    random = np.random.default_rng(seed)
    small = Image.fromarray(random.integers(0, 256, (3, 4, 3)).astype("uint8"))
    smooth = np.asarray(small.resize(size[::-1], Image.Resampling.BILINEAR), "float32")
    return np.clip(smooth + random.normal(0, 6, smooth.shape), 0, 255).astype("uint8")


def write(root, maps, extension="png", **options):
    for name in ("labels", "photos"):
        (root / name).mkdir(parents=True)
    for i, array in enumerate(maps):
        image = array if isinstance(array, Image.Image) else Image.fromarray(array)
        image.save(root / "labels" / f"{i}.{extension}", **options)
        size = (image.height, image.width)
        Image.fromarray(photo(i, size)).save(root / "photos" / f"{i}.png")
    return f"pairs:{root}"


RGB = [[0, 0, 0], [255, 80, 0], [0, 48, 255], [120, 255, 140]]
NAMES = ("#000000", "#0030ff", "#78ff8c", "#ff5000")


@pytest.mark.parametrize("extension", ["png", "jpg"])
def test_flat_colours_are_found_and_not_mixed(tmp_path, extension):
    # JPEG halves the colours' resolution, so it takes squares of some size.
    times, options = (5, {}) if extension == "png" else (24, {"quality": 85})
    maps = [blocks(RGB, i, times=times) for i in range(8)]
    name = write(tmp_path / "data", maps, extension, **options)
    size = "18x24" if extension == "png" else "72x96"
    data = load(name, image_size=size, labels=4)
    if extension == "png":
        assert data.class_names == NAMES
        assert set(map(tuple, data.fields["input"].reshape(-1, 3))) == set(map(tuple, RGB))
    else:  # noise moves each by a few levels
        near = labels.levels(data.class_names)[:, None] - labels.levels(NAMES)[None]
        assert len(data.class_names) == 4 and np.linalg.norm(near, axis=-1).min(axis=1).max() < 12
    numbers = labels.numbers(data.fields["input"], data.class_names)
    assert numbers.shape == data.fields["input"].shape[:3] and numbers.max() == 3
    with pytest.raises(UsageError, match=r"more labels than labels=3 allows.*labels=4.*4 colours"):
        load(name, image_size=size, labels=3)


def test_numbers_are_labels_in_grey_or_with_a_palette(tmp_path):
    numbers = blocks([0, 1, 2, 33], 0)
    with_palette = Image.fromarray(numbers, "P")
    with_palette.putpalette([x for i in range(256) for x in (i, i, i)])
    data = load(write(tmp_path / "data", [numbers, with_palette]), image_size="30x40", labels=4)
    assert data.class_names == ("#000000", "#010101", "#020202", "#212121")
    np.testing.assert_array_equal(data.fields["input"][0], data.fields["input"][1])
    np.testing.assert_array_equal(data.fields["input"][0][..., 0], numbers)
    with pytest.raises(UsageError, match=r"labels=4.*4 colours"):
        load(f"pairs:{tmp_path / 'data'}", image_size="30x40", labels=2)


def test_numbers_of_16_bits_keep_their_value_with_a_pixel_range(tmp_path):
    name = write(tmp_path / "data", [blocks([0, 3, 7], 0).astype("uint16")] * 2)
    data = load(name, image_size="30x40", labels=3, pixel_range="0,255")
    assert data.class_names == ("#000000", "#030303", "#070707")


def test_photographs_are_no_labels(tmp_path):
    name = write(tmp_path / "data", [blocks(RGB, i) for i in range(3)])
    with pytest.raises(UsageError, match=r"no label maps.*as photographs do.*the other"):
        load(name, direction="b_to_a", labels=4)
    assert not load(name, direction="b_to_a").class_names


def test_the_other_side_may_show_the_labels(tmp_path):
    name = write(tmp_path / "data", [blocks(RGB, i) for i in range(3)])
    (tmp_path / "data" / "labels").rename(tmp_path / "data" / "zones")
    data = load(name, direction="b_to_a", image_size="30x40", labels=4)
    assert data.class_names == NAMES
    np.testing.assert_array_equal(data.fields["input"][0], blocks(RGB, 0))


def test_instances_become_half_transparent_edges(tmp_path):
    name = write(tmp_path / "data", [blocks(RGB, i) for i in range(2)])
    (tmp_path / "data" / "instances").mkdir()
    numbers = np.zeros((30, 40), "int32")
    numbers[:, 20:] = 26_001
    Image.fromarray(numbers.astype("uint16")).save(tmp_path / "data" / "instances" / "0.png")
    data = load(name, image_size="30x40", labels=4)
    assert [reason for _, reason in data.skipped] == ["instances holds none of its name"]
    (given,), (target,) = (data.fields[field] for field in ("input", "target"))
    np.testing.assert_array_equal(given[..., :3], blocks(RGB, 0))
    expected = np.full((30, 40), 255)
    expected[:, 19:21] = pairs.EDGE
    np.testing.assert_array_equal(given[..., 3], expected)
    assert (target[..., 3] == 255).all()
    assert load(name, image_size="30x40", labels=4, channels=3).fields["input"].shape[-1] == 3


def test_without_labels_a_third_folder_is_refused_as_before(tmp_path):
    name = write(tmp_path / "data", [blocks(RGB, 0)])
    (tmp_path / "data" / "instances").mkdir()
    Image.fromarray(blocks(RGB, 0)).save(tmp_path / "data" / "instances" / "0.png")
    with pytest.raises(UsageError, match="lie in 3 sub-folders"):
        load(name)


def test_a_map_of_other_labels_is_refused():
    numbers = ("#000000", "#010101", "#020202")
    labels.check(blocks([0, 1, 2], 0)[..., None], numbers)
    other = blocks([0, 1, 2], 0)
    other[0, :2] = 7
    with pytest.raises(ValueError, match="such as #070707, have the colour of none of the 3"):
        labels.check(other[..., None], numbers)
    noisy = np.clip(blocks(RGB, 0) + np.random.default_rng(0).normal(0, 5, (30, 40, 3)), 0, 255)
    labels.check(noisy.astype("uint8"), NAMES)
    with pytest.raises(ValueError, match="of none of the 4 labels"):
        labels.check(photo(0), NAMES)


def test_noise_at_the_borders_of_a_map_is_no_other_label_and_an_area_is():
    map = blocks(RGB, 0, times=8)
    file = io.BytesIO()
    Image.fromarray(map).save(file, "JPEG", quality=60)
    noisy = np.array(Image.open(file))
    strange = labels._distances(noisy, NAMES)[1] >= labels.NOISE
    assert strange.mean() > 0.2, "not worth testing"
    labels.check(noisy, NAMES)
    noisy[:24, :24] = 255, 0, 255
    with pytest.raises(ValueError, match="such as #ff00ff, have the colour of none of the 4"):
        labels.check(noisy, NAMES)


def test_pictures_of_few_colours_are_told_from_others():
    assert labels.few([blocks(RGB, i) for i in range(2)]) == NAMES
    assert labels.few([photo(i) for i in range(2)]) == ()
    assert labels.few([np.full((4, 4, 3), 9, "uint8")]) == (), "one colour says nothing"
