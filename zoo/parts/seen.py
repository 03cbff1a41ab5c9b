"""What a discriminator sees: noise on its samples, several at once, how much they differ."""

from keras import ops

from zoo.errors import UsageError
from zoo.layers import MinibatchStdDev
from zoo.parts.part import Part
from zoo.settings import Setting


class InstanceNoise(Part):
    """Noise on everything the discriminator sees (Sonderby et al. 2017).

    Args:
        instance_noise: float, deviation of the normal noise on everything the discriminator sees,
            falling linearly to 0 (Sonderby et al. 2017).
        instance_noise_images: float, images until it is 0.
    """

    settings = {
        "instance_noise": Setting(float, 0.0, least=0.0),
        "instance_noise_images": Setting(float, 500_000.0, least=1.0),
    }

    def seen(self, game, samples):
        if not self.instance_noise:
            return samples
        past = game.images_seen({"seen": samples}) * game.accumulate
        left = 1.0 - past / self.instance_noise_images
        deviation = self.instance_noise * ops.maximum(left, 0.0)
        return samples + deviation * game.normal(ops.shape(samples))


class Packing(Part):
    """Several samples judged at once (Lin et al. 2018, PacGAN).

    Args:
        packing: int, samples the discriminator judges at once, stacked along the channels (Lin et
            al. 2018, PacGAN).
    """

    settings = {"packing": Setting(int, 1, least=1)}

    def seen(self, game, samples):
        m = self.packing
        if m == 1:
            return samples
        size = samples.shape[0]
        if size is not None and size % m:
            raise UsageError(
                f"The discriminator judges packing={m} samples at once. Expected minibatches of a "
                f"size divisible by {m}. Received: {size}."
            )
        shape = tuple(samples.shape[1:])
        groups = ops.reshape(samples, (-1, m, *shape))
        groups = ops.moveaxis(groups, 1, -2)
        return ops.reshape(groups, (-1, *shape[:-1], m * shape[-1]))


class MinibatchDeviation(Part):
    """How much the samples of a group differ, as a feature (Karras et al. 2018, section 3).

    Args:
        minibatch_std: int, size of the groups of samples whose deviation the discriminator is told
            (Karras et al. 2018, section 3; 4 there). 0 for none.
    """

    settings = {"minibatch_std": Setting(int, 0, least=0)}

    def compared(self, x):
        """Adds the deviation to the features `x` of a discriminator, where it is asked for."""
        if not self.minibatch_std:
            return x
        return MinibatchStdDev(self.minibatch_std, name="minibatch_std")(x)
