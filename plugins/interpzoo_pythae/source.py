"""Folders that pythae has saved: ``model_config.json`` and ``model.pt``."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from typing_extensions import override

from interpzoo.config import UNKNOWN_LICENSE, Component, ImageSpec, ModelConfig, validate
from interpzoo.errors import ConfigError, WeightsError
from interpzoo.interfaces import Source, TensorShapes
from interpzoo.text import quoted

_CONFIG, _WEIGHTS = "model_config.json", "model.pt"
_STATE: Final = "model_state_dict."
_PLAIN: Final = ("AE", "WAE_MMD", "RAE_L2", "RAE_GP")
_GAUSSIAN: Final = (
    *("VAE", "BetaVAE", "DisentangledBetaVAE", "BetaTCVAE", "FactorVAE", "INFOVAE_MMD", "IWAE", "CIWAE", "MIWAE"),
    *("PIWAE", "MSSSIM_VAE", "Adversarial_AE", "VAEGAN"),
)


class Pythae(Source):
    """Models that pythae has saved, ``pythae:FOLDER`` or ``pythae:user/repo``, with its default networks.

    Its own convolutional networks are saved as pickled code, which is never run.
    """

    @override
    def files(self, names: Sequence[str]) -> Sequence[str]:
        if pickled := [name for name in names if name.endswith(".pkl")]:
            raise WeightsError(
                f"its network is in {pickled[0]!r}, pickled code that is not run: build it yourself, give it the "
                "weights and use interpzoo.wrap"
            )
        if missing := [name for name in (_CONFIG, _WEIGHTS) if name not in names]:
            raise WeightsError(f"expected {missing[0]!r}, which is not there")
        return [_CONFIG, _WEIGHTS]

    @override
    def model(self, name: str, texts: Mapping[str, Any], shapes: Mapping[str, TensorShapes]) -> ModelConfig:
        text = texts[_CONFIG]
        found = text.get("name") if isinstance(text, dict) else None
        method = found.removesuffix("Config").rstrip("_") if isinstance(found, str) else None
        if method not in (*_PLAIN, *_GAUSSIAN):
            expected = ", ".join((*_PLAIN, *_GAUSSIAN))
            raise ConfigError(f"{_CONFIG} has name = {quoted(found)}: expected the config of {expected}")
        size = text.get("input_dim")
        if not isinstance(size, list) or len(size) != 3:
            raise ConfigError(f"{_CONFIG} has input_dim = {quoted(size)}: expected [channels, height, width]")
        image = validate(ImageSpec, dict(zip(("channels", "height", "width"), size, strict=True)), _CONFIG)
        first = shapes[_WEIGHTS].get(f"{_STATE}encoder.layers.0.0.weight", ())
        if len(first) != 2:
            raise ConfigError(
                f"{_WEIGHTS} does not have pythae's default networks: expected 'encoder.layers.0.0.weight'"
            )
        options = {"latent_dim": text.get("latent_dim"), "gaussian": method in _GAUSSIAN, "hidden": first[0]}
        return ModelConfig(
            name=name,
            method="pythae",
            image=image,
            encoder=Component.model_validate({"name": "pythae:mlp", **options}),
            decoder=Component.model_validate({"name": "pythae:mlp", "hidden": first[0]}),
            license=UNKNOWN_LICENSE,
            summary=f"{method} trained with pythae.",
        )

    @override
    def places(self, file: str, tensor: str) -> Sequence[str]:
        # What trains the model, such as a discriminator, is not part of it here.
        own = tensor.removeprefix(_STATE)
        return [own] if own.startswith(("encoder.", "decoder.")) else []
