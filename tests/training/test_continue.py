"""--continue_from: a new run goes on from all of another, with other settings."""

import json

import numpy as np
import pytest
import running
import transfers
from transfers import completed, numpy, written

from zoo.errors import UsageError
from zoo.runs import assembly, checkpoints, config
from zoo.training import continuation, old_run

pytestmark = pytest.mark.backend

SHAPE = (16, 16, 1)


def gone_on(path, **changes):
    """Returns a model that goes on from the run at `path`, its config, and what was said."""
    old = old_run.read(path, with_optimizers=True)
    settings = config.continued(path, changes)
    settings |= {n: changes[n] for n in ("sample_shape", "class_names") if n in changes}
    settings = config.sized(settings, settings["sample_shape"]) | {"rounds_before": old.rounds}
    gan = assembly.build(settings)
    return gan, settings, continuation.go_on(gan, settings, old)


def rates(gan):
    return [float(numpy(optimizer.learning_rate)) for optimizer in gan.optimizer.optimizers]


def test_a_lower_rate_takes_all_but_the_rate(tmp_path):
    old = written(tmp_path / "old", completed("dcgan", SHAPE, learning_rate=1e-3))
    gan, _, lines = gone_on(tmp_path / "old", learning_rate=1e-4, batch_size=16, augment="color")
    assert rates(gan) == pytest.approx([1e-4, 1e-4])
    assert rates(old) == pytest.approx([1e-3, 1e-3])
    left = {gan.finite_steps.path}
    pairs = [
        *zip(gan.variables, old.variables, strict=True),
        *zip(gan.optimizer.variables, old.optimizer.variables, strict=True),
    ]
    for got, expected in pairs:
        if got.path not in left and got.name != "learning_rate":
            np.testing.assert_array_equal(numpy(got), numpy(expected), err_msg=got.path)
    assert int(numpy(gan.finite_steps)) == 0
    assert [int(numpy(o.iterations)) for o in gan.optimizer.optimizers] == [transfers.STEP] * 2
    assert "at its step 40, as step 0 of a new run" in lines[0]
    assert not any("rounds_before" in line for line in lines)
    assert "  learning_rate: 0.001 in the run, 0.0001 asked for" in lines


def test_another_seed_draws_other_noise(tmp_path):
    old = written(tmp_path / "old", completed("dcgan", SHAPE))
    gan, _, _ = gone_on(tmp_path / "old", seed=7)
    assert not np.array_equal(numpy(gan.noise.state), numpy(old.noise.state))


def test_a_rate_that_falls_begins_to_fall_anew(tmp_path):
    fall = {"decay_steps": 20, "decay_to": 0.1, "learning_rate": 1e-3}
    old = written(tmp_path / "old", completed("dcgan", SHAPE, **fall))
    assert rates(old) == pytest.approx([1e-4, 1e-4])
    gan, settings, _ = gone_on(tmp_path / "old", n_critic=2)
    assert rates(gan) == pytest.approx([1e-3, 1e-3])
    # The updates of all players are those of the same round.
    assert [int(numpy(o.iterations)) for o in gan.optimizer.optimizers] == [40, 80]
    for optimizer, updates in zip(gan.optimizer.optimizers, (10, 20), strict=True):
        optimizer.iterations.assign_add(updates)
    assert rates(gan) == pytest.approx([5.5e-4, 5.5e-4])
    # A run goes on from one that went on, and a schedule may be new.
    (tmp_path / "next" / "checkpoints").mkdir(parents=True)
    (tmp_path / "next" / "config.json").write_text(json.dumps(settings))
    checkpoints.save(tmp_path / "next" / "checkpoints", gan, {"step": 10})
    gan, settings, _ = gone_on(tmp_path / "next", decay_steps=40)
    assert settings["rounds_before"] == 50 and rates(gan) == pytest.approx([1e-3, 1e-3])
    gan, _, _ = gone_on(tmp_path / "next", decay_steps=0)
    assert rates(gan) == pytest.approx([1e-3, 1e-3])


def test_an_adaptive_strength_goes_on_unless_it_is_set(tmp_path):
    adaptive = {"augment": "color", "augment_target": 0.6, "augment_strength": 0.25}
    old = written(tmp_path / "old", completed("dcgan", SHAPE, **adaptive))
    strength = numpy(old.part["Augmentation"].strength)
    for changes, expected in (
        ({"augment": "color,flip"}, strength),
        ({"augment_strength": 0.5}, 0.5),
    ):
        gan, _, _ = gone_on(tmp_path / "old", **changes)
        assert float(numpy(gan.part["Augmentation"].strength)) == pytest.approx(float(expected))
    # Of a run without it, the strength is new.
    written(tmp_path / "plain", completed("dcgan", SHAPE))
    gan, _, _ = gone_on(tmp_path / "plain", **adaptive)
    assert float(numpy(gan.part["Augmentation"].strength)) == 0.25


