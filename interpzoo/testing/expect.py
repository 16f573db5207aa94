"""How a check reports a violated rule."""

import torch
from torch import Tensor

from interpzoo.errors import InterpzooError


class ConformanceError(InterpzooError, AssertionError):
    """A plugin violates a rule of docs/plugins.md."""


def expect(holds: bool, otherwise: str) -> None:
    """Raise a `ConformanceError` with the message `otherwise` unless `holds`."""
    if not holds:
        raise ConformanceError(otherwise)


def expect_shape(value: Tensor, shape: tuple[int, ...], what: str) -> None:
    """Expect a finite tensor of a shape."""
    expect(tuple(value.shape) == shape, f"{what} has shape {tuple(value.shape)}, expected {shape}")
    expect(bool(value.isfinite().all()), f"{what} has values that are not finite")


def expect_equal(a: Tensor, b: Tensor, what: str) -> None:
    """Expect two tensors to be equal bit for bit."""
    expect(a.shape == b.shape and torch.equal(a, b), f"{what}: expected to be equal bit for bit")
