"""How a check reports a violated rule, and what it watches while a plugin's code runs."""

import random
import traceback
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy
import torch
from torch import Tensor

from interpzoo.errors import InterpzooError

_FOREIGN: Final = (str(Path(torch.__file__).parent), str(Path(__file__).parent))
"""Folders of code that calls the plugin or that the plugin calls: the fault is not there."""


class ConformanceError(InterpzooError, AssertionError):
    """A plugin violates a rule of docs/reference/interfaces.md; the message names the component and what mends it."""


class UnavailableError(Exception):
    """Files or weights that a check needs are not on this machine: it can say nothing."""


def expect(holds: bool, otherwise: str) -> None:
    """Raise a `ConformanceError` with the message `otherwise` unless `holds`."""
    if not holds:
        raise ConformanceError(otherwise)


def expect_shape(value: object, shape: tuple[int, ...], what: str) -> Tensor:
    """Expect a finite tensor of a shape."""
    if not isinstance(value, Tensor):
        raise ConformanceError(f"{what} is of type {type(value).__name__!r}, expected a tensor of shape {shape}")
    expect(tuple(value.shape) == shape, f"{what} has shape {tuple(value.shape)}, expected {shape}")
    expect(bool(value.isfinite().all()), f"{what} has values that are not finite")
    return value


def expect_float32(value: object, shape: tuple[int, ...], what: str) -> Tensor:
    """Expect a finite float32 tensor of a shape."""
    found = expect_shape(value, shape, what)
    expect(found.dtype == torch.float32, f"{what} is in {found.dtype}, expected torch.float32: convert it by .float()")
    return found


def expect_equal(a: Tensor, b: Tensor, what: str, hint: str = "") -> None:
    """Expect two tensors to be equal bit for bit."""
    same = a.shape == b.shape and torch.equal(a, b)
    expect(same, f"{what}: expected to be equal bit for bit" + (f": {hint}" if hint else ""))


def is_close(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors differ by no more than rounding, which other sizes of a batch may change."""
    scale = float(a.abs().max()) if a.numel() else 0.0
    return a.shape == b.shape and torch.allclose(a, b, rtol=1e-3, atol=1e-4 * max(scale, 1e-3))


@contextmanager
def blaming(what: str, hint: str = "") -> Generator[None, None, None]:
    """Turn whatever the plugin raises into a `ConformanceError` that says where it was raised."""
    try:
        yield
    except (ConformanceError, UnavailableError):
        raise
    except Exception as error:  # a plugin may raise anything
        text = f"{what} raises {type(error).__name__}: {' '.join(str(error).split())[:500]}{_place(error)}"
        raise ConformanceError(text + (f": {hint}" if hint else "")) from error


def _place(error: Exception) -> str:
    """File and line of the innermost call that is neither torch's nor this kit's."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(_FOREIGN)]
    return f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""


@contextmanager
def drawing_nothing(what: str, hint: str) -> Generator[None, None, None]:
    """Expect the block to leave the global random states of torch, numpy and Python as they are."""
    before = _random_states()
    yield
    drawn = [name for (name, old), new in zip(before.items(), _random_states().values(), strict=True) if old != new]
    expect(not drawn, f"{what} draws from the global random state of {' and '.join(drawn)}: {hint}")


def _random_states() -> dict[str, Any]:
    state: dict[str, Any] = numpy.random.get_state(legacy=False)["state"]
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": (state["key"].tobytes(), state["pos"]),
        "Python": random.getstate(),
    }


@contextmanager
def writing_nothing(what: str, **inputs: Tensor) -> Generator[None, None, None]:
    """Expect the block to leave its inputs as they are."""
    before: Mapping[str, Tensor] = {name: value.detach().clone() for name, value in inputs.items()}
    yield
    for name, old in before.items():
        same = torch.equal(inputs[name].detach(), old)
        expect(same, f"{what} writes into its input {name!r}: make a new tensor, as in '2 * x' instead of 'x.mul_(2)'")
