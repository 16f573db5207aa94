"""Derivatives of batched decoders: forward mode, reverse mode and the whole Jacobian."""

import functools
import warnings
from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import jvp as torch_jvp
from torch.func import vjp as torch_vjp
from torch.func import vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from interpzoo.geometry.decoders import Decode


def jvp(decoder: Decode, z: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """The output g(z) and its derivative J(z) v, both (B, ...), for latents `z` and directions `v` (B, *latent).

    One forward pass of dual numbers.
    """
    _load_forward_mode()
    # Fused attention has no forward-mode derivative; its plain form has.
    with sdpa_kernel(SDPBackend.MATH):
        y, tangent = torch_jvp(decoder, (z,), (v,))[:2]
    return y, tangent


def vjp(decoder: Decode, z: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """The output g(z) (B, ...), and the function w -> J(z)^T w from cotangents (B, ...) to (B, *latent).

    One forward pass; each call of the function is one backward pass.
    """
    with sdpa_kernel(SDPBackend.MATH):
        y, pull = torch_vjp(decoder, z)[:2]

    def pull_back(w: Tensor) -> Tensor:
        (gradient,) = pull(w)
        return gradient

    return y, pull_back


def jacobian(decoder: Decode, z: Tensor) -> tuple[Tensor, Tensor]:
    """The flat output g(z) (B, D) and the Jacobian J (B, D, d) at flat latents `z` (B, d).

    Forward mode with d tangents over one primal pass, the right way round for d far below D.
    """
    basis = torch.eye(z.shape[1], dtype=z.dtype, device=z.device)
    y, columns = vmap(lambda e: jvp(decoder, z, e.expand_as(z)))(basis)
    return y[0].reshape(len(z), -1), columns.reshape(z.shape[1], len(z), -1).permute(1, 2, 0)


@functools.cache
def _load_forward_mode() -> None:
    """Torch scripts its decompositions on the first use of forward mode, and warns of scripting's own end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch_jvp(torch.sin, (torch.zeros(1),), (torch.ones(1),))
