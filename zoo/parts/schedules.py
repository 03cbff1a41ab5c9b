"""Numbers of a recipe that change during training."""

from zoo.errors import UsageError
from zoo.parts.part import Part
from zoo.settings import Setting


class Schedules(Part):
    """Numbers that change along the same curve as the learning rates (R3GAN, Huang et al. 2024).

    Each goes from the value of its own setting to a final one in `decay_steps` rounds, as `decay`
    and `decay_after` say, and stays there. None leaves it constant, and so does `decay_steps=0`.

    Args:
        final_penalty_weight: float or None, `penalty_weight` at the end of the decay.
        final_ema_half_life: float or None, `ema_half_life` at the end of the decay.
        final_augment_strength: float or None, `augment_strength` at the end of the decay. It has no
            effect with an `augment_target`.
        final_beta_2: float or None, Adam's `beta_2` at the end of the decay. It has no effect on
            other optimizers.
    """

    settings = {
        "final_penalty_weight": Setting(float, None, least=0.0, optional=True),
        "final_ema_half_life": Setting(float, None, least=0.0, optional=True),
        "final_augment_strength": Setting(float, None, least=0.0, most=1.0, optional=True),
        "final_beta_2": Setting(float, None, least=0.0, most=0.9999999, optional=True),
    }

    def check(self, game):
        if self.final_beta_2 is not None and not game.beta_2:
            raise UsageError(
                "Adam's beta_2 goes to its final value by a factor. Expected a beta_2 above 0 to "
                f"start with. Received: beta_2={game.beta_2}, final_beta_2={self.final_beta_2}."
            )

    def changes(self, game):
        return bool(game.decay_steps)

    def current(self, game, setting):
        final = getattr(self, f"final_{setting}", None)
        if final is None or not game.decay_steps:
            return None
        # The count of rounds is saved with the optimizer, so a resumed run goes on along the curve.
        left = game.part["Optimizers"].falling(1.0, 0.0)(game.optimizer.iterations)
        return final + (getattr(game, setting) - final) * left
