"""Which pixel of one image corresponds to which of another: from local structure, not from brightness and colors.

Gradient directions, of gray values and of red against green, are compared at every displacement of a window (a cost
volume), and a smooth field is fitted to these costs by alternating between the best displacement of each cell, near the
field, and the smoothing of the field: the coupled convex scheme of Steinbruecker, Pock and Cremers (ICCV 2009), with
costs both ways and inverse fields as in Siebert, Hansen and Heinrich (ConvexAdam, 2021). As there, gradient descent
then moves the field by parts of a pixel.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from interpzoo_metamorphosis.fields import blur, exponential, joined, logarithm, make_inverse, resample, warp

DIRECTIONS = 8
_SOFTNESS = 0.05

_ROUNDS = 20
"""Steps of the descent."""
_RATE = 0.1
"""Length of its first step, pixels of the field; the last is a twentieth of that."""
_STIFFNESS = 0.5
"""Weight of the velocity's squared differences between neighbors beside the mean cost of a pixel."""


@dataclass(frozen=True)
class Stage:
    """One search for displacements."""

    cell: int
    """Side of a feature's cell, pixels."""
    reach: int
    """Largest displacement that is tried, features' cells."""
    window: int
    """Side of the window over which costs are averaged, features' cells."""
    stride: int
    """Features' cells to a side of a cell of the field."""
    coupling: tuple[float, ...]
    """How strongly the displacements are drawn to the field, round by round."""
    smoothing: tuple[float, ...]
    """Standard deviation of the field's smoothing, cells of the field, round by round."""
    color: float
    """How much red against green counts beside gray values."""


STAGES = (
    Stage(4, 7, 3, 2, (0.01, 0.03, 0.1, 0.3, 1.0, 3.0), (4.0, 3.0, 2.0, 1.5, 1.0, 0.7), color=1.0),
    Stage(2, 6, 3, 2, (0.03, 0.1, 0.3, 1.0), (3.0, 2.0, 1.5, 1.0), color=0.3),
)


def structure(images: Tensor) -> Tensor:
    """Histograms (B, 8 or 16, H, W) of the directions of gradients of `images` (B, C, H, W), locally normalized.

    The first eight are those of gray values. Images in color have eight more, of
    red minus green: at the edges between skin, lips and hair this keeps what light and shadow do not make. Photos store
    it blurred.
    """
    maps = [_directions(images.mean(1, keepdim=True), smoothing=0.7, flat=0.01)]
    if images.shape[1] == 3:
        maps.append(_directions(images[:, :1] - images[:, 1:2], smoothing=1.4, flat=0.005))
    return torch.cat(maps, 1)


def _directions(values: Tensor, smoothing: float, flat: float) -> Tensor:
    """The histograms (B, 8, H, W) of `values` (B, 1, H, W); gradients well below `flat` are noise, not structure."""
    values = functional.pad(blur(values, smoothing), (1, 1, 1, 1), mode="replicate")
    gx = 0.35 * (values[..., 1:-1, 2:] - values[..., 1:-1, :-2])
    gy = 0.35 * (values[..., 2:, 1:-1] - values[..., :-2, 1:-1])
    angles = torch.arange(DIRECTIONS, dtype=values.dtype, device=values.device) * (2 * math.pi / DIRECTIONS)
    along = gx * angles.cos().view(1, -1, 1, 1) + gy * angles.sin().view(1, -1, 1, 1)
    # Half a period of a squared cosine around each direction, times the gradient's length.
    histogram = blur(along.clamp_min(0) ** 2 / (gx.square() + gy.square() + 1e-12).sqrt(), 1.0)
    strength = blur(histogram.square().sum(1, keepdim=True), 8.0).sqrt()
    return histogram / (strength + flat)


