"""Models that pythae has saved: ``load("pythae:FOLDER")``. Needs no pythae."""

from interpzoo.plugins import Registrar, hookimpl

INTERPZOO_API = 1


@hookimpl
def register(registry: Registrar) -> None:
    registry.add("source", "pythae", "interpzoo_pythae.source:Pythae")
    registry.add("encoder", "mlp", "interpzoo_pythae.networks:MlpEncoder")
    registry.add("decoder", "mlp", "interpzoo_pythae.networks:MlpDecoder")
    registry.add_package("interpzoo_pythae")
