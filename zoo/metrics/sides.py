"""Whether translated pictures look like those of the other side, to a network that knows both.

A classifier of the two kinds of pictures, trained once on real ones and kept in the cache, names
the translated ones, as the agreement of attributes is measured for faces (Choi et al. 2018, 5.3).
"""

import sys
import time

import numpy as np

from zoo.data import Dataset, cache
from zoo.data.catalog import short
from zoo.metrics import classifier
from zoo.metrics.features import weights_hash
from zoo.metrics.segmenter import smaller
from zoo.progress import say

# Part of the name of the cached weights: increase it with every change of how they are learnt.
RECIPE = 1
STEPS = 400
LARGEST_SIDE = 32  # larger pictures are made smaller by a whole number
CHUNK = 256
SIDES = ("a", "b")


class Sides:
    """Names the side of pictures.

    Attributes:
        name: str. hash: str, SHA-256 in hex of the weights.
    """

    def __init__(self, name, network):
        self.name, self._network = name, network
        self.hash = weights_hash(network.get_weights())

    def share(self, images, side):
        """Returns the share of pictures that look more like `side`, a float in [0, 1].

        Args:
            images: uint8 `(n, height, width, channels)`. side: "a" or "b".
        """
        import keras

        from zoo import backend

        named = []
        with backend.single(self._network):
            for start in range(0, len(images), CHUNK):
                part = smaller(images[start : start + CHUNK], LARGEST_SIDE).astype("float32")
                _, likely = self._network(part, training=False)
                named.append(keras.ops.convert_to_numpy(likely).argmax(axis=1))
        return float((np.concatenate(named) == SIDES.index(side)).mean())


def sides(dataset, fields, fingerprint):
    """Returns the `Sides` of a data set, trained now or read from the cache.

    Args:
        dataset: str, its name, for people.
        fields: dict of `a` and `b`, uint8 `(n, height, width, channels)`, real training pictures.
        fingerprint: str, of the data.
    """
    name = f"sides:{short(dataset)}"
    stamp = "sides-" + cache.stamp_of(RECIPE, STEPS, fingerprint)
    count = max(map(len, fields.values()))
    # As many of each, so that neither is named more often for being more frequent.
    chosen = {side: np.resize(np.arange(len(fields[side])), count) for side in SIDES}
    samples = np.concatenate([smaller(fields[side], LARGEST_SIDE)[chosen[side]] for side in SIDES])
    network = classifier.build(samples.shape[1:], len(SIDES))
    if classifier.read(stamp, network) is None:
        start = time.process_time()
        labels = np.repeat(np.arange(len(SIDES), dtype="int32"), count)
        learnt = Dataset(name, {"image": samples, "label": labels}, SIDES)
        classifier.fit(network, learnt, name, STEPS)
        classifier.write(stamp, network, {"hash": weights_hash(network.get_weights())})
        seconds = time.process_time() - start
        say(f"{name}: trained in {seconds:.0f} CPU seconds.", file=sys.stderr)
    return Sides(name, network)
