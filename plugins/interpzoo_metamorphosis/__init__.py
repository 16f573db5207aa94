"""Morphs between two images without training, after metamorphosis (Trouve & Younes 2005).

The public names are imported on first use, so that registration does not import torch.
"""

from lazy_loader import attach_stub

from interpzoo.plugins import Registrar, hookimpl

INTERPZOO_API = 1

# The package gets no __dir__: pluggy would import every name that it lists.
__getattr__, _, __all__ = attach_stub(__name__, __file__)


@hookimpl
def register(registry: Registrar) -> None:
    registry.add("interpolator", "metamorphosis", "interpzoo_metamorphosis.interpolators:Metamorphosis")
    registry.add("encoder", "template", "interpzoo_metamorphosis.template:TemplateEncoder")
    registry.add("decoder", "template", "interpzoo_metamorphosis.template:TemplateDecoder")
    registry.add("regularizer", "template", "interpzoo_metamorphosis.fitting:Fit")
    registry.add("dataset", "portraits", "interpzoo_metamorphosis.portraits:Portraits")
    registry.add_package("interpzoo_metamorphosis")
