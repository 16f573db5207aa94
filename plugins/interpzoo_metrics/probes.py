"""Probes of different kinds that predict a number from an image: what none of them sees may still be there.

A probe is given images (B, C, H, W) around [0, 1], their numbers (B,) of mean 0 and variance 1, images to predict, and
a seed for each of its runs. It returns predictions (S, M) of the M images by S runs.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import avg_pool2d, mse_loss

from interpzoo.errors import MissingDependencyError, how_to_install
from interpzoo.tensors import own_randomness
from interpzoo_metrics.statistics import statistics

Probe: TypeAlias = Callable[[Tensor, Tensor, Tensor, Sequence[int]], Tensor]

_READ: Final = 32
"""Pixels that the shorter side of an image has at most for the network."""
_FIGURED: Final = 64
"""The same for statistics, which are faster and see finer traces."""
_CHUNK: Final = 512

_WIDTH: Final = 16
_BATCH: Final = 64
_RATE: Final = 8e-3
_STEPS: Final = 800
"""Training steps of the network."""

_TREES: Final = 300


def small(images: Tensor, most: int) -> Tensor:
    """Images whose sides all have more than `most` pixels, shrunk to half their size, or a quarter, and so on."""
    while min(images.shape[2:]) > most:
        images = avg_pool2d(images, 2)
    return images


def network(x: Tensor, y: Tensor, unseen: Tensor, seeds: Sequence[int]) -> Tensor:
    """A convolution network, which finds its own features."""
    x, unseen = small(x, _READ), small(unseen, _READ)
    mean, deviation = x.mean(), x.std().clamp(min=1e-6)
    x, unseen = (x - mean) / deviation, (unseen - mean) / deviation
    found: list[Tensor] = []
    for seed in seeds:
        fitted = _fitted(x, y, Generator().manual_seed(seed))
        with torch.no_grad():
            found.append(torch.cat([fitted(part) for part in unseen.split(_CHUNK)]))
    return torch.stack(found)


def boosted_statistics(x: Tensor, y: Tensor, unseen: Tensor, seeds: Sequence[int]) -> Tensor:
    """Boosted trees on hand-made statistics of an image, see `statistics`."""
    try:
        from sklearn.ensemble import HistGradientBoostingRegressor
    except ImportError:
        raise MissingDependencyError(f"probes need scikit-learn: {how_to_install('train')}") from None
    settings: dict[str, Any] = {"max_iter": _TREES, "learning_rate": 0.05, "max_features": 0.3, "early_stopping": False}
    known, asked = (statistics(small(images, _FIGURED)).numpy() for images in (x, unseen))
    found: list[Tensor] = []
    for seed in seeds:
        trees: Any = HistGradientBoostingRegressor(random_state=seed, **settings)
        found.append(torch.from_numpy(trees.fit(known, y.numpy()).predict(asked)).float())
    return torch.stack(found)


PROBES: Final[tuple[Probe, ...]] = (network, boosted_statistics)


class _Reader(nn.Module):
    """Three convolutions, pooled over the image: local structure counts, wherever it is."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, _WIDTH, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(_WIDTH, 2 * _WIDTH, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(2 * _WIDTH, 2 * _WIDTH, 3, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
        )
        self.read = nn.Sequential(nn.Linear(4 * _WIDTH, _WIDTH), nn.LeakyReLU(0.2, inplace=True), nn.Linear(_WIDTH, 1))

    def forward(self, x: Tensor) -> Tensor:
        maps = self.layers(x)
        return self.read(torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], 1)).flatten()


def _fitted(x: Tensor, y: Tensor, generator: Generator) -> nn.Module:
    with own_randomness(int(torch.randint(2**31, (1,), generator=generator))):
        reader: Any = _Reader(x.shape[1])
    reader.to(memory_format=torch.channels_last)  # a fifth faster on CPUs
    x = x.contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(reader.parameters(), lr=_RATE, weight_decay=1e-2, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=_STEPS)
    with torch.enable_grad():
        for _ in range(_STEPS):
            rows = torch.randint(len(x), (_BATCH,), generator=generator)
            optimizer.zero_grad()
            mse_loss(reader(x[rows]), y[rows]).backward()
            optimizer.step()
            schedule.step()
    return reader.eval()
