"""Distances of generated signals from sine waves, and from their distribution."""

import numpy as np

from zoo.errors import UsageError

# Radians per point. Slower waves are nearly straight lines, and faster ones nearly alternate.
# Outside the band, amplitude and phase lose their meaning.
BAND = (0.2, 3.0)
LEAST = 100


def fit_sines(signals):
    """Fits amplitude * sin(phase + frequency * i), i = 0, 1, ..., to each signal by least squares.

    For a given frequency, the fit is linear in amplitude * cos(phase) and amplitude * sin(phase).
    The function tries 281 frequencies in [0.2, 3] radians per point, then refines the best one by
    golden section search.

    Args:
        signals: array `(n, points)`, at least 4 points.

    Returns:
        dict of float64 arrays `(n,)`: amplitude >= 0, frequency (radians per point), phase (radians
        in [0, 2 pi)), residual (root mean square of the remainder over the points).

    Raises:
        UsageError: for another shape, or values that are not finite.
    """
    signals = np.asarray(signals, float)
    if signals.ndim != 2 or signals.shape[1] < 4 or not np.isfinite(signals).all():
        raise UsageError(
            "Expected finite signals of at least 4 points, shape (n, points). "
            f"Received: shape {signals.shape}, "
            f"{(~np.isfinite(signals)).sum()} values NaN or infinite."
        )
    frequencies, step = np.linspace(*BAND, 281, retstep=True)
    # The energy explained by each frequency is that of the projection on its orthonormal basis.
    angle = frequencies[:, None] * np.arange(signals.shape[1])
    basis, _ = np.linalg.qr(np.stack([np.sin(angle), np.cos(angle)], axis=2))
    energy = np.square(np.einsum("np,fpk->nfk", signals, basis, optimize=True)).sum(axis=2)
    best = frequencies[energy.argmax(axis=1)]
    low, high = np.maximum(best - step, BAND[0]), np.minimum(best + step, BAND[1])
    golden = (np.sqrt(5) - 1) / 2
    for _ in range(40):
        left, right = high - golden * (high - low), low + golden * (high - low)
        in_left = _linear_fit(signals, left)[2] < _linear_fit(signals, right)[2]
        low, high = np.where(in_left, low, left), np.where(in_left, right, high)
    frequency = (low + high) / 2
    along_sine, along_cosine, residual = _linear_fit(signals, frequency)
    return {
        "amplitude": np.hypot(along_sine, along_cosine),
        "frequency": frequency,
        "phase": np.arctan2(along_cosine, along_sine) % (2 * np.pi),
        "residual": residual,
    }


def sine_scores(samples, reference_parameters):
    """Scores generated signals against the parameters of real ones.

    Args:
        samples: array `(n, points)`.
        reference_parameters: dict of arrays `(m,)`: amplitude, frequency, phase, in the units of
            `fit_sines`; such as those from `zoo.data.synthetic.sine_parameters`, or from
            `fit_sines` of real data.

    Returns:
        dict of float: residual_mean and residual_median, the mean and the median of the signals'
        root mean square distances to their best-fitting sine waves; frequency_wasserstein,
        amplitude_wasserstein and phase_wasserstein, the 1-Wasserstein distances of the fitted
        parameters to the reference. The phase lives on a circle, so its distance is the shorter way
        round (Rabin, Delon and Gousseau 2011, "Transportation distances on the circle"), at most
        pi.

    Residuals are biased downwards: noise of RMS s leaves s * sqrt(1 - 3 / points), because three
    parameters are fitted. The distances are biased upwards, by about 0.3 (high - low) / sqrt(n) for
    a parameter uniform in [low, high] and a much larger reference.

    Raises:
        UsageError: for fewer than 100 samples, or samples that `fit_sines` refuses.
    """
    if len(samples) < LEAST:
        raise UsageError(f"Expected at least {LEAST} signals. Received: {len(samples)}.")
    fit = fit_sines(samples)
    scores = {
        "residual_mean": float(fit["residual"].mean()),
        "residual_median": float(np.median(fit["residual"])),
    }
    for name, period in (("frequency", None), ("amplitude", None), ("phase", 2 * np.pi)):
        distance = _wasserstein(fit[name], np.asarray(reference_parameters[name], float), period)
        scores[f"{name}_wasserstein"] = distance
    return scores


def _linear_fit(signals, frequency):
    """Returns the weights of sine and cosine and the residual RMS, each `(n,)`."""
    angle = frequency[:, None] * np.arange(signals.shape[1])
    sine, cosine = np.sin(angle), np.cos(angle)
    ss, cc, sc = (sine**2).sum(1), (cosine**2).sum(1), (sine * cosine).sum(1)
    xs, xc = (signals * sine).sum(1), (signals * cosine).sum(1)
    determinant = ss * cc - sc**2
    along_sine = (xs * cc - xc * sc) / determinant
    along_cosine = (xc * ss - xs * sc) / determinant
    left = signals - along_sine[:, None] * sine - along_cosine[:, None] * cosine
    return along_sine, along_cosine, np.sqrt(np.square(left).mean(axis=1))


def _wasserstein(a, b, period=None):
    """Returns the 1-Wasserstein distance of samples on the line, or a circle of length `period`."""
    if period is not None:
        a, b = a % period, b % period
    a, b = np.sort(a), np.sort(b)
    points = np.sort(np.concatenate([a, b]))
    gap = np.searchsorted(a, points, "right") / len(a) - np.searchsorted(b, points, "right") / len(
        b
    )
    if period is None:
        return float(np.abs(gap[:-1]) @ np.diff(points))
    # The circle may be cut open anywhere: the best cut shifts the gap by its weighted median.
    lengths = np.diff(points, append=points[0] + period)
    order = np.argsort(gap)
    half = np.searchsorted(np.cumsum(lengths[order]), period / 2)
    return float(np.abs(gap - gap[order[min(half, len(gap) - 1)]]) @ lengths)
