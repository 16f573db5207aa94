"""The Riemannian geometry of deep generative models (Shao, Kumar, Fletcher; CVPR workshops 2018).

Its functions are imported on first use, so that registration costs no import of torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from interpzoo.plugins import Registrar, hookimpl

if TYPE_CHECKING:
    from interpzoo_riemannian.density import density_aware, neighbor_path
    from interpzoo_riemannian.report import Geodesic, NotConvergedWarning
    from interpzoo_riemannian.shooting import analogy, exponential_map, logarithm_map, parallel_transport
    from interpzoo_riemannian.solver import geodesic
    from interpzoo_riemannian.tangents import metric

__all__ = [
    "Geodesic",
    "NotConvergedWarning",
    "analogy",
    "density_aware",
    "exponential_map",
    "geodesic",
    "logarithm_map",
    "metric",
    "neighbor_path",
    "parallel_transport",
]

INTERPZOO_API = 1

_HOMES = {
    "Geodesic": "report",
    "NotConvergedWarning": "report",
    "analogy": "shooting",
    "density_aware": "density",
    "exponential_map": "shooting",
    "geodesic": "solver",
    "logarithm_map": "shooting",
    "metric": "tangents",
    "neighbor_path": "density",
    "parallel_transport": "shooting",
}


@hookimpl
def register(registry: Registrar) -> None:
    registry.add("interpolator", "geodesic", "interpzoo_riemannian.interpolators:Shortest")
    registry.add("interpolator", "geodesic-paper", "interpzoo_riemannian.interpolators:PaperShortest")
    registry.add("metric", "straightness", "interpzoo_riemannian.metrics:Straightness")
    registry.add("metric", "geodesic-share-median", "interpzoo_riemannian.metrics:MedianGeodesicShare")
    registry.add("metric", "geodesic-share-low", "interpzoo_riemannian.metrics:LowGeodesicShare")
    registry.add("metric", "geodesic-share-high", "interpzoo_riemannian.metrics:HighGeodesicShare")
    registry.add_package("interpzoo_riemannian")


# No __dir__ beside it: pluggy looks at everything that a plugin lists.
def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
