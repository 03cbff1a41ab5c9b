"""The page in the browser, without the browser: samples, directions, commands, ports."""

import importlib.util
import shlex
import socket
import subprocess
import sys

import helpers
import keras
import numpy as np
import pytest
from PIL import Image

from zoo import installation, sampling
from zoo.app import noise
from zoo.app.ports import free_port
from zoo.errors import UsageError
from zoo.outputs import directions, generate
from zoo.seeds import parse


@pytest.fixture(scope="module")
def digits():
    """The trained conditional generator, as the page loads it."""
    path = str(installation.trained()["conditional_mnist"])
    return noise.Noise(path, f"--generator={path}")


def linear(kernel):
    """A generator whose features are the points times a kernel `(latent_dim, units)`."""
    z = keras.Input(kernel.shape[:1], name="z")
    first = keras.layers.Dense(kernel.shape[1], use_bias=False)
    images = keras.layers.Dense(4, activation="tanh")(first(z))
    first.set_weights([kernel])
    return keras.Model(z, keras.layers.Reshape((2, 2, 1))(images))


def test_directions_are_the_singular_vectors_of_the_first_weights_where_these_are_all(monkeypatch):
    # Shen and Zhou 2021: with known singular values, the largest first.
    random = np.random.default_rng(0)
    left, _ = np.linalg.qr(random.normal(size=(6, 6)))
    right, _ = np.linalg.qr(random.normal(size=(8, 8)))
    kernel = ((left * [9, 7, 5, 3, 1, 0.1]) @ right[:6]).astype("float32")
    monkeypatch.setattr(directions, "POINTS", 1000)
    found = directions.principal(linear(kernel), count=3)
    assert found.shape == (3, 6)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
    assert (np.abs(np.sum(found * left.T[:3], axis=1)) > 0.97).all()


def test_a_direction_changes_samples_more_than_a_random_one(digits):
    z = digits.points([0, 1, 2, 3], label=3)
    random = np.random.default_rng(0).standard_normal((20, digits.size)).astype("float32")
    random /= np.linalg.norm(random, axis=1, keepdims=True)

    def change(direction):
        moved = digits.draw(z + 3 * direction, 3).astype(float)
        return np.abs(moved - digits.draw(z, 3)).mean()

    first, *others = change(digits.found(3)[0]), *(change(direction) for direction in random)
    assert first > 2 * np.mean(others)


def test_the_command_beside_a_sample_makes_it_again(digits, tmp_path):
    moves, mix = (0, 1.5, 0, -2), (7, 0.25)
    point = digits.points([5], 3, 0.8, moves, mix)
    (shown,) = digits.draw(point, 3)
    (plain,) = digits.draw(digits.points([5], 3), 3)
    assert np.abs(shown.astype(int) - plain).max() > 50
    command = digits.command([5], [3], 0.8, moves, mix)
    program, *flags = shlex.split(command.removeprefix("python "))
    given = dict(flag.removeprefix("--").split("=", 1) for flag in flags)
    assert program == "generate.py" and given["generator"] == digits.source
    (path,) = generate.generate(
        given["generator"],
        seed=[int(given["seeds"])],
        classes=given["class"],
        format=given["format"],
        truncation=float(given["truncation"]),
        move=given["move"],
        mix=given["mix"],
        out=str(tmp_path),
    )
    again = np.asarray(Image.open(path))
    assert np.abs(again.astype(int) - shown[..., 0]).max() <= 1  # batches of other sizes round


@pytest.mark.parametrize(
    ("classes", "count", "columns"), [([], 20, 10), ([2], 16, 8), ([7, 2, 3], 18, 6)]
)
def test_the_command_beside_a_grid_makes_its_samples_again(
    digits, tmp_path, classes, count, columns
):
    grid, across = digits.grid(4, classes, 0.9)
    assert (len(grid), across) == (count, columns)
    seeds, labels = digits.row(4, classes)
    assert [caption for _, caption in grid] == [
        f"{seed}: {label}" for seed, label in zip(seeds, labels, strict=True)
    ]
    for first in range(across):  # each class has columns of its own
        assert len({caption.split()[1] for _, caption in grid[first::across]}) == 1
    given = dict(
        flag.removeprefix("--").split("=", 1)
        for flag in shlex.split(digits.command(seeds, classes, 0.9))[2:]
    )
    (path,) = generate.generate(
        given["generator"],
        seed=parse(given["seeds"]),
        classes=given.get("class"),
        truncation=float(given["truncation"]),
        format="npz",
        out=str(tmp_path),
    )
    with np.load(path) as again:
        assert again["seeds"].tolist() == seeds and again["labels"].tolist() == labels.tolist()
        for (shown, _), image in zip(grid, again["images"], strict=True):
            large = noise.large(image)[..., 0].astype(int)
            assert np.abs(np.asarray(shown) - large).max() <= 1  # batches of other sizes round


