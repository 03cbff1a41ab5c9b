"""DiscoGAN: the losses, the rate that switches, the moves of both players, the decay of weights."""

import csv

import helpers
import keras
import numpy as np
import pytest
import running
from helpers import numpy, small
from keras import ops
from PIL import Image

from zoo import backend
from zoo.errors import UsageError
from zoo.game.optimizers import DecayingAdam
from zoo.models.discogan import DiscoGAN
from zoo.runs import assembly, config
from zoo.training import train

pytestmark = pytest.mark.usefixtures("eager_steps")


def fields(gan, count=4):
    return helpers.fields(gan, helpers.data(gan, count)[0])


def softplus(x):
    return np.logaddexp(0, x)


@pytest.mark.backend
def test_the_losses_are_the_formulas():
    weights = {"adversarial_weight": 3.0, "features_weight": 5.0, "reconstruction_rate": 0.25}
    gan = small("discogan", early_rounds=0, **weights)
    batch = fields(gan)
    made = {name: numpy(x) for name, x in gan.make(batch).items()}
    real = {side: numpy(batch[side]) for side in ("a", "b")}
    drawn = numpy(gan.a_to_b(real["a"], training=True))
    np.testing.assert_allclose(made["fake_b"], drawn, atol=1e-5)
    drawn = numpy(gan.b_to_a(made["fake_b"], training=True))
    np.testing.assert_allclose(made["back_a"], drawn, atol=1e-5)

    def judged(side, x):
        logit, *maps = (numpy(y) for y in gan.network(f"d_{side}")(x, training=True))
        return logit, maps

    on_real = {side: judged(side, real[side]) for side in real}
    on_fake = {side: judged(side, made[f"fake_{side}"]) for side in real}
    terms = {name: float(numpy(x)) for name, x in gan.discriminators_loss(batch, made).items()}
    for side in real:
        expected = (softplus(-on_real[side][0]).mean() + softplus(on_fake[side][0]).mean()) / 2
        assert terms[side] == pytest.approx(expected, rel=1e-4)
    terms = {name: float(numpy(x)) for name, x in gan.generators_loss(batch, made).items()}
    fooled = sum(softplus(-on_fake[side][0]).mean() for side in real)
    assert terms["adversarial"] == pytest.approx(0.75 * 3 * fooled, rel=1e-4)
    apart = 0.0
    for side in real:
        pairs = list(zip(on_real[side][1], on_fake[side][1], strict=True))
        assert [x.shape[1:] for x, _ in pairs] == [(8, 8, 8), (4, 4, 16), (2, 2, 32)]
        apart += sum(np.square(x.mean(0) - y.mean(0)).mean() for x, y in pairs)
    assert terms["features"] == pytest.approx(0.75 * 5 * apart, rel=1e-3)
    # In [0, 1], as the authors measure it.
    unit = {name: (x + 1) / 2 for name, x in (made | real).items()}
    error = sum(np.square(unit[f"back_{side}"] - unit[side]).mean() for side in real)
    assert terms["reconstruction"] == pytest.approx(0.25 * error, rel=1e-4)


def test_what_has_no_weight_is_left_out():
    gan = small("discogan", features_weight=0.0)
    assert "g_features" not in gan.trackers and "g_adversarial" in gan.trackers
    gan = small("discogan", features_weight=0.0, adversarial_weight=0.0, early_rounds=0)
    assert gan.idle() == ("discriminators",)
    batch = fields(gan)
    assert set(gan.generators_loss(batch, gan.make(batch))) == {"reconstruction"}
    assert list(gan.trackers) == ["loss", "g_loss", "g_reconstruction"]


def test_feature_matching_does_not_reach_the_discriminators():
    ended = []
    for weight in (0.0, 50.0):
        gan = small("discogan", features_weight=weight)
        gan.compile()
        # The same pictures for the discriminators, whatever the generators' loss.
        gan.optimizer.generators.learning_rate = 0.0
        start = weights_of(gan, "d_a") + weights_of(gan, "d_b")
        helpers.step(gan, helpers.data(gan, 16)[0])
        ended.append(weights_of(gan, "d_a") + weights_of(gan, "d_b"))
        assert all((x != y).any() for x, y in zip(start, ended[-1], strict=True))
    for without, matched in zip(*ended, strict=True):
        np.testing.assert_array_equal(without, matched)


