"""Tiny autoencoders of diffusion models, the TAESD family: ``load("tae:FOLDER")``."""

from interpzoo.plugins import Registrar, hookimpl

INTERPZOO_API = 1


@hookimpl
def register(registry: Registrar) -> None:
    registry.add("source", "tae", "interpzoo_tae.source:Tae")
    registry.add("encoder", "tae", "interpzoo_tae.networks:TaeEncoder")
    registry.add("decoder", "tae", "interpzoo_tae.networks:TaeDecoder")
    registry.add_package("interpzoo_tae")
