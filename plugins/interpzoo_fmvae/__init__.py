"""VHP-FMVAE: learning flat latent manifolds with VAEs (Chen, Klushyn, Ferroni, Bayer, van der Smagt; ICML 2020).

Also IRVAE, its relative for codes of many dimensions (Lee, Yoon, Son, Park; ICLR 2022).
"""

from interpzoo.plugins import Registrar, hookimpl

INTERPZOO_API = 1


@hookimpl
def register(registry: Registrar) -> None:
    registry.add("prior", "vhp", "interpzoo_fmvae.prior:HierarchicalPrior")
    registry.add("regularizer", "fmvae", "interpzoo_fmvae.fmvae:FMVAE")
    registry.add("regularizer", "irvae", "interpzoo_fmvae.isometry:Isometric")
    registry.add("dataset", "pendulum", "interpzoo_fmvae.pendulum:Pendulum")
    registry.add("metric", "condition-number", "interpzoo_fmvae.metrics:ConditionNumber")
    registry.add("metric", "magnification-range", "interpzoo_fmvae.metrics:MagnificationRange")
    registry.add_package("interpzoo_fmvae")
