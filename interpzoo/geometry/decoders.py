"""Any decoder as a pure function of flat latents, and its derivatives."""

import functools
import threading
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

import torch
from torch import Tensor, nn
from torch.autograd.forward_ad import make_dual, unpack_dual
from torch.func import functional_call, vmap
from torch.func import jvp as torch_jvp
from torch.func import vjp as torch_vjp
from torch.nn.functional import (
    elu,
    gelu,
    group_norm,
    leaky_relu,
    multi_head_attention_forward,
    relu,
    scaled_dot_product_attention,
    silu,
)
from torch.overrides import TorchFunctionMode
from typing_extensions import override

from interpzoo.errors import InputError
from interpzoo.tensors import in_transform
from interpzoo.text import quoted

Decode = Callable[[Tensor], Tensor]

BATCH_SIZE = 512
"""Default number of latents that are decoded at once; it bounds the memory."""

_FORWARD_MODE: Final = threading.RLock()
"""Torch has one stack of forward-mode levels for all threads of a process: one thread at a time may use it."""

_CONVOLUTIONS: Final = (
    *(torch.conv1d, torch.conv2d, torch.conv3d),
    *(torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d),
)
_ELEMENTWISE: Final = (elu, gelu, leaky_relu, relu, silu, torch.sigmoid, torch.tanh)
_BATCH_STATISTICS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
_DROPOUT = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)


def flat_decoder(decoder: Decode, latent_shape: Sequence[int]) -> Decode:
    """`decoder` as a function of flat latents (B, d) to flat outputs (B, D), which leaves the caller's module alone.

    Modules in half precision are called with float32 copies of their weights, modules in float64 with latents in
    float64, and modules in train mode with copies of their buffers, so that running statistics do not move. Outputs are
    in the precision of the latents.

    Raises:
        InputError: not a function; dropout or batch normalization in train mode; when called, an output that is not a
            tensor (B, ...).
    """
    if not callable(decoder):
        raise InputError(f"decoder = {quoted(decoder)}: expected a function of latents, such as model.decoder")
    call = _pure(decoder) if isinstance(decoder, nn.Module) else decoder
    owner: object = decoder if isinstance(decoder, nn.Module) else getattr(decoder, "__self__", None)
    if isinstance(owner, nn.Module):
        _check_layers(owner)
    shape = tuple(latent_shape)

    def flat(z: Tensor) -> Tensor:
        y = cast(object, call(z.reshape(len(z), *shape)))
        if not isinstance(y, Tensor) or y.shape[:1] != z.shape[:1]:
            got = f"shape {tuple(y.shape)}" if isinstance(y, Tensor) else f"a {type(y).__name__}"
            raise InputError(f"decoder gave {got} for latents {(len(z), *shape)}, expected a tensor ({len(z)}, ...)")
        return y.reshape(len(z), -1)

    return flat


def decode(decoder: Decode, z: Tensor, *, batch_size: int = BATCH_SIZE) -> Tensor:
    """Outputs (B, ...) of latents `z` (B, ...), at most `batch_size` at a time."""
    return torch.cat([decoder(part) for part in z.split(batch_size)])


