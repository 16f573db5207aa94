"""Small models in other people's formats."""

from __future__ import annotations

from pathlib import Path

import torch
from interpzoo_tae.networks import TaeDecoder, TaeDecoderConfig, TaeEncoder, TaeEncoderConfig
from safetensors.torch import save_file
from torch import Tensor, nn

from interpzoo.config import ImageSpec


def tae_networks(*, pooled: bool = True, width: int = 4, seed: int = 1) -> dict[str, nn.Module]:
    """Random networks of the TAESD family."""
    image = ImageSpec(channels=3, height=16, width=16)
    torch.manual_seed(seed)
    encoder = TaeEncoder(TaeEncoderConfig(width=width, latent_channels=2, pooled=pooled), image)
    decoder = TaeDecoder(TaeDecoderConfig(width=width, pooled=pooled), image, encoder.latent_shape)
    return {"encoder": encoder.eval(), "decoder": decoder.eval()}


def state_of(network: nn.Module) -> dict[str, Tensor]:
    """The tensors as the official code names them."""
    return {name.removeprefix("layers."): value for name, value in network.state_dict().items()}


def write_tae(folder: Path, *, pooled: bool = True, prefix: str = "") -> dict[str, nn.Module]:
    """Write a small model of the TAESD family; gives its networks."""
    folder.mkdir(parents=True, exist_ok=True)
    networks = tae_networks(pooled=pooled)
    for name, network in networks.items():
        save_file(state_of(network), folder / f"{prefix}{name}.safetensors")
    return networks