def test_a_walk_is_a_film_that_ends_where_it_begins(digits):
    assert digits.command([4, 5, 6], [2]).endswith("--seeds=4-6 --class=2")
    with Image.open(digits.walk([1, 9], label=2, frames=3)) as film:
        assert film.n_frames == 6 and film.format == "GIF"
    with pytest.raises(UsageError, match=r"2 to 12 seeds. Received: 1"):
        digits.walk([1])
    with pytest.raises(UsageError, match=r"a whole number from 0 up. Received: -1"):
        digits.grid(-1)


def test_points_are_mixed_moved_and_drawn_towards_the_mean():
    z, found = sampling.latents(2, 6, [0, 1]), np.eye(6, dtype="float32")[:3]
    (other,) = sampling.latents(1, 6, [9])
    np.testing.assert_allclose(directions.edited(z, None, mix=(9, 1.0)), [other, other], rtol=1e-6)
    moved = directions.edited(z, found, 0.5, {3: 2.0})
    np.testing.assert_allclose(moved, (z + 2 * found[2]) / 2, rtol=1e-6)
    assert directions.edits(linear(np.eye(6)[:, :4].astype("float32"))) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"move": "1"}, r"--move=1:2.5,3:-1. Received: 1"),
        ({"move": "9:1"}, r"from 1 to 6 and how far.*Received: 9:1"),
        ({"move": "1:nan"}, r"Received: 1:nan"),
        ({"mix": "a:0.5"}, r"--mix=7:0.5. Received: a:0.5"),
        ({"mix": "1:2"}, r"share from 0 to 1. Received: 1:2"),
        ({"truncation": 1.5}, r"truncation from 0 to 1. Received: 1.5"),
    ],
)
def test_an_edit_that_is_none_is_one_sentence(changes, message):
    with pytest.raises(UsageError, match=message):
        directions.edits(linear(np.eye(6)[:, :4].astype("float32")), **changes)


def test_points_are_shown_as_a_plot_with_the_command_that_draws_them():
    made = noise.Noise(str(installation.trained()["ring8"]), "--pretrained=ring8")
    assert not made.draws_pictures and made.plot(3).shape == (600, 900, 3)
    flags = "--pretrained=ring8 --seed=3 --count=1000 --format=npz"
    assert made.command(3) == f"python generate.py {flags}"


def test_a_port_in_use_gives_the_next_one():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert port < free_port("127.0.0.1", port) <= port + 100
    with pytest.raises(UsageError, match=r"no.such.host is no address"):
        free_port("no.such.host", 7860)


def test_without_gradio_a_line_says_what_installs_it():
    # In a process of its own, as flags can be defined only once in each.
    code = "import sys; sys.modules['gradio'] = None; sys.argv = ['app.py', '--pretrained=ring8'];"
    code = f"__keras_later__ = True; {code} from zoo.cli import app; app.start()"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=helpers.ROOT, capture_output=True, text=True
    )
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert installation.install("app") in done.stderr


PAGE = """
import sys
import gradio
from zoo.app import page, widgets
from zoo.errors import UsageError

built = page.build(sys.argv[1], "digits", "--generator=x")
assert isinstance(built, gradio.Blocks) and not built.analytics_enabled
fonts = [*page.THEME._font, *page.THEME._font_mono]
assert fonts and not [font for font in fonts if isinstance(font, gradio.themes.GoogleFont)]


def fails():
    raise UsageError("<b>")


try:
    widgets.told(fails)()
except gradio.Error as error:
    print(error.message)
"""


# In a process of its own: Gradio leaves an event loop open, and warnings are errors here.
@pytest.mark.skipif(
    importlib.util.find_spec("gradio") is None, reason="Gradio is no part of the quick tests"
)
def test_the_page_calls_nobody_and_shows_a_sentence_as_text(digits):
    assert helpers.python("-c", PAGE, digits.source) == "&lt;b&gt;\n"
