"""Feature networks, which metrics compare images by where pixels say little."""

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from interpzoo.config import FeatureNetworkConfig, ImageSpec
from interpzoo.interfaces.component import Configured
from interpzoo.registry import Kind


class FeatureNetwork(nn.Module, Configured[FeatureNetworkConfig], ABC):
    """Images to the features that metrics compare them by, where a user asks for ``--features COMPONENT:NETWORK``.

    It comes with weights of its own, is put into eval mode, and is neither trained nor saved.
    """

    kind: ClassVar[Kind] = "features"

    network: str
    """What the features are of, in full: the same text for the same weights and no others. It stands in every record,
    for figures of different features are not compared."""

    def __init__(self, config: FeatureNetworkConfig, image: ImageSpec) -> None:
        super().__init__()
        self.config = config
        self.image = image
        self.network = config.network

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) in [0, 1] to features (B, D); no image knows of the others in its batch."""