def find_velocity(a: Tensor, b: Tensor, weight: Tensor | None = None) -> Tensor:
    """The velocity (B, 2, H / 4, W / 4) whose flow takes pixels of `b` to the corresponding ones of `a`.

    Args:
        a, b: the `structure` (B, 8 or 16, H, W) of images, H and W multiples of 8.
        weight: (B, 1, H, W), how much a match counts at each pixel.
    """
    velocity = a.new_zeros(len(a), 2, 1, 1)
    for stage in STAGES:
        f_a, f_b = (functional.avg_pool2d(maps, stage.cell) for maps in (a, b))
        for maps in (f_a, f_b):
            maps[:, DIRECTIONS:] *= stage.color
        height, width = (side // stage.stride for side in f_a.shape[-2:])
        # Both are brought halfway, so that neither image is the reference.
        half = resample(velocity / 2, *f_a.shape[-2:])
        f_a, f_b = warp(f_a, exponential(half)), warp(f_b, exponential(-half))
        velocity = resample(velocity, height, width)
        counts = None if weight is None else functional.adaptive_avg_pool2d(weight, (height, width))
        rest = logarithm(*_search(f_a, f_b, stage, velocity, counts))
        velocity = joined(velocity, rest)
    return _descended(velocity, a, b, weight)


def _descended(velocity: Tensor, a: Tensor, b: Tensor, weight: Tensor | None) -> Tensor:
    """`velocity` after steps down the cost of the pixels that it brings together, by the optimizer Adam."""
    with torch.inference_mode(False), torch.enable_grad():
        color = a.new_ones(a.shape[1], 1, 1)
        color[DIRECTIONS:] = STAGES[-1].color
        a, b, weight = a * color, b * color, None if weight is None else weight.clone()
        velocity = velocity.clone().requires_grad_(True)
        adam = torch.optim.Adam([velocity], lr=_RATE)
        slower = torch.optim.lr_scheduler.LinearLR(adam, 1.0, 1 / _ROUNDS, total_iters=_ROUNDS - 1)
        for _ in range(_ROUNDS):
            halves = (resample(exponential(sign * velocity / 2), *a.shape[-2:]) for sign in (1, -1))
            moved_a, moved_b = (warp(maps, half) for maps, half in zip((a, b), halves, strict=True))
            costs = _cost((moved_a - moved_b).square().sum(1, keepdim=True))
            if weight is not None:
                costs = costs * weight
            bends = [velocity.diff(dim=dim).square().flatten(1).mean(1) for dim in (2, 3)]
            # Pairs are summed, so that none depends on the others.
            total = (costs.flatten(1).mean(1) + _STIFFNESS * torch.stack(bends).sum(0)).sum()
            (velocity.grad,) = torch.autograd.grad(total, velocity)
            adam.step()
            slower.step()
        return velocity.detach()


def _search(f_a: Tensor, f_b: Tensor, stage: Stage, base: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor]:
    """Fields of displacements from `f_b` to `f_a` and back, beyond the flow of `base` that was applied already."""
    costs, shifts = _cost_volume(f_a, f_b, stage)
    back, _ = _cost_volume(f_b, f_a, stage)
    scale = costs.mean((1, 2, 3), keepdim=True) + 1e-12
    if weight is not None:
        # Where all displacements cost little, the field follows its surroundings.
        costs, back = costs * weight, back * weight
    volumes = [(costs / scale, base), (back / scale, -base)]
    fields = [torch.zeros_like(base), torch.zeros_like(base)]
    for coupling, sigma in zip(stage.coupling, stage.smoothing, strict=True):
        for i, (volume, start) in enumerate(volumes):
            fields[i] = _fit(volume, shifts, fields[i], start, coupling, sigma)
        fields = list(make_inverse(*fields))
    return fields[0], fields[1]


def _cost_volume(reference: Tensor, moving: Tensor, stage: Stage) -> tuple[Tensor, Tensor]:
    """What it costs (B, D, h, w) to match `moving` at x with `reference` at x + d, and each d (D, 2), field's cells."""
    reach, (height, width) = stage.reach, moving.shape[-2:]
    padded = functional.pad(reference, (reach,) * 4, mode="replicate")
    costs: list[Tensor] = []
    shifts: list[tuple[float, float]] = []
    for dy in range(2 * reach + 1):
        for dx in range(2 * reach + 1):
            distance = (padded[:, :, dy : dy + height, dx : dx + width] - moving).square().sum(1, keepdim=True)
            cost = functional.avg_pool2d(_average(_cost(distance), stage.window), stage.stride)
            costs.append(_average(cost, 3))
            shifts.append(((dx - reach) / stage.stride, (dy - reach) / stage.stride))
    return torch.cat(costs, 1), reference.new_tensor(shifts)


def _cost(distance: Tensor) -> Tensor:
    """What it costs to match structure at squared distances: at most 1, wherever what has no counterpart is put."""
    return 1 - (-distance).exp()


def _average(maps: Tensor, window: int) -> Tensor:
    return functional.avg_pool2d(maps, window, 1, window // 2, count_include_pad=False)


def _fit(volume: Tensor, shifts: Tensor, field: Tensor, base: Tensor, coupling: float, sigma: float) -> Tensor:
    """The next field: the best displacements near `field`, smoothed with `base`, mostly from where costs differ."""
    certainty = volume.mean(1, keepdim=True) - volume.amin(1, keepdim=True)
    certainty = certainty / (certainty.mean((2, 3), keepdim=True) + 1e-12) + 0.02
    # |d - u|^2 without |u|^2, which is the same for every displacement and drops out of the softmax.
    distance = shifts.square().sum(1).view(1, -1, 1, 1) - 2 * torch.einsum("dk,bkhw->bdhw", shifts, field)
    chances = torch.softmax(-(volume + coupling * distance) / _SOFTNESS, 1)
    best = torch.einsum("bdhw,dk->bkhw", chances, shifts)
    return blur((best + base) * certainty, sigma) / blur(certainty, sigma) - base
