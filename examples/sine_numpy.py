"""A generative adversarial network in plain NumPy, with every gradient written by hand.

It learns ten-point sine signals from one number of noise, as in Hany and Walters, Hands-On
Generative Adversarial Networks with PyTorch 1.x (2019), chapter 1, but with right derivatives and
minibatches. ReLU and tanh are the generator's, LeakyReLU and sigmoid the discriminator's. Gradients
are clipped by the norm of each array, weights and biases one by one.

    python examples/sine_numpy.py --updates=50000 --seed=0
"""

import argparse
import os
from itertools import pairwise

import numpy as np

POINTS, HIDDEN, NOISE, BATCH = 10, 10, 1, 64
RATE, GRADIENT_CLIP, WEIGHT_CLIP = 0.01, 0.2, 0.25
RELU, LEAKY_RELU = 0.0, 0.2  # the slope left of zero is all that tells them apart


def real_signals(n, rng):
    """x_i = amplitude * sin(phase + frequency * i); frequency in radians per point."""
    phase = rng.uniform(0, 1, (n, 1))
    frequency = rng.uniform(1.2, 1.5, (n, 1))
    amplitude = rng.uniform(0.5, 0.8, (n, 1))
    return amplitude * np.sin(phase + frequency * np.arange(POINTS)), frequency[:, 0]


def new_network(sizes, rng):
    """A list of [W, b, W, b, ...], uniform in +-sqrt(2 / (inputs + outputs)), biases zero."""
    network = []
    for inputs, outputs in pairwise(sizes):
        limit = np.sqrt(2 / (inputs + outputs))
        network += [rng.uniform(-limit, limit, (inputs, outputs)), np.zeros(outputs)]
    return network


def forward(network, x, slope):
    """The inputs of all layers, which the way back needs, and the last layer's linear output."""
    inputs = []
    for layer in range(0, len(network), 2):
        if layer > 0:
            x = np.where(x > 0, x, slope * x)
        inputs.append(x)
        x = x @ network[layer] + network[layer + 1]
    return inputs, x


def backward(network, inputs, delta, slope):
    """Turns delta, the loss's gradient by the linear output, into those by weights and by input."""
    gradients = [None] * len(network)
    for layer in reversed(range(0, len(network), 2)):
        x = inputs[layer // 2]
        gradients[layer], gradients[layer + 1] = x.T @ delta, delta.sum(axis=0)
        delta = delta @ network[layer].T
        if layer > 0:  # x is an activation, and has the sign of what went into it
            delta = delta * np.where(x > 0, 1.0, slope)
    return gradients, delta


def cross_entropy(logits, label):
    """The mean of -log sigmoid(logits) (label 1) or -log(1 - sigmoid(logits)) (label 0).

    Taken together they never overflow, and their gradient is sigmoid(logits) - label.
    """
    loss = np.logaddexp(0, -logits if label else logits).mean()
    return loss, (0.5 * (1 + np.tanh(logits / 2)) - label) / len(logits)


def discriminator_loss(discriminator, real, fake):
    """The loss on real (label 1) plus the loss on fake (label 0), and its gradients."""
    inputs, logits = forward(discriminator, np.concatenate([real, fake]), LEAKY_RELU)
    on_real, delta_real = cross_entropy(logits[: len(real)], 1)
    on_fake, delta_fake = cross_entropy(logits[len(real) :], 0)
    delta = np.concatenate([delta_real, delta_fake])
    return on_real + on_fake, backward(discriminator, inputs, delta, LEAKY_RELU)[0]


def generator_loss(generator, discriminator, z):
    """The non-saturating loss -log D(G(z)) and its gradients by the generator's weights."""
    g_inputs, x = forward(generator, z, RELU)
    fake = np.tanh(x)
    d_inputs, logits = forward(discriminator, fake, LEAKY_RELU)
    loss, delta = cross_entropy(logits, 1)
    _, delta = backward(discriminator, d_inputs, delta, LEAKY_RELU)
    gradients, _ = backward(generator, g_inputs, delta * (1 - fake**2), RELU)
    return loss, gradients


def descend(network, gradients):
    """One step of SGD, in place."""
    for weights, gradient in zip(network, gradients, strict=True):
        weights -= RATE * gradient / max(1, np.linalg.norm(gradient) / GRADIENT_CLIP)
        np.clip(weights, -WEIGHT_CLIP, WEIGHT_CLIP, out=weights)


def best_sine(signals):
    """The frequency of the best-fitting sine wave, on a grid, and the RMS of what it leaves."""
    left, frequencies = [], np.linspace(0.2, 3, 281)
    for angle in frequencies[:, None] * np.arange(POINTS):
        basis, _ = np.linalg.qr(np.stack([np.sin(angle), np.cos(angle)], axis=1))
        left.append(np.square(signals - signals @ basis @ basis.T).mean(axis=1))
    return frequencies[np.argmin(left, axis=0)], np.sqrt(np.min(left, axis=0))


def draw(real, fake, path):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, signals, title in ((left, real, "50 real"), (right, fake, "50 generated")):
        axes.plot(signals[:50].T, color="#4c6a92", alpha=0.35, linewidth=1)
        axes.set(title=title, xlabel="point", ylim=(-1, 1))
    figure.savefig(path + ".part", format="png")
    os.replace(path + ".part", path)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--updates", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="sine_numpy.png")
    flags = parser.parse_args(arguments)
    if not os.path.isdir(os.path.dirname(flags.out) or "."):
        parser.error(f"--out={flags.out}: there is no such folder to write to")
    rng = np.random.default_rng(flags.seed)
    generator = new_network([NOISE, HIDDEN, HIDDEN, POINTS], rng)
    discriminator = new_network([POINTS, HIDDEN, HIDDEN, 1], rng)
    for update in range(1, flags.updates + 1):
        real, _ = real_signals(BATCH, rng)
        fake = np.tanh(forward(generator, rng.standard_normal((BATCH, NOISE)), RELU)[1])
        d_loss, gradients = discriminator_loss(discriminator, real, fake)
        descend(discriminator, gradients)
        z = rng.standard_normal((BATCH, NOISE))
        g_loss, gradients = generator_loss(generator, discriminator, z)
        descend(generator, gradients)
        if update % max(1, flags.updates // 10) == 0:
            print(f"update {update}: d_loss {d_loss:.4f}, g_loss {g_loss:.4f}", flush=True)
    real, true_frequency = real_signals(2000, rng)
    fake = np.tanh(forward(generator, rng.standard_normal((2000, NOISE)), RELU)[1])
    frequency, residual = best_sine(fake)
    distance = np.abs(np.sort(frequency) - np.sort(true_frequency)).mean()
    draw(real, fake, flags.out)
    print(f"residual RMS {residual.mean():.3f}, frequency W1 {distance:.3f}, see {flags.out}")


if __name__ == "__main__":
    main()
