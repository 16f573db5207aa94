"""Checks of an interpolator: exact ends, pairs independent of their batch, positions per pair, errors outside."""

import warnings

import torch
from torch import Generator

from interpzoo.build import build_component
from interpzoo.config import ComponentSpec
from interpzoo.errors import InputError
from interpzoo.interfaces import Interpolator
from interpzoo.model import InterpolationModel
from interpzoo.testing.expect import expect, expect_equal, expect_shape

_PAIRS = 2


def check_interpolator(name: str, model: InterpolationModel) -> None:
    """The path between codes of `model` is as `Interpolator` says."""
    with warnings.catch_warnings():
        # A solver may warn that it has not converged, which is not its fault on random networks.
        warnings.simplefilter("ignore")
        _check(name, model)


def _check(name: str, model: InterpolationModel) -> None:
    path = build_component(Interpolator, ComponentSpec(name=name))
    z0, z1 = torch.randn(2, _PAIRS, *model.latent_shape, generator=Generator().manual_seed(0))
    t = torch.tensor([0.0, 0.25, 0.5, 1.0])
    state = torch.get_rng_state()
    codes = path(z0, z1, t, model=model)
    expect_equal(torch.get_rng_state(), state, f"the global random state before and after {name!r}")
    expect_shape(codes, (_PAIRS, len(t), *model.latent_shape), f"the path {name!r}")
    expect_equal(codes[:, 0], z0, f"the path {name!r} at 0 and its start")
    expect_equal(codes[:, -1], z1, f"the path {name!r} at 1 and its end")
    expect_equal(path(z0, z1, t, model=model), codes, f"the path {name!r} twice")
    own = path(z0, z1, t.expand(_PAIRS, -1), model=model)
    close = torch.allclose(own, codes, rtol=1e-3, atol=1e-3)
    expect(close, f"the path {name!r} differs between t of shape (B, T) and the same t of shape (T,)")
    alone = path(z0[:1], z1[:1], t, model=model)
    close = torch.allclose(alone, codes[:1], rtol=1e-3, atol=1e-3)
    expect(close, f"the path {name!r} of a pair depends on the other pairs")
    try:
        outside = path(z0, z1, torch.tensor([-0.5, 1.5]), model=model)
    except InputError:
        return
    expect_shape(outside, (_PAIRS, 2, *model.latent_shape), f"the path {name!r} outside [0, 1]")
