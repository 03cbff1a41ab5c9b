"""--init_from: a new run takes what fits of another, and says what is new and what was left."""

import shutil

import keras
import numpy as np
import pytest
import running
import transfers
from transfers import completed, equal, numpy, weights, written

from zoo.errors import UsageError
from zoo.game import matching
from zoo.runs import assembly, checkpoints
from zoo.training import train, transfer

pytestmark = pytest.mark.backend

PETS = ("ant", "bee", "cat")


def begun(settings, path):
    """Returns a model that began with what is at `path`, and the lines that say so."""
    gan = assembly.build(settings)
    return gan, transfer.take(gan, settings, path)


@pytest.mark.parametrize(
    ("model", "shape", "classes", "changes"),
    [
        ("dcgan", (16, 16, 1), (), {"augment": "color", "augment_target": 0.6}),
        ("dcgan", (16, 16, 1), (), {"discriminators": 2, "discriminator_norm": "spectral"}),
        ("conditional", (16, 16, 1), PETS, {}),
        ("cyclegan", (16, 16, 3), (), {"pool_size": 2}),
    ],
)
def test_with_the_same_shapes_it_takes_every_variable(tmp_path, model, shape, classes, changes):
    settings = completed(model, shape, classes, **changes)
    written(tmp_path / "old", settings)
    expected = assembly.build(settings | {"seed": 1})
    own = [numpy(expected.noise.state), numpy(expected.finite_steps)]
    _, arrays = checkpoints.newest(tmp_path / "old" / "checkpoints")
    checkpoints.restore(expected, arrays, ("trainable", "other"))
    expected.noise.state.assign(own[0])
    expected.finite_steps.assign(own[1])
    gan, lines = begun(settings | {"seed": 1}, tmp_path / "old")
    for got, variable in zip(gan.variables, expected.variables, strict=True):
        np.testing.assert_array_equal(numpy(got), numpy(variable), err_msg=got.path)
    assert [int(numpy(o.iterations)) for o in gan.optimizer.optimizers] == [0, 0]
    assert len(lines) == 1 and "all weights of" in lines[0]


@pytest.mark.parametrize("conditioning", ["projection", "concat"])
def test_a_fourth_class_is_new_and_the_others_keep_their_rows_by_name(tmp_path, conditioning):
    shape, changes = (16, 16, 1), {"conditioning": conditioning}
    old = written(tmp_path / "old", completed("conditional", shape, PETS, **changes))
    settings = completed("conditional", shape, ("ant", "ape", "bee", "cat"), seed=1, **changes)
    gan, lines = begun(settings, tmp_path / "old")
    fresh = assembly.build(settings)
    for name in ("generator", "ema_generator", "discriminator"):
        rows, others = (weights(g.network(name))["label_code/embeddings"] for g in (gan, old))
        np.testing.assert_array_equal(rows[[0, 2, 3]], others)
        mine = weights(fresh.network(name))["label_code/embeddings"]
        np.testing.assert_array_equal(rows[1], mine[1])
        assert equal(gan.network(name), old.network(name)) == {
            key for key in weights(gan.network(name)) if key != "label_code/embeddings"
        }
    for ema in (True, False):
        pictures = gan.generate(3, seed=5, labels=np.array([0, 2, 3]), ema=ema)
        expected = old.generate(3, seed=5, labels=np.array([0, 1, 2]), ema=ema)
        np.testing.assert_allclose(pictures, expected, atol=1e-6)
    assert lines[-1] == "classes, by name: kept ant, bee, cat; new ape"


@pytest.mark.parametrize(
    ("before", "after", "rows", "line"),
    [
        (3, "wxyz", [(0, 0), (1, 1), (2, 2)], "by number: kept 0, 1, 2; new 3"),
        ("abc", "bc", [(0, 1), (1, 2)], "by name: kept b, c; left a"),
        ("abc", "xy", [(0, 0), (1, 1)], "by number: kept 0, 1; left 2"),
        ("ab", "ba", [(0, 1), (1, 0)], "by name: kept b, a"),
        ("ab", "cd", [(0, 0), (1, 1)], None),
    ],
)
def test_classes_are_told_by_name_or_else_by_number(before, after, rows, line):
    names = before if isinstance(before, str) else ()
    found = matching.classes(len(names) or before, len(after), names, after)
    assert found.rows == rows and found.changed == (line is not None)
    if line:
        assert line in transfer.told("old", {}, found, [])[-1]


def test_other_channels_take_all_but_the_layers_that_see_them(tmp_path):
    old = written(tmp_path / "old", completed("dcgan", (16, 16, 1)))
    gan, lines = begun(completed("dcgan", (16, 16, 3), seed=1), tmp_path / "old")
    for name, seeing in (("generator", "to_image"), ("discriminator", "down_0")):
        network = gan.network(name)
        kept = equal(network, old.network(name))
        missing = set(weights(network)) - kept
        assert missing and {key.partition("/")[0] for key in missing} == {seeing}
    ema = gan.ema_generator
    assert len(equal(ema, old.ema_generator)) == len(weights(ema)) - 2
    # What is new is new in the average too.
    assert {"to_image/kernel", "to_image/bias"} <= equal(ema, gan.generator)
    assert lines == [
        f"begins with what fits of {tmp_path / 'old'}",
        "generator: 10 of 12 weights; new to_image",
        "discriminator: 8 of 9 weights; new down_0",
    ]


