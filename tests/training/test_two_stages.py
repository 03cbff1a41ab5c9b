"""Training in two stages: a class more, and few pictures after many."""

import json

import helpers
import keras
import numpy as np
import pytest
from transfers import completed, numpy

from zoo.runs import assembly, checkpoints, config, network_files
from zoo.training import train, transfer

MANY, FEW = 400, 200  # steps
BATCH = 32


@pytest.mark.backend
def test_a_fourth_class_is_added_to_a_run_of_three(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def start(folder, classes, **options):
        for name in classes:
            helpers.picture_folder(tmp_path / folder / name, 16)
        data = f"folder:{tmp_path / folder}"
        small = {"image_size": 16, "width": 4, "latent_dim": 4, "batch_size": 16, "epochs": 2}
        settings = config.resolve("conditional", data, overrides=small | {"score_every": None})
        return train.start(
            settings, source=assembly.Source(), runs_dir=tmp_path / "runs", name=folder, **options
        ).directory

    first = start("three", ("bee", "cat", "dog"))
    capsys.readouterr()
    second = start("four", ("ant", "bee", "cat", "dog"), init_from=first)
    assert "classes, by name: kept bee, cat, dog; new ant" in capsys.readouterr().out
    before, after = assembly.trained(str(first)), assembly.build(config.read(second))
    beginning = checkpoints.read(second / "checkpoints" / "step-0000000.npz")[1]
    checkpoints.restore(after, beginning)
    np.testing.assert_allclose(
        after.generate(6, labels=np.array([1, 2, 3] * 2)),
        before.generate(6, labels=np.array([0, 1, 2] * 2)),
        atol=1e-5,
    )
    drawing = keras.models.load_model(second / "generator.keras")
    assert network_files.class_count(drawing) == 4


def shapes(kind, count, seed):
    """Returns pictures of one disc or one square each, uint8 `(count, 16, 16, 1)`."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:16, :16]
    top, left = random.uniform(5, 10, (2, count, 1, 1))
    size = random.uniform(3, 5, (count, 1, 1))
    if kind == "squares":
        top = 5 + (top - 5) * 0.4  # in the upper half
    down, right = np.abs(y - top), np.abs(x - left)
    far = np.maximum(down, right) if kind == "squares" else np.hypot(down, right)
    return (255 * np.clip(size - far + 0.5, 0, 1))[..., None].astype("uint8")


def energy_distance(a, b):
    """Returns the energy distance of two sets of pictures (Szekely and Rizzo 2013)."""

    def mean(p, q):
        squares = np.square(p).sum(1)[:, None] + np.square(q).sum(1) - 2 * p @ q.T
        return np.sqrt(np.maximum(squares, 0)).mean()

    a, b = (np.reshape(x, (len(x), -1)) for x in (a, b))
    return 2 * mean(a, b) - mean(a, a) - mean(b, b)


def fit(gan, pictures, steps):
    random = np.random.default_rng(0)
    passes = -(-steps * BATCH // len(pictures))
    order = np.concatenate([random.permutation(len(pictures)) for _ in range(passes)])
    gan.fit(pictures[order[: steps * BATCH]], batch_size=BATCH, shuffle=False, verbose=0)


# Trains for 640 steps, because only what has been learned well can help.
@pytest.mark.slow
@helpers.not_on_jax
def test_few_pictures_after_many_take_a_tenth_of_the_steps(tmp_path):
    """Squares after discs in 20 steps are better than squares in 200, and than the discs were."""
    settings = completed("dcgan", (16, 16, 1), width=8, latent_dim=16, batch_size=BATCH)
    few = shapes("squares", 64, seed=1)
    real = shapes("squares", 500, seed=2) / 127.5 - 1

    def distance(gan):
        return energy_distance(gan.generate(500, seed=5), real)

    first = assembly.build(settings)
    fit(first, shapes("discs", 2000, seed=0), MANY)
    before = distance(first)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "config.json").write_text(json.dumps(settings))
    checkpoints.save(tmp_path / "checkpoints", first, {"step": MANY})
    after = []
    for seed in (10, 11):
        gan = assembly.build(settings | {"seed": seed})
        transfer.take(gan, settings, tmp_path)
        fit(gan, few, FEW // 10)
        assert int(numpy(gan.finite_steps)) == FEW // 10
        after.append(distance(gan))
    scratch = assembly.build(settings | {"seed": 10})
    fit(scratch, few, FEW)
    assert max(after) < 0.5 * before and max(after) < 0.5 * distance(scratch)
