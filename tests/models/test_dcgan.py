"""DCGAN and its like: any size of picture, and the coarsest features see all of it."""

import keras
import pytest

import zoo
from configs import dcgan
from zoo.models.conditional import ConditionalGAN
from zoo.models.dcgan import DCGAN
from zoo.runs import assembly, config

SIDES = {9: (5, 3), 16: (8, 4), 17: (9, 5, 3), 28: (14, 7, 4), 30: (15, 8, 4), 64: (32, 16, 8, 4)}


@pytest.mark.parametrize("name", ["dcgan", "conditional"])
@pytest.mark.parametrize(("size", "smaller"), SIDES.items())
def test_the_side_is_halved_until_the_whole_picture_is_seen(name, size, smaller):
    classes = {"num_classes": 2} if name == "conditional" else {}
    gan = zoo.create(name, image_shape=(size, size, 3), width=2, latent_dim=3, **classes)
    assert gan.generate(2).shape == (2, size, size, 3)
    kinds = keras.layers.Conv2D
    down = [x.output.shape[1] for x in gan.discriminator.layers if type(x) is kinds]
    up = [x.output.shape[1] for x in gan.generator.layers if "norm" in x.name]
    assert tuple(down) == smaller and tuple(reversed(up)) == smaller


def test_rate_and_width_follow_the_size_unless_they_are_given():
    taken = {size: DCGAN.defaults_at((size, size, 3)) for size in (16, 32, 33, 64)}
    small, large = {"width": 32, "learning_rate": 2e-3}, {"width": 16, "learning_rate": 1e-3}
    assert taken == {16: small, 32: small, 33: large, 64: large}
    gan = zoo.create("dcgan", image_shape=(33, 33, 1))
    assert (gan.width, gan.learning_rate) == (16, 1e-3)
    assert gan.discriminator.get_layer("down_0").filters == 16
    again = DCGAN.from_config(gan.get_config())
    assert (again.width, again.learning_rate) == (16, 1e-3)
    given = zoo.create("dcgan", image_shape=(33, 33, 1), width=2, learning_rate=3e-3)
    assert (given.width, given.learning_rate) == (2, 3e-3)


def test_the_width_of_conditional_follows_the_size_likewise():
    taken = {size: ConditionalGAN.defaults_at((size, size, 3)) for size in (28, 32, 33)}
    assert taken == {28: {"width": 32}, 32: {"width": 32}, 33: {"width": 16}}
    gan = zoo.create("conditional", image_shape=(33, 33, 1), num_classes=2)
    assert gan.width == gan.discriminator.get_layer("down_0").filters == 16


@pytest.mark.parametrize(
    ("preset", "asked", "taken"),
    [
        ("default", {}, (16, 1e-3)),
        ("default", {"learning_rate": "0.5", "width": "3"}, (3, 0.5)),
        ("paper", {}, (128, 2e-4)),
    ],
)
def test_the_config_of_a_run_says_what_was_taken_at_its_size(preset, asked, taken):
    resolved = config.resolve("dcgan", "digits", preset, overrides={"image_size": "64", **asked})
    digits = assembly.load_data(resolved, assembly.Source())
    completed = assembly.complete(resolved, digits)
    assert (completed["width"], completed["learning_rate"]) == taken


def test_the_paper_preset_is_the_network_of_the_papers_figure():
    paper = dcgan.get_config("lsun", "paper")
    known = DCGAN.settings()
    gan = DCGAN((64, 64, 3), **{k: v for k, v in paper.items() if k in known})
    norms = [x for x in gan.generator.layers if isinstance(x, keras.layers.BatchNormalization)]
    assert [x.output.shape[1:] for x in norms] == [
        (4, 4, 1024),
        (8, 8, 512),
        (16, 16, 256),
        (32, 32, 128),
    ]
    kernels = [w.shape for w in gan.trainable_weights if len(w.shape) == 4]
    assert {shape[:2] for shape in kernels} == {(5, 5)} and gan.ema_half_life == 0
    assert gan.learning_rate == 2e-4
