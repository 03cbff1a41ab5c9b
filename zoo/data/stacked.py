"""`stacked_mnist`: three MNIST digits as the channels of one picture, a thousand modes.

After Metz et al., "Unrolled Generative Adversarial Networks", ICLR 2017, arXiv:1611.02163, section
3.3.1, and Lin et al. 2018, arXiv:1712.04086 (PacGAN). The modes that a generator reaches can be
counted, because a classifier of single digits names each of the three.
"""

import numpy as np

from zoo import data
from zoo.data.cache import fingerprint
from zoo.errors import UsageError, nearest, no_split

# The counts that PacGAN trains on and draws for its scores.
COUNTS = {"train": 128_000, "test": 26_000}
CLASS_NAMES = tuple(f"{i:03d}" for i in range(1000))


def load(name, *, split, image_size, channels, resize, data_dir=None, strict=False):
    """Stacks digits of MNIST's own split, drawn with replacement; arguments as in `zoo.data.load`.

    The same digits are drawn every time. The label is the number that the digits make, red first:
    7, 0 and 4 are class 704.

    Returns:
        `Dataset` with images uint8 `(n, height, width, 3)`, 28x28 by default, and labels int32
        `(n,)`: 128,000 for training and 26,000 for testing.

    Raises:
        UsageError: MNIST cannot be loaded, there is no such split, or `channels` is neither 3 nor
            None.
    """
    if channels not in (None, 3):
        raise UsageError(
            f"{name} has a digit in each of three channels. Expected channels=3 or none. "
            f"Received: channels={channels}."
        )
    if split not in COUNTS:
        raise no_split(name, split, nearest(split, COUNTS))
    digits = data.load(
        "mnist", split=split, image_size=image_size, channels=1, resize=resize, data_dir=data_dir
    )
    # RandomState, because its stream is frozen across numpy versions: the set never changes.
    draw = np.random.RandomState(0 if split == "train" else 1)
    chosen = draw.randint(len(digits.samples), size=(COUNTS[split], 3))
    samples = np.concatenate([digits.samples[chosen[:, i]] for i in range(3)], axis=-1)
    labels = (digits.labels[chosen] @ np.array([100, 10, 1])).astype("int32")
    fields = {"image": samples, "label": labels}
    return data.Dataset(name, fields, CLASS_NAMES, fingerprint(fields, CLASS_NAMES))
