"""Part: an ingredient that many games share."""


class Part:
    """An ingredient of a game: its settings, its state, and the calls it receives.

    A variant lists its parts and has exactly their settings. The game calls every method below on
    all of its parts, in the order of the list. A part overrides the methods it needs. State that
    lives between steps must be variables made by `game.add_weight`, or a resumed run would
    differ.

    Attributes:
        settings: name -> `zoo.settings.Setting`. Each value becomes an attribute of that name, on
            the part and on the game.
        reports: names of the numbers that `report` returns.
        differentiates_twice: bool, whether the step needs second derivatives.
    """

    settings = {}
    reports = ()
    differentiates_twice = False

    def __init__(self, **values):
        for name, setting in self.settings.items():
            setattr(self, name, setting.checked(name, values.get(name, setting.default)))

    def check(self, game):
        """Raises UsageError if a setting contradicts other settings of the game."""

    @classmethod
    def dependencies(cls, values):
        """Returns what a run depends on beside its settings, name -> str, such as hashes of files.

        The config of the run records it. A run goes on only where it is the same.

        Args:
            values: dict, the settings by name.
        """
        return {}

    def builders(self, game):
        """Returns networks that the part adds, name -> function that builds the network."""
        return {}

    def players(self, game):
        """Returns players that the part adds to the game."""
        return ()

    def phases(self, game):
        """Returns phases that come before the game's own."""
        return ()

    def new_optimizer(self, game, player):
        """Returns a new optimizer for a player, or None if another part provides it."""

    def build(self, game):
        """Creates the part's variables. The networks already exist."""

    def current(self, game, setting):
        """Returns the value of a setting in this round if it changes during training, or None.

        It is computed from what a checkpoint holds, such as the iterations of the optimizer.
        """

    def changes(self, game):
        """Returns whether a loss depends on how many rounds were played, a bool."""
        return False

    def before_round(self, game, batch):
        """Returns the fields of a batch as the round should receive them."""
        return batch

    def seen(self, game, samples):
        """Returns samples, real or generated, as a discriminator should see them.

        A list of tensors becomes as many inputs of the discriminator.
        """
        return samples

    def after_move(self, game, player):
        """Runs after a player's weights have moved. Nothing is recorded for gradients."""

    def after_round(self, game, batch, results):
        """Runs after all players have moved.

        Args:
            batch: the fields of the last minibatch.
            results: player's name -> `zoo.game.rounds.Result`.
        """

    def report(self, game):
        """Returns the part's log entries, name -> float32 scalar, for the names in `reports`."""
        return {}
