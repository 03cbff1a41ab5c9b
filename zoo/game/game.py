"""Game: what every variant is. Settings, networks, compile, the round, saving."""

import functools

import keras
import numpy as np
from keras import ops

from zoo import backend
from zoo.errors import UsageError
from zoo.game import configured, inputs, logs, networks, phases, rounds
from zoo.game.optimizers import Optimizers, PlayersOptimizer, copied, scaling
from zoo.parts.averaging import Averaging
from zoo.players import Phase
from zoo.settings import Setting


class Game(configured.Configured, keras.Model):
    """Base of every variant: some networks, the players that move them, and the round they play.

    A variant declares its `players`, its `parts` and its `own` settings, and implements `builders`,
    `make` and a `<player>_loss` for each player. Everything else is here, for any number of
    networks and players: the round, gradient accumulation, several devices, the scaling of 16-bit
    losses, averaged networks, phases, logs, saving and loading.

    A field is a tensor by name: `image` is float32 in [-1, 1], NHWC (uint8 is mapped to that on the
    device), `label` int32 `(batch,)`, `z` float32 `(batch, latent_dim)`.

    Under several replicas (TensorFlow's strategies, Keras's DataParallel on JAX) a batch is that of
    all of them together, and the step is the one that a single replica would take with it.

    Args:
        accumulate: int, parts in which the gradient of a minibatch is computed one after the other
            and averaged, so that only a part's activations are in memory. The step is the same up
            to rounding where no layer and no loss looks at several samples at once. The generator's
            forward pass is run twice.
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
        averaged: names of the networks of which an average over training is kept, in `ema_<name>`:
            those that draw. The first is what the model computes when it is called.
        shape_setting: name of the setting that holds the shape of a sample.
        default_shape: its default, a tuple.
        sample_field: name of the field that an unnamed array of samples is.
        pooled: names of what `make` gives that a `Pool` keeps.
        jittered: names of the image fields that a `Jitter` moves; `paired` says whether they belong
            to each other.
        num_classes: int or None, classes the game can be asked for.

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
        self.take(self.resolved(given))
        self.noise = keras.random.SeedGenerator(self.seed)
        self._kernel_seeds = np.random.default_rng(self.seed)
        parts = self.part.values()
        self.all_players = (*self.players, *(p for part in parts for p in part.players(self)))
        names = [player.name for player in self.players if player.name not in self.idle()]
        last = Phase("game", tuple(names))
        self.phases = (*(phase for part in parts for phase in part.phases(self)), last)
        self.phase = self.phases[-1]
        self.trackers = logs.trackers(self)
        networks.build(self)
        self.built = True

    # What a variant implements

    def builders(self):
        """Returns the networks: name -> function that builds it anew, a functional model."""
        raise NotImplementedError(f"{type(self).__name__} must implement builders().")

    def make(self, batch):
        """Returns what the generators draw in a round, name -> tensor, in training mode.

        Args:
            batch: dict of the fields of a minibatch, those of `draw` among them.
        """
        return {}

    def draw(self, batch):
        """Returns the random fields of a minibatch, such as `z`, drawn by `normal` or `uniform`."""
        return {}

    def idle(self):
        """Returns the names of players that have nothing to do by the game's settings."""
        return ()

    def shown(self, player, made):
        """Returns what a player that judges is shown of what was made, such as out of a pool."""
        return made

    # Networks

    @property
    def sides(self):
        """Height and width of the images that a network is built for; None for any.

        A trained network that is built anew to draw takes any, if its layers do.
        """
        return (None, None) if self._for_any_size else self.sample_shape[:2]

    _for_any_size = False

    def network(self, name):
        """Returns a network by name; the average of one is called `ema_<name>`."""
        return getattr(self, name)

    def kernel_seed(self):
        """Returns the next of the seeds for initial weights, all drawn from `seed`."""
        return int(self._kernel_seeds.integers(2**31))

    def averaged_weights(self):
        """Yields `(average, weight)` for each weight of the networks that are averaged."""
        for name in self.averaged:
            average, network = self.network(f"ema_{name}"), self.network(name)
            yield from zip(average.weights, network.weights, strict=True)

    def inference_network(self, name):
        """Returns a new functional network in float32, with the averaged weights where it has them.

        It holds stock layers only, so that its file loads with Keras alone.

        Args:
            name: of one of the networks.
        """
        return networks.for_inference(self, name)

    def call(self, inputs, training=False):
        return self.network(self.averaged[0])(inputs, training=training)

    # Optimizers

    def compile(self, optimizer=None, **kwargs):
        """Configures training. Without arguments: the variant's own recipe.

        Args:
            optimizer: a `PlayersOptimizer`, or one optimizer (name or instance) whose configuration
                all players get.
            **kwargs: `<player>_optimizer`, name or instance, for one player alone; `jit_compile`,
                `run_eagerly`, `steps_per_execution`, as in `keras.Model.compile`.

        Raises:
            UsageError: a loss or metrics were given. The losses are the game's own.
        """
        for argument in ("loss", "metrics", "weighted_metrics", "loss_weights"):
            if kwargs.pop(argument, None) is not None:
                raise UsageError(
                    f"compile() of a GAN takes no `{argument}`: both losses are the game's own. "
                    "Choose one when the model is created, for example "
                    "zoo.create('dcgan', loss='hinge')."
                )
        # Those that make samples first: theirs is the rate that Keras shows.
        players = sorted(self.all_players, key=lambda player: not player.makes)
        given = {player.name: kwargs.pop(f"{player.name}_optimizer", None) for player in players}
        if not isinstance(optimizer, PlayersOptimizer):
            optimizer = PlayersOptimizer(
                {
                    player.name: copied(given[player.name] or optimizer)
                    or self.new_optimizer(player)
                    for player in players
                }
            )
        if self.scales_losses:
            own = zip(optimizer.names, optimizer.optimizers, strict=True)
            optimizer = PlayersOptimizer({name: scaling(player) for name, player in own})
        twice = any(part.differentiates_twice for part in self.part.values())
        if twice and kwargs.get("jit_compile") is True and not backend.JIT_PENALTIES:
            raise UsageError(
                "The penalty of this game needs second derivatives, which this Keras backend does "
                "not have under jit_compile=True. Leave jit_compile out."
            )
        if len(self.phases) > 1 and kwargs.get("steps_per_execution", 1) != 1:
            raise UsageError(
                "A game of several phases looks after each round which one it is in. Expected "
                f"steps_per_execution=1. Received: {kwargs['steps_per_execution']}."
            )
        own = {"auto_scale_loss": False}
        if backend.replicas_of(self) > 1 and not backend.JIT_REPLICAS:
            own["jit_compile"] = False
        super().compile(optimizer=optimizer, **own | kwargs)
        optimizer.build({player.name: networks.moved_by(self, player) for player in players})
        self._compile_arguments = kwargs

    def new_optimizer(self, player):
        """Returns a new optimizer of the game's settings for a player."""
        optimizers = (part.new_optimizer(self, player) for part in self.part.values())
        return next(optimizer for optimizer in optimizers if optimizer is not None)

    def optimizer_of(self, player):
        return getattr(self.optimizer, player.name)

    @property
    def scales_losses(self):
        """Whether the losses are scaled, as the small range of float16 needs."""
        return self.dtype_policy.compute_dtype == "float16"

    def get_compile_config(self):
        return {
            "optimizer": keras.saving.serialize_keras_object(self.optimizer),
            **self._compile_arguments,
        }

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))

    # The round

    def fit(self, x=None, y=None, batch_size=None, **kwargs):
        """As `keras.Model.fit`. `x` holds samples, or a dict of fields; `y` labels, if any.

        `batch_size` counts the samples of one move. A data set or generator given as `x` yields
        as many such minibatches in each batch as the busiest player has moves.

        Raises:
            UsageError: the samples have the wrong shape or range.
        """
        arrays = x.values() if isinstance(x, dict) else [x]
        if all(isinstance(values, np.ndarray) for values in arrays):
            x, y, batch_size = inputs.checked_fit(self, x, y, batch_size)
        self._find_phase()
        return super().fit(x, y, batch_size=batch_size, **kwargs)

    @backend.train_step
    def train_step(self, data):
        batch = inputs.prepared(inputs.fields(self, data))
        for part in self.part.values():
            batch = part.before_round(self, batch)
        results = rounds.play(self, batch)
        if len(self.phases) > 1:
            self.rounds.assign(self.rounds + 1)
        return logs.track(self, results)

    def loss_of(self, player, batch, made):
        """Returns a player's loss, as its method or the part that brought it gives it."""
        if player.loss is not None:
            return player.loss(self, batch, made)
        return getattr(self, f"{player.name}_loss")(batch, made)

    def moves_of(self, player):
        """Returns the moves of a player in a round."""
        return player.moves if isinstance(player.moves, int) else getattr(self, player.moves)

    @property
    def playing(self):
        """The players of the present phase, in the order of their moves."""
        return [player for player in self.all_players if player.name in self.phase.players]

    @property
    def minibatches(self):
        """How many minibatches a round takes, in any phase."""
        return max(self.moves_of(player) for player in self.all_players)

    def after_move(self, player):
        """Called when a player's weights have moved, such as to clip them."""
        for part in self.part.values():
            part.after_move(self, player)

    def after_round(self, batch, results):
        """Called when all players have moved, such as to average."""
        for part in self.part.values():
            part.after_round(self, batch, results)

    def normal(self, shape):
        """Draws N(0, 1) from the model's own seed; replicas each take their part of one draw."""
        return backend.drawn(keras.random.normal, shape, self.noise)

    def uniform(self, shape):
        """Draws U(0, 1) from the model's own seed; replicas each take their part of one draw."""
        return backend.drawn(keras.random.uniform, shape, self.noise)

    def batch_images(self, batch):
        """How many samples the minibatches of all replicas hold, float32 scalar."""
        count, _ = backend.replicas()
        return ops.cast(ops.shape(next(iter(batch.values())))[0] * count, "float32")

    def images_seen(self, batch):
        """How many samples of such a minibatch the past rounds have seen, float32 scalar."""
        return self.batch_images(batch) * ops.cast(self.optimizer.iterations, "float32")

    @property
    def metrics(self):
        return list(self.trackers.values())

    # Phases: each has a compiled function of its own, and the number of rounds played says which.

    def make_train_function(self, force=False):
        if len(self.phases) == 1 or (self.train_function is not None and not force):
            super().make_train_function(force)
            return
        functions = phases.compiled(self, super().make_train_function)
        self.train_function = functools.partial(phases.play, self, functions)

    def train_on_batch(self, *args, **kwargs):
        self._find_phase()
        return super().train_on_batch(*args, **kwargs)

    def _find_phase(self):
        if len(self.phases) > 1:
            self.rounds_played = int(backend.value_of(self.rounds))

    # Saving

    def save_own_variables(self, store):
        super().save_own_variables(store)
        # Keras does not save the state of seed generators; without it a loaded model would draw
        # the same noise, and drop the same units, again.
        for name, state in networks.seed_states(self).items():
            store[name] = ops.convert_to_numpy(state)

    def load_own_variables(self, store):
        seeds = networks.seed_states(self)
        own = [name for name in store.keys() if name not in seeds]  # noqa: SIM118, a Keras store
        super().load_own_variables({name: store[name] for name in own})
        for name, state in seeds.items():
            state.assign(store[name])
