"""pythae's default networks: one hidden layer each. Layers have pythae's names, so that its files fill them."""

import math

from pydantic import Field
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal
from typing_extensions import override

from interpzoo.config import ComponentConfig, ImageSpec, Width
from interpzoo.interfaces import Decoder, Encoder


class MlpEncoderConfig(ComponentConfig):
    """Sizes of the encoder."""

    latent_dim: Width = 10
    hidden: Width = 512
    gaussian: bool = Field(default=False)
    """Whether it has a posterior, as in the variational methods."""


class MlpDecoderConfig(ComponentConfig):
    """Sizes of the decoder."""

    hidden: Width = 512


class MlpEncoder(Encoder[MlpEncoderConfig]):
    """A linear layer with ReLU, and a linear one to the code; a second one to the log-variance if it is Gaussian."""

    def __init__(self, config: MlpEncoderConfig, image: ImageSpec) -> None:
        super().__init__(config, image)
        self.latent_shape = (config.latent_dim,)
        self.layers = nn.ModuleList([nn.Sequential(nn.Linear(math.prod(image.shape), config.hidden), nn.ReLU())])
        self.embedding = nn.Linear(config.hidden, config.latent_dim)
        self.log_var = nn.Linear(config.hidden, config.latent_dim) if config.gaussian else None

    @override
    def forward(self, x: Tensor) -> Tensor:
        return self.embedding(self.layers[0](x.flatten(1)))

    @override
    def posterior(self, x: Tensor) -> Distribution | None:
        if self.log_var is None:
            return None
        hidden = self.layers[0](x.flatten(1))
        return Independent(Normal(self.embedding(hidden), (self.log_var(hidden) / 2).exp()), 1)


class MlpDecoder(Decoder[MlpDecoderConfig]):
    """A linear layer with ReLU, and a linear one with a sigmoid to the pixels."""

    def __init__(self, config: MlpDecoderConfig, image: ImageSpec, latent_shape: tuple[int, ...]) -> None:
        super().__init__(config, image, latent_shape)
        pixels = nn.Linear(config.hidden, math.prod(image.shape))
        self.layers = nn.ModuleList(
            [
                nn.Sequential(nn.Linear(math.prod(latent_shape), config.hidden), nn.ReLU()),
                nn.Sequential(pixels, nn.Sigmoid()),
            ]
        )

    @override
    def forward(self, z: Tensor) -> Tensor:
        return self.layers[1](self.layers[0](z.flatten(1))).unflatten(1, self.image.shape)