@pytest.mark.parametrize("model", ["dcgan", "cats_and_dogs"])
def test_another_size_takes_the_layers_near_the_picture(tmp_path, model):
    old = written(tmp_path / "old", completed(model, (32, 32, 1)))
    gan, lines = begun(completed(model, (64, 64, 1), seed=1), tmp_path / "old")
    kept = {name: equal(gan.network(name), old.network(name)) for name in gan.network_names}
    if model == "dcgan":
        assert {"level_1/kernel", "to_image/kernel"} <= kept["generator"]
        assert {"down_0/kernel", "down_1/kernel"} <= kept["discriminator"]
        assert "level_3" in lines[1] and "down_3" in lines[2]
    else:
        assert {"conv_4/kernel", "conv_32b/kernel"} <= kept["generator"]
        assert {"head_4_down_0/kernel", "head_4_last/kernel"} <= kept["discriminator"]
        assert "head_4_down_1" in lines[2]
    assert "; new " in lines[1] and "; new " in lines[2]


def test_networks_that_are_not_there_are_left_or_new(tmp_path):
    settings = completed("dcgan", (16, 16, 1), warm_start_rounds=3)
    written(tmp_path / "old", settings)
    _, lines = begun(settings | {"warm_start_rounds": 0, "discriminators": 2}, tmp_path / "old")
    assert "encoder: left" in lines
    assert "discriminator: 0 of 18 weights; new " in lines[2]
    written(tmp_path / "cycle", completed("cyclegan", (16, 16, 3)))
    with pytest.raises(UsageError, match=r"^Nothing of .*cycle fits this model"):
        begun(settings, tmp_path / "cycle")


def test_a_pool_of_another_size_begins_empty(tmp_path):
    old = written(tmp_path / "old", completed("cyclegan", (16, 16, 3), pool_size=3))
    old.part["Pool"].filled.assign(3)
    checkpoints.save(tmp_path / "old" / "checkpoints", old, {"step": 41})
    gan, _ = begun(completed("cyclegan", (16, 16, 3), pool_size=2), tmp_path / "old")
    assert int(numpy(gan.part["Pool"].filled)) == 0
    gan, _ = begun(completed("cyclegan", (16, 16, 3), pool_size=3), tmp_path / "old")
    assert int(numpy(gan.part["Pool"].filled)) == 3


def test_names_decide_and_not_the_order():
    def network(*names):
        x = image = keras.Input((4,))
        for name in names:
            x = keras.layers.Dense(4, name=name)(x)
        return keras.Model(image, x)

    none = matching.classes(None, None)
    new, old = network("first", "second"), network("second", "first")
    matching.match(new, old, none).assign()
    assert equal(new, old) == set(weights(new))
    # Keras numbers them through the process; and names of another version are no names at all.
    for names in ((None, None), ("a", "b")):
        new, old = network("first", "second") if names[0] else network(None, None), network(*names)
        match = matching.match(new, old, none)
        match.assign()
        assert match.taken == 4 and not match.new
        for value, other in zip(new.get_weights(), old.get_weights(), strict=True):
            np.testing.assert_array_equal(value, other)


def test_a_generator_file_of_other_classes_gives_what_fits(tmp_path):
    old = written(tmp_path / "old", completed("conditional", (16, 16, 1), PETS))
    file = tmp_path / "old" / "generator.keras"
    old.inference_network("generator").save(file)
    settings = completed("conditional", (16, 16, 1), ("bee", "cow"), seed=1)
    gan, lines = begun(settings, file)
    for name in ("generator", "ema_generator"):
        rows, others = (
            weights(network)["label_code/embeddings"]
            for network in (gan.network(name), old.ema_generator)
        )
        np.testing.assert_array_equal(rows[0], others[1])
        assert len(equal(gan.network(name), old.ema_generator)) == len(weights(gan.generator)) - 1
    assert lines[-2:] == [
        "discriminator: all new",
        "classes, by name: kept bee; new cow; left ant, cat",
    ]


def test_where_nothing_but_biases_fits_it_is_one_sentence(tmp_path):
    old = written(tmp_path / "old", completed("dcgan", (16, 16, 1)))
    old.inference_network("generator").save(tmp_path / "generator.keras")
    settings = completed("dcgan", (16, 16, 1), width=8)
    for path in (tmp_path / "old", tmp_path / "generator.keras"):
        gan = assembly.build(settings)
        before = [numpy(v) for v in gan.variables]
        with pytest.raises(UsageError, match="shapes of all kernels differ") as caught:
            transfer.take(gan, settings, path)
        assert "\n" not in str(caught.value) and str(path) in str(caught.value)
        assert all(map(np.array_equal, before, map(numpy, gan.variables)))
    with pytest.raises(UsageError, match="width: 4 in the run, 8 asked for"):
        transfer.take(gan, settings, tmp_path / "old")


def test_a_checkpoint_of_other_networks_than_its_config_is_one_sentence(tmp_path):
    settings = completed("dcgan", (16, 16, 1))
    written(tmp_path / "old", settings | {"width": 5})
    (tmp_path / "old" / "config.json").write_text(transfers.json.dumps(settings))
    with pytest.raises(UsageError, match="describes other networks than its checkpoint"):
        transfer.take(assembly.build(settings), settings, tmp_path / "old")


def test_the_run_that_a_new_one_begins_with_is_not_deleted(straight, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "train", lambda gan, dataset, session: gan)
    path = tmp_path / "one"
    shutil.copytree(straight[0].directory, path)
    before = {p: p.read_bytes() for p in path.rglob("*") if p.is_file()}
    for start in (
        lambda: running.start(tmp_path, "one", overwrite=True, init_from=path),
        lambda: running.start(tmp_path, "one", overwrite=True, init_from=path / "generator.keras"),
        lambda: running.go_on(tmp_path, "one", path, overwrite=True),
    ):
        with pytest.raises(UsageError, match=r"--overwrite would delete .*one"):
            start()
    assert {p: p.read_bytes() for p in path.rglob("*") if p.is_file()} == before
