"""Part: an ingredient that many games share."""


class Part:
    """An ingredient of a game: its settings, what it keeps, and where the game calls it.

    A variant lists its parts, and has exactly their settings. Every method here is a place at which
    a game calls all of its parts, in the order of the list; a part overrides those it needs. What
    it keeps between steps are variables made by `game.add_weight`, or a resumed run would differ.

    Attributes:
        settings: name -> `zoo.settings.Setting`. Each value becomes an attribute of that name, of
            the part and of the game.
        reports: names of the numbers that `report` gives.
        differentiates_twice: bool, whether the step needs second derivatives.
    """

    settings = {}
    reports = ()
    differentiates_twice = False

    def __init__(self, **values):
        for name, setting in self.settings.items():
            setattr(self, name, setting.checked(name, values.get(name, setting.default)))

    def check(self, game):
        """Raises UsageError where a setting does not fit the game's others."""

    def builders(self, game):
        """Returns networks that the part adds to the game, name -> function that builds it."""
        return {}

    def players(self, game):
        """Returns players that the part adds to the game."""
        return ()

    def phases(self, game):
        """Returns phases that come before the game's own."""
        return ()

    def new_optimizer(self, game, player):
        """Returns a new optimizer for a player, or None where another part gives it."""

    def build(self, game):
        """Makes the variables that the part keeps; the networks are there."""

    def before_round(self, game, batch):
        """Returns the fields of a batch as the round takes them."""
        return batch

    def seen(self, game, samples):
        """Returns what a discriminator sees of samples, real or generated."""
        return samples

    def after_move(self, game, player):
        """Called when a player's weights have moved; nothing is recorded for differentiation."""

    def after_round(self, game, batch, results):
        """Called when all players have moved.

        Args:
            batch: the fields of the last minibatch.
            results: player's name -> `zoo.game.rounds.Result`.
        """

    def report(self, game):
        """Returns what the part adds to the logs, name -> float32 scalar, for `reports`."""
        return {}