def test_feature_matching_reaches_all_weights_of_the_generators():
    gan = small("discogan", adversarial_weight=0.0, reconstruction_rate=0.0, early_rounds=0)
    batch = fields(gan)

    def loss():
        return gan.generators_loss(batch, gan.make(batch))["features"]

    for name in ("a_to_b", "b_to_a"):
        gradients = helpers.plain_gradient(gan.network(name).trainable_variables, loss)
        assert all(np.abs(numpy(x)).max() > 0 for x in gradients)


def test_one_move_of_the_discriminators_to_two_of_the_generators():
    gan = small("discogan")
    gan.compile()
    assert gan.minibatches == 2
    x, _ = helpers.data(gan, 32)
    assert all(len(values) == 32 for values in x.values())
    seen = []
    for _ in range(3):
        helpers.step(gan, x)
        optimizers = (gan.optimizer.generators, gan.optimizer.discriminators)
        seen.append(tuple(int(numpy(optimizer.iterations)) for optimizer in optimizers))
    assert seen == [(2, 1), (4, 2), (6, 3)]


def test_the_average_counts_the_minibatches_of_both_moves():
    gan = small("discogan", ema_half_life=16.0, ema_ramp_up=1e6)
    gan.compile()
    start = gan.a_to_b.get_weights()
    helpers.step(gan, helpers.data(gan, 16)[0])
    # 16 pictures of each side are the half-life.
    ended, averages = gan.a_to_b.get_weights(), gan.ema_a_to_b.get_weights()
    for before, after, average in zip(start, ended, averages, strict=True):
        np.testing.assert_allclose(average, (before + after) / 2, atol=1e-6)


def test_the_rate_switches_at_its_round():
    rates = {"early_reconstruction_rate": 0.0, "reconstruction_rate": 1.0}
    gan = small("discogan", early_rounds=2, **rates)
    gan.compile()
    x, _ = helpers.data(gan, 16)
    seen = []
    for _ in range(4):
        losses = helpers.step(gan, x)
        seen.append((losses["g_reconstruction"] > 0, losses["g_features"] > 0))
    assert seen == [(False, True)] * 2 + [(True, False)] * 2


def test_evaluate_has_the_rate_of_the_next_round():
    rates = {"early_reconstruction_rate": 0.0, "reconstruction_rate": 1.0}
    gan = small("discogan", early_rounds=1, **rates)
    gan.compile()
    x, _ = helpers.data(gan, 16)
    before = gan.evaluate(x, batch_size=8, verbose=0, return_dict=True)
    helpers.step(gan, x)
    after = gan.evaluate(x, batch_size=8, verbose=0, return_dict=True)
    assert before["g_reconstruction"] == 0 < after["g_reconstruction"]


def test_rounds_of_another_run_do_not_count():
    gan = small("discogan", early_rounds=2, rounds_before=3)
    gan.compile()
    found = []
    for updates in (0, 9, 10):
        gan.optimizer.generators.iterations.assign(updates)
        found.append(float(numpy(gan.current("reconstruction_rate"))))
    early, late = gan.early_reconstruction_rate, gan.reconstruction_rate
    assert found == pytest.approx([early, early, late])
    gan = small("discogan", early_rounds=0)
    gan.compile()
    assert gan.current("reconstruction_rate") == late


