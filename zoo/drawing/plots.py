"""Plots of generated points or signals, as uint8 RGB arrays.

Generated values that are NaN or infinite do no harm: they count as outside of the picture.
"""

import numpy as np

from zoo.errors import UsageError

REAL = "#4c6a92"
FAKE = "#d1603d"
THIRD = "#3f8f5f"
QUIET = "#8a8a8a"


def density_picture(samples, mixture, discriminator=None):
    """Draws the true density, a histogram of the samples, and the discriminator over the same x.

    Args:
        samples: array `(n,)` or `(n, 1)`. Those outside of the picture are counted in the legend.
        mixture: the truth, with `pdf(x)`, `means` and `stds`, such as
            `zoo.data.synthetic.Mixture`.
        discriminator: optional function from float32 `(m, 1)` to logits `(m,)` or `(m, 1)`. What
            is drawn is sigmoid(logits), the probability it gives to "real", on the right axis; at
            the optimum of the game it is 1/2 wherever there are samples.

    Returns:
        uint8 array `(600, 900, 3)`.
    """
    samples = _points(samples, 1)[:, 0]
    spread = 5 * max(mixture.stds)
    low, high = min(mixture.means) - spread, max(mixture.means) + spread
    x = np.linspace(low, high, 600)
    bins = np.linspace(low, high, 81)
    inside = samples[(samples >= low) & (samples <= high)]
    outside = len(samples) - len(inside)
    # Divided by all samples, so that those outside of the picture lower the histogram.
    heights = np.histogram(inside, bins)[0] / len(samples) / np.diff(bins)

    figure, (axes,) = _figure(1)
    label = "generated" if not outside else f"generated ({outside} of {len(samples)} outside)"
    density = mixture.pdf(x)
    axes.stairs(heights, bins, fill=True, color=FAKE, alpha=0.55, label=label)
    axes.plot(x, density, color=REAL, linewidth=2.5, label="true density")
    # A collapsed generator's spike may leave the picture; the truth must not shrink to nothing.
    top = 1.15 * np.clip(heights.max(), density.max(), 3 * density.max())
    axes.set(xlim=(low, high), ylim=(0, top), xlabel="x", ylabel="density")
    if discriminator is not None:
        logits = np.asarray(discriminator(x[:, None].astype("float32")), float).reshape(-1)
        right = axes.twinx()
        right.plot(x, _sigmoid(logits), color=THIRD, linewidth=1.8, linestyle=(0, (5, 2)))
        right.axhline(0.5, color=QUIET, linewidth=0.8, linestyle=":")
        right.set(ylim=(0, 1.15), yticks=[0, 0.5, 1])
        right.set_ylabel("discriminator: probability of real", color=THIRD, fontsize=12)
        right.tick_params(colors=THIRD, length=0, labelsize=12)
        right.spines[:].set_visible(False)
        axes.plot([], [], color=THIRD, linewidth=1.8, linestyle=(0, (5, 2)), label="discriminator")
    figure.legend(loc="outside upper center", ncols=3, frameon=False, fontsize=13)
    return _pixels(figure)


def scatter_picture(samples, real, centres=None):
    """Draws real and generated points of the plane in two panels with the same axes.

    Args:
        samples, real: arrays `(n, 2)` and `(m, 2)`; the first 5,000 of each are drawn. The axes are
            those of the real points; generated ones outside are counted in the title.
        centres: optional array `(k, 2)`, the modes. Each is circled, thin and grey when it has a
            generated point within 3 standard deviations, thick and black when it is missed. The
            standard deviation is measured on the real points.

    Returns:
        uint8 array `(500, 900, 3)`.
    """
    samples, real = _points(samples, 2), _points(real, 2)
    middle = (real.max(axis=0) + real.min(axis=0)) / 2
    half = 1.25 * (real.max(axis=0) - real.min(axis=0)).max() / 2
    inside = (np.abs(samples - middle) <= half).all(axis=1)
    figure, panels = _figure(2, height=5)
    for axes, points, color in ((panels[0], real, REAL), (panels[1], samples[inside], FAKE)):
        axes.scatter(*points[:5000].T, s=7, color=color, alpha=0.35, linewidths=0)
        axes.set(xlim=(middle[0] - half, middle[0] + half), xlabel="$x_1$", aspect="equal")
        axes.set(ylim=(middle[1] - half, middle[1] + half))
    panels[0].set(title="real", ylabel="$x_2$")
    title = "generated"
    if not inside.all():
        title += f", {(~inside).sum()} of {len(samples)} outside"
    if centres is not None:
        centres = _points(centres, 2)
        to_centres = np.linalg.norm(real[:, None] - centres, axis=2).min(axis=1)
        std = np.sqrt(np.square(to_centres).mean() / 2)
        close = np.linalg.norm(samples[:, None] - centres, axis=2) <= 3 * std
        apart = np.linalg.norm(centres[:, None] - centres, axis=2)
        radius = np.min(apart, where=apart > 0, initial=2 * half) / 4
        for centre, covered in zip(centres, close.any(axis=0), strict=True):
            panels[1].add_patch(_circle(centre, radius, covered))
        title = f"generated: {close.any(axis=0).sum()} of {len(centres)} modes, "
        title += f"{close.any(axis=1).mean():.0%} within 3 std"
    panels[1].set_title(title)
    return _pixels(figure)


