"""Configured: a class whose instances are built from settings and can be rebuilt from them."""

import keras

from zoo.errors import UsageError, nearest
from zoo.game import inputs, networks, recipes
from zoo.game.recipes import recipe_of
from zoo.settings import REQUIRED, Setting, meanings


class Configured:
    """Base of classes that are built from settings: their own and those of their parts.

    Attributes:
        own: dict, name -> `Setting`, of the class itself; its base classes add theirs.
        parts: tuple of `Part` classes.
        shape_setting: name of the setting that holds the shape of a sample.
        default_shape: its default, a tuple.
    """

    own = {}
    parts = ()
    shape_setting = "image_shape"
    default_shape = (28, 28, 1)

    @classmethod
    def settings(cls):
        """Returns all settings, name -> `Setting`: the variant's own, then its parts'."""
        settings = {cls.shape_setting: Setting(tuple, cls.default_shape)}
        for owner in (*cls.__mro__, *cls.parts):
            declared = vars(owner).get("own", {}) if owner in cls.__mro__ else owner.settings
            settings |= {
                name: setting for name, setting in declared.items() if name not in settings
            }
        return settings

    @classmethod
    def meanings(cls):
        """Returns the meaning of each setting, name -> text, from the docstrings."""
        texts = {}
        for owner in (*cls.parts, *reversed(cls.__mro__)):
            if "own" in vars(owner) or owner in cls.parts:
                texts |= meanings(owner)
        return texts

    @classmethod
    def resolved(cls, given):
        """Returns a value for every setting: given, else the recipe's, else neutral.

        Raises:
            UsageError: a setting is unknown or out of range, or has no value.
        """
        settings, recipe = cls.settings(), recipe_of(cls)
        for name in given:
            if name not in settings:
                raise UsageError(
                    f"{cls.__name__} has no setting {name!r}.{nearest(name, settings)}"
                )
        own = cls.shape_setting
        shape = inputs.checked_shape(own, given.get(own, cls.default_shape))
        values = {own: shape}
        for name, setting in settings.items():
            if name == own:
                continue
            default = recipe.get(name, setting.default)
            value = given.get(name, default)
            if callable(default) and (value is None or value is default):
                value = recipes.at(default, shape)
            if value is REQUIRED:
                raise UsageError(f"{cls.__name__} needs the setting {name!r}. Received: none.")
            values[name] = setting.checked(name, value)
        return values

    @classmethod
    def defaults_at(cls, shape):
        """Returns the recipe's values that depend on the shape of a sample, setting -> value."""
        recipe, settings = recipe_of(cls), cls.settings()
        open_ones = {n: v for n, v in recipe.items() if callable(v) and n in settings}
        return {name: recipes.at(value, shape) for name, value in open_ones.items()}

    def take(self, values):
        """Stores every setting as an attribute and builds the parts from them.

        Args:
            values: as `resolved` returns them.

        Raises:
            UsageError: two settings contradict each other.
        """
        for name, value in values.items():
            setattr(self, _attribute(name), value)
        self.sample_shape = values[self.shape_setting]
        self.part = {
            part.__name__: part(**{name: values[name] for name in part.settings})
            for part in type(self).parts
        }
        for part in self.part.values():
            part.check(self)
        self.check()

    def check(self):
        """Raises UsageError where two settings contradict each other. Nothing is built yet."""

    def get_config(self):
        config = {name: getattr(self, _attribute(name)) for name in self.settings()}
        config["name"] = self.name
        config["dtype"] = keras.saving.serialize_keras_object(self.dtype_policy)
        if frozen := networks.frozen_layers(self):
            config["frozen"] = frozen
        return config

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        config["dtype"] = keras.saving.deserialize_keras_object(config["dtype"])
        frozen = config.pop("frozen", ())
        game = cls(**config)
        networks.freeze(game, frozen)
        return game


def _attribute(setting):
    # Keras keeps the optimizer itself in the attribute of that name.
    return "optimizer_name" if setting == "optimizer" else setting
