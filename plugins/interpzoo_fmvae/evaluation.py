"""How flat a model's latent space is: where the paper's measures are taken, and between which codes.

The measures themselves are the core's, `interpzoo.metrics.flatness`. Codes and mixes are told apart, because data on a
circle cannot be flat where a mix crosses its middle.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from interpzoo.build import build_component
from interpzoo.config import ComponentSpec
from interpzoo.errors import InputError
from interpzoo.geometry import shorter_turn
from interpzoo.interfaces import Interpolator
from interpzoo.metrics.flatness import condition_numbers, length_ratios, magnification, metric_tensors
from interpzoo.model import InterpolationModel
from interpzoo_fmvae.flatness import mix

_NODES = 65


@dataclass(frozen=True, eq=False)
class FlatnessScores:
    """The decoder's metric G at B points."""

    condition_numbers: Tensor
    """(B,) float64: largest over smallest eigenvalue of G; 1 is isotropic."""
    magnification: Tensor
    """(B,) float64: sqrt(det G) over its mean; 1 everywhere is an even space."""

    @property
    def median_condition(self) -> float:
        """Median condition number."""
        return float(self.condition_numbers.median())

    @property
    def magnification_range(self) -> float:
        """Interquartile range of the magnification."""
        low, high = self.magnification.quantile(torch.tensor([0.25, 0.75], dtype=torch.float64))
        return float(high - low)


def score_flatness(model: InterpolationModel, points: Tensor) -> FlatnessScores:
    """Measure the metric at `points` (B, *latent_shape): codes of images, or `mixed` ones."""
    G = metric_tensors(model.decoder, points.to(model.device)).cpu()
    return FlatnessScores(condition_numbers(G), magnification(G))


def mixed(codes: Tensor, *, margin: float = 0.0, seed: int = 0) -> Tensor:
    """As many mixes as there are codes (B, *latent_shape), each of a code and another one drawn at random.

    alpha ~ U(-margin, 1 + margin), as in training; without a margin they lie on straight lines between codes.
    """
    generator = Generator().manual_seed(seed)
    order = torch.randperm(len(codes), generator=generator)
    alpha = (1 + 2 * margin) * torch.rand(len(codes), generator=generator) - margin
    return mix(codes, codes[order.to(codes.device)], alpha.to(codes))


def near_pairs(angles: Tensor, n: int, *, farthest: float = math.pi / 4, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Row numbers, (n,) each, of pairs of `angles` (B,) at most `farthest` radians apart the shorter way round.

    Raises:
        InputError: there is no such pair.
    """
    apart = shorter_turn(angles[:, None] - angles).abs()
    first, second = (apart <= farthest).triu(1).nonzero().unbind(1)
    if not len(first):
        raise InputError(f"none of {len(angles)} angles is within {farthest:g} radians of another")
    rows = torch.randint(len(first), (n,), generator=Generator().manual_seed(seed))
    return first[rows], second[rows]


def straightness(model: InterpolationModel, starts: Tensor, ends: Tensor, *, path: str = "geodesic") -> Tensor:
    """Decoded length of the straight line between codes (B, *latent_shape), over that of the path between them.

    Args:
        model: whose decoder measures.
        starts: codes.
        ends: as many others.
        path: a registered interpolator, the unconstrained geodesic for what the paper means.

    Returns:
        (B,) float64; 1 where the straight line is as short as the path.

    Raises:
        UnknownNameError: no interpolator has this name.
        InputError: two codes of a pair decode to one image.
    """
    interpolator = build_component(Interpolator, ComponentSpec(name=path))
    t = torch.linspace(0, 1, _NODES)
    paths = interpolator(starts.to(model.device), ends.to(model.device), t, model=model)
    return length_ratios(model.decoder, paths, nodes=_NODES).cpu()
