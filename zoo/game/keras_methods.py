"""Keras's own methods, as a game answers them: compile, fit, evaluate, call, export."""

import functools
import warnings

import keras

from zoo import backend
from zoo.errors import UsageError
from zoo.game import feeding, networks, phases, preset, watching
from zoo.game.optimizers import PlayersOptimizer, copied, scaling


class KerasMethods:
    """Base of `Game`, before `keras.Model`, whose methods it gives their meaning in a game."""

    # Optimizers

    def compile(self, optimizer=None, **kwargs):
        """Configures training. Without arguments it uses the variant's own recipe.

        Args:
            optimizer: a `PlayersOptimizer`, or one optimizer (name or instance) whose configuration
                all players get. It takes the place of the recipe's with all settings of that:
                rates and their decay, `gradient_clip`, `weight_decay`.
            **kwargs: `<player>_optimizer`, name or instance, for one player alone; `jit_compile`,
                `run_eagerly`, `steps_per_execution`, as in `keras.Model.compile`.

        Raises:
            UsageError: a loss or metrics were given. The losses are the game's own.
        """
        for argument in ("loss", "metrics", "weighted_metrics", "loss_weights"):
            if kwargs.pop(argument, None) is not None:
                raise UsageError(
                    f"compile() of a GAN takes no `{argument}`: its losses are its own. "
                    "Choose one when the model is created, for example "
                    "zoo.create('dcgan', loss='hinge')."
                )
        # Players that make samples come first: Keras shows the learning rate of the first player.
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
        moved = {player.name: networks.moved_by(self, player) for player in players}
        for player in self.players:
            if not moved[player.name] and player.name not in self.idle():
                raise UsageError(
                    f"The {player.name} has no weight that it could move: all layers of "
                    f"{' and '.join(player.networks)} are frozen. Expected at least one layer with "
                    "trainable=True. Received: none."
                )
        super().compile(optimizer=optimizer, **own | kwargs)
        optimizer.build(moved)
        self._compile_arguments = kwargs

    def get_compile_config(self):
        return {
            "optimizer": keras.saving.serialize_keras_object(self.optimizer),
            **self._compile_arguments,
        }

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))

    # Files

    def save_to_preset(self, folder, overwrite=False):
        """Writes a folder that model hubs take, and returns its path.

        It holds the whole model as Keras saves it unzipped, each network that draws as a file for
        Keras alone, a picture of samples and a card, `README.md`, to which scores, data and licence
        may be added. `zoo.load(folder)` loads it, and `hf upload USER/NAME folder` publishes it.

        Args:
            folder: str or path.
            overwrite: bool, whether to replace an older preset.

        Raises:
            UsageError: the folder exists and is not empty, or holds something else than a preset.
        """
        return preset.save(self, folder, overwrite)

    # Training

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        *,
        sample_weight=None,
        class_weight=None,
        validation_split=0.0,
        validation_data=None,
        validation_batch_size=None,
        shuffle=True,
        **kwargs,
    ):
        """As `keras.Model.fit`, with what is given checked before a step is compiled.

        Args:
            x: arrays of samples, or a dict of fields; or a stream of them: a `tf.data.Dataset`, a
                torch `DataLoader`, a `keras.utils.PyDataset` or a generator. Images are uint8, or
                float in [-1, 1].
            y: int labels `(n,)` in [0, num_classes) beside arrays, if the model has classes.
            batch_size: int, samples of one move, 32 by default. A batch of a stream is one round:
                it holds as many minibatches as the busiest player has moves.
            sample_weight: float `(n,)`: each sample of an array is drawn as often as its weight
                says, so that all losses are weighed.
            class_weight: dict from label to float, likewise.
            validation_split: float, share of the arrays, from their end, that is kept for
                validation.
            validation_data: arrays, a tuple `(x, y)` or a stream, whose losses `evaluate` computes
                after each epoch. They are named `val_d_loss` and so on.
            validation_batch_size: int, samples of an evaluated minibatch; `batch_size` by default.
            shuffle: bool, whether arrays come in another order in each epoch.
            **kwargs: as those of `keras.Model.fit`.

        Raises:
            UsageError: samples, labels or weights do not suit the model, or a callback does not.
        """
        watching.checked(self, kwargs.get("callbacks"))
        if validation_split and validation_data is None:
            x, y, sample_weight, validation_data = feeding.split_off(
                x, y, validation_split, sample_weight
            )
        if validation_data is not None:
            size = validation_batch_size or batch_size
            kwargs["validation_batch_size"] = size or 32
            kwargs["validation_data"] = feeding.validation(self, validation_data, size)
        fed = feeding.for_fit(self, x, y, batch_size, sample_weight, class_weight, shuffle)
        with warnings.catch_warnings():
            if not kwargs.get("steps_per_epoch"):
                # Keras says so at the end of every stream whose length it does not know.
                warnings.filterwarnings("ignore", "Your input ran out of data")
            return self.fit_checked(
                fed.x, fed.y, batch_size=fed.batch_size, shuffle=fed.shuffle, **kwargs
            )

    def fit_checked(self, x, y=None, **kwargs):
        """As `keras.Model.fit`, for data that needs no check, and one round in each batch."""
        self._find_phase()
        return super().fit(x, y, **kwargs)

    def evaluate(self, x=None, y=None, batch_size=None, verbose="auto", **kwargs):
        """Returns all players' losses on samples, as `keras.Model.evaluate` does.

        The networks run as in training, so the losses compare with those of `fit`, and nothing
        changes: no weight, no statistic, no later noise.

        Args:
            x, y, batch_size: as in `fit`; a batch is one minibatch.
            **kwargs: as those of `keras.Model.evaluate`. `return_dict=True` names the losses.

        Raises:
            UsageError: the samples or labels do not suit the model.
        """
        if not kwargs.get("_use_cached_eval_dataset"):
            weights = kwargs.pop("sample_weight", None)
            x, y, batch_size, _ = feeding.for_evaluate(self, x, y, batch_size, weights)
        self._find_phase()
        phase = phases.due(self)
        changes = backend.FREEZES_OTHERS and any(p.changes(self) for p in self.part.values())
        if phase is not self._judged_phase or changes:
            self.test_function = None
        self.phase = self._judged_phase = phase
        before = [(v, backend.value_of(v)) for v in networks.changed_by_running(self)]
        try:
            with backend.usable(self):
                return super().evaluate(x, y, batch_size, verbose, **kwargs)
        finally:
            for variable, value in before:
                variable.assign(value)

    # Phases: each has its own compiled function. The number of rounds played selects it.

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

    # Inference

    def call(self, inputs, training=False):
        name = self.averaged[0]
        return self.network(name if training else f"ema_{name}")(inputs, training=training)

    def export(self, filepath, format="tf_saved_model", verbose=None, **kwargs):
        """As `keras.Model.export`, of the averaged network that draws; says which that is.

        `inference_network(name).export` writes another one.
        """
        network = self.inference_network(self.averaged[0])
        network(network.inputs)  # Keras exports no network to ONNX that was never called
        network.export(filepath, format=format, verbose=verbose, **kwargs)
        if verbose is not False:
            print(f"{filepath}: the averaged network {network.name!r} of {type(self).__name__}")


def check_configuration(name):
    """Raises UsageError under settings of Keras that the networks of `name` are not built for."""
    data_format, floatx = keras.config.image_data_format(), keras.config.floatx()
    if data_format != "channels_last" or floatx != "float32":
        raise UsageError(
            f"{name} is built for images with the channels last and numbers of 32 bits. Expected "
            'keras.config.set_image_data_format("channels_last") and set_floatx("float32"); '
            "training in 16 bits is dtype='mixed_bfloat16'. "
            f"Received: {data_format}, {floatx}."
        )
