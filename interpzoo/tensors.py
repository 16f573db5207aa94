"""Checks of tensors that a user gives, what a device can compute with them, and parts of one put together."""

import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from functools import wraps
from itertools import chain
from typing import Any, Final, ParamSpec, TypeAlias, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from interpzoo.errors import InputError, InterpzooError
from interpzoo.text import quoted

FLOATS: Final = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
"""The types that networks compute in."""

_RANDOMNESS: Final = threading.RLock()  # the global generators are one for all threads

NumberInput: TypeAlias = Tensor | NDArray[Any] | Sequence[float] | Sequence[Sequence[float]]
"""Numbers that a user gives, such as positions or weights: a tensor, an array, a list, or rows of equal length."""

P = ParamSpec("P")
R = TypeVar("R")


def ordinary_mode(function: Callable[P, R]) -> Callable[P, R]:
    """`function` outside the caller's `torch.inference_mode` and `torch.no_grad`: what it makes can be trained."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with torch.inference_mode(False), torch.enable_grad():
            return function(*args, **kwargs)

    return run


def untracked(function: Callable[P, R]) -> Callable[P, R]:
    """`function` whose results are constants: it tracks no gradients.

    `torch.func` would take the derivative of a constant for 0, so there it raises an `InputError`.
    """

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        if in_transform():
            raise InputError(
                f"{function.__qualname__} tracks no gradients, so that torch.func would find a derivative of 0: call "
                "it outside of jacrev, grad and the like"
            )
        with torch.no_grad():
            return function(*args, **kwargs)

    return run


def in_transform() -> bool:
    """Whether a transform of `torch.func` is at work, such as `jacrev`."""
    with torch.inference_mode(False):
        try:
            torch.empty(0).requires_grad_()  # refused there; torch has no public way to ask
        except RuntimeError:
            return True
    return False


@contextmanager
def own_randomness(seed: int | None = None) -> Generator[None]:
    """Draw from the global generators as if from others, seeded with `seed` if given; one thread at a time."""
    with _RANDOMNESS, torch.random.fork_rng():
        if seed is not None:
            torch.manual_seed(seed)
        yield


def check_plain(name: str, tensor: object, error: type[InterpzooError] = InputError) -> Tensor:
    """`tensor`; raises an `error` unless it has its values in memory, and is neither sparse, nested nor quantized."""
    if not isinstance(tensor, Tensor):
        raise error(f"{name} = {quoted(tensor)}: expected a torch tensor, not {type(tensor).__name__}")
    kinds = {"on the meta device, without values": tensor.is_meta, "nested": tensor.is_nested}
    kinds |= {"quantized": tensor.is_quantized, f"in layout {tensor.layout}": tensor.layout is not torch.strided}
    for kind, applies in kinds.items():
        if applies:
            raise error(f"{name} is a tensor {kind}: expected a dense tensor of numbers")
    return tensor


def check_floats(name: str, tensor: object) -> Tensor:
    """`tensor` as `check_plain`, of float16, bfloat16, float32 or float64 and finite; raises an `InputError` if not."""
    found = check_plain(name, tensor)
    if found.dtype not in FLOATS:
        raise InputError(f"{name} is of {found.dtype}: expected floating point, such as torch.float32")
    if not all_finite(found):
        raise InputError(f"{name} holds values that are not finite (NaN or infinite): expected finite numbers")
    return found


def all_finite(tensor: Tensor) -> bool:
    """Whether no value is NaN or infinite. Adding the values up is faster than looking at each."""
    return bool(tensor.sum(dtype=torch.float32).isfinite()) or bool(tensor.isfinite().all())


def gathered(parts: Iterable[Tensor], n: int) -> Tensor:
    """The n rows of all parts, as `torch.cat` gives them.

    Parts that track no gradients are copied as they come, so that each takes the memory of the one before. Kept until
    the end they would need twice the memory, and a process may fetch that from the system each time.
    """
    rows, done = iter(parts), 0
    first = next(rows)
    if len(first) == n or first.requires_grad:
        return torch.cat([first, *rows])
    found = first.new_empty((n, *first.shape[1:]))
    for part in chain([first], rows):
        found[done : done + len(part)] = part
        done += len(part)
    return found


def spread(rows: Tensor, most: int) -> Tensor:
    """At most so many of the rows (n, ...), evenly from all of them: they may be in the order of classes."""
    return rows if len(rows) <= most else rows[torch.arange(most) * len(rows) // most]


def as_numbers(name: str, values: object, device: torch.device, dtype: torch.dtype = torch.float32) -> Tensor:
    """`values`, numbers or rows of equal length, as finite `dtype`; raises an `InputError` if they are not."""
    if isinstance(values, Tensor):
        check_plain(name, values)
    if isinstance(values, (str, bytes, bytearray, memoryview)):
        raise InputError(f"{name} = {quoted(values)}: expected numbers, or rows of equal length")
    if isinstance(values, (Tensor, np.ndarray)) and "complex" in str(values.dtype):  # torch would keep the real parts
        raise InputError(f"{name} holds complex numbers, of {values.dtype}: expected real numbers")
    if np.ma.is_masked(values):
        raise InputError(f"{name} is an array with masked values: fill them, as with array.filled(0)")
    try:
        found = torch.as_tensor(values, dtype=dtype, device=device)
    except Exception:  # rows of different lengths, words, numbers beyond a float, or not a list
        raise InputError(f"{name} = {quoted(values)}: expected numbers, or rows of equal length") from None
    if not all_finite(found):
        raise InputError(f"{name} = {quoted(values)} holds values that are not finite: expected finite numbers")
    return found


def widest(device: torch.device) -> torch.dtype:
    """The most precise type of a device: float64, or float32 where there is no other (Apple's MPS)."""
    try:
        torch.zeros(1, dtype=torch.float64, device=device)
    except (TypeError, RuntimeError):
        return torch.float32
    return torch.float64
