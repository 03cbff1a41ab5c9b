"""Distances between pictures and their targets, for tasks with pairs."""

import numpy as np

from zoo.errors import UsageError
from zoo.metrics.frechet import feature_pair

# In decibels. Identical pictures have no error, and their ratio would be infinite.
HIGHEST_PSNR = 100.0
# The side of the square window of `ssim`, in pixels.
WINDOW = 11
EDGE = WINDOW // 2


def l1(a, b):
    """Returns the mean absolute difference of the pictures, float in [0, 1]; 0 is best.

    It is the difference in grey levels, divided by the full range, 255.

    Args:
        a, b: uint8 `(n, h, w, c)`; `a[i]` is compared with `b[i]`.

    Raises:
        UsageError: for other arrays, or shapes that differ.
    """
    a, b = _pictures(a, b)
    return _mean(lambda x, y: np.abs(_difference(x, y)).mean() / 255, a, b)


def psnr(a, b, hole=None):
    """Returns the mean peak signal-to-noise ratio of the pictures, float in decibels, best if high.

    It is 10 log10(255^2 / MSE) of each picture, over all its pixels and channels, or those of a
    hole alone, averaged over the pictures. None counts more than 100 dB, so identical pictures have
    a finite number too, which can be averaged and written as JSON. Two pictures that differ by one
    grey level everywhere have 48.13 dB.

    Papers on super-resolution often take the luma and cut off the borders; this function does
    neither.

    Args:
        a, b: uint8 `(n, h, w, c)`; `a[i]` is compared with `b[i]`.
        hole: bool `(n, h, w)`, True at the pixels that count, at least one of each picture; or None
            for all.

    Raises:
        UsageError: for other arrays, or shapes that differ.
    """
    a, b = _pictures(a, b)

    def ratio(x, y, counted):
        return decibels(np.square(_difference(x, y))[counted].mean())

    return _mean(ratio, a, b, _counted(a, hole))


def decibels(error):
    """Returns the peak signal-to-noise ratio, at most 100, of a mean squared error in 0..255."""
    return float(min(10 * np.log10(255**2 / error), HIGHEST_PSNR)) if error else HIGHEST_PSNR


def ssim(a, b, hole=None):
    """Returns the mean structural similarity of the pictures, float in [-1, 1]; 1 is best.

    It is that of Wang et al. 2004 (equation 13): a Gaussian window of 11x11 with deviation 1.5,
    K1 = 0.01 and K2 = 0.03 of a range of 255, and the mean over the windows that lie inside the
    picture. For colour pictures it is the mean over the channels; the paper uses grey ones.
    scikit-image computes it. With a hole it is the mean over the windows whose middle is a pixel of
    the hole; they see the known pixels around it too.

    Args:
        a, b: uint8 `(n, h, w, c)`, h and w at least 11; `a[i]` is compared with `b[i]`.
        hole: bool `(n, h, w)`, True at the pixels that count, at least one of each picture farther
            than 5 pixels from the border; or None for all.

    Raises:
        UsageError: for other arrays, or shapes that differ.
    """
    a, b = _pictures(a, b)
    if min(a.shape[1:3]) < WINDOW:
        raise UsageError(
            f"The window of SSIM is {WINDOW}x{WINDOW}, so it needs pictures of at least this size: "
            f"take l1 or psnr for smaller ones. Received: {a.shape[1]}x{a.shape[2]}."
        )
    inside = np.zeros(a.shape[1:3], bool)
    inside[EDGE:-EDGE, EDGE:-EDGE] = True
    counted = _counted(a, hole, inside)
    return _mean(lambda x, y, counted: similarities(x, y)[counted].mean(), a, b, counted)


def similarities(a, b):
    """Returns the structural similarity in the window around each pixel, float64 `(h, w, c)`.

    Those of the outer 5 pixels, whose windows reach beyond the picture, do not count.

    Args:
        a, b: uint8, or float in 0..255, `(h, w, c)`, h and w at least 11.
    """
    from skimage.metrics import structural_similarity

    _, values = structural_similarity(
        a,
        b,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
        channel_axis=-1,
        full=True,
    )
    return values


def feature_distance(a_features, b_features):
    """Returns the mean distance between the features of matching pictures, float in [0, 2].

    It is the Euclidean distance between the two vectors, each divided by its length. 0 is best, and
    features that are never negative, such as those of `imagenet`, are at most sqrt(2) apart. A
    vector of zeros stays a vector of zeros.

    It is a perceptual distance like that of Zhang et al. 2018, but not LPIPS: it uses one layer,
    not five, averages over places first, and has no weights fitted to what people see.

    Args:
        a_features, b_features: arrays `(n, d)` from one extractor; row i of one is compared with
            row i of the other.

    Raises:
        UsageError: for shapes that differ, or values that are not finite.
    """
    a, b = feature_pair(a_features, b_features)
    if len(a) != len(b):
        raise UsageError(
            "Expected the features of as many pictures on either side, as each is compared with "
            f"its own. Received: {len(a):,} and {len(b):,}."
        )
    return float(np.linalg.norm(_unit(a) - _unit(b), axis=1).mean())


def _unit(features):
    features = features.astype(float)
    length = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.where(length == 0, 1, length)


def _pictures(a, b):
    a, b = np.asarray(a), np.asarray(b)
    if not a.dtype == b.dtype == np.uint8 or a.ndim != 4 or a.shape != b.shape or not a.size:
        raise UsageError(
            "Expected two arrays of uint8 pictures, both of shape (n >= 1, height, width, "
            f"channels). Received: {a.dtype} of shape {a.shape} and {b.dtype} of shape {b.shape}."
        )
    return a, b


def _difference(x, y):
    return x.astype("int32") - y


def _counted(pictures, hole, inside=True):
    """Returns the pixels of each picture that count, bool `(n, h, w)`: those of the hole inside."""
    if hole is None:
        return np.broadcast_to(inside, pictures.shape[:3])
    hole = np.asarray(hole)
    if hole.dtype != bool or hole.shape != pictures.shape[:3]:
        raise UsageError(
            f"Expected `hole` as a bool array of shape {pictures.shape[:3]}, True at the pixels "
            f"that count. Received: {hole.dtype} of shape {hole.shape}."
        )
    counted = hole & inside
    if not counted.any(axis=(1, 2)).all():
        raise UsageError(
            "Expected a hole in each picture, for SSIM farther than 5 pixels from its border. "
            f"Received: none in picture {int(np.argmin(counted.any(axis=(1, 2))))}."
        )
    return counted


def _mean(of_each, *sets):
    """Returns the mean of `of_each` over matching items, one at a time: the sets may be large."""
    return float(np.mean([of_each(*items) for items in zip(*sets, strict=True)]))
