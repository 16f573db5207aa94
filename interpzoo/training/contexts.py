"""Contexts of a run: convolutions have full float32 precision."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def exact_float32(wanted: bool) -> Generator[None, None, None]:
    """While the context is open and if `wanted`, convolutions in float32 keep all 24 bits of precision.

    By default NVIDIA's round their inputs to the 11 bits of TF32, which is too coarse for second differences divided by
    d^2. Matrix products are rounded only if the user has asked for it.
    """
    cudnn: Any = torch.backends.cudnn
    try:
        switch, name, exact, before = cudnn, "allow_tf32", False, cudnn.allow_tf32
    except RuntimeError:  # the user has set the newer switches, and then torch refuses to read the older one
        switch, name, exact, before = cudnn.conv, "fp32_precision", "ieee", cudnn.conv.fp32_precision
    if wanted:
        setattr(switch, name, exact)
    try:
        yield
    finally:
        setattr(switch, name, before)