def test_weight_decay_is_that_of_adam_as_pytorch_has_it():
    gan = small("discogan", weight_decay=0.5, learning_rate=0.01, beta_1=0.5)
    gan.compile()
    assert isinstance(gan.optimizer.discriminators, DecayingAdam)
    again = type(gan.optimizer).from_config(gan.optimizer.get_config())
    weight, gradients = keras.Variable([2.0, -3.0]), ([0.25, 1.0], [-1.0, 0.5])
    expected, m, v = numpy(weight), 0.0, 0.0
    again.generators.build([weight])
    for step, gradient in enumerate(gradients, 1):
        with backend.no_grad():
            again.generators.apply([ops.convert_to_tensor(gradient)], [weight])
        g = np.array(gradient) + 0.5 * expected
        m, v = 0.5 * m + 0.5 * g, 0.999 * v + 0.001 * g**2
        rooted = np.sqrt(v / (1 - 0.999**step)) + 1e-7
        expected = expected - 0.01 * m / (1 - 0.5**step) / rooted
    np.testing.assert_allclose(numpy(weight), expected, rtol=1e-5)
    plain = small("discogan", weight_decay=0.0)
    plain.compile()
    assert not isinstance(plain.optimizer.generators, DecayingAdam)
    # An optimizer of the user's is taken as it is.
    gan.compile("adam")
    assert type(gan.optimizer.generators) is keras.optimizers.Adam
    with pytest.raises(UsageError, match=r"optimizer=adam or weight_decay=0"):
        small("discogan", optimizer="sgd", weight_decay=1e-5)


def test_the_paper_preset_is_the_authors_network():
    resolved = config.resolve("discogan", "domains:x", "paper")
    settings = config.model_settings(resolved)
    assert settings["width"] == 64 and settings["generator_moves"] == 2
    gan = DiscoGAN((64, 64, 3), **settings | {"width": 1})
    shapes = [
        tuple(x.kernel.shape) for x in gan.a_to_b.layers if hasattr(x, "kernel") and not x.use_bias
    ]
    down = [(4, 4, 3, 1), (4, 4, 1, 2), (4, 4, 2, 4), (4, 4, 4, 8)]
    # Of a transposed convolution the outputs stand first.
    up = [(4, 4, 4, 8), (4, 4, 2, 4), (4, 4, 1, 2), (4, 4, 3, 1)]
    assert shapes == [*down, *up]
    kinds = [type(x).__name__ for x in gan.a_to_b.layers]
    assert kinds.count("BatchNormalization") == 6
    assert gan.a_to_b.get_layer("down_3").output.shape == (None, 4, 4, 8)
    assert gan.d_a.output_shape[0] == (None, 1)
    assert tuple(gan.d_a.get_layer("logit").kernel.shape) == (4, 4, 8, 1)


def test_a_picture_keeps_its_size():
    gan = small("discogan")
    images = np.random.default_rng(0).integers(0, 256, (2, 37, 50, 1)).astype("uint8")
    drawn = gan.translate(images, "b_to_a")
    assert drawn.shape == images.shape and drawn.dtype == np.uint8


@pytest.mark.parametrize("shape", [(40, 32, 3), (16, 16, 3), (32, 32, 2), (32, 32)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(UsageError, match="image"):
        DiscoGAN(shape)


def weights_of(gan, network):
    return [numpy(v) for v in gan.network(network).trainable_variables]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Eight pictures of each side, two rounds of two minibatches of two."""
    folder, random = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for side in "ab":
        (folder / side).mkdir()
        for i in range(8):
            image = random.integers(0, 256, (32, 32, 3)).astype("uint8")
            Image.fromarray(image).save(folder / side / f"{i}.png")
    return folder


def start(folder, runs_dir, name, **changes):
    settings = {"image_size": 32, "batch_size": 2, "epochs": 2, "width": 4, "early_rounds": 2}
    resolved = config.resolve("discogan", f"domains:{folder}", overrides=settings | changes)
    return train.start(resolved, source=assembly.Source(), runs_dir=runs_dir, name=name)


# Trains three times.
@pytest.mark.slow
def test_resumed_across_the_switch_equals_straight_bit_for_bit(pictures, tmp_path):
    straight = start(pictures, tmp_path, "straight")
    assert straight.step == 4
    part = start(pictures, tmp_path, "part", max_minutes=1e-9)
    assert part.step == 1, "at the early rate"
    part = running.resume(part.directory, max_minutes=None)
    assert (part.first_step, part.step) == (1, 4)
    running.assert_equal_runs(part.directory, straight.directory)
    with (part.directory / "metrics.csv").open(newline="") as file:
        early, late = (float(row["g_reconstruction"]) for row in csv.DictReader(file))
    assert late > 10 * early, "the rate is 50 times higher"
