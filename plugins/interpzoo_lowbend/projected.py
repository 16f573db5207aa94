"""Paths on the manifold of the training codes, which a denoiser projects to.

Source: Hartwig, Sassen, Braunsmann, Rumpf and Wirth, "Geodesic Calculus on Implicitly Defined Latent Manifolds", arXiv
2510.09468.
"""

from collections.abc import Callable, Sequence

import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import override

from interpzoo.config import ComponentConfig
from interpzoo.errors import InputError
from interpzoo.geometry import NeighborGraph, at, constant_speed, nearest_neighbors, resample
from interpzoo.interfaces import Interpolator, LatentModel
from interpzoo.tensors import untracked

_LARGEST_TABLE = 2**24
"""Distances computed at once (64 MiB of float32)."""
_FEWEST = 3
"""Smallest number of codes that show where a manifold is."""
_ROUNDS = 20
"""Rounds of smoothing and projection: from the shortest way through the codes, more changes nothing that is seen."""


class Denoiser:
    """The mean of the codes from which noise of N(0, sigma^2 I) may have made a point: Pi(z) = E[c | c + noise = z].

    It has the least error of all functions in the paper's objective, E |Pi(c + noise) - c|^2, on the given codes
    (N, d). There a network is trained on that; for a few thousand codes the minimum is a weighted mean of them, with
    weights softmax(-|z - c_i|^2 / 2 sigma^2).
    """

    def __init__(self, codes: Tensor, sigma: float) -> None:
        self.codes = codes
        self.sigma = sigma

    def __call__(self, z: Tensor) -> Tensor:
        """Pi(z) of points (B, d)."""
        return torch.cat([self._means(part)[0] for part in self._parts(z)])

    def project(self, z: Tensor) -> Tensor:
        """Points (B, d) near the manifold, moved onto it along its normals: Pi(z) + J (z - Pi(z)).

        J, the derivative of Pi, is the covariance of the codes around z over sigma^2: nearly the projection on the
        tangent space. Pi alone also moves points along the manifold, to where the codes happen to be denser. What is
        left is a bias of about sigma^2 / 2 times the curvature.
        """
        return torch.cat([self._projected(part) for part in self._parts(z)])

    def along(self, z: Tensor, v: Tensor) -> Tensor:
        """J v (B, d): directions `v` (B, d) at points `z` (B, d), without what leads off the manifold."""
        parts = [(self._means(part), w) for part, w in zip(self._parts(z), self._parts(v), strict=True)]
        return torch.cat([self._times(mean, weights, w) for (mean, weights), w in parts])

    def _parts(self, z: Tensor) -> Sequence[Tensor]:
        return z.split(max(1, _LARGEST_TABLE // len(self.codes)))

    def _means(self, z: Tensor) -> tuple[Tensor, Tensor]:
        # Exact differences: the expanded square loses the digits that distinguish near codes.
        distances = torch.cdist(z, self.codes, compute_mode="donot_use_mm_for_euclid_dist")
        weights = (-0.5 * (distances / self.sigma).square()).softmax(1)
        return weights @ self.codes, weights

    def _projected(self, z: Tensor) -> Tensor:
        mean, weights = self._means(z)
        return mean + self._times(mean, weights, z - mean)

    def _times(self, mean: Tensor, weights: Tensor, v: Tensor) -> Tensor:
        shares = weights * (v @ self.codes.mT - (v * mean).sum(1, keepdim=True))
        product = (shares @ self.codes - shares.sum(1, keepdim=True) * mean) / self.sigma**2
        # A projection makes nothing longer; J does, halfway between two parts of the data.
        longer = product.norm(dim=1, keepdim=True) / v.norm(dim=1, keepdim=True).clamp_min(1e-30)
        return product / longer.clamp_min(1)


class ProjectedConfig(ComponentConfig):
    """Settings of projected paths."""

    nodes: int = Field(default=20, ge=3, le=200)
    """Nodes of the curve, both ends counted; the path is the cubic spline through them."""
    neighbors: int = Field(default=10, ge=2, le=1000)
    """The noise is as large as the median distance of a code to its neighbor of this number, or to the farthest."""


class Projected(Interpolator[ProjectedConfig]):
    """The shortest path on the manifold of the training codes, which a denoiser projects to.

    It minimizes the Euclidean energy of a chain of nodes on the manifold. The paper does so by an augmented Lagrangian;
    here rounds of smoothing and projection start at the shortest way through the codes, which leaves no local minimum
    on the other side of a gap. The model must come with training codes. It tracks gradients to `t` alone.
    """

    @override
    def __call__(self, z0: Tensor, z1: Tensor, t: Tensor, *, model: LatentModel) -> Tensor:
        return self.path(z0, z1, model=model)(t)

    @override
    def path(self, z0: Tensor, z1: Tensor, *, model: LatentModel) -> Callable[[Tensor], Tensor]:
        nodes = self._nodes(z0, z1, model)

        def along(t: Tensor) -> Tensor:
            if not bool(((t >= 0) & (t <= 1)).all()):
                raise InputError(
                    f"t goes from {float(t.min()):g} to {float(t.max()):g}: a path on the manifold of the codes is "
                    "defined in [0, 1]; take interpolator='linear' to continue beyond an end"
                )
            return at(nodes, t, smooth=True)

        return along

    @untracked
    def _nodes(self, z0: Tensor, z1: Tensor, model: LatentModel) -> Tensor:
        if model.codes is None:
            raise InputError(
                f"the path 'projected' needs training codes, and {model.name!r} came without: set model.codes to "
                "encoded training images"
            )
        codes = model.codes.flatten(1).to(z0.device, torch.promote_types(z0.dtype, torch.float32))
        if codes.shape[1] != z0[0].numel() or len(codes) < _FEWEST:
            raise InputError(
                f"model.codes has shape {tuple(model.codes.shape)}: expected at least {_FEWEST} codes of shape "
                f"{tuple(z0.shape[1:])}, better some hundreds"
            )
        k = min(self.config.neighbors, len(codes) - 1)
        graph = NeighborGraph(codes, k)
        sigma = float(nearest_neighbors(codes, codes, k + 1)[0][:, -1].median())
        if sigma == 0:
            raise InputError("model.codes are equal to each other: expected codes of different training images")
        ends = torch.stack([z0.flatten(1), z1.flatten(1)], 1).to(codes)
        path = _through_codes(graph, ends, self.config.nodes)
        denoiser = Denoiser(codes, sigma)
        smooth = _smoothing(self.config.nodes).to(codes)
        for _ in range(_ROUNDS):
            inner = path[:, 1:-1]
            shift = (smooth @ path - inner).flatten(0, 1)
            moved = inner.flatten(0, 1) + denoiser.along(inner.flatten(0, 1), shift)
            moved = denoiser.project(moved).view_as(inner)
            path = constant_speed(_same, torch.cat([ends[:, :1], moved, ends[:, 1:]], 1))
        path = path.unflatten(2, z0.shape[1:]).to(z0.dtype)
        path[:, 0], path[:, -1] = z0, z1
        return path


def _through_codes(graph: NeighborGraph, ends: Tensor, nodes: int) -> Tensor:
    """Curves (B, nodes, d) between `ends` (B, 2, d) on the shortest ways from code to code; straight without a way."""
    first, last = (nearest_neighbors(graph.codes, end, 1)[1][:, 0] for end in ends.unbind(1))
    routes = graph.shortest_paths(first, last)
    curves = [torch.cat([pair[:1], graph.codes[way], pair[1:]]) for pair, way in zip(ends, routes, strict=True)]
    return torch.cat([constant_speed(_same, resample(curve[None], max(nodes, len(curve))), nodes) for curve in curves])


def _smoothing(nodes: int) -> Tensor:
    """(N - 2, N): an implicit step of gradient descent on the energy of a chain in flat space, which bends least."""
    strength = float(nodes)  # a wave as long as the chain loses a third
    bend = torch.zeros(nodes, nodes, dtype=torch.float64)
    inner = torch.arange(1, nodes - 1)
    bend[inner, inner], bend[inner, inner - 1], bend[inner, inner + 1] = 2.0, -1.0, -1.0
    return torch.linalg.inv(torch.eye(nodes, dtype=torch.float64) + strength * bend)[1:-1]


def _same(z: Tensor) -> Tensor:
    return z
