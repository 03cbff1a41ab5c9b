"""The gradient of a minibatch computed in parts."""

import helpers
import keras
import numpy as np
import pytest
from helpers import BATCH, data, numpy, small, step

import zoo
from zoo.errors import UsageError
from zoo.game import rounds

# Batch normalisation would take the statistics of each part.
PIXELS = {"discriminator_features": "none", "generator_norm": "group"}

pytestmark = pytest.mark.backend


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("vanilla", {"generator_norm": "none", "loss": "non_saturating", "n_critic": 2}),
        ("sine", {"loss": "relativistic", "penalty": "r1_r2"}),
        pytest.param(
            *("cats_and_dogs", PIXELS | {"loss": "hinge", "penalty": "r1", "augment": ""}),
            marks=[pytest.mark.slow, helpers.not_on_jax],  # takes two large steps
        ),
        # Without a pool, which shows other pictures to each part.
        pytest.param(
            *("cyclegan", {"pool_size": 0, "identity_weight": 0.0}),
            marks=[pytest.mark.slow, helpers.not_on_jax],  # takes two large steps
        ),
    ],
)
def test_parts_give_the_step_of_the_whole(name, settings):
    weights, losses = [], []
    for parts in (1, 2):
        gan = small(name, accumulate=parts, **settings)
        # One step of a large model is faster than tracing it.
        gan.compile(keras.optimizers.SGD(0.1), run_eagerly=name in ("cats_and_dogs", "cyclegan"))
        x, y = data(gan, BATCH * gan.minibatches)
        before = gan.get_weights()
        losses.append(step(gan, x, y))
        weights.append(gan.get_weights())
    moved = max(np.abs(a - b).max() for a, b in zip(before, weights[0], strict=True))
    assert moved > 1e-3
    for whole, parts in zip(*weights, strict=True):
        np.testing.assert_allclose(parts, whole, atol=1e-5)
    for key, value in losses[0].items():
        assert losses[1][key] == pytest.approx(value, rel=1e-4, abs=1e-6), key


def test_the_generators_second_pass_repeats_the_first():
    """Batch normalisation counts once, and dropout drops the same units."""

    class Dropping(zoo.get("vanilla")):
        def build_generator(self):
            z = keras.Input((self.latent_dim,), name="z")
            x = keras.layers.Dense(64)(z)
            x = keras.layers.BatchNormalization()(x)
            x = keras.layers.Dropout(0.5, seed=1)(x)
            x = keras.layers.Dense(256, activation="tanh")(x)
            return keras.Model(z, keras.layers.Reshape(self.image_shape)(x))

    moved = []
    for parts in (1, 2):
        gan = small("vanilla", make=lambda name, **s: Dropping(**s), accumulate=parts)
        gan.compile(keras.optimizers.SGD(0.0))
        x, _ = data(gan, BATCH)
        seeds = [v for v in gan.generator.variables if v.name == "seed_generator_state"]
        assert len(seeds) == 1
        before = numpy(seeds[0])
        step(gan, x)
        moved.append(int(numpy(seeds[0])[-1] - before[-1]))
    assert moved == [1, 2], "a draw for each part"


@helpers.not_on_jax  # traces what it computes
def test_the_second_pass_repeats_the_noise_that_the_first_has_drawn():
    passes = []

    class Noisy(zoo.get("vanilla")):
        def make(self, batch):
            fake = super().make(batch)["fake"]
            fake = fake + self.normal(tuple(fake.shape))
            passes.append(numpy(fake))
            return {"fake": fake}

    gan = small("vanilla", make=lambda name, **s: Noisy(**s), accumulate=2)
    gan.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    before = numpy(gan.noise.state)
    step(gan, data(gan, BATCH)[0])
    first, second = passes[:2], passes[2:]
    assert not np.array_equal(*first)
    np.testing.assert_array_equal(first, second)
    # Of z and of both parts; the second pass counts no draw.
    assert int(numpy(gan.noise.state)[-1] - before[-1]) == 3


def test_parts_that_do_not_divide_the_batch_are_refused():
    with pytest.raises(UsageError, match=r"divisible by 3\. Received: 8"):
        rounds.split({"image": np.zeros((8, 16, 16, 1))}, 3)


def test_a_discriminators_dropout_is_another_in_each_pass():
    class Dropping(zoo.get("vanilla")):
        def build_discriminator(self):
            images = keras.Input(self.seen_shape)
            x = keras.layers.Dropout(0.5, seed=1)(keras.layers.Flatten()(images))
            return keras.Model(images, keras.layers.Dense(1)(x))

    gan = small("vanilla", make=lambda name, **s: Dropping(**s))
    gan.compile()
    (seed,) = (v for v in gan.discriminator.variables if v.name == "seed_generator_state")
    before = numpy(seed)
    step(gan, data(gan, BATCH)[0])
    assert int(numpy(seed)[-1] - before[-1]) == 3, "real, generated, and the generator's update"
