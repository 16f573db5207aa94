"""AEAI: autoencoder image interpolation by shaping the latent space (Oring, Yakhini, Hel-Or; ICML 2021)."""

from interpzoo.plugins import Registrar, hookimpl

INTERPZOO_API = 1


@hookimpl
def register(registry: Registrar) -> None:
    registry.add("regularizer", "aeai", "interpzoo_aeai.aeai:AEAI")
    registry.add("dataset", "pole-shadow", "interpzoo_aeai.pole_shadow:PoleShadow")
    registry.add("dataset", "coil20", "interpzoo_aeai.coil20:COIL20")
    registry.add("metric", "alpha-error", "interpzoo_aeai.metrics:AlphaError")
    registry.add_package("interpzoo_aeai")
