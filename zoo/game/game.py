"""Game, the base of every variant: settings, networks, the round, saving."""

import functools

import keras
import numpy as np
from keras import ops

from zoo import backend
from zoo.errors import UsageError
from zoo.game import configured, inputs, logs, networks, rounds
from zoo.game.keras_methods import KerasMethods, check_configuration
from zoo.game.optimizers import Optimizers
from zoo.parts.averaging import Averaging
from zoo.players import Phase
from zoo.settings import Setting


class Game(configured.Configured, KerasMethods, keras.Model):
    """Base of every variant: networks, the players that train them, and the round they play.

    A variant declares its `players`, its `parts` and its `own` settings, and implements `builders`,
    `make` and a `<player>_loss` for each player. Everything else is here, for any number of
    networks and players: the round, gradient accumulation, several devices, the scaling of 16-bit
    losses, averaged networks, phases, logs, saving and loading.

    A field is a tensor by name: `image` is float32 in [-1, 1], NHWC (uint8 is mapped to that on the
    device), `label` int32 `(batch,)`, `z` float32 `(batch, latent_dim)`.

    With several replicas (TensorFlow's strategies, Keras's DataParallel on JAX) a batch is the one
    of all replicas together, and the step equals the step of a single replica on that batch.

    Args:
        image_shape: (height, width, channels) of one image.
        accumulate: int, parts in which the gradient of a minibatch is computed one after the other
            and averaged, so that only a part's activations are in memory. The step is the same up
            to rounding where no layer and no loss looks at several samples at once, and without
            spectral normalisation, which is refined once in each part. The generator's forward
            pass is run twice.
        seed: int, from which noise and initial weights are drawn.
        name: str or None, name of the model.
        dtype: dtype policy, "float32", "mixed_bfloat16" or "mixed_float16"; by default the global
            one. In mixed_float16 the players' losses are scaled (Micikevicius et al. 2018, section
            3.2), each by a factor that adapts: a step whose gradient overflows is left out.

    Attributes:
        task: str, name of the task in `zoo.tasks`.
        players: tuple of `Player`, in the order of their moves.
        parts: tuple of `Part` classes, whose settings are the game's too.
        own: dict, name -> `Setting`, of the class itself.
        averaged: names of the networks that draw. The game keeps their average over training in
            `ema_<name>`. Calling the model runs the first of them.
        shape_setting: name of the setting that holds the shape of a sample.
        default_shape: its default, a tuple.
        sample_field: name of the field that an unnamed array of samples is.
        pooled: names of the outputs of `make` that a `Pool` keeps.
        jittered: names of the image fields that a `Jitter` moves; `paired` says whether they
            belong together.
        flat: names of those of them whose flat colours must not be mixed, as those of label maps.
        num_classes: int or None, classes the game can draw.

    Raises:
        UsageError: a setting is unknown or out of range.
    """

    task = None
    players = ()
    parts = (Optimizers, Averaging)
    own = {"accumulate": Setting(int, 1, least=1), "seed": Setting(int, 0, least=0)}
    averaged = ()
    shape_setting = "image_shape"
    default_shape = (28, 28, 1)
    sample_field = "image"
    pooled = ()
    jittered = ()
    paired = True
    flat = ()
    num_classes = None

    def __init__(self, *shape, name=None, dtype=None, **given):
        super().__init__(name=name, dtype=dtype)
        if self.dtype_policy.variable_dtype == "float16":
            raise UsageError(
                "Weights of float16 are not supported: most updates are too small to change them. "
                "Expected dtype float32, mixed_bfloat16 or mixed_float16. "
                f"Received: {self.dtype_policy.name!r}."
            )
        if shape:
            (given[self.shape_setting],) = shape
        check_configuration(type(self).__name__)
        self.take(self.resolved(given))
        self.noise = keras.random.SeedGenerator(self.seed)
        self._kernel_seeds = np.random.default_rng(self.seed)
        parts = self.part.values()
        self.all_players = (*self.players, *(p for part in parts for p in part.players(self)))
        names = [player.name for player in self.players if player.name not in self.idle()]
        phases = [phase for part in parts for phase in part.phases(self)]
        # Without players of its own the game is the last phase of a part, which has no end then.
        last = [Phase("game", tuple(names))] if names or not phases else []
        self.phases = (*phases, *last)
        self.phase = self._judged_phase = self.phases[-1]
        self.trackers = logs.trackers(self)
        networks.build(self)
        self.built = True

    # What a variant implements

    def builders(self):
        """Returns the networks: name -> function that builds a new functional model."""
        raise NotImplementedError(f"{type(self).__name__} must implement builders().")

    def make(self, batch):
        """Returns the samples of a round, name -> tensor, drawn by the generators in training mode.

        Args:
            batch: dict of the fields of a minibatch, those of `draw` among them.
        """
        return {}

    def draw(self, batch):
        """Returns the random fields of a minibatch, such as `z`, drawn by `normal` or `uniform`."""
        return {}

    def idle(self):
        """Returns the names of players that the settings leave without work."""
        return ()

    def shown(self, player, made):
        """Returns the samples that a judging player sees, for example from a pool."""
        return made

    # Networks

    @property
    def sides(self):
        """Height and width of the images that a network is built for; None for any size.

        A trained network that is rebuilt for inference takes any size if its layers do.
        """
        return (None, None) if self._for_any_size else self.sample_shape[:2]

    _for_any_size = False

    def network(self, name):
        """Returns a network by name. The average of a network is called `ema_<name>`."""
        return getattr(self, name)

    def kernel_seed(self):
        """Returns the next seed for initial weights. All are drawn from `seed`."""
        return int(self._kernel_seeds.integers(2**31))

    def averaged_weights(self):
        """Yields `(average, weight)` for each weight of the networks that are averaged."""
        for name in self.averaged:
            average, network = self.network(f"ema_{name}"), self.network(name)
            yield from zip(average.weights, network.weights, strict=True)

    def inference_network(self, name):
        """Returns a new functional network in float32, with averaged weights where they exist.

        It has stock layers only, so its file loads with Keras alone.

        Args:
            name: str, name of the network.
        """
        return networks.for_inference(self, name)

    # Optimizers

    def new_optimizer(self, player):
        """Returns a new optimizer for a player, built from the game's settings."""
        optimizers = (part.new_optimizer(self, player) for part in self.part.values())
        return next(optimizer for optimizer in optimizers if optimizer is not None)

    def optimizer_of(self, player):
        return getattr(self.optimizer, player.name)

    @property
    def scales_losses(self):
        """Whether losses are scaled, which the small range of float16 requires."""
        return self.dtype_policy.compute_dtype == "float16"

    # The round

    @backend.train_step
    def train_step(self, data):
        results = rounds.play(self, self._batch(data))
        if len(self.phases) > 1:
            self.rounds.assign(self.rounds + 1)
        return logs.track(self, results)

    @backend.test_step
    def test_step(self, data):
        return logs.measure(self, rounds.judge(self, self._batch(data)))

    def _batch(self, data):
        batch = inputs.prepared(self, inputs.fields(self, data))
        for part in self.part.values():
            batch = part.before_round(self, batch)
        return batch

    def loss_of(self, player, batch, made):
        """Returns a player's loss, from its own method or from the part that added it."""
        if player.loss is not None:
            return player.loss(self, batch, made)
        return getattr(self, f"{player.name}_loss")(batch, made)

    def moves_of(self, player):
        """Returns how many moves a player has in a round."""
        return player.moves if isinstance(player.moves, int) else getattr(self, player.moves)

    def current(self, setting):
        """Returns the value of a setting in this round: as it is, or a float32 scalar tensor."""
        values = (part.current(self, setting) for part in self.part.values())
        return next((value for value in values if value is not None), getattr(self, setting))

    @property
    def playing(self):
        """The players of the current phase, in the order of their moves."""
        return [player for player in self.all_players if player.name in self.phase.players]

    @property
    def minibatches(self):
        """How many minibatches a round takes, in any phase."""
        return max(self.moves_of(player) for player in self.all_players)

    def after_move(self, player):
        """Runs after a player's weights have moved, for example to clip them."""
        for part in self.part.values():
            part.after_move(self, player)

    def after_round(self, batch, results):
        """Runs after all players have moved, for example to average weights."""
        for part in self.part.values():
            part.after_round(self, batch, results)

    def normal(self, shape):
        """Draws N(0, 1) from the model's own seed; each replica takes its share of one draw."""
        compiled = self.jit_compile and not self.run_eagerly
        draw = functools.partial(backend.normal, compiled=compiled)
        return backend.drawn(draw, shape, self.noise)

    def uniform(self, shape):
        """Draws U(0, 1) from the model's own seed; each replica takes its share of one draw."""
        return backend.drawn(backend.uniform, shape, self.noise)

    def batch_images(self, batch):
        """Samples in the minibatches of all replicas together, float32 scalar."""
        count, _ = backend.replicas()
        return ops.cast(ops.shape(next(iter(batch.values())))[0] * count, "float32")

    def images_seen(self, batch):
        """Samples seen in past rounds, with minibatches of this size, float32 scalar."""
        return self.batch_images(batch) * ops.cast(self.optimizer.iterations, "float32")

    @property
    def metrics(self):
        return list(self.trackers.values())

    # Saving

    def save_own_variables(self, store):
        super().save_own_variables(store)
        # Keras does not save the state of seed generators. Without it a loaded model would repeat
        # the same noise and the same dropout.
        for name, state in networks.seed_states(self).items():
            store[name] = ops.convert_to_numpy(state)

    def load_own_variables(self, store):
        seeds = networks.seed_states(self)
        own = [name for name in store.keys() if name not in seeds]  # noqa: SIM118, a Keras store
        super().load_own_variables({name: store[name] for name in own})
        for name, state in seeds.items():
            state.assign(store[name])