def signals_picture(real, fake):
    """Draws the first 50 real and the first 50 generated signals in two panels.

    Args:
        real, fake: arrays `(n, points)`.

    Returns:
        uint8 array `(600, 900, 3)`.
    """
    real, fake = _points(real, None)[:50], _points(fake, None)[:50]
    limit = 1.1 * max(np.abs(x[np.isfinite(x)]).max(initial=0) for x in (real, fake))
    figure, panels = _figure(2)
    for axes, signals, color, title in (
        (panels[0], real, REAL, "real"),
        (panels[1], fake, FAKE, "generated"),
    ):
        axes.plot(signals.T, color=color, alpha=0.3, linewidth=1.1)
        axes.set(title=f"{len(signals)} {title}", xlabel="point", ylim=(-limit, limit))
        axes.set_xticks(range(0, signals.shape[1], max(1, signals.shape[1] // 5)))
        axes.axhline(0, color=QUIET, linewidth=0.8, zorder=0)
    panels[0].set_ylabel("value")
    panels[1].tick_params(labelleft=False)
    return _pixels(figure)


def samples_picture(samples):
    """Draws generated samples alone: a histogram, points of the plane, or the first 50 signals.

    Args:
        samples: array `(n, d)`.

    Returns:
        uint8 array `(600, 900, 3)`.
    """
    samples = _points(samples, None)
    samples = samples[np.isfinite(samples).all(axis=1)]
    figure, (axes,) = _figure(1)
    if samples.shape[1] == 1:
        axes.hist(samples[:, 0], 80, color=FAKE, alpha=0.55)
        axes.set(xlabel="x", ylabel="samples")
    elif samples.shape[1] == 2:
        axes.scatter(*samples.T, s=7, color=FAKE, alpha=0.35, linewidths=0)
        axes.set(xlabel="$x_1$", ylabel="$x_2$", aspect="equal")
    else:
        axes.plot(samples[:50].T, color=FAKE, alpha=0.3, linewidth=1.1)
        axes.set(xlabel="point", ylabel="value")
    return _pixels(figure)


def _figure(columns, height=6):
    # Not pyplot: it keeps every figure alive and picks a backend for the whole process.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, height), dpi=100, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, columns, squeeze=False)[0]
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=12)
        axes.xaxis.label.set_fontsize(13)
        axes.yaxis.label.set_fontsize(13)
        axes.title.set_fontsize(14)
    return figure, panels


def _circle(centre, radius, covered):
    from matplotlib.patches import Circle

    look = (
        {"edgecolor": QUIET, "linewidth": 0.8}
        if covered
        else {"edgecolor": "black", "linewidth": 2}
    )
    return Circle(centre, radius, fill=False, **look)


def _pixels(figure):
    figure.canvas.draw()
    return np.array(figure.canvas.buffer_rgba())[..., :3].copy()


def _sigmoid(x):
    return 0.5 * (1 + np.tanh(x / 2))


def _points(values, columns):
    values = np.asarray(values, float)
    if values.ndim == 1 and columns == 1:
        values = values[:, None]
    if values.ndim != 2 or (columns and values.shape[1] != columns) or not len(values):
        raise UsageError(
            f"Expected an array of shape (n, {columns or 'points'}) to draw. "
            f"Received: shape {values.shape}."
        )
    return values
