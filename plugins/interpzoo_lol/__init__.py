"""Linear combinations of Gaussian codes that keep their distribution (Bodin, Stere, Margineantu, Ek, Moss; 2024).

The public names are imported on first use, so that registration does not import torch.
"""

from lazy_loader import attach_stub

from interpzoo.plugins import Registrar, hookimpl

INTERPZOO_API = 1

# The package gets no __dir__: pluggy would import every name that it lists.
__getattr__, _, __all__ = attach_stub(__name__, __file__)


@hookimpl
def register(registry: Registrar) -> None:
    registry.add("interpolator", "lol", "interpzoo_lol.interpolators:Lol")
    registry.add_package("interpzoo_lol")
