"""Files of the TAESD family: an encoder and a decoder, as safetensors or as torch saves them."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from typing_extensions import override

from interpzoo.config import UNKNOWN_LICENSE, Component, ImageSpec, ModelConfig
from interpzoo.errors import ConfigError, WeightsError
from interpzoo.interfaces import Source, TensorShapes
from interpzoo_tae.networks import FACTOR

_FILE: Final = re.compile(r"(.*?)[_-]?(encoder|decoder)\.(safetensors|pth)")
_SIDE: Final = 256
"""Default height and width."""


class Tae(Source):
    """Tiny autoencoders, ``tae:FOLDER`` or ``tae:user/repo``: files ``encoder`` and ``decoder``, or ``NAME_encoder``...

    Sizes are read off the tensors. A model in the format of diffusers (`AutoencoderTiny`) is loaded by ``diffusers:``.
    """

    @override
    def files(self, names: Sequence[str]) -> Sequence[str]:
        found: dict[str, dict[str, str]] = {}
        for name in sorted(names):  # .pth before .safetensors, which replaces it
            if match := _FILE.fullmatch(name):
                found.setdefault(match[1], {})[match[2]] = name
        pairs = {prefix: files for prefix, files in found.items() if len(files) == 2}
        if len(pairs) != 1:
            there = ", ".join(map(repr, pairs)) or "none"
            raise WeightsError(
                "expected one pair of files, 'encoder.safetensors' and 'decoder.safetensors' (or .pth), with a common "
                f"name before them or without; found {there}"
            )
        return [*pairs.popitem()[1].values()]

    @override
    def model(self, name: str, texts: Mapping[str, Any], shapes: Mapping[str, TensorShapes]) -> ModelConfig:
        networks = {_network(file): found for file, found in shapes.items()}
        encoder, decoder = networks["encoder"], networks["decoder"]
        first, last = encoder.get("0.weight", ()), encoder.get("14.weight", ())
        if len(first) != 4 or len(last) != 4:
            raise ConfigError(
                "the encoder does not have the layers of the TAESD family: expected convolutions '0.weight' and "
                f"'14.weight', found {', '.join(map(repr, [*encoder][:3]))}, ..."
            )
        sizes = {"width": first[0], "pooled": any(".pool." in tensor for tensor in encoder)}
        return ModelConfig(
            name=name,
            method="tae",
            image=ImageSpec(channels=first[1], height=_SIDE, width=_SIDE),
            encoder=Component.model_validate({"name": "tae", **sizes, "latent_channels": last[0]}),
            decoder=Component.model_validate(
                {"name": "tae", **sizes, "pooled": any(".pool." in tensor for tensor in decoder)}
            ),
            license=UNKNOWN_LICENSE,
            summary=f"Tiny autoencoder with {last[0]} channels of codes, 1/{FACTOR} of the image's size.",
        )

    @override
    def places(self, file: str, tensor: str) -> Sequence[str]:
        return [f"{_network(file)}.layers.{tensor}"]


def _network(file: str) -> str:
    """What a file chosen by `Tae.files` has: ``encoder`` or ``decoder``."""
    return file.rpartition(".")[0][-len("encoder") :]
