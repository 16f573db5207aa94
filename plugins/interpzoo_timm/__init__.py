"""timm backbones as encoders, with a matching decoder, and as feature networks."""

from interpzoo.plugins import Registrar, hookimpl

INTERPZOO_API = 1


@hookimpl
def register(registry: Registrar) -> None:
    registry.add("encoder", "timm", "interpzoo_timm.backbone:TimmEncoder")
    registry.add("decoder", "upsampling", "interpzoo_timm.backbone:UpsamplingDecoder")
    registry.add("features", "timm", "interpzoo_timm.features:TimmFeatures")
    registry.add_package("interpzoo_timm")
