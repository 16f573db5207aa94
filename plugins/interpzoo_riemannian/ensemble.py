"""Several decoders of the same codes: where they disagree, there were no data.

Source: Syrota, Moreno-Munoz and Hauberg, arXiv 2408.07507. Distances under the expected metric of such decoders are
studied in Syrota et al., arXiv 2502.13757.
"""

import torch
from pydantic import Field
from torch import Tensor, nn
from typing_extensions import override

from interpzoo.config import ImageSpec
from interpzoo.geometry import Decode
from interpzoo.interfaces import Decoder
from interpzoo.nets import ConvDecoder, ConvDecoderConfig


class EnsembleConfig(ConvDecoderConfig):
    """Sizes of each member, which are those of the decoder ``conv``."""

    members: int = Field(default=4, ge=2, le=16)
    """Number of decoders; the time and the memory of decoding grow with it."""


class Ensemble(Decoder[EnsembleConfig]):
    """Decoders ``conv`` that differ in their initial weights alone; an image is the mean of theirs.

    Every member is trained on every code, on a likelihood of its own, so that they agree where there are codes. The
    path ``geodesic`` and the functions of this plugin measure by all of them, see `Expected`, and so keep away from
    where they do not; those of `interpzoo_riemannian.paper` take the mean.
    """

    def __init__(self, config: EnsembleConfig, image: ImageSpec, latent_shape: tuple[int, ...]) -> None:
        super().__init__(config, image, latent_shape)
        self.members = nn.ModuleList(ConvDecoder(config, image, latent_shape) for _ in range(config.members))

    @override
    def forward(self, z: Tensor) -> Tensor:
        return self.all(z).mean(1)

    def all(self, z: Tensor) -> Tensor:
        """The images (B, K, C, H, W) of the K members for codes (B, *latent_shape)."""
        return torch.stack([member(z) for member in self.members], 1)

    @override
    def log_prob(self, x: Tensor, z: Tensor) -> Tensor:
        """The members' mean log p(x | z) in nats, (B,): a lower bound of that of their mixture, which trains each."""
        return torch.stack([_member(member).log_prob(x, z) for member in self.members]).mean(0)


class Expected(nn.Module):
    """A decoder whose metric is the expected one of an ensemble, 1/K sum_k J_k^T J_k.

    Its output is that of all K members beside each other, over sqrt(K). So the energy of a curve is the mean of the
    energies that they give it.
    """

    def __init__(self, ensemble: Ensemble) -> None:
        super().__init__()
        self.ensemble = ensemble

    @override
    def forward(self, z: Tensor) -> Tensor:
        return self.ensemble.all(z) * self.ensemble.config.members**-0.5


def single(decoder: Decode) -> Decode:
    """`decoder`, or the mean of an ensemble as a function of its own, for algorithms of one decoder and its encoder."""
    return decoder.forward if isinstance(decoder, Ensemble) else decoder


def _member(module: nn.Module) -> ConvDecoder:
    if not isinstance(module, ConvDecoder):  # somebody put another module in its place
        raise TypeError(f"a member of the ensemble is {type(module).__name__}, expected ConvDecoder")
    return module
