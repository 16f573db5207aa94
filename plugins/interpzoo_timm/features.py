"""Any backbone of timm with timm's own weights, as a network whose features images are compared by."""

from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from typing_extensions import override

from interpzoo.config import FeatureNetworkConfig, ImageSpec
from interpzoo.errors import ConfigError, did_you_mean
from interpzoo.interfaces import FeatureNetwork
from interpzoo_timm.library import fetching, line, spread, timm_with

_BATCH: Final = 32
"""Images per forward pass: at the size that a backbone was trained at, its maps are large."""


class TimmFeatures(FeatureNetwork):
    """A backbone's pooled features, asked for as ``timm:BACKBONE``, such as ``timm:resnet18.a1_in1k``.

    Images are stretched to the size that the backbone was trained at (bilinear, antialiased, not cropped), gray images
    are repeated for all channels, and all are normalized by its mean and deviation. A backbone without a tag has timm's
    default weights, and `network` has their tag.

    Raises:
        MissingDependencyError, WeightsError: as `TimmEncoder`.
        ConfigError: no backbone is given, timm does not know it or its tag, it has no pooled features, or images have
            neither one channel nor the number that the backbone takes.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: FeatureNetworkConfig, image: ImageSpec) -> None:
        super().__init__(config, image)
        if not config.network:
            raise ConfigError(
                "features 'timm' need a backbone: expected 'timm:BACKBONE', such as 'timm:resnet18.a1_in1k'"
            )
        timm = timm_with(config.network)
        try:
            made_for: Any = timm.get_pretrained_cfg(config.network, allow_unregistered=False)
        except RuntimeError as error:  # the tag is unknown
            known = timm.list_models(f"{config.network.partition('.')[0]}.*", include_tags=True)
            raise ConfigError(f"timm: {line(error)}{did_you_mean(config.network, known)}") from None
        self.network = f"{made_for.architecture}.{made_for.tag}" if made_for.tag else made_for.architecture
        self._channels, *self._size = made_for.input_size
        if image.channels not in (1, self._channels):
            raise ConfigError(
                f"timm's {config.network!r} takes images of {self._channels} channels, and the images to compare "
                f"have {image.channels}: expected {self._channels} or 1"
            )
        with fetching(self.network):
            self.backbone: nn.Module = timm.create_model(self.network, pretrained=True, num_classes=0).eval()
        self.register_buffer("mean", spread(made_for.mean, self._channels))
        self.register_buffer("deviation", spread(made_for.std, self._channels))
        self._check()

    @override
    def forward(self, x: Tensor) -> Tensor:
        found: list[Tensor] = []
        for part in x.split(_BATCH):
            stretched = interpolate(part, self._size, mode="bilinear", antialias=True)
            stretched = stretched.expand(-1, self._channels, -1, -1)
            found.append(self.backbone((stretched - self.mean) / self.deviation))
        return torch.cat(found)

    def _check(self) -> None:
        try:
            with torch.no_grad():
                found = self.backbone(torch.zeros(1, self._channels, *self._size))
        except Exception as error:  # each family of timm refuses in its own way
            raise ConfigError(f"timm's {self.network!r} cannot be used for features: {line(error)}") from error
        if found.ndim != 2:
            shape = tuple(found.shape[1:])
            raise ConfigError(f"timm's {self.network!r} gives {shape} for an image: expected a vector of features")
