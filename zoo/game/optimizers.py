"""The optimizers of a game: one per player, and one Keras optimizer that owns them all."""

import keras

from zoo.errors import UsageError
from zoo.parts.part import Part
from zoo.settings import Setting

OPTIMIZERS = ("adam", "rmsprop", "sgd")
DECAYS = ("linear", "cosine")


class Optimizers(Part):
    """The optimizer of every player.

    Args:
        optimizer: "adam", "rmsprop" or "sgd", for all players.
        learning_rate: float, step size of every player without one of its own.
        gradient_clip: float or None, limit of the norm of all gradients of a player together,
            applied before each of its updates.
        decay: "linear" or "cosine", how all learning rates fall to `decay_to` of themselves.
        decay_steps: int, rounds of the decay, about the length of the training. Afterwards the
            rates stay constant. 0 for constant rates.
        decay_after: int, rounds before the rates begin to fall.
        decay_to: float in [0, 1], final share of each rate.
        beta_1: float, Adam's decay of the first moment.
        beta_2: float, Adam's decay of the second moment; RMSprop's of the squared gradient.
        rounds_before: int, rounds that the optimizers have played in another run, from which this
            one goes on. All that changes along a schedule begins to change after them.
    """

    settings = {
        "optimizer": Setting(str, "adam", choices=OPTIMIZERS),
        "learning_rate": Setting(float, 2e-4, least=0.0, most=10.0),
        "gradient_clip": Setting(float, None, least=1e-6, optional=True),
        "decay": Setting(str, "linear", choices=DECAYS),
        "decay_steps": Setting(int, 0, least=0),
        "decay_after": Setting(int, 0, least=0),
        "decay_to": Setting(float, 0.01, least=0.0, most=1.0),
        "beta_1": Setting(float, 0.9, least=0.0, most=0.9999),
        "beta_2": Setting(float, 0.999, least=0.0, most=0.9999999),
        "rounds_before": Setting(int, 0, least=0),
    }

    def new_optimizer(self, game, player):
        """Returns a new optimizer. Players that judge have a rate of their own if there is one."""
        judges = player in game.players and not player.makes
        rate = getattr(game, "discriminator_learning_rate", None) if judges else None
        rate = float(self.learning_rate if rate is None else rate)
        beta_2, final = self.beta_2, getattr(game, "final_beta_2", None)
        if self.decay_steps:
            updates = game.moves_of(player)
            rate = self.falling(rate, self.decay_to, updates)
            beta_2 = beta_2 if final is None else self.falling(beta_2, final / beta_2, updates)
        common = {"learning_rate": rate, "global_clipnorm": self.gradient_clip}
        if self.optimizer == "rmsprop":
            return keras.optimizers.RMSprop(rho=self.beta_2, **common)
        if self.optimizer == "sgd":
            return keras.optimizers.SGD(**common)
        adam = ScheduledAdam if callable(beta_2) else keras.optimizers.Adam
        return adam(beta_1=self.beta_1, beta_2=beta_2, **common)

    def falling(self, start, share, updates=1):
        """Returns a schedule of Keras that goes along with the learning rates.

        Args:
            start: float, its first value.
            share: float, its last value divided by the first.
            updates: int, updates in a round. The schedule is a function of their number.
        """
        steps = self.decay_steps * updates
        after = (self.rounds_before + self.decay_after) * updates
        if self.decay == "cosine":
            falling = keras.optimizers.schedules.CosineDecay(start, steps, alpha=share)
        else:
            falling = keras.optimizers.schedules.PolynomialDecay(
                start, steps, end_learning_rate=start * share
            )
        return Later(falling, after) if after else falling


class DiscriminatorRate(Part):
    """A separate learning rate for the players that judge (two time-scale update rule).

    Args:
        discriminator_learning_rate: float or None, that of each discriminator or critic; None for
            `learning_rate` (two time-scale update rule, Heusel et al. 2017).
    """

    settings = {
        "discriminator_learning_rate": Setting(float, None, least=0.0, most=10.0, optional=True)
    }


class WeightDecay(Part):
    """Weight decay that Adam's moments see, as that of PyTorch's Adam.

    It stands before `Optimizers` among the parts. Keras's own `weight_decay` goes around the
    moments (Loshchilov and Hutter 2019): it shrinks weights by the learning rate times itself.

    Args:
        weight_decay: float, share of each weight that is added to its gradient; needs Adam. An
            optimizer given to `compile` decays weights only if it does so itself.
    """

    settings = {"weight_decay": Setting(float, 0.0, least=0.0, most=1.0)}

    def check(self, game):
        if self.weight_decay and game.optimizer_name != "adam":
            raise UsageError(
                "Weight decay is that of Adam. Expected optimizer=adam or weight_decay=0. "
                f"Received: optimizer={game.optimizer_name}, weight_decay={self.weight_decay}."
            )

    def new_optimizer(self, game, player):
        if not self.weight_decay:
            return None
        adam = game.part["Optimizers"].new_optimizer(game, player)
        return DecayingAdam.from_config(adam.get_config() | {"share": self.weight_decay})


@keras.saving.register_keras_serializable(package="zoo")
class DecayingAdam(keras.optimizers.Adam):
    """Adam with a share of each weight added to its gradient.

    Args:
        share: float.
        **kwargs: as those of `keras.optimizers.Adam`.
    """

    def __init__(self, share=0.0, **kwargs):
        super().__init__(**kwargs)
        self.share = share

    def apply(self, grads, trainable_variables=None):
        weights = self._trainable_variables if trainable_variables is None else trainable_variables
        decayed = [
            gradient + self.share * keras.ops.cast(weight, gradient.dtype)
            for gradient, weight in zip(grads, weights, strict=True)
        ]
        super().apply(decayed, trainable_variables)

    def get_config(self):
        return super().get_config() | {"share": self.share}


