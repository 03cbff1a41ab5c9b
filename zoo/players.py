"""Players and phases: who trains which networks, how often, and when."""

import dataclasses
from collections.abc import Callable


@dataclasses.dataclass(frozen=True)
class Player:
    """One side of a game: the networks it trains, with one optimizer and one loss.

    The game's method `<name>_loss(batch, made)` is its loss. It returns a float32 scalar, or a dict
    of the scalars named in `losses`, which are added up; and, where `seen` names any, a second dict
    of what else is reported, arrays whose mean is.

    Attributes:
        name: of the player, "discriminator".
        networks: names of the networks that it moves.
        makes: those of them that the game's `make` runs. Their gradient comes through what was
            made, by one backward pass through the forward pass that all players share.
        losses: names of the terms of its loss, which are reported. A term whose setting
            `<term>_weight` is 0 is left out.
        seen: names of what else is reported.
        short: what its columns begin with; by default the first letter of the name. The logs hold
            `<short>_loss`, and `<short>_<term>` of each term and of what else is seen.
        moves: int, or the name of the setting that holds it: its moves in a round. Each has a
            minibatch of its own; a player with fewer moves takes part in the last ones.
        rests: name of the game's method that returns a scalar, True where the player moves nothing
            in this round, moving averages included; None for a player that never rests.
        alone: bool, whether its loss looks at nothing that `make` draws.
        loss: function `(game, batch, made)` in the place of the game's method, of a player that a
            part brings along.
    """

    name: str
    networks: tuple
    makes: tuple = ()
    losses: tuple = ()
    seen: tuple = ()
    short: str | None = None
    moves: int | str = 1
    rests: str | None = None
    alone: bool = False
    loss: Callable | None = None

    def column(self, term="loss"):
        """Returns the column name of a number of this player in logs and tables."""
        return f"{self.short or self.name[0]}_{term}"


@dataclasses.dataclass(frozen=True)
class Phase:
    """Some rounds in which the same players play.

    The number of rounds played determines the phase, so a resumed run knows it.

    Attributes:
        name: of the phase, "game".
        players: names of the players that move, in this order.
        rounds: int, how many; None for the last phase, which has no end.
    """

    name: str
    players: tuple
    rounds: int | None = None
