"""The autoencoders of diffusers: ``load("diffusers:stabilityai/sd-vae-ft-mse")``. Needs the extra ``diffusers``."""

from interpzoo.plugins import Registrar, hookimpl

INTERPZOO_API = 1


@hookimpl
def register(registry: Registrar) -> None:
    registry.add("source", "diffusers", "interpzoo_diffusers.source:Diffusers")
    registry.add("encoder", "autoencoder", "interpzoo_diffusers.networks:DiffusersEncoder")
    registry.add("decoder", "autoencoder", "interpzoo_diffusers.networks:DiffusersDecoder")
    registry.add("decoder", "quantized", "interpzoo_diffusers.networks:QuantizedDecoder")
    registry.add_package("interpzoo_diffusers")
