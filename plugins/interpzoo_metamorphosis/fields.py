"""Displacement and velocity fields on a pixel grid, and what they do to images and points.

A field is (B, 2, H, W): x and y, in pixels of its own grid, at the centers of the pixels. ``id + field`` is a map.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

HALVINGS = 6
"""Scaling and squaring: a flow is split into 2**HALVINGS equal steps."""


def blur(maps: Tensor, sigma: float) -> Tensor:
    """`maps` (B, C, H, W) convolved with a Gaussian of `sigma` pixels; the border is repeated outwards."""
    radius = max(1, math.ceil(3 * sigma))
    x = torch.arange(-radius, radius + 1, dtype=maps.dtype, device=maps.device)
    kernel = (-0.5 * (x / sigma) ** 2).exp()
    kernel = kernel / kernel.sum()
    b, c, h, w = maps.shape
    flat = maps.reshape(b * c, 1, h, w)
    flat = functional.conv2d(functional.pad(flat, (radius, radius, 0, 0), mode="replicate"), kernel.view(1, 1, 1, -1))
    flat = functional.conv2d(functional.pad(flat, (0, 0, radius, radius), mode="replicate"), kernel.view(1, 1, -1, 1))
    return flat.view(b, c, h, w)


def warp(maps: Tensor, field: Tensor, mode: str = "bilinear") -> Tensor:
    """`maps` (B, C, H, W) sampled at ``id + field``: ``warp(f, u)(x) = f(x + u(x))``."""
    h, w = field.shape[-2:]
    x = torch.arange(w, dtype=field.dtype, device=field.device) + field[:, 0]
    y = torch.arange(h, dtype=field.dtype, device=field.device)[:, None] + field[:, 1]
    grid = torch.stack([(2 * x + 1) / w - 1, (2 * y + 1) / h - 1], dim=-1)
    return functional.grid_sample(maps, grid, mode=mode, padding_mode="border", align_corners=False)


def compose(outer: Tensor, inner: Tensor) -> Tensor:
    """The field of ``(id + outer) o (id + inner)``."""
    return inner + warp(outer, inner)


def exponential(velocity: Tensor) -> Tensor:
    """The displacement after flowing along the stationary `velocity` for one unit of time."""
    field = velocity / 2**HALVINGS
    for _ in range(HALVINGS):
        field = compose(field, field)
    return field


def logarithm(forward: Tensor, backward: Tensor) -> Tensor:
    """The velocity whose flow is closest to `forward` and whose reverse flow is closest to `backward`."""
    velocity = (forward - backward) / 2
    for _ in range(6):
        velocity = velocity + ((forward - exponential(velocity)) - (backward - exponential(-velocity))) / 2
    return velocity


def joined(outer: Tensor, inner: Tensor) -> Tensor:
    """The velocity of half the flow of `outer`, the flow of `inner` and the other half, in turn."""

    def flow(outer: Tensor, inner: Tensor) -> Tensor:
        half = exponential(outer / 2)
        return compose(half, compose(exponential(inner), half))

    return logarithm(flow(outer, inner), flow(-outer, -inner))


def make_inverse(forward: Tensor, backward: Tensor) -> tuple[Tensor, Tensor]:
    """The two fields, each moved halfway to the inverse of the other, three times."""
    for _ in range(3):
        forward, backward = (forward - warp(backward, forward)) / 2, (backward - warp(forward, backward)) / 2
    return forward, backward


def resample(field: Tensor, height: int, width: int) -> Tensor:
    """`field` on a grid of another size, in pixels of that grid."""
    scale = field.new_tensor([width / field.shape[-1], height / field.shape[-2]]).view(1, 2, 1, 1)
    return functional.interpolate(field, (height, width), mode="bilinear", align_corners=False) * scale


def smallest_determinant(field: Tensor) -> Tensor:
    """(B,): the smallest Jacobian determinant of ``id + field``, by differences of neighbors; 0 or less is a fold."""
    dx = field[:, :, :-1, 1:] - field[:, :, :-1, :-1]
    dy = field[:, :, 1:, :-1] - field[:, :, :-1, :-1]
    return ((1 + dx[:, 0]) * (1 + dy[:, 1]) - dx[:, 1] * dy[:, 0]).flatten(1).amin(1)


def at_points(field: Tensor, points: Tensor) -> Tensor:
    """The displacements (B, K, 2) of `field` at `points` (B, K, 2), pixels of its grid; the border's outside it."""
    h, w = field.shape[-2:]
    grid = (2 * points + 1) / points.new_tensor([w, h]) - 1
    sampled = functional.grid_sample(field, grid[:, :, None], padding_mode="border", align_corners=False)
    return sampled[..., 0].transpose(1, 2)
