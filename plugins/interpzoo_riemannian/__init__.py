"""The Riemannian geometry of deep generative models (Shao, Kumar, Fletcher; CVPR workshops 2018).

Its functions are imported on first use, so that registration costs no import of torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from interpzoo.plugins import Registrar, hookimpl

if TYPE_CHECKING:
    from interpzoo_riemannian.solver import Geodesic, geodesic

__all__ = ["Geodesic", "geodesic"]

INTERPZOO_API = 1

_HOMES = {"Geodesic": "solver", "geodesic": "solver"}


@hookimpl
def register(registry: Registrar) -> None:
    registry.add_package("interpzoo_riemannian")


# No __dir__ beside it: pluggy looks at everything that a plugin lists.
def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
