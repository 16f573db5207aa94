"""Statistics of single images that fading, blurring, dimming and the traces of decoders change."""

from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d

_CHUNK: Final = 512
_SHARES: Final = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_LEVELS: Final = 8  # of brightness whose shares of the pixels are counted
_SCALES: Final = 3  # full, half and quarter size
_BANDS: Final = 8  # of spatial frequency
_GRID: Final = 4  # cells a side
_PHASES: Final = 4  # of rows and columns: decoders that double sizes leave traces of that period
_SMALL: Final = 1e-8
_MOST: Final = 1e4  # of a kurtosis, which has no bound where nearly all is flat


@torch.no_grad()
def statistics(images: Tensor) -> Tensor:
    """(B, K) in float32: about 120 statistics of images (B, C, H, W) around [0, 1]."""
    return torch.cat([_statistics(part.float()) for part in images.split(_CHUNK)])


def _statistics(x: Tensor) -> Tensor:
    gray = x.mean(1, keepdim=True)
    columns = [*_brightness(x, gray), *_frequencies(gray), *_phases(gray)]
    for scale in range(_SCALES):
        if min(x.shape[2:]) >= 4:
            columns += _edges(x)
            x = avg_pool2d(x, 2) if scale < _SCALES - 1 else x
    mean = adaptive_avg_pool2d(gray, _GRID)
    spread = (adaptive_avg_pool2d(gray.square(), _GRID) - mean.square()).clamp(min=0).sqrt()
    return torch.cat([torch.stack(columns, 1), mean.flatten(1), spread.flatten(1)], 1)


def _brightness(x: Tensor, gray: Tensor) -> list[Tensor]:
    pixels = gray.flatten(1)
    ordered = torch.from_numpy(np.sort(pixels.numpy(), axis=1))  # much faster than torch
    shares = [ordered[:, round(share * (pixels.shape[1] - 1))] for share in _SHARES]
    levels = torch.linspace(0, 1, _LEVELS + 1)[1:-1].tolist()
    below = [(pixels < level).float().mean(1) for level in levels]
    mirrored = (gray - gray.flip(3)).square().flatten(1).mean(1)
    found = [
        *shares,
        *below,
        pixels.mean(1),
        _deviation(pixels),
        x.amin((1, 2, 3)),
        x.amax((1, 2, 3)),
        mirrored,
    ]
    if x.shape[1] > 1:
        found += [*x.mean((2, 3)).T, *_deviation(x.flatten(2)).T, (x - gray).square().flatten(1).mean(1).sqrt()]
    return found


def _deviation(values: Tensor) -> Tensor:
    """The standard deviation over the last dimension; that of torch is slower."""
    return (values - values.mean(-1, keepdim=True)).square().mean(-1).sqrt()


def _edges(x: Tensor) -> list[Tensor]:
    found: list[Tensor] = []
    curved = 4 * x[:, :, 1:-1, 1:-1] - x[:, :, 2:, 1:-1] - x[:, :, :-2, 1:-1] - x[:, :, 1:-1, 2:] - x[:, :, 1:-1, :-2]
    for steps in (x.diff(dim=2), x.diff(dim=3), x[:, :, 1:, 1:] - x[:, :, :-1, :-1], curved):
        size = steps.flatten(1).abs()
        squared = size.square()
        power = squared.mean(1)
        peaked = (squared.square().mean(1) / (power.square() + _SMALL)).clamp(max=_MOST)
        found += [power.sqrt(), size.mean(1) / (power.sqrt() + _SMALL), peaked]
    return found


def _frequencies(gray: Tensor) -> list[Tensor]:
    power = torch.fft.rfft2(gray - gray.mean((2, 3), keepdim=True))[:, 0].abs().square()
    rows, columns = torch.fft.fftfreq(gray.shape[2]), torch.fft.rfftfreq(gray.shape[3])
    radius = (rows.square()[:, None] + columns.square()).sqrt() / 0.5**0.5
    band = (radius * _BANDS).long().clamp(max=_BANDS - 1).flatten()
    sums = torch.zeros(len(gray), _BANDS).index_add_(1, band, power.flatten(1))
    return [*(sums + _SMALL).log().T, *(sums / (sums.sum(1, keepdim=True) + _SMALL)).T]


def _phases(gray: Tensor) -> list[Tensor]:
    down, across = gray.diff(dim=2).abs().mean((1, 3)), gray.diff(dim=3).abs().mean((1, 2))
    phases = range(min(_PHASES, down.shape[1], across.shape[1]))
    return [steps[:, phase::_PHASES].mean(1) for steps in (down, across) for phase in phases]
