"""Any backbone of timm as an encoder to a code vector, and a convolutional decoder from codes to any image size."""

import itertools
import math
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from functools import partial
from types import ModuleType
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from typing_extensions import override

from interpzoo.config import ComponentConfig, ImageSpec, Width
from interpzoo.errors import ConfigError
from interpzoo.interfaces import Decoder, Encoder
from interpzoo.nets import Activation, activation, official_init
from interpzoo_timm.library import fetching, line, spread, timm_with


class TimmEncoderConfig(ComponentConfig):
    """The backbone and the length of its code."""

    backbone: str = Field(min_length=1, max_length=96)
    """A name of ``timm.list_models()``, with or without a tag: ``resnet10t``, ``resnet18.a1_in1k``."""
    latent_dim: Width = 64
    patch_size: int | None = Field(default=None, ge=1, le=256)
    """Patch size of a vision transformer. By default its own, which gives very few tokens for a small image."""
    pretrained: bool = False
    """Whether training starts from timm's weights, fetched from the Hub. A trained model contains all its weights."""


class TimmEncoder(Encoder[TimmEncoderConfig]):
    """A backbone's pooled features, mapped linearly to the code.

    Images are normalized inside, by the mean and deviation that the backbone was trained with.

    Raises:
        MissingDependencyError: timm is not installed, or torchvision does not match the installed torch.
        ConfigError: timm does not know the backbone, or the backbone does not take such images or patches.
        WeightsError: timm has no weights for the backbone, or they cannot be fetched.
    """

    batch_statistics: ClassVar[bool] = True  # most backbones have batch normalization
    mean: Tensor
    deviation: Tensor

    def __init__(self, config: TimmEncoderConfig, image: ImageSpec) -> None:
        super().__init__(config, image)
        self.backbone, features = _build(config, image)
        made_for: Any = self.backbone.pretrained_cfg
        self.register_buffer("mean", spread(made_for["mean"], image.channels))
        self.register_buffer("deviation", spread(made_for["std"], image.channels))
        self.head = nn.Linear(features, config.latent_dim)
        self.latent_shape = (config.latent_dim,)

    @override
    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.backbone((x - self.mean) / self.deviation))


class UpsamplingDecoderConfig(ComponentConfig):
    """Sizes of the decoder from a vector."""

    width: Width = 16
    """Channels at full resolution; each halving of the resolution doubles them."""
    scales: int = Field(default=3, ge=0, le=8)
    """Number of doublings, from a map of 1 / 2^scales of the image's height and width, rounded up."""
    activation: Activation = "leaky_relu"


class UpsamplingDecoder(Decoder[UpsamplingDecoderConfig]):
    """A dense layer to a small map, then nearest-neighbor upsampling and two 3x3 convolutions for each doubling.

    Codes may have any shape, images any size. No normalization, no output non-linearity. The layers work in [-1, 1].
    """

    def __init__(self, config: UpsamplingDecoderConfig, image: ImageSpec, latent_shape: tuple[int, ...]) -> None:
        super().__init__(config, image, latent_shape)
        # Coarse to fine; each size is half of the next, rounded up, so that the last is the image size, even or odd.
        factors = [2**scale for scale in reversed(range(config.scales + 1))]
        sizes = [(-(-image.height // factor), -(-image.width // factor)) for factor in factors]
        widths = [config.width * factor for factor in factors]
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(math.prod(latent_shape), widths[0] * math.prod(sizes[0])),
            nn.Unflatten(1, (widths[0], *sizes[0])),
            activation(config.activation),
        )
        for (wider, width), size in zip(itertools.pairwise(widths), sizes[1:], strict=True):
            self.layers.append(nn.Upsample(size))
            for channels in (wider, width):
                self.layers.extend([nn.Conv2d(channels, width, 3, padding=1), activation(config.activation)])
        self.layers.append(nn.Conv2d(config.width, image.channels, 3, padding=1))
        official_init(self.layers)

    @override
    def forward(self, z: Tensor) -> Tensor:
        return (self.layers(z) + 1) / 2


def _build(config: TimmEncoderConfig, image: ImageSpec) -> tuple[nn.Module, int]:
    """The backbone on torch's current default device, and the number of its features."""
    timm = timm_with(config.backbone)
    # The meta device takes no memory: a mismatch is reported before anything is allocated or fetched.
    with torch.device("meta"):
        try:
            backbone, features = _create(timm, config, image)
        except Exception as error:  # each family of timm refuses in its own way
            size = "x".join(map(str, image.shape))
            patch = "" if config.patch_size is None else f" in patches of {config.patch_size}"
            raise ConfigError(
                f"timm's {config.backbone!r} does not take images of {size}{patch}: {line(error)}"
            ) from error
    state = backbone.state_dict(keep_vars=True)
    if len({id(tensor) for tensor in state.values()}) < len(state):
        raise ConfigError(
            f"timm's {config.backbone!r} uses weights in several layers: such models cannot be saved. Choose another"
        )
    # A model that is being loaded has its own weights and does not need timm's.
    if torch.get_default_device().type == "meta":
        return backbone, features
    with fetching(config.backbone) if config.pretrained else nullcontext():
        return _create(timm, config, image, pretrained=config.pretrained)


def _create(
    timm: ModuleType, config: TimmEncoderConfig, image: ImageSpec, *, pretrained: bool = False
) -> tuple[nn.Module, int]:
    """The backbone as the zoo needs it: every buffer saved, every parameter trained, nothing random."""
    options: dict[str, Any] = {"in_chans": image.channels, "num_classes": 0}
    source = timm.get_pretrained_cfg(config.backbone)
    if source is not None and source.fixed_input_size:
        options["img_size"] = (image.height, image.width)
    if config.patch_size is not None:
        options["patch_size"] = config.patch_size
    backbone: nn.Module = timm.create_model(config.backbone, pretrained=pretrained, **options)
    with torch.no_grad(), _shapes_of_recurrence(backbone):  # some buffers get their final shapes from the first image
        _, features = backbone.eval()(torch.zeros(1, *image.shape)).shape
    for module in backbone.modules():
        # A buffer that is not saved, such as relative positions, would stay on the meta device when loaded.
        for name, buffer in list(module.named_buffers(recurse=False)):
            module.register_buffer(name, buffer, persistent=True)
        # Dropout and stochastic depth draw from the global random state, which a resumed run cannot restore.
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        for rate in ("drop_rate", "drop_prob"):
            if hasattr(module, rate):
                setattr(module, rate, 0.0)
    return backbone.train().requires_grad_(), features


@contextmanager
def _shapes_of_recurrence(backbone: nn.Module) -> Generator[None, None, None]:
    """On the meta device recurrent layers give shapes at once: torch would take their steps in Python, for minutes."""
    is_meta = torch.get_default_device().type == "meta"
    layers = [module for module in backbone.modules() if is_meta and isinstance(module, nn.RNNBase)]
    for layer in layers:
        width = (layer.proj_size or layer.hidden_size) * (2 if layer.bidirectional else 1)
        layer.forward = partial(_resized, width=width)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def _resized(x: Tensor, state: object = None, *, width: int) -> tuple[Tensor, None]:
    return x.new_empty(*x.shape[:-1], width), None
