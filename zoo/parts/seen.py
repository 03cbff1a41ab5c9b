"""Inputs of a discriminator: noise on samples, several samples at once, their deviation."""

from keras import ops

from zoo.errors import UsageError
from zoo.layers import MinibatchStdDev
from zoo.parts.part import Part
from zoo.settings import Setting


class InstanceNoise(Part):
    """Noise on every input of the discriminator (Sonderby et al. 2017).

    Args:
        instance_noise: float, standard deviation of the normal noise on every input of the
            discriminator. It falls linearly to 0 (Sonderby et al. 2017).
        instance_noise_images: float, images until the noise is 0.
    """

    settings = {
        "instance_noise": Setting(float, 0.0, least=0.0),
        "instance_noise_images": Setting(float, 500_000.0, least=1.0),
    }

    def changes(self, game):
        return self.instance_noise > 0

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
    """The deviation within groups of samples, as a feature (Karras et al. 2018, section 3).

    Args:
        minibatch_std: int, size of the groups of samples whose deviation becomes an input of the
            discriminator (Karras et al. 2018, section 3; 4 there). 0 for none.
    """

    settings = {"minibatch_std": Setting(int, 0, least=0)}

    def compared(self, x):
        """Appends the deviation to the features `x` of a discriminator, if it is set."""
        if not self.minibatch_std:
            return x
        return MinibatchStdDev(self.minibatch_std, name="minibatch_std")(x)
