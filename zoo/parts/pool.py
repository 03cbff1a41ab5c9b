"""A pool of generated pictures, so a discriminator also sees pictures of earlier steps."""

from keras import ops

from zoo import backend
from zoo.parts.part import Part
from zoo.settings import Setting


class Pool(Part):
    """A pool of past generated pictures (Shrivastava et al. 2017, section 2.3; Zhu et al. 2017).

    With probability 1/2 the discriminator sees a picture from the pool, and the new picture takes
    its place in the pool. A pool that is not full takes every picture.

    Args:
        pool_size: int, pictures kept per side; 0 for no pool. CycleGAN uses 50.
    """

    settings = {"pool_size": Setting(int, 0, least=0)}

    def build(self, game):
        self.pools = {}
        if not self.pool_size:
            return
        for name in game.pooled:
            self.pools[name] = game.add_weight(
                shape=(self.pool_size, *game.sample_shape),
                initializer="zeros",
                trainable=False,
                name=f"pool_{name}",
                aggregation="only_first_replica",
            )
        self.filled = game.add_weight(
            shape=(),
            initializer="zeros",
            dtype="int32",
            trainable=False,
            name="pool_filled",
            aggregation="only_first_replica",
        )

    def exchange(self, game, made):
        """Returns generated pictures, some of them exchanged for past ones.

        Every replica keeps the same pool, fed with the pictures of all replicas.

        Args:
            game: the game.
            made: name -> float32 `(batch, height, width, channels)`, detached from the generators.

        Returns:
            dict of the same names and shapes.
        """
        if not self.pools:
            return made
        count, index = backend.replicas()
        names = list(self.pools)
        fresh = {name: backend.gather(made[name]) for name in names}
        size = ops.shape(fresh[names[0]])[0]
        # One draw for all sides and replicas keeps their pools equal.
        draws = backend.uniform((2, size), game.noise)
        position = ops.arange(size, dtype="int32") + self.filled.value
        places = ops.cast(draws[0] * self.pool_size, "int32")
        # While there is room, a picture is stored and shown unchanged.
        room = position < self.pool_size
        place = ops.where(room, position, places)
        # In the minibatch that fills the pool, some places are assigned but still empty.
        full = ops.logical_and(ops.logical_not(room), place < self.filled.value)
        swapped = ops.logical_and(full, draws[1] < 0.5)
        taken_in = ops.logical_or(room, swapped)
        shown = {}
        for name in names:
            pool, pictures = self.pools[name], fresh[name]
            old = ops.take(pool.value, place, axis=0)
            choose = ops.reshape(swapped, (-1, 1, 1, 1))
            all_shown = ops.where(choose, old, ops.cast(pictures, "float32"))
            shown[name] = _share(all_shown, count, index)
            with backend.no_grad():
                pool.assign(_put(pool.value, place, pictures, taken_in))
        with backend.no_grad():
            self.filled.assign(ops.minimum(self.filled.value + size, self.pool_size))
        return made | shown


def _put(pool, place, pictures, taken_in):
    """Returns the pool with pictures in their places. If two share a place, the last one wins."""
    size = pool.shape[0]
    number = ops.arange(ops.shape(place)[0], dtype="int32") + 1
    at = ops.cast(ops.equal(place[None, :], ops.arange(size, dtype="int32")[:, None]), "int32")
    latest = ops.max(at * ops.where(taken_in, number, 0)[None, :], axis=1)
    new = ops.take(ops.cast(pictures, "float32"), ops.maximum(latest - 1, 0), axis=0)
    return ops.where(ops.reshape(latest > 0, (-1, 1, 1, 1)), new, pool)


def _share(pictures, count, index):
    if count == 1:
        return pictures
    size = ops.shape(pictures)[0] // count
    return pictures[index * size : (index + 1) * size]
