"""Feature networks, whose features metrics compare images by."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor, nn
from typing_extensions import override

from interpzoo.config import FeatureNetworkConfig, ImageSpec
from interpzoo.interfaces.component import Configured
from interpzoo.registry import Kind


class FeatureNetwork(nn.Module, Configured[FeatureNetworkConfig], ABC):
    """Images to features for comparing them, selected by a user with ``--features COMPONENT:NETWORK``.

    It has its own weights, is put into eval mode, and is neither trained nor saved.
    """

    kind: ClassVar[Kind] = "features"

    network: str
    """Full name of the weights: the same text for the same weights and for no others. Every record has it, because
    scores with different features are not comparable."""

    def __init__(self, config: FeatureNetworkConfig, image: ImageSpec) -> None:
        super().__init__()
        self.config = config
        self.image = image
        self.network = config.network

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) in [0, 1] to features (B, D); each image independently of its batch."""

    if TYPE_CHECKING:  # torch gives a module's call no types

        @override
        def __call__(self, x: Tensor) -> Tensor: ...