@keras.saving.register_keras_serializable(package="zoo")
class Later(keras.optimizers.schedules.LearningRateSchedule):
    """A learning-rate schedule that starts after `after` updates and is constant before."""

    def __init__(self, schedule, after):
        super().__init__()
        self.schedule, self.after = schedule, after

    def __call__(self, step):
        return self.schedule(keras.ops.maximum(step - self.after, 0))

    def get_config(self):
        schedule = keras.saving.serialize_keras_object(self.schedule)
        return {"schedule": schedule, "after": self.after}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config["schedule"]), config["after"])


@keras.saving.register_keras_serializable(package="zoo")
class ScheduledAdam(keras.optimizers.Adam):
    """Adam whose `beta_2` follows a schedule of its updates, as the learning rate of any may.

    The correction of the bias takes the current `beta_2`, as PyTorch's Adam does where a training
    assigns it.

    Args:
        beta_2: keras.optimizers.schedules.LearningRateSchedule.
        **kwargs: as those of `keras.optimizers.Adam`.
    """

    @property
    def beta_2(self):
        return self._beta_2(self.iterations)

    @beta_2.setter
    def beta_2(self, schedule):
        self._beta_2 = schedule

    def get_config(self):
        schedule = keras.saving.serialize_keras_object(self._beta_2)
        return super().get_config() | {"beta_2": schedule}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        schedule = keras.saving.deserialize_keras_object(config["beta_2"], custom_objects)
        return super().from_config(config | {"beta_2": schedule}, custom_objects)


@keras.saving.register_keras_serializable(package="zoo")
class PlayersOptimizer(keras.optimizers.Optimizer):
    """A single optimizer for Keras, and one per player for the game.

    Keras's JAX trainer carries the variables of `model.optimizer` and of nothing else, so a second
    optimizer in another attribute would silently never update its moments. Here `variables` holds
    the variables of all players in order. Each player's optimizer is an attribute of its name.

    `learning_rate` and `iterations` are the first player's. Assigning `learning_rate` scales all
    rates and keeps their ratios (TTUR); from a rate of 0 all become equal. Keras's learning-rate
    callbacks reach all of them through `optimizers`, each at its own rate.

    Args:
        players: dict, player's name -> keras.optimizers.Optimizer.
    """

    def __init__(self, players, name="players_optimizer"):
        super().__init__(learning_rate=0.0, name=name)
        self.names = tuple(players)
        for player, optimizer in players.items():
            setattr(self, player, keras.optimizers.get(optimizer))

    @property
    def optimizers(self):
        return [getattr(self, name) for name in self.names]

    def build(self, variables):
        """Creates the variables of all optimizers. `variables`: name -> the player's weights."""
        for name in self.names:
            getattr(self, name).build(list(variables[name]))
        self.built = True

    @property
    def variables(self):
        return [variable for optimizer in self.optimizers for variable in optimizer.variables]

    @property
    def iterations(self):
        # One that scales the loss does not count by itself.
        return self.optimizers[0].iterations

    @property
    def learning_rate(self):
        return self.optimizers[0].learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate):
        for optimizer in self.optimizers:
            if follows_schedule(optimizer):
                raise UsageError(
                    "The learning rates follow a schedule, so none can be assigned. Create the "
                    f"model with decay_steps=0. Received: learning_rate={learning_rate}."
                )
        # Python cannot read the variable of a strategy as a number.
        rates = [float(keras.ops.convert_to_numpy(o.learning_rate)) for o in self.optimizers]
        first, new = rates[0], float(learning_rate)
        for optimizer, rate in zip(self.optimizers, rates, strict=True):
            optimizer.learning_rate = new * (rate / first if first else 1.0)

    def apply(self, grads, trainable_variables=None):
        raise NotImplementedError(
            "The players' optimizers are applied one at a time: call `optimizer.generator.apply` "
            "or that of another player."
        )

    def finalize_variable_values(self, var_list):
        for optimizer in self.optimizers:
            optimizer.finalize_variable_values(var_list)

    # Keras saves the optimizers it finds in attributes. This one has no state of its own.
    def save_own_variables(self, store):
        pass

    def load_own_variables(self, store):
        pass

    def get_config(self):
        players = {
            name: keras.saving.serialize_keras_object(getattr(self, name)) for name in self.names
        }
        return {"players": players, "name": self.name}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        players = {
            name: keras.saving.deserialize_keras_object(player, custom_objects=custom_objects)
            for name, player in config["players"].items()
        }
        return cls(players, config["name"])


def copied(optimizer):
    """Returns a new optimizer of the same configuration: players must not share one."""
    if optimizer is None or isinstance(optimizer, str):
        return optimizer and keras.optimizers.get(optimizer)
    return type(optimizer).from_config(optimizer.get_config())


def scaling(optimizer):
    """Wraps an optimizer in one that scales the loss and skips updates that overflow."""
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return optimizer
    return keras.optimizers.LossScaleOptimizer(optimizer)


def unscaled(optimizer):
    """Returns the optimizer inside one that scales the loss, or the optimizer itself."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def follows_schedule(optimizer):
    """Whether the learning rate of an optimizer is a schedule, so that none can be assigned."""
    schedule = keras.optimizers.schedules.LearningRateSchedule
    return isinstance(unscaled(optimizer)._learning_rate, schedule)
