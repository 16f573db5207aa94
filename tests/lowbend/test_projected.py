"""Paths on the manifold of the codes: a ring, a sphere and the codes of a trained model."""

from __future__ import annotations

import math

import pytest
import torch
from interpzoo_lowbend.projected import Denoiser, Projected, ProjectedConfig
from torch import Generator, Tensor

from interpzoo.errors import InputError
from interpzoo.geometry import slerp
from interpzoo.model import InterpolationModel
from tests.tiny import tiny_model

T = torch.linspace(0, 1, 9)


def model_of(codes: Tensor) -> InterpolationModel:
    """A model whose codes of 8 numbers lie where the first coordinates say."""
    model = tiny_model(size=(8, 8))
    assert model.latent_shape == (2, 2, 2)
    model.codes = embedded(codes)
    return model


def embedded(points: Tensor) -> Tensor:
    return torch.nn.functional.pad(points, (0, 8 - points.shape[1])).unflatten(1, (2, 2, 2))


def ring(angles: Tensor) -> Tensor:
    return torch.stack([angles.cos(), angles.sin()], 1)


def test_on_a_ring_paths_go_around_evenly_where_the_line_goes_through_the_hole() -> None:
    angles = 2 * math.pi * torch.rand(500, generator=Generator().manual_seed(0))
    model = model_of(ring(angles))
    start, turn = torch.tensor([0.3, 1.0, 4.0]), torch.tensor([0.5, 1.5, 2.8])
    z0, z1 = embedded(ring(start)), embedded(ring(start + turn))
    codes = model.interpolate_codes(z0, z1, T, interpolator="projected").flatten(2)
    expected = embedded(ring((start[:, None] + turn[:, None] * T).flatten())).flatten(1).view_as(codes)
    assert (codes - expected).norm(dim=2).max() < 0.03
    assert model.interpolate_codes(z0, z1, [0.5]).flatten(2).norm(dim=2).min() < 0.2


def test_on_a_sphere_paths_are_near_great_circles() -> None:
    draw = Generator().manual_seed(1)
    points = torch.nn.functional.normalize(torch.randn(2000, 3, generator=draw), dim=1)
    model = model_of(points)
    z0, z1 = embedded(points[:6]), embedded(points[6:12])
    codes = model.interpolate_codes(z0, z1, T, interpolator="projected").flatten(2)
    assert (codes.norm(dim=2) - 1).abs().max() < 0.03
    assert (codes - slerp(z0, z1, T).flatten(2)).norm(dim=2).mean() < 0.03


def test_the_denoiser_has_the_least_error_on_the_codes() -> None:
    draw = Generator().manual_seed(2)
    codes = torch.randn(30, 3, generator=draw)
    clean = codes.repeat(3000, 1)
    noisy = clean + 0.4 * torch.randn(clean.shape, generator=draw)

    def error(project: Denoiser) -> float:
        return float((project(noisy) - clean).square().sum(1).mean())

    least = error(Denoiser(codes, 0.4))
    assert all(least < error(Denoiser(codes, sigma)) for sigma in (0.2, 0.3, 0.5, 0.8))
    assert least < float((noisy - clean).square().sum(1).mean())


def test_what_the_path_cannot_do_is_said() -> None:
    model = tiny_model(size=(8, 8))
    z0, z1 = torch.randn(2, 1, *model.latent_shape, generator=Generator().manual_seed(3))
    with pytest.raises(InputError, match=r"set model\.codes to"):
        model.interpolate_codes(z0, z1, [0.5], interpolator="projected")
    model.codes = torch.randn(2, *model.latent_shape, generator=Generator().manual_seed(4))
    with pytest.raises(InputError, match="expected at least 3 codes"):
        model.interpolate_codes(z0, z1, [0.5], interpolator="projected")
    model.codes = torch.randn(6, *model.latent_shape, generator=Generator().manual_seed(4))
    few = Projected(ProjectedConfig(neighbors=3))
    assert model.interpolate_codes(z0, z1, [0.5], interpolator=few).isfinite().all()
    with pytest.raises(InputError, match="continue beyond an end"):
        model.interpolate_codes(z0, z1, [1.5], interpolator=few)
    model.codes = torch.ones(6, *model.latent_shape)
    with pytest.raises(InputError, match="equal to each other"):
        model.interpolate_codes(z0, z1, [0.5], interpolator=few)
