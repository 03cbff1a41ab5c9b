"""DCGAN in plain PyTorch, channels last: what somebody who needs one model and one library writes.

The networks are those of zoo/models/dcgan.py for 28x28x1. The step is ours without the average of
the generator: one generator forward pass serves both updates, and the discriminator's weights get
no gradient in the generator's update.
"""

import torch
from torch import nn
from torch.nn.functional import softplus

LATENT_DIM = 100
# Forward passes for each sample of a minibatch, as benchmarks/operations.py counts.
PASSES = 3.0, 8.0


def build_generator(width):
    """Returns the generator: float32 `(n, 100)` to images `(n, 1, 28, 28)` in [-1, 1]."""
    return nn.Sequential(
        nn.Linear(LATENT_DIM, 4 * width * 4 * 4, bias=False),
        nn.Unflatten(1, (4 * width, 4, 4)),
        _norm(4 * width),
        nn.ReLU(),
        nn.ConvTranspose2d(4 * width, 2 * width, 4, 2, 1, bias=False),
        nn.ZeroPad2d((0, -1, 0, -1)),  # 8x8 to 7x7
        _norm(2 * width),
        nn.ReLU(),
        nn.ConvTranspose2d(2 * width, width, 4, 2, 1, bias=False),
        _norm(width),
        nn.ReLU(),
        nn.ConvTranspose2d(width, 1, 4, 2, 1),
        nn.Tanh(),
    )


def build_discriminator(width):
    """Returns the discriminator: images float32 `(n, 1, 28, 28)` to logits `(n, 1)`."""
    return nn.Sequential(
        nn.Conv2d(1, width, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False),
        _norm(2 * width),
        nn.LeakyReLU(0.2),
        nn.ZeroPad2d((1, 2, 1, 2)),  # so that 7x7 becomes 4x4, as Keras pads
        nn.Conv2d(2 * width, 4 * width, 4, 2, bias=False),
        _norm(4 * width),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(4 * width * 4 * 4, 1),
    )


class PyTorchDCGAN:
    """Both networks, both optimizers and the step.

    Args:
        width: int, channels at the largest resolution.
        compiled: bool, whether the networks go through `torch.compile`.
        bfloat16: bool, whether the step runs under autocast to bfloat16.
    """

    def __init__(self, width, compiled=False, bfloat16=False):
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.generator, self.discriminator = (
            build(width).apply(_initialise).to(self.device, memory_format=torch.channels_last)
            for build in (build_generator, build_discriminator)
        )
        self.precision = torch.autocast(self.device.type, torch.bfloat16, enabled=bfloat16)
        self.generate, self.discriminate = self.generator, self.discriminator
        if compiled:
            self.generate = torch.compile(self.generator)
            self.discriminate = torch.compile(self.discriminator)
        self.g_optimizer, self.d_optimizer = (
            torch.optim.Adam(network.parameters(), 2e-4, betas=(0.5, 0.999), fused=True)
            for network in (self.generator, self.discriminator)
        )

    def step(self, images):
        """Updates the discriminator, then the generator.

        Args:
            images: uint8 array `(n, 28, 28, 1)`.

        Returns:
            The sum of both losses, a scalar tensor.
        """
        real = torch.from_numpy(images).to(self.device).permute(0, 3, 1, 2)
        real = real.to(torch.float32, memory_format=torch.channels_last) / 127.5 - 1
        with self.precision:
            fake = self.generate(torch.randn(len(images), LATENT_DIM, device=self.device))
            d_loss = softplus(-self.discriminate(real)).mean()
            d_loss = d_loss + softplus(self.discriminate(fake.detach())).mean()
        self.d_optimizer.zero_grad()
        d_loss.backward()
        self.d_optimizer.step()

        self.discriminator.requires_grad_(False)
        with self.precision:
            g_loss = softplus(-self.discriminate(fake)).mean()
        self.g_optimizer.zero_grad()
        g_loss.backward()
        self.g_optimizer.step()
        self.discriminator.requires_grad_(True)
        return d_loss.detach() + g_loss.detach()


def operations(network, inputs):
    """Returns what `benchmarks.operations.of_network` counts of a PyTorch module, int.

    Args:
        network: `torch.nn.Module`.
        inputs: float32 tensor, one sample `(1, ...)`. The weights are left alone.
    """
    total = 0

    def count(layer, arguments, output):
        nonlocal total
        transposed = isinstance(layer, nn.ConvTranspose2d)
        positions = (arguments[0] if transposed else output).shape[2:]
        total += 2 * layer.weight.numel() * positions.numel()

    counted = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
    hooks = [m.register_forward_hook(count) for m in network.modules() if isinstance(m, counted)]
    training = network.training
    with torch.no_grad():
        network.eval()(inputs)
    network.train(training)
    for hook in hooks:
        hook.remove()
    return total


def _norm(channels):
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def _initialise(layer):
    if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
        nn.init.normal_(layer.weight, 0.0, 0.02)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
