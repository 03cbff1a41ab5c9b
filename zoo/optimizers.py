"""OptimizerPair: one Keras optimizer that owns the generator's and the discriminator's."""

import keras

from zoo.errors import UsageError


@keras.saving.register_keras_serializable(package="zoo")
class OptimizerPair(keras.optimizers.Optimizer):
    """Two optimizers behind the one `optimizer` attribute that Keras saves, restores and schedules.

    Keras's JAX trainer carries the variables of `model.optimizer` and of nothing else, so a second
    optimizer in another attribute would silently never move its moments. Here `variables` holds
    those of both, the generator's first.

    `learning_rate` and `iterations` are the generator's. Assigning `learning_rate` scales both
    rates, so that their ratio (TTUR) stays; from a rate of 0 both become equal. Keras's
    learning-rate callbacks reach both through `optimizers`, each at its own rate.

    Args:
        generator: keras.optimizers.Optimizer of the generator.
        discriminator: keras.optimizers.Optimizer of the discriminator.
    """

    def __init__(self, generator, discriminator, name="optimizer_pair"):
        super().__init__(learning_rate=0.0, name=name)
        self.generator = keras.optimizers.get(generator)
        self.discriminator = keras.optimizers.get(discriminator)

    @property
    def optimizers(self):
        return [self.generator, self.discriminator]

    def build(self, generator_variables, discriminator_variables):
        """Creates the variables of both, for the trainable variables of each network."""
        self.generator.build(list(generator_variables))
        self.discriminator.build(list(discriminator_variables))
        self.built = True

    @property
    def variables(self):
        return [*self.generator.variables, *self.discriminator.variables]

    @property
    def iterations(self):
        return self.generator.iterations

    @property
    def learning_rate(self):
        return self.generator.learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate):
        scheduled = keras.optimizers.schedules.LearningRateSchedule
        for optimizer in self.optimizers:
            inner = getattr(optimizer, "inner_optimizer", optimizer)  # of one that scales the loss
            if isinstance(inner._learning_rate, scheduled):
                raise UsageError(
                    "The learning rates follow a schedule, so none can be assigned. Create the "
                    f"model with decay_steps=0. Received: learning_rate={learning_rate}."
                )
        # A strategy's variable is no number to Python.
        rates = [float(keras.ops.convert_to_numpy(o.learning_rate)) for o in self.optimizers]
        old, new = rates[0], float(learning_rate)
        ratio = rates[1] / old if old else 1.0
        self.discriminator.learning_rate = new * ratio
        self.generator.learning_rate = new

    def apply(self, grads, trainable_variables=None):
        raise NotImplementedError(
            "An OptimizerPair is applied one player at a time: call `pair.generator.apply` or "
            "`pair.discriminator.apply`."
        )

    def finalize_variable_values(self, var_list):
        for optimizer in self.optimizers:
            optimizer.finalize_variable_values(var_list)

    # Keras saves what it finds in attributes, so both optimizers save themselves; the pair has
    # nothing of its own.
    def save_own_variables(self, store):
        pass

    def load_own_variables(self, store):
        pass

    def get_config(self):
        return {
            "generator": keras.saving.serialize_keras_object(self.generator),
            "discriminator": keras.saving.serialize_keras_object(self.discriminator),
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        for player in ("generator", "discriminator"):
            config[player] = keras.saving.deserialize_keras_object(
                config[player], custom_objects=custom_objects
            )
        return cls(**config)
