"""Small games, samples in every form that `fit` takes, and `fit` itself, for tests of them."""

import keras
import numpy as np
import pytest
from helpers import BATCH, SHAPES, small

GREY = (16, 16, 1)


def compiled(name, **settings):
    model = small(name, **settings)
    model.compile()
    return model


def images(count=2 * BATCH, shape=GREY):
    return np.random.default_rng(1).uniform(-1, 1, (count, *shape)).astype("float32")


def labels(count=2 * BATCH):
    return (np.arange(count) % 3).astype("int32")


class Batches(keras.utils.PyDataset):
    def __init__(self, *arrays, size=BATCH):
        super().__init__()
        self.arrays, self.size = arrays, size

    def __len__(self):
        return -(-len(self.arrays[0]) // self.size)

    def __getitem__(self, i):
        return tuple(x[i * self.size : (i + 1) * self.size] for x in self.arrays)


def generated(*arrays, size=BATCH):
    batches = Batches(*arrays, size=size)
    while True:
        yield from (batches[i] for i in range(len(batches)))


def dataset(*arrays, size=BATCH):
    tf = pytest.importorskip("tensorflow")
    return tf.data.Dataset.from_tensor_slices(arrays).batch(size)


def loader(*arrays, size=BATCH):
    torch = pytest.importorskip("torch")
    tensors = torch.utils.data.TensorDataset(*(torch.tensor(x) for x in arrays))
    return torch.utils.data.DataLoader(tensors, batch_size=size)


# Games differ in these, and variants of a game do not.
each_shape = pytest.mark.parametrize("variant", SHAPES, indirect=True)
STREAMS = {"batches": Batches, "generator": generated, "dataset": dataset, "loader": loader}
each_stream = pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)


def fit(gan, x, y=None, **options):
    return gan.fit(x, y, verbose=0, **{"batch_size": BATCH, "shuffle": False} | options).history


def last(history):
    return {name: values[-1] for name, values in history.items()}
