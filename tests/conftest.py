"""What the tests of several folders share."""

from __future__ import annotations

import warnings
from importlib import import_module

import pytest
import torch


def shim_torchvision() -> torch.library.Library | None:
    """Let timm be imported beside a torchvision that is built for another torch (CUDA's beside the CPU's, say).

    Returns:
        What keeps the operators' schemas alive, which is all that an import looks up; ``None`` where nothing is amiss.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import_module("torchvision")
        except RuntimeError:
            library = torch.library.Library("torchvision", "DEF")
            for name in ("nms", "qnms"):
                library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            import_module("torchvision")
            return library
    return None


@pytest.fixture(scope="session")
def torchvision_shim() -> torch.library.Library | None:
    """See `shim_torchvision`."""
    return shim_torchvision()


@pytest.fixture(autouse=True)
def seed() -> None:
    """Every test finds the same global random state, which components draw their weights from."""
    torch.manual_seed(0)