def test_a_warm_start_is_not_repeated(tmp_path):
    old = written(tmp_path / "old", completed("dcgan", SHAPE, warm_start_rounds=30))
    old.rounds.assign(35)
    checkpoints.save(tmp_path / "old" / "checkpoints", old, {"step": 41})
    gan, _, _ = gone_on(tmp_path / "old", learning_rate=1e-4)
    assert int(numpy(gan.rounds)) == 35
    gan, _, _ = gone_on(tmp_path / "old", warm_start_rounds=0)
    assert not hasattr(gan, "rounds")


# (settings of the run, those asked for, parts of the sentence)
REFUSED = {
    "another optimizer": (
        {},
        {"optimizer": "rmsprop"},
        ["generator has velocity here, momentum and velocity there", "'adam' in the run"],
    ),
    "no moments": ({}, {"optimizer": "sgd"}, ["generator has no moments here"]),
    "a new player": ({}, {"warm_start_rounds": 3}, ["shapes of its networks", "warm_start"]),
    "another width": ({}, {"width": 8}, ["shapes of its networks", "width: 4 in the run, 8"]),
    "another size": (
        {},
        {"sample_shape": [32, 32, 1]},
        ["shapes of its networks", "[32, 32, 1]"],
    ),
    "another norm": ({}, {"discriminator_norm": "none"}, ["shapes of its networks", "'none'"]),
    "another model": ({}, {"model": "vanilla"}, ["'dcgan' in the run, 'vanilla'"]),
    "another preset": ({}, {"preset": "paper"}, ["'default' in the run, 'paper'"]),
    "out of range": ({}, {"batch_size": 0}, ["`batch_size`"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_one_sentence(tmp_path, case):
    before, changes, words = REFUSED[case]
    written(tmp_path / "old", completed("dcgan", SHAPE, **before))
    with pytest.raises(UsageError) as caught:
        gone_on(tmp_path / "old", **changes)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert any(part in message for part in word.split("|")), message
    if case != "out of range":
        assert f"--init_from={tmp_path / 'old'}" in message


def test_other_classes_are_one_sentence(tmp_path):
    written(tmp_path / "old", completed("conditional", SHAPE, ("ant", "bee")))
    for names in (["bee", "cat"], ["ant", "bee", "cat"]):
        with pytest.raises(UsageError, match=r"has other classes.*ant, bee in the run, ") as caught:
            gone_on(tmp_path / "old", class_names=names)
        assert ", ".join(names) in str(caught.value) and "--init_from=" in str(caught.value)
    # A model that knows no classes does not care.
    written(tmp_path / "plain", completed("dcgan", SHAPE, ("ant", "bee")))
    gone_on(tmp_path / "plain", class_names=["bee", "cat"])


@pytest.mark.slow  # trains three times
def test_the_new_run_resumes_exactly_and_the_old_one_stays_as_it_is(straight, tmp_path, capsys):
    path = straight[0].directory
    before = {p: p.read_bytes() for p in path.rglob("*") if p.is_file()}
    changes = {"learning_rate": 5e-4, "decay_steps": 24, "batch_size": 50}
    whole = running.go_on(tmp_path, "whole", path, **changes, epochs=2)
    assert "goes on from" in capsys.readouterr().out
    assert whole.step == 2 * 32
    part = running.go_on(tmp_path, "part", path, **changes, epochs=1)
    running.resume(part.directory, epochs=2)
    running.assert_equal_runs(part.directory, whole.directory)
    recorded = json.loads((part.directory / "config.json").read_text())
    assert recorded["rounds_before"] == straight[0].step
    assert {p: p.read_bytes() for p in path.rglob("*") if p.is_file()} == before


def test_resuming_with_other_settings_names_the_way(straight):
    name = straight[0].directory.name
    with pytest.raises(UsageError, match=f"--continue_from={name} in the place of --resume"):
        running.resume(straight[0].directory, learning_rate=1e-4)


def test_other_phases_are_one_sentence(tmp_path):
    settings = completed("srgan", (16, 16, 3), stages="error", error_rounds=4)
    written(tmp_path / "old", settings)
    with pytest.raises(UsageError, match=r"plays other phases \(error\).*\(error, game\)"):
        gone_on(tmp_path / "old", stages="both")


def test_rounds_are_counted_where_a_player_moves_several_times(tmp_path):
    gan = written(tmp_path / "old", completed("discogan", (32, 32, 3)))
    assert gan.optimizer.names[0] == "generators"
    assert old_run.read(tmp_path / "old", with_optimizers=True).rounds == transfers.STEP // 2
    again, *_ = gone_on(tmp_path / "old", early_rounds=3)
    updates = dict(zip(again.optimizer.names, again.optimizer.optimizers, strict=True))
    assert int(numpy(updates["generators"].iterations)) == transfers.STEP
    assert int(numpy(updates["discriminators"].iterations)) == transfers.STEP // 2
