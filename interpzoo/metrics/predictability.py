"""Alpha predictability: can one tell from a frame alone how far it is from the ends?

The idea is that of the critic of Berthelot et al. 2019 (arXiv 1807.07543), which is trained to recover the mixing
coefficient from an interpolant. Here a network is trained afterwards, on frames of some pairs, and tested on others.
"""

from typing import Final

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import avg_pool2d, mse_loss

from interpzoo.errors import InputError
from interpzoo.metrics.measured import Measured

_LARGEST: Final = 32
_WIDTH: Final = 16
_BATCH: Final = 64
_RATE: Final = 8e-3
_HELD_OUT: Final = 3
"""One in so many pairs is held out."""


def alpha_predictability(
    frames: Tensor, alphas: Tensor, *, generator: Generator, steps: int = 500, held_out: Tensor | None = None
) -> Measured:
    """Share of the variance of min(alpha, 1 - alpha) that a small network explains on pairs it was not trained on.

    Near 0, frames in the middle look like those at the ends; a cross-fade of two images comes near 1. A low value does
    not prove that there is nothing to see: the network is small and briefly trained. If it does worse than the mean,
    the value is 0.

    Args:
        frames: (N, T, C, H, W) with the ends, N at least 6 and T at least 3. Images larger than 32 are shrunk
            to half their size, or a quarter, and so on.
        alphas: (T,) in [0, 1], the positions of the frames.
        generator: draws the weights, the batches and the held-out pairs.
        steps: training steps, in batches of 64.
        held_out: (M, T, C, H, W), frames of other pairs to test on; by default a third of `frames` is held out.

    Raises:
        InputError: there are too few frames, or one is not finite.
    """
    if frames.ndim != 5 or len(frames) < 2 * _HELD_OUT or frames.shape[1] < 3 or alphas.shape != frames.shape[1:2]:
        raise InputError(
            f"frames of shape {tuple(frames.shape)} at alphas of shape {tuple(alphas.shape)}: expected (N, T, C, H, W) "
            f"and (T,), N at least {2 * _HELD_OUT} pairs, to train on some and test on others, and T at least 3"
        )
    if not bool(frames.isfinite().all()):
        raise InputError("frames are not finite: expected values without NaN or inf")
    t = frames.shape[1]
    folded = torch.minimum(alphas, 1 - alphas).float()
    targets = (folded - folded.mean()) / folded.std(correction=0)
    if held_out is None:
        order = torch.randperm(len(frames), generator=generator)
        held_out, frames = frames[order[: len(order) // _HELD_OUT]], frames[order[len(order) // _HELD_OUT :]]
    x, unseen = (_small(part.float().flatten(0, 1)) for part in (frames, held_out))
    mean, deviation = x.mean(), x.std().clamp(min=1e-6)
    network = _fit((x - mean) / deviation, targets.repeat(len(frames)), steps, generator)
    with torch.no_grad():
        guesses = torch.cat([network((part - mean) / deviation) for part in unseen.split(512)]).view(-1, t)
    # Targets have variance 1; this is the unexplained part for each pair.
    left = (guesses - targets).square().mean(1).double()
    return Measured(
        max(0.0, 1 - float(left.mean())),
        lambda rows, generator: 1 - float(left[rows].mean()),
        len(left),
    )


class _Reader(nn.Module):
    """Three convolutions, pooled over the image: local structure counts, wherever it is."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, _WIDTH, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(_WIDTH, 2 * _WIDTH, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * _WIDTH, 2 * _WIDTH, 3, padding=1),
            nn.LeakyReLU(0.2),
        )
        self.read = nn.Sequential(nn.Linear(4 * _WIDTH, _WIDTH), nn.LeakyReLU(0.2), nn.Linear(_WIDTH, 1))

    def forward(self, x: Tensor) -> Tensor:
        maps = self.layers(x)
        return self.read(torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], 1)).flatten()


def _fit(x: Tensor, y: Tensor, steps: int, generator: Generator) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(int(torch.randint(2**31, (1,), generator=generator)))
        network = _Reader(x.shape[1])
    optimizer = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps)
    with torch.enable_grad():
        for _ in range(steps):
            rows = torch.randint(len(x), (_BATCH,), generator=generator)
            optimizer.zero_grad()
            mse_loss(network(x[rows]), y[rows]).backward()
            optimizer.step()
            schedule.step()
    return network.eval()


def _small(images: Tensor) -> Tensor:
    while min(images.shape[2:]) > _LARGEST:
        images = avg_pool2d(images, 2)
    return images
