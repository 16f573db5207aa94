"""Folders of diffusers: ``config.json`` and weights as safetensors."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast, get_args

from typing_extensions import override

from interpzoo.config import UNKNOWN_LICENSE, Component, ImageSpec, ModelConfig
from interpzoo.errors import ConfigError, WeightsError
from interpzoo.interfaces import Source, TensorShapes
from interpzoo.text import quoted
from interpzoo_diffusers.library import Network, check_installed, factor_of, settings_of

_WEIGHTS: Final = "diffusion_pytorch_model"
_SHARD: Final = re.compile(rf"{_WEIGHTS}-\d{{5}}-of-\d{{5}}\.safetensors")
_FORMER: Final = re.compile(r"(attentions\.\d+)\.(query|key|value|proj_attn)\.")
_PRESENT: Final = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
"""How diffusers calls layers of attention since version 0.15."""
_STALE: Final = ("block_out_channels", "force_upcast")
"""What diffusers itself writes for networks that have no such setting."""
_SIDE, _MOST_SIDE = 256, 1024


class Diffusers(Source):
    """Autoencoders of diffusers, ``diffusers:user/repo``, ``diffusers:user/repo:vae`` or ``diffusers:FOLDER``.

    Safetensors only; a repository's own code is never run.
    """

    @override
    def files(self, names: Sequence[str]) -> Sequence[str]:
        check_installed()
        if "model_index.json" in names and "config.json" not in names:
            raise WeightsError("it is a whole pipeline: name the sub-folder of its autoencoder, as in 'user/repo:vae'")
        if "config.json" not in names:
            raise WeightsError("expected 'config.json', which is not there")
        whole = [f"{_WEIGHTS}{variant}.safetensors" for variant in ("", ".fp16")]
        weights = [name for name in whole if name in names][:1] or sorted(filter(_SHARD.fullmatch, names))
        if not weights:
            pickled = next((name for name in names if name.startswith(_WEIGHTS)), "none")
            raise WeightsError(f"expected weights '{whole[0]}', found {pickled!r}: only safetensors are read")
        return ["config.json", *weights]

    @override
    def model(self, name: str, texts: Mapping[str, Any], shapes: Mapping[str, TensorShapes]) -> ModelConfig:
        text = texts["config.json"]
        found = text.get("_class_name") if isinstance(text, dict) else None
        if found not in get_args(Network):
            raise ConfigError(f"config.json has _class_name = {quoted(found)}: expected {', '.join(get_args(Network))}")
        if "auto_map" in text:
            raise ConfigError("config.json has 'auto_map': the model needs code of its repository, which is not run")
        network = cast(Network, found)
        known = settings_of(network, {})
        stale = {name for name in _STALE if name not in known}
        given = {key: value for key, value in text.items() if not key.startswith("_") and key not in stale}
        part = {"network": network, "settings": given}
        settings = settings_of(network, given)
        image = _image(settings, factor_of(network, given))
        return ModelConfig(
            name=name,
            method="diffusers",
            image=image,
            encoder=Component.model_validate({"name": "diffusers:autoencoder", **part}),
            decoder=Component.model_validate(
                {"name": f"diffusers:{'quantized' if network == 'VQModel' else 'autoencoder'}", **part}
            ),
            license=UNKNOWN_LICENSE,
            summary=f"{network} of diffusers.",
        )

    @override
    def places(self, file: str, tensor: str) -> Sequence[str]:
        own = _FORMER.sub(lambda match: f"{match[1]}.{_PRESENT[match[2]]}.", tensor)
        match own.partition(".")[0]:
            case "decoder" | "post_quant_conv" | "quantize":
                return [f"decoder.network.{own}"]
            case "bn":
                return [f"encoder.network.{own}", f"decoder.network.{own}"]
            case _:
                return [f"encoder.network.{own}"]


def _image(settings: Mapping[str, Any], factor: int) -> ImageSpec:
    """The size that the autoencoder was trained at, as far as its settings say it."""
    size: Any = settings.get("sample_size") or _SIDE
    sides = size if isinstance(size, list | tuple) else (size, size)
    if len(sides) != 2 or not all(isinstance(side, int) for side in sides):
        raise ConfigError(f"config.json has sample_size = {quoted(size)}: expected one number or two")
    height, width = (max(1, min(side, _MOST_SIDE) // factor) * factor for side in sides)
    return ImageSpec(channels=settings["in_channels"], height=height, width=width)
