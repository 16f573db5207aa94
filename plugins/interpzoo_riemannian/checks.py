"""Checks of arguments that the functions of this package share, and the default batch size."""

from collections.abc import Callable, Iterator
from functools import wraps
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

from interpzoo.arguments import MOST_AT_ONCE, MOST_FRAMES, whole
from interpzoo.errors import InputError, InterpzooError
from interpzoo.geometry import Decode, flat_decoder, vjp
from interpzoo.tensors import FLOATS, check_plain, untracked
from interpzoo_riemannian.ensemble import Ensemble, Expected

_VALUES_AT_ONCE = 2**20
"""Output values decoded at once where the caller sets no batch size."""
_IN_CACHE = 2**18
"""The same on a CPU, where what layers hand on then mostly stays in the caches."""
_FEW = 192
"""Outputs decoded at once on a CPU even if they are too large for that, within `_VALUES_AT_ONCE`: each batch reads the
weights and decodes the points of its Jacobians again."""
MOST_ITERATIONS = 100_000
"""Largest number of iterations that may be asked for."""
_ROUNDING = 16
"""Rounding errors, in units of the largest output, by which outputs of one latent may differ."""


P = ParamSpec("P")
R = TypeVar("R")


def differentiable(function: Callable[P, R]) -> Callable[P, R]:
    """`function` outside the caller's gradient and inference modes: it differentiates by itself, and is `untracked`."""
    constant = untracked(function)

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with torch.inference_mode(False):
            return constant(*args, **kwargs)

    return run


def check_latents(**latents: Tensor) -> None:
    """Raise an `InputError` unless latents (B, *latent), B >= 1, have one shape and type and are finite floats."""
    for name, z in latents.items():
        check_plain(name, z)
    first = next(iter(latents.values()))
    shown = " and ".join(f"{name} is {z.dtype} {tuple(z.shape)}" for name, z in latents.items())
    alike = all(z.shape == first.shape and z.dtype == first.dtype for z in latents.values())
    if first.ndim < 2 or not len(first) or not alike:
        raise InputError(
            f"{shown}, expected (B, *latent) of at least one{' and the same of each' * (len(latents) > 1)}"
        )
    if first.dtype not in FLOATS:
        raise InputError(f"{shown}, expected floating point")
    for name, z in latents.items():
        if not bool(z.isfinite().all()):
            raise InputError(f"{name} holds NaN or infinite values: expected finite numbers")


def check_steps(steps: object, least: int = 2) -> int:
    """`steps` as a number of nodes; raises an `InputError` unless it is a whole number from `least` to 10,000."""
    return whole("steps", steps, least, MOST_FRAMES)


def rounding(outputs: Tensor) -> Tensor:
    """(B,): the largest distance between outputs (B, N, D) that is nothing but the rounding of the decoder."""
    return _ROUNDING * torch.finfo(outputs.dtype).eps * outputs.flatten(1).norm(dim=1)


def check_finite(values: Tensor, first: int = 0) -> None:
    """Raise an `InputError` where `values` (B, ...), decoded for the pairs from number `first` on, are not finite."""
    bad = (~values.isfinite().flatten(1).all(1)).nonzero().squeeze(1) + first
    if len(bad):
        raise InputError(
            f"the decoder's output is NaN or infinite on the path of pair {numbers(bad)}: give codes nearer to those "
            "of images"
        )


def numbers(pairs: Tensor) -> str:
    """The first few row numbers (n,) for a message."""
    return ", ".join(map(str, pairs[:5].tolist())) + (", ..." if len(pairs) > 5 else "") + " (counted from 0)"


def flat_float(z: Tensor) -> Tensor:
    """Latents (B, *latent) as (B, d) in float32, or in float64 if they are."""
    return z.flatten(1).to(torch.promote_types(z.dtype, torch.float32))


def linearizable_parts(batch_size: int, *points: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Flat latents (B, ..., d), in parts of as many rows as `batch_size` allows, where a latent counts as d + 1."""
    at_once = max(1, batch_size // (1 + points[0].shape[-1]))
    return zip(*(z.split(at_once) for z in points), strict=True)


def checked_decoder(decoder: Decode, z: Tensor, batch_size: int | None) -> tuple[Decode, int]:
    """`decoder` on flat latents (B, d), tried on two of `z` (B, *latent), and `batch_size` or a default by output size.

    For an `Ensemble` it is the function with the expected metric.

    Raises:
        InputError: as `flat_decoder`; `batch_size` is not at least 1; the decoder fails, or its outputs are random,
            depend on their batch, or are not differentiable.
    """
    if batch_size is not None:
        batch_size = whole("batch_size", batch_size, 1, MOST_AT_ONCE)
    flat = flat_decoder(Expected(decoder) if isinstance(decoder, Ensemble) else decoder, z.shape[1:])
    few = flat_float(z[:2])
    try:
        y, pull = vjp(flat, few)
    except InterpzooError:
        raise
    except Exception as error:  # a decoder is anybody's code
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputError(f"the decoder does not take latents of shape {tuple(z[:2].shape)}: {reason}") from error
    if bool((flat(few[:1]) - y[:1]).abs().max() > 1e-2 * y.abs().max()):
        raise InputError(
            "the decoder gave one latent two different outputs, decoded alone and beside another: it is random, or "
            "mixes the latents of a batch (batch statistics); call decoder.eval() first, or take another path"
        )
    chord = (y[-1:] - y[:1]).expand_as(y)
    # One image for all latents (a collapsed decoder) is as differentiable as can be.
    differs = chord.abs().max() > _ROUNDING * torch.finfo(y.dtype).eps * y.abs().max()
    if bool(differs) and not bool(pull(chord).any()):
        raise InputError(
            "the decoder's derivative is zero at the first two latents: it is not differentiable; take another path, "
            "such as 'linear'"
        )
    most = _VALUES_AT_ONCE // y.shape[1]
    if y.device.type == "cpu":
        most = min(most, max(_IN_CACHE // y.shape[1], _FEW))
    return flat, batch_size or min(max(most, 1), 8192)
