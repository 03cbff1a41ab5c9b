"""From seeds to samples: the only place that draws latent points and runs a generator.

A pair `(seed, index)` names a sample. Its latent point depends on that pair alone, never on the
number of samples or their batches. It is the same on every backend because numpy draws it.
"""

import numpy as np

from zoo.errors import UsageError

CHUNK = 64


def latents(count, latent_dim, seed=0):
    """Returns `count` standard normal latent points, float32 `(count, latent_dim)`.

    Args:
        count: int, how many.
        latent_dim: int, size of one point.
        seed: int, or a list of `count` ints. With one seed, point `i` is sample `(seed, i)`; with a
            list, point `i` is the first sample of `seed[i]`.

    Raises:
        UsageError: the list is of another length.
    """
    names = [(seed, i) for i in range(count)] if np.ndim(seed) == 0 else [(s, 0) for s in seed]
    if len(names) != count:
        raise UsageError(f"Expected one seed or {count} of them. Received: {len(names)} seeds.")
    points = [np.random.default_rng(name).standard_normal(latent_dim) for name in names]
    return np.asarray(points, "float32").reshape(count, latent_dim)


def run_generator(generator, z, labels=None, chunk=CHUNK):
    """Runs a generator in inference mode over `z`, `chunk` points at a time.

    The last chunk is padded, so every sample is computed in a batch of the same size and does not
    depend on the number of samples.

    Args:
        generator: keras.Model with input `z`, or `[z, label]` where it has classes.
        z: float32 `(count, latent_dim)`.
        labels: int32 `(count,)`, or None.
        chunk: int, samples per call.

    Returns:
        float32 array `(count, ...)` in [-1, 1] for images.
    """
    from zoo import backend

    inputs = [z] if labels is None else [z, np.asarray(labels, "int32")]
    outputs = []
    with backend.single(generator):
        for start in range(0, len(z), chunk):
            part = [x[start : start + chunk] for x in inputs]
            size = len(part[0])
            part = [np.concatenate([x, np.repeat(x[-1:], chunk - size, axis=0)]) for x in part]
            y = generator(part if labels is not None else part[0], training=False)
            outputs.append(_to_numpy(y)[:size])
    return np.concatenate(outputs)


def walk(points, frames):
    """Returns a closed spherical path: from each point to the next, and back to the first.

    Between two points the direction turns at constant speed and the length changes with it
    (slerp; White 2016, "Sampling Generative Networks", section 2.1), because points between normal
    ones on a straight line are shorter than any the generator was trained on. Where two points
    give no plane to turn in, the line is straight.

    Args:
        points: float32 `(n, d)`.
        frames: int, points from one to the next, including the first of the two.

    Returns:
        float32 `(n * frames, d)`; row `i * frames` equals `points[i]`.
    """
    path = []
    for a, b in zip(points, np.roll(points, -1, axis=0), strict=True):
        path += [between(a, b, t) for t in np.arange(frames) / frames]
    return np.asarray(path, "float32")


def between(a, b, t):
    """Returns the point at a share `t` of the path of `walk` from `a` to `b`, both `(d,)`."""
    lengths = np.linalg.norm(a) * np.linalg.norm(b)
    angle = np.arccos(np.clip(np.dot(a, b) / lengths, -1, 1)) if lengths else 0.0
    if t == 0:
        return a
    if np.sin(angle) < 1e-4:
        return (1 - t) * a + t * b
    return (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle)


def translated(network, images, multiple=1, chunk=8):
    """Runs a network from pictures to pictures, in chunks.

    Args:
        network: keras.Model with the input `image`, float32 NHWC in [-1, 1].
        images: uint8, or float in [-1, 1], `(n, height, width, channels)`.
        multiple: int. Other sides are padded by reflection, on the right and below, to a multiple
            of it, and the padding is cut off the result.
        chunk: int, pictures per call.

    Returns:
        uint8, or float32 in [-1, 1], `(n, height, width, channels)`, as the pictures given. A
        network that enlarges gives larger ones.
    """
    from zoo import backend

    height, width = images.shape[1:3]
    rest = [(0, -side % multiple) for side in (height, width)]
    outputs = []
    with backend.single(network):
        for start in range(0, len(images), chunk):
            part = images[start : start + chunk]
            part = np.pad(part, [(0, 0), *rest, (0, 0)], "reflect") if any(map(sum, rest)) else part
            if images.dtype == np.uint8:
                part = part.astype("float32") / 127.5 - 1.0
            drawn = _to_numpy(network(part.astype("float32"), training=False))
            sides = zip((height, width), drawn.shape[1:3], part.shape[1:3], strict=True)
            height_now, width_now = (side * after // before for side, after, before in sides)
            drawn = drawn[:, :height_now, :width_now]
            # A network in training may draw beyond the range, which a file could not hold.
            outputs.append(to_uint8(drawn) if images.dtype == np.uint8 else np.clip(drawn, -1, 1))
    return np.concatenate(outputs)


def filled(network, images, holes, multiple=1, chunk=8):
    """Fills holes in pictures, in chunks.

    Args:
        network: keras.Model with the inputs `image`, float32 NHWC in [-1, 1], and `mask`, float32
            `(n, height, width, 1)`, 1 at unknown pixels, and one or several outputs like `image`.
        images: uint8, or float in [-1, 1], `(n, height, width, channels)`.
        holes: bool `(n, height, width)`, True at unknown pixels.
        multiple: int. Other sides are padded by reflection, on the right and below, to a multiple
            of it, and the padding is cut off the result.
        chunk: int, pictures per call.

    Returns:
        list of arrays like `images`, one for each output, with what it has drawn in the holes. All
        other pixels are those of `images`, bit for bit.
    """
    from zoo import backend

    height, width = images.shape[1:3]
    rest = [(0, 0), *[(0, -side % multiple) for side in (height, width)], (0, 0)]
    unknown = holes[..., np.newaxis]
    outputs = []
    with backend.single(network):
        for start in range(0, len(images), chunk):
            part = images[start : start + chunk]
            values = part.astype("float32") / 127.5 - 1 if part.dtype == np.uint8 else part
            given = [values, unknown[start : start + chunk]]
            given = [np.pad(x, rest, "reflect").astype("float32") for x in given]
            drawn = network(given, training=False)
            drawn = drawn if isinstance(drawn, list) else [drawn]
            drawn = [_to_numpy(x)[:, :height, :width] for x in drawn]
            if part.dtype == np.uint8:
                drawn = [to_uint8(x) for x in drawn]
            outputs.append([np.where(unknown[start : start + chunk], x, part) for x in drawn])
    return [np.concatenate(each) for each in zip(*outputs, strict=True)]


def _to_numpy(tensor):
    import keras

    return keras.ops.convert_to_numpy(tensor).astype("float32")


def to_uint8(images):
    """Maps images from float in [-1, 1] to uint8 in [0, 255], rounding to nearest."""
    return np.clip(np.rint((np.asarray(images, "float32") + 1) * 127.5), 0, 255).astype("uint8")
