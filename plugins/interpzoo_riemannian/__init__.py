"""The Riemannian geometry of deep generative models (Shao, Kumar, Fletcher; CVPR workshops 2018).

>>> import interpzoo
>>> from interpzoo_riemannian import geodesic
>>> model = interpzoo.load("fmvae-pendulum")
>>> found = geodesic(model.decoder, model.examples[:1], model.examples[1:2])
>>> found.path.shape, found.converged
(torch.Size([1, 20, 2, 1, 1]), tensor([True]))

The public functions are imported on first use, so that registration does not import torch.
"""

from lazy_loader import attach_stub

from interpzoo.plugins import Registrar, hookimpl

INTERPZOO_API = 1

# The package gets no __dir__: pluggy would import every name that it lists.
__getattr__, _, __all__ = attach_stub(__name__, __file__)


@hookimpl
def register(registry: Registrar) -> None:
    registry.add("interpolator", "geodesic", "interpzoo_riemannian.interpolators:Shortest")
    registry.add("interpolator", "geodesic-paper", "interpzoo_riemannian.interpolators:PaperShortest")
    registry.add("decoder", "ensemble", "interpzoo_riemannian.ensemble:Ensemble")
    registry.add("metric", "straightness", "interpzoo_riemannian.metrics:Straightness")
    registry.add("metric", "geodesic-share-median", "interpzoo_riemannian.metrics:MedianGeodesicShare")
    registry.add("metric", "geodesic-share-low", "interpzoo_riemannian.metrics:LowGeodesicShare")
    registry.add("metric", "geodesic-share-high", "interpzoo_riemannian.metrics:HighGeodesicShare")
    registry.add_package("interpzoo_riemannian")
