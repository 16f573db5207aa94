"""What float32 means on an accelerator."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def exact_float32(wanted: bool) -> Generator[None, None, None]:
    """Within, where `wanted`, convolutions in float32 keep its 24 bits.

    NVIDIA's round their inputs to the 11 bits of TF32 by default, which second differences over d^2 do not survive.
    Matrix products do so only where the user has asked for it.
    """
    cudnn: Any = torch.backends.cudnn
    try:
        switch, name, exact, before = cudnn, "allow_tf32", False, cudnn.allow_tf32
    except RuntimeError:  # the user has turned the newer switches, beside which torch refuses to read the older one
        switch, name, exact, before = cudnn.conv, "fp32_precision", "ieee", cudnn.conv.fp32_precision
    if wanted:
        setattr(switch, name, exact)
    try:
        yield
    finally:
        setattr(switch, name, before)
