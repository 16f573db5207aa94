"""ACAI: adversarially constrained autoencoder interpolation (Berthelot, Raffel, Roy, Goodfellow; ICLR 2019)."""

from interpzoo.plugins import Registrar, hookimpl

INTERPZOO_API = 1


@hookimpl
def register(registry: Registrar) -> None:
    registry.add("regularizer", "acai", "interpzoo_acai.acai:ACAI")
    registry.add_package("interpzoo_acai")
