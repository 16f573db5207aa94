"""Encoder, decoder, prior and space, and the model made of them as other components see it."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from torch import Generator, Tensor, nn
from torch.distributions import Distribution
from typing_extensions import override

from interpzoo.config import ImageSpec
from interpzoo.interfaces.component import ConfigT, Configured
from interpzoo.registry import Kind


class Encoder(nn.Module, Configured[ConfigT], ABC):
    """Images to codes."""

    kind: ClassVar[Kind] = "encoder"

    batch_statistics: ClassVar[bool] = False
    """Whether in train mode the code of an image depends on the other images of its batch, as with batch
    normalization. In eval mode it never may."""
    latent_shape: tuple[int, ...]
    """Shape of one code; the constructor sets it."""
    size_multiple: int | None = None
    """``None``: images have the size of ``image`` alone. A number: any height and width that are multiples of it, and
    ``image`` has the default size. Codes are then (c, H / f, W / f), with one factor f at every size, of which this is
    a multiple; ``latent_shape`` is that of the default size."""

    def __init__(self, config: ConfigT, image: ImageSpec) -> None:
        super().__init__()
        self.config = config
        self.image = image

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) in [0, 1] to point codes (B, *latent_shape); a stochastic encoder's mean."""

    if TYPE_CHECKING:  # torch gives a module's call no types

        @override
        def __call__(self, x: Tensor) -> Tensor: ...

    def posterior(self, x: Tensor) -> Distribution | None:
        """The posterior over (B, *latent_shape), or ``None`` for a deterministic encoder."""
        return None


class Decoder(nn.Module, Configured[ConfigT], ABC):
    """Codes to images."""

    kind: ClassVar[Kind] = "decoder"

    differentiable: ClassVar[bool] = True
    """Whether ``forward`` is a differentiable function of the code (geodesics need it)."""
    batch_statistics: ClassVar[bool] = False
    """Whether in train mode an image depends on the other codes of its batch. In eval mode it never may."""
    noise_shape: tuple[int, ...] | None = None
    """Shape of the noise for one image that ``sample`` takes, if decoding is stochastic."""
    size_multiple: int | None = None
    """As `Encoder.size_multiple`; a model takes any size if both its networks do. Such a decoder takes no noise."""

    def __init__(self, config: ConfigT, image: ImageSpec, latent_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.config = config
        self.image = image
        self.latent_shape = latent_shape

    @abstractmethod
    def forward(self, z: Tensor) -> Tensor:
        """Codes (B, *latent_shape) to mean images (B, C, H, W), unclamped around [0, 1]."""

    if TYPE_CHECKING:  # torch gives a module's call no types

        @override
        def __call__(self, z: Tensor) -> Tensor: ...

    def log_prob(self, x: Tensor, z: Tensor) -> Tensor | None:
        """log p(x | z) in nats, (B,), or ``None`` where the decoder defines no likelihood."""
        return None

    def sample(self, z: Tensor, noise: Tensor) -> Tensor:
        """Images of `z` made with `noise` (B, *noise_shape); the same noise for a whole path keeps it smooth."""
        return self(z)


class Prior(nn.Module, Configured[ConfigT], ABC):
    """A density over codes, from which new codes can be drawn."""

    kind: ClassVar[Kind] = "prior"

    def __init__(self, config: ConfigT, latent_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.config = config
        self.latent_shape = latent_shape

    @property
    def mean(self) -> Tensor | None:
        """The exact mean (*latent_shape) of the codes, or ``None`` where no formula gives it."""
        return None

    @abstractmethod
    def sample(self, n: int, *, generator: Generator | None = None) -> Tensor:
        """`n` codes (n, *latent_shape)."""

    @abstractmethod
    def log_prob(self, z: Tensor) -> Tensor:
        """log p(z) in nats, (B,)."""


class CodeSpace(nn.Module, Configured[ConfigT]):
    """What a model knows of its codes beside its networks: a codebook, a flow, statistics; and which codes are valid.

    It is saved and loaded with the model. Regularizers, which train it or set its buffers, and interpolators find it as
    ``model.space``. The encoder and the decoder themselves do not see it.
    """

    kind: ClassVar[Kind] = "space"

    def __init__(self, config: ConfigT, latent_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.config = config
        self.latent_shape = latent_shape

    def project(self, z: Tensor) -> Tensor:
        """The valid codes nearest to codes (B, *latent_shape), which stay as they are if they are valid.

        The model applies it to every code that it encodes, refines or decodes, so that each frame of a path, a mix or
        an edit is the image of a valid code. By default all codes are valid.
        """
        return z


class LatentModel(Protocol):
    """A model as regularizers and interpolators see it."""

    @property
    def name(self) -> str:
        """The model's name, for messages."""
        ...

    @property
    def encoder(self) -> Encoder: ...
    @property
    def decoder(self) -> Decoder: ...
    @property
    def prior(self) -> Prior | None: ...
    @property
    def space(self) -> CodeSpace | None: ...
    @property
    def interpolator(self) -> Any:
        """The model's `Interpolator`."""
        ...

    @property
    def codes(self) -> Tensor | None:
        """Codes (n, *latent_shape) of training images, for paths that stay near the data."""
        ...
