"""Geodesics that stay near the training codes, and initial curves through them.

Away from the training codes a decoder's metric means nothing: its geodesics may cut through gaps where images are
blends or noise. Use `density_aware` where frames must look like data and the decoder has no variance that marks where
it is reliable. Use `neighbor_path` to start where straight lines cross such gaps or there are several local minima.
"""

import torch
from torch import Tensor

from interpzoo.arguments import real, whole
from interpzoo.errors import InputError
from interpzoo.geometry import (
    Decode,
    NeighborGraph,
    constant_speed,
    decode,
    nearest_neighbors,
    segment_lengths,
)
from interpzoo_riemannian.checks import check_latents, check_steps, checked_decoder, differentiable, flat_float, numbers


@differentiable
def density_aware(decoder: Decode, codes: Tensor, *, weight: float = 1.0, neighbors: int = 10) -> Decode:
    """`decoder` with one more output, flat (B, D + 1): it lengthens paths that leave the training codes.

    In place of the variance of Arvanitidis et al. 2018, which a deterministic decoder lacks, the metric gains that of
    s(z) = w log sum_i exp(-|z - c_i|^2 / 2 h_i^2), radial basis functions on the codes c_i, as wide as each one's
    distance h_i to its k-th neighbor. Among the codes s is nearly flat; away from them it falls without end.

    Args:
        decoder: as in `geodesic`.
        codes: training codes (N, *latent).
        weight: w in units of the median decoded distance from a code to its nearest other one. At 1, a path that goes
            about one width away from the codes and comes back is longer by two such units.
        neighbors: k.

    Raises:
        InputError: as `geodesic`; fewer than k + 1 codes.
    """
    check_latents(codes=codes)
    weight = real("weight", weight, 0, 1e6)
    neighbors = whole("neighbors", neighbors, 1, max(1, len(codes) - 1))
    flat, _ = checked_decoder(decoder, codes, None)
    centers = flat_float(codes)
    if neighbors >= len(centers):
        raise InputError(f"neighbors is {neighbors}, expected 1 to {len(centers) - 1}, one less than the codes")
    distances, rows = nearest_neighbors(centers, centers, neighbors + 1)
    widths = distances[:, -1].clamp_min(1e-3 * distances[:, -1].mean())
    y = decode(flat, centers)
    scale = weight * (y - y[rows[:, 1]]).norm(dim=1).median()
    precisions, squares = widths.square().reciprocal(), centers.square().sum(1)

    def with_density(z: Tensor) -> Tensor:
        point = z.flatten(1)
        squared = point.square().sum(1, keepdim=True) - 2 * point @ centers.mT + squares
        support = torch.logsumexp(-0.5 * squared * precisions, 1, keepdim=True)
        return torch.cat([flat(point), scale * support], 1)

    return with_density


@differentiable
def neighbor_path(
    decoder: Decode,
    codes: Tensor,
    z0: Tensor,
    z1: Tensor,
    *,
    steps: int = 20,
    neighbors: int = 10,
    batch_size: int | None = None,
) -> Tensor:
    """Curves (B, steps, *latent) from `z0` to `z1` through training `codes` (N, *latent): `geodesic`'s ``init``.

    They are shortest paths in the graph of each code's `neighbors` nearest, with decoded lengths of edges, from the
    code nearest to one end to the code nearest to the other; nodes are at equal decoded distances. All other arguments
    are as in `geodesic`.

    Raises:
        InputError: as `geodesic`; fewer codes than `neighbors` + 1; pairs without a path, which the message names.
    """
    check_latents(z0=z0, z1=z1)
    check_latents(codes=codes)
    steps, neighbors = check_steps(steps), whole("neighbors", neighbors, 1, max(1, len(codes) - 1))
    flat, batch_size = checked_decoder(decoder, torch.stack([z0[0], z1[0]]), batch_size)
    points, starts, ends = flat_float(codes), flat_float(z0), flat_float(z1)
    graph = NeighborGraph(points, neighbors)
    start, slot = graph.lengths.isfinite().nonzero().unbind(1)
    edges = torch.stack([points[start], points[graph.neighbors[start, slot]]], 1)
    graph.lengths[start, slot] = segment_lengths(flat, edges, batch_size=batch_size).squeeze(1).to(points)
    first, last = (nearest_neighbors(points, z, 1)[1][:, 0] for z in (starts, ends))
    routes = graph.shortest_paths(first, last)
    apart = torch.tensor([pair for pair, route in enumerate(routes) if not route])
    if len(apart):
        raise InputError(
            f"no path of neighboring codes joins the ends of pair {numbers(apart)}: they lie in parts of the data "
            f"that {neighbors} neighbors do not connect; use more neighbors or more codes"
        )
    through = [torch.cat([z[None], points[route], w[None]]) for z, route, w in zip(starts, routes, ends, strict=True)]
    paths = [constant_speed(flat, curve[None], steps, batch_size=batch_size) for curve in through]
    path = torch.cat(paths).unflatten(2, z0.shape[1:]).to(z0.dtype)
    path[:, 0], path[:, -1] = z0, z1
    return path
