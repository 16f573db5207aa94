"""GAIA: generative adversarial interpolative autoencoding (Sainburg, Thielk, Theilman, Migliori, Gentner; 2018)."""

from interpzoo.plugins import Registrar, hookimpl

INTERPZOO_API = 1


@hookimpl
def register(registry: Registrar) -> None:
    registry.add("regularizer", "gaia", "interpzoo_gaia.gaia:GAIA")
    registry.add_package("interpzoo_gaia")