def jvp(decoder: Decode, z: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """g(z) and J(z) v, both (B, ...), for latents `z` and directions `v` (B, *latent), in one forward pass."""
    with _FORWARD_MODE, _Differentiable():
        _load_forward_mode()
        y, tangent = torch_jvp(decoder, (_recordable(z),), (_recordable(v),))[:2]
    return y, tangent


def vjp(decoder: Decode, z: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """g(z) (B, ...) and a function w -> J(z)^T w, (B, ...) to (B, *latent), whose every call is one backward pass."""
    if not torch.is_grad_enabled() and not in_transform():
        return _untracked_vjp(decoder, z)
    with _Differentiable():
        y, pull = torch_vjp(decoder, _recordable(z))[:2]

    def pull_back(w: Tensor) -> Tensor:
        (gradient,) = pull(w)
        return gradient

    return y, pull_back


def _untracked_vjp(decoder: Decode, z: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """`vjp` whose results need no derivative: torch's own imports its compiler on first use, which takes seconds."""
    with _Differentiable(), torch.inference_mode(False), torch.enable_grad():
        z = z.clone().requires_grad_()
        y = decoder(z)

    def pull_back(w: Tensor) -> Tensor:
        if not y.requires_grad:
            return torch.zeros_like(z, requires_grad=False)
        (gradient,) = torch.autograd.grad(y, z, w, retain_graph=True, allow_unused=True, materialize_grads=True)
        return gradient

    return y.detach(), pull_back


def jacobian(decoder: Decode, z: Tensor) -> tuple[Tensor, Tensor]:
    """g(z) (B, D) and its Jacobian (B, D, d) at flat latents `z` (B, d), in forward mode: fast for d far below D."""
    basis = torch.eye(z.shape[1], dtype=z.dtype, device=z.device)
    y, columns = vmap(lambda e: jvp(decoder, z, e.expand_as(z)))(basis)
    return y[0].reshape(len(z), -1), columns.reshape(z.shape[1], len(z), -1).permute(1, 2, 0)


def _check_layers(module: nn.Module) -> None:
    for name, layer in module.named_modules():
        label = f"the decoder's layer {name or type(module).__name__!r} ({type(layer).__name__})"
        if isinstance(layer, _BATCH_STATISTICS) and (layer.training or layer.running_mean is None):
            raise InputError(
                f"{label} normalizes by the statistics of its batch, so that an image depends on the others decoded "
                "with it; call decoder.eval() first (batch normalization without running statistics cannot be used)"
            )
        if isinstance(layer, _DROPOUT) and layer.training and layer.p > 0:
            raise InputError(f"{label} makes images random in train mode; call decoder.eval() first")


class _Differentiable(TorchFunctionMode):
    """Layers in a form that has derivatives in every mode and memory layout, in this thread only.

    Fused attention has no forward-mode derivative, but its plain form has; while this mode is on, torch's transformer
    layers leave out their own fused path. The derivative of group normalization needs contiguous images, not
    channels_last.
    """

    @override
    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is scaled_dot_product_attention:
            return torch.ops.aten._scaled_dot_product_attention_math(*args, **kwargs)[0]
        if func is multi_head_attention_forward and not kwargs.get("need_weights", True):
            return func(*args, **{**kwargs, "need_weights": True})[0], None  # with weights it is not fused
        if func in (group_norm, torch.group_norm) and args:
            args = (args[0].contiguous(), *args[1:])
        if func in _CONVOLUTIONS and len(args) > 1:
            return _convolved(func, *args, **kwargs)
        if func in _ELEMENTWISE and args:
            return _activated(func, *args, **kwargs)
        return func(*args, **kwargs)


def _convolved(
    convolution: Callable[..., Tensor], z: Tensor, weight: Tensor, bias: Tensor | None = None, *args: Any, **kwargs: Any
) -> Tensor:
    """A convolution whose forward-mode derivative is one of the tangent; torch adds one with weights of zero."""
    x, tangent = unpack_dual(z)
    moving = any(unpack_dual(value).tangent is not None for value in (weight, bias) if value is not None)
    if tangent is None or moving:
        return convolution(z, weight, bias, *args, **kwargs)
    moved = convolution(tangent, weight, None, *args, **kwargs)
    return make_dual(convolution(x, weight, bias, *args, **kwargs), moved)


def _activated(activation: Callable[..., Tensor], z: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """An activation whose slope is computed once for all tangents."""
    x, tangent = unpack_dual(z)
    if tangent is None:
        return activation(z, *args, **kwargs)
    if "inplace" in kwargs:
        kwargs["inplace"] = False
    y, slope = unpack_dual(activation(make_dual(x, torch.ones_like(x)), *args, **kwargs))
    return y if slope is None else make_dual(y, slope * tangent)


def _recordable(z: Tensor) -> Tensor:
    """`z`, or a copy if it was made in `torch.inference_mode`: autograd does not record such tensors."""
    return z.clone() if z.is_inference() else z


def _pure(module: nn.Module) -> Decode:
    state: dict[str, Tensor] = {}
    if any(layer.training for layer in module.modules()):
        state.update((name, buffer.clone()) for name, buffer in module.named_buffers())
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        if tensor.dtype in (torch.float16, torch.bfloat16):
            state[name] = tensor.float()
        elif tensor.is_inference():
            state[name] = tensor.clone()

    weight = next((weight for weight in module.parameters() if weight.is_floating_point()), None)
    precision = None if weight is None else torch.promote_types(weight.dtype, torch.float32)

    def call(z: Tensor) -> Tensor:
        inner = z if precision is None else z.to(precision)
        y = cast(object, functional_call(module, state, (inner,)) if state else module(inner))
        return y.to(z.dtype) if isinstance(y, Tensor) and y.is_floating_point() else cast(Tensor, y)

    return call


@functools.cache
def _load_forward_mode() -> None:
    """Torch scripts its decompositions on the first use of forward mode, and warns of scripting's own end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch_jvp(torch.sin, (torch.zeros(1),), (torch.ones(1),))
