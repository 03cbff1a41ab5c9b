"""Settings of a run: defaults, recipes, types, and what differs between two of them."""

import json

import pytest

import zoo
from zoo.errors import UsageError
from zoo.runs import config
from zoo.settings import Setting


def resolve(preset="default", **overrides):
    return config.resolve("dcgan", "digits", preset, overrides)


def test_a_config_has_every_setting_of_the_run_and_the_model():
    resolved = resolve()
    assert set(resolved) == {"model", "dataset", "preset", *config.known_settings("dcgan")}
    settings = config.model_settings(resolved)
    assert "width" in settings and not {"batch_size", "seed", "image_shape", "dtype"} & set(
        settings
    )
    zoo.create("dcgan", **settings)
    assert json.loads(json.dumps(resolved)) == resolved


def test_what_is_asked_for_wins_over_the_recipe_and_the_recipe_over_the_defaults():
    assert resolve()["batch_size"] != 128 and resolve()["learning_rate"] != 2e-4
    paper = resolve("paper")
    assert (paper["batch_size"], paper["learning_rate"], paper["beta_1"]) == (128, 2e-4, 0.5)
    assert resolve("paper", batch_size="32")["batch_size"] == 32
    assert resolve("paper", batch_size="32")["learning_rate"] == 2e-4


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("width", "64", 64),
        ("learning_rate", "2e-4", 2e-4),
        ("learning_rate", "1", 1.0),
        ("max_minutes", "none", None),
        ("max_minutes", "None", None),
        ("max_minutes", "5", 5.0),
        ("max_minutes", 5, 5.0),
        ("discriminator_learning_rate", "4e-4", 4e-4),
        ("loss", "hinge", "hinge"),
        ("n_critic", 2, 2),
    ],
)
def test_values_get_the_type_of_their_setting(name, text, value):
    got = resolve(**{name: text})[name]
    assert got == value and type(got) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("kernel_size", "abc", r"`kernel_size` has the wrong type\. Expected int, .*='abc'"),
        ("width", "1.5", "Expected int"),
        ("kernel_size", "none", "Expected int,"),
        ("width", "", "Expected int"),
        ("epochs", "1e3", "Expected int"),
        ("learning_rate", "fast", "Expected float"),
        ("learning_rate", "nan", "Expected float"),
        ("max_minutes", "five", "Expected float or none"),
        ("widht", "64", r"no setting 'widht'\. Did you mean 'width'"),
        ("image_shape", "3", "no setting 'image_shape'"),
        ("model", "dcgan", "no setting 'model'"),
        ("batch_size", "0", "at least 1"),
        ("epochs", "-1", "at least 1"),
        ("sample_every", "0", "at least 1"),
        ("seed", "-1", "at least 0"),
        ("max_minutes", "-0.5", "at least 0"),
        ("max_cpu_seconds", "-1", "at least 0"),
        ("checkpoint_minutes", "-1", "at least 0"),
        ("accumulate", "3", r"divisible by accumulate \* packing = 3\. Received: batch_size=32"),
        ("packing", "5", r"divisible by accumulate \* packing = 5"),
        ("precision", "float16", "mixed_bfloat16"),
        ("resize", "squash", "crop, pad, stretch"),
    ],
)
def test_a_wrong_setting_is_one_sentence(name, text, message):
    with pytest.raises(UsageError, match=message) as caught:
        resolve(**{name: text})
    assert "\n" not in str(caught.value)


def test_unknown_names_list_the_near_ones():
    with pytest.raises(UsageError, match="Did you mean 'dcgan'"):
        config.resolve("dcgna", "digits")
    with pytest.raises(UsageError, match=r"no preset 'papper'\. Did you mean 'paper'"):
        resolve("papper")


def test_every_true_and_false_is_understood():
    flag = Setting(bool, False)
    for text, value in (("true", True), ("True", True), ("1", True), ("false", False)):
        assert config.typed("flag", text, flag) is value
    assert config.typed("flag", False, flag) is False
    with pytest.raises(UsageError, match="Expected bool, as in --set flag=true"):
        config.typed("flag", "yes", flag)


@pytest.mark.parametrize(
    ("text", "value"), [("32", 32), (32, 32), ("64x64", 64), ("64x128", "64x128"), ("none", None)]
)
def test_a_size_is_a_number_or_height_and_width(text, value):
    assert resolve(image_size=text)["image_size"] == value


def test_a_pixel_range_is_two_numbers():
    assert resolve(pixel_range=" 0, 4095.0")["pixel_range"] == "0,4095"
    assert resolve(pixel_range=(-1.5, 2))["pixel_range"] == "-1.5,2"
    assert resolve(pixel_range="none")["pixel_range"] is None
    with pytest.raises(UsageError, match=r"LOW,HIGH.*Received: '4095'"):
        resolve(pixel_range="4095")


def test_a_size_that_is_none_is_one_sentence():
    for text in ("0", "64x", "64x-1", "wide", "5000", "1.5", ""):
        with pytest.raises(UsageError, match="image_size") as caught:
            resolve(image_size=text)
        assert "\n" not in str(caught.value)


def test_assignments_are_split_at_the_first_equals_sign():
    assert config.parse_assignments(["a=1", " b = x=y "]) == {"a": "1", "b": "x=y"}
    for text in ("width", "=3", ""):
        with pytest.raises(UsageError, match=r"Expected --set key=value"):
            config.parse_assignments([text])


def test_differences_name_both_values():
    run = {"seed": 0, "epochs": 2, "width": 4}
    assert config.differences(run, {"seed": 0, "epochs": 4}, ignored=("epochs",)) == []
    lines = config.differences(run, {"seed": 1, "width": 8})
    assert lines == ["seed: 0 in the run, 1 asked for", "width: 4 in the run, 8 asked for"]
