"""Directions in the latent space along which samples change most, and moves along them."""

import numpy as np

from zoo import sampling
from zoo.errors import UsageError

# Directions that are found, fewer if noise has fewer dimensions.
COUNT = 8
POINTS = 512  # samples whose features are compared
FAR = 10.0  # most standard deviations of a move


def principal(generator, label=0, count=COUNT):
    """Returns directions, the one that changes early features most first.

    The features are what enters the second layer of weights. Their principal components are those
    of the differences between samples, and each direction is the least-squares answer to how noise
    has to change for a component (Härkönen et al. 2020, "GANSpace", section 2.1 and equation 3).
    Where no activation lies between the layers, this is the closed form of Shen and Zhou 2021,
    "Closed-Form Factorization of Latent Semantics in GANs": the singular vectors of the first
    weights.

    Args:
        generator: keras.Model with input `z`, or `[z, label]`.
        label: int, of the samples, for a generator with classes.
        count: int, how many directions at most.

    Returns:
        float32 `(n, latent_dim)`, each of length 1, so that a move by 1 is a standard deviation of
        the noise. The sign is that of the largest entry, positive.
    """
    import keras

    layers = [layer for layer in generator.layers if layer.weights and hasattr(layer, "kernel")]
    early = generator if len(layers) < 2 else keras.Model(generator.input, layers[1].input)
    size = int(np.prod(generator.inputs[0].shape[1:]))
    z = sampling.latents(POINTS, size)
    labels = None if len(generator.inputs) == 1 else np.full(POINTS, label, "int32")
    features = sampling.run_generator(early, shaped(generator, z), labels).reshape(POINTS, -1)
    features = features - features.mean(axis=0)
    # There are fewer points than features, so their products with each other are cheaper.
    values, left = np.linalg.eigh(features @ features.T)
    values, left = values[::-1], left[:, ::-1]
    count = min(count, size, int((values > 1e-6 * values[0]).sum()))
    found = np.sqrt(values[:count])[:, np.newaxis] ** -1 * left[:, :count].T @ (z - z.mean(axis=0))
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    largest = np.take_along_axis(found, np.abs(found).argmax(axis=1)[:, np.newaxis], axis=1)
    return (found * np.sign(largest)).astype("float32")


def shaped(generator, z):
    """Returns points `(n, latent_dim)` in the shape that a generator takes."""
    return z.reshape(-1, *generator.inputs[0].shape[1:])


def edited(z, directions, truncation=1.0, moves=None, mix=None):
    """Returns points that are mixed, moved and drawn towards the mean, in this order.

    Args:
        z: float32 `(n, latent_dim)`.
        directions: float32 `(m, latent_dim)` as of `principal`; None where nothing is moved.
        truncation: float in [0, 1], by which the points are multiplied: below 1 samples are more
            typical and more alike (as psi in Karras et al. 2019, section 2 of the supplement).
        moves: dict of number, from 1, -> how far along that direction.
        mix: `(seed, share)`: each point goes this share of the spherical path to that of the seed.
    """
    if mix is not None:
        seed, share = mix
        (other,) = sampling.latents(1, z.shape[1], [seed])
        z = np.stack([sampling.between(point, other, share) for point in z])
    for number, far in (moves or {}).items():
        z = z + np.float32(far) * directions[number - 1]
    return (z * np.float32(truncation)).astype("float32")


def edits(generator, label=0, truncation=1.0, move=None, mix=None):
    """Returns a function from points to edited points, or None if nothing changes.

    Args:
        generator: keras.Model from noise.
        label: int, the class whose directions are taken.
        truncation: as for `edited`.
        move: str or None, such as "1:2.5,3:-1", as for `parse_moves`.
        mix: str or None, such as "7:0.5", as for `parse_mix`.

    Raises:
        UsageError: one of them is out of range.
    """
    if not 0 <= truncation <= 1:
        raise UsageError(f"Expected a truncation from 0 to 1. Received: {truncation:g}.")
    most = min(COUNT, int(np.prod(generator.inputs[0].shape[1:])))
    moves, mixed = parse_moves(move, most), parse_mix(mix)
    if truncation == 1 and not moves and mixed is None:
        return None
    found = principal(generator, label) if moves else None
    return lambda z: edited(z, found, truncation, moves, mixed)


def parse_moves(text, most):
    """Returns the moves in a text such as "1:2.5,3:-1", a dict of number -> how far.

    Args:
        text: str, or None for none.
        most: int, how many directions there are.

    Raises:
        UsageError: it is no such text, or there is no such direction.
    """
    moves = {}
    for part in (text or "").split(",") if text else ():
        number, far = _pair(part, "--move=NUMBER:FAR,..., such as --move=1:2.5,3:-1", text)
        if not 1 <= number <= most or not abs(far) <= FAR:
            raise UsageError(
                f"Expected a direction from 1 to {most} and how far, from {-FAR:g} to {FAR:g}. "
                f"Received: {part}."
            )
        moves[number] = far
    return moves


def parse_mix(text):
    """Returns `(seed, share)` of a text such as "7:0.5", or None. Raises UsageError."""
    if text is None:
        return None
    seed, share = _pair(text, "--mix=SEED:SHARE, such as --mix=7:0.5", text)
    if seed < 0 or not 0 <= share <= 1:
        raise UsageError(f"Expected a seed from 0 up and a share from 0 to 1. Received: {text}.")
    return seed, share


def _pair(part, expected, received):
    number, colon, value = part.partition(":")
    try:
        if colon:
            return int(number), float(value)
    except ValueError:
        pass
    raise UsageError(f"Expected {expected}. Received: {received}.")
