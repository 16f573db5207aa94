"""Discrete curves in latent space, measured where they are decoded."""

import torch
from torch import Tensor

from interpzoo.errors import InputError
from interpzoo.geometry.decoders import BATCH_SIZE, Decode, decode
from interpzoo.geometry.paths import align
from interpzoo.tensors import widest


def segment_lengths(decoder: Decode, path: Tensor, *, batch_size: int = BATCH_SIZE) -> Tensor:
    """Decoded chords ||g(z_{i+1}) - g(z_i)||, (B, N - 1) in the widest type of the device, of paths (B, N, *latent)."""
    nodes = _checked(path.shape[1])
    lengths: list[Tensor] = []
    for curves in path.split(max(1, batch_size // nodes)):
        y = decode(decoder, curves.flatten(0, 1), batch_size=batch_size).reshape(len(curves), nodes, -1)
        lengths.append(torch.linalg.vector_norm(y[:, 1:] - y[:, :-1], dim=2).to(widest(y.device)))
    return torch.cat(lengths)


def curve_length(decoder: Decode, path: Tensor, *, batch_size: int = BATCH_SIZE) -> Tensor:
    """Length (B,) of decoded paths (B, N, *latent): the sum of their chords.

    Example:
        >>> import interpzoo, torch
        >>> from interpzoo.geometry import curve_length, lerp
        >>> model = interpzoo.load("fmvae-pendulum")
        >>> line = lerp(model.examples[:1], model.examples[1:2], torch.linspace(0, 1, 20))
        >>> curve_length(model.decoder, line).shape
        torch.Size([1])
    """
    return segment_lengths(decoder, path, batch_size=batch_size).sum(1)


def curve_energy(decoder: Decode, path: Tensor, *, batch_size: int = BATCH_SIZE) -> Tensor:
    """Energy (B,) of decoded paths (B, N, *latent): 1/2 sum_i ||g(z_{i+1}) - g(z_i)||^2 / dt with dt = 1 / (N - 1).

    Shao et al. 2018, eq. 4. Never below half the squared length, and equal to it at constant speed.
    """
    return 0.5 * (path.shape[1] - 1) * segment_lengths(decoder, path, batch_size=batch_size).square().sum(1)


def at(path: Tensor, t: Tensor, *, smooth: bool = False) -> Tensor:
    """Points (B, T, *latent) at times `t` in [0, 1], (T,) or (B, T), of paths (B, N, *latent) of nodes at even times.

    `smooth` follows the not-a-knot cubic spline through the nodes. With nodes h apart it misses a smooth curve by
    O(h^4), straight lines by O(h^2); but it swings beyond the nodes of a curve with corners.

    Raises:
        InputError: a time outside [0, 1].
    """
    nodes = _checked(path.shape[1])
    if not bool(((t >= 0) & (t <= 1)).all()):
        raise InputError(
            f"t goes from {float(t.min()):g} to {float(t.max()):g}, expected values in [0, 1]: this path "
            "is defined in [0, 1] only"
        )
    position = t.to(path.device, widest(path.device)).expand(len(path), t.shape[-1]) * (nodes - 1)
    lower = position.floor().clamp(max=nodes - 2).long()
    weight = align((position - lower).to(path.dtype), path)
    rows = torch.arange(len(path), device=path.device)[:, None]
    points = torch.lerp(path[rows, lower], path[rows, lower + 1], weight)
    if smooth:
        # Counted from the first node, a curve that stays there has no bend at all, whatever the rounding.
        bend = torch.einsum("mn,bn...->bm...", _second_differences(nodes, path.device).to(path), path - path[:, :1])
        sag = (2 - weight) * bend[rows, lower] + (1 + weight) * bend[rows, lower + 1]
        points = points - weight * (1 - weight) * sag / 6
    return points


def resample(path: Tensor, nodes: int, *, smooth: bool = False) -> Tensor:
    """The same curves (B, N, *latent) with `nodes` nodes, evenly spaced in their own parameter; `smooth` as in `at`."""
    return at(path, torch.linspace(0, 1, _checked(nodes), dtype=widest(path.device)), smooth=smooth)


def _second_differences(nodes: int, device: torch.device) -> Tensor:
    """(N, N): node values to the second derivatives there, at unit spacing, of the spline through them."""
    if nodes == 2:
        return torch.zeros(2, 2)
    identity = torch.eye(nodes, dtype=widest(device))
    left = identity.roll(-1, 0) + 4 * identity + identity.roll(1, 0)
    right = 6 * (identity.roll(-1, 0) - 2 * identity + identity.roll(1, 0))
    # Not a knot: the third derivative is the same on both sides of the second and the last but one node. With
    # three nodes, which leaves one parabola, they are the same node, and the second derivative is the same everywhere.
    for end, inwards in ((0, 1), (nodes - 1, -1)):
        left[end] = 0
        for offset, value in enumerate((1.0, -1.0) if nodes == 3 else (1.0, -2.0, 1.0)):
            left[end, end + inwards * offset] = value
        right[end] = 0
    return torch.linalg.solve(left, right)


def constant_speed(decoder: Decode, path: Tensor, nodes: int | None = None, *, batch_size: int = BATCH_SIZE) -> Tensor:
    """The same curves (B, N, *latent) with `nodes` nodes (default: N) at equal distances along the decoded curve."""
    lengths = segment_lengths(decoder, path, batch_size=batch_size)
    # A trace of uniform speed keeps arc length increasing over segments that decode to one point.
    lengths = lengths + 1e-9 * lengths.mean(1, keepdim=True) + torch.finfo(lengths.dtype).tiny
    arc = torch.nn.functional.pad(lengths.cumsum(1), (1, 0))
    count = _checked(path.shape[1] if nodes is None else nodes)
    wanted = torch.linspace(0, 1, count, dtype=arc.dtype, device=arc.device) * arc[:, -1:]
    segment = torch.searchsorted(arc[:, 1:-1].contiguous(), wanted)
    t = (segment + (wanted - arc.gather(1, segment)) / lengths.gather(1, segment)) / lengths.shape[1]
    return at(path, t.clamp(0, 1))


def _checked(nodes: int) -> int:
    if nodes < 2:
        raise InputError(f"a path of {nodes} nodes, expected at least 2 (its ends)")
    return nodes
