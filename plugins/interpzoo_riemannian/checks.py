"""Checks of arguments that the functions of this package share, and the default batch size."""

from collections.abc import Iterator

import torch
from torch import Tensor

from interpzoo.errors import InputError
from interpzoo.geometry import Decode, flat_decoder, vjp

_VALUES_AT_ONCE = 2**20
"""Output values decoded at once where the caller sets no batch size."""


def check_latents(**latents: Tensor) -> None:
    """Raise an `InputError` unless latents (B, *latent), B >= 1, have one shape and type and are finite floats."""
    first = next(iter(latents.values()))
    shown = " and ".join(f"{name} is {z.dtype} {tuple(z.shape)}" for name, z in latents.items())
    alike = all(z.shape == first.shape and z.dtype == first.dtype for z in latents.values())
    if first.ndim < 2 or not len(first) or not alike:
        raise InputError(
            f"{shown}, expected (B, *latent) of at least one{' and the same of each' * (len(latents) > 1)}"
        )
    if not first.is_floating_point():
        raise InputError(f"{shown}, expected floating point")
    for name, z in latents.items():
        if not bool(z.isfinite().all()):
            raise InputError(f"{name} holds NaN or infinite values")


def check_steps(steps: int, least: int = 2) -> None:
    """Raise an `InputError` for fewer nodes than `least`."""
    if steps < least:
        raise InputError(f"steps is {steps}, expected at least {least} nodes ({least - 2} beside the ends)")


def check_finite(values: Tensor, first: int = 0) -> None:
    """Raise an `InputError` where `values` (B, ...), decoded for the pairs from number `first` on, are not finite."""
    bad = (~values.isfinite().flatten(1).all(1)).nonzero().squeeze(1) + first
    if len(bad):
        raise InputError(f"the decoder's output is NaN or infinite on the path of pair {numbers(bad)}")


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

    Raises:
        InputError: as `flat_decoder`; outputs that are random, depend on their batch, or are not differentiable.
    """
    flat = flat_decoder(decoder, z.shape[1:])
    few = flat_float(z[:2])
    y, pull = vjp(flat, few)
    if bool((flat(few[:1]) - y[:1]).abs().max() > 1e-2 * y.abs().max()):
        raise InputError(
            "the decoder gave one latent two different outputs, decoded alone and beside another: it is random, or "
            "mixes the latents of a batch (batch statistics)"
        )
    chord = (y[-1:] - y[:1]).expand_as(y)
    if bool(chord.any()) and not bool(pull(chord).any()):
        raise InputError("the decoder's derivative is zero at the first two latents: it is not differentiable")
    return flat, batch_size or min(max(_VALUES_AT_ONCE // y.shape[1], 16), 8192)
