"""A template: one mean image, and the main ways in which images of a class differ from it, in shape and in colors.

It is an active appearance model (Cootes, Edwards & Taylor 2001) whose shapes are velocity fields in place of landmarks.
A code has the coordinates of the shape, then those of the appearance, each in standard deviations. Decoding adds the
appearance's components to the mean and moves the sum along the flow of the shape's. Encoding inverts that by
Gauss-Newton steps on the squared error of the pixels, at a smaller size, coarse to fine: analysis by synthesis.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from interpzoo.config import ComponentConfig, ImageSpec
from interpzoo.errors import ConfigError
from interpzoo.interfaces import Decoder, Encoder
from interpzoo_metamorphosis.fields import HALVINGS, exponential, resample, warp

_GRID = 32
"""Cells of the velocity fields along the image's longer side."""
_WORKING = 64
"""Pixels along the longer side at which images are encoded."""
_STEPS = (4, 3)
"""Gauss-Newton steps at half of the working size and at all of it."""
_SOLVING = 12
"""Steps of conjugate gradients in each; what they leave is solved in the next."""
_RIDGE = 2.5e-6
"""Weight of a code's squared length against the mean squared error of the pixels: the prior of Gaussian codes."""
_COLORS = ((0.299, 0.587, 0.114), (-0.169, -0.331, 0.5), (0.5, -0.419, -0.081))
"""Brightness and two differences of colors (JPEG's YCbCr) from red, green and blue."""
_COLORS_BACK = torch.linalg.inv(torch.tensor(_COLORS, device="cpu")).tolist()  # here, as ONNX has no inverse


def sides(image: ImageSpec, longer: int) -> tuple[int, int]:
    """Height and width of `image` with `longer` pixels along the longer side, or fewer if it has fewer; at least 2."""
    scale = min(1.0, longer / max(image.height, image.width))
    return max(2, round(image.height * scale)), max(2, round(image.width * scale))


def opponent(maps: Tensor) -> Tensor:
    """Red, green and blue (..., 3, H, W) as brightness and two differences; other channels as they are."""
    return _mixed(maps, torch.tensor(_COLORS)) if maps.shape[-3] == 3 else maps


def _colored(maps: Tensor) -> Tensor:
    return _mixed(maps, torch.tensor(_COLORS_BACK)) if maps.shape[-3] == 3 else maps


def _mixed(maps: Tensor, matrix: Tensor) -> Tensor:
    return torch.einsum("ij,...jhw->...ihw", matrix.to(maps), maps)


def shrunk(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """`maps` (B, C, H, W) at a smaller `size`, by the means of areas."""
    return functional.adaptive_avg_pool2d(maps, size)


class Template(nn.Module):
    """The mean and the components at one size; flat gray until they are fitted."""

    def __init__(self, channels: int, size: tuple[int, int], detail: int, shapes: int, looks: int, image: ImageSpec):
        super().__init__()
        self.size = size
        self.shapes = shapes
        fine = (max(1, size[0] // detail), max(1, size[1] // detail))
        coarse = (max(1, fine[0] // 2), max(1, fine[1] // 2))
        colored = channels == 3
        self.register_buffer("mean", torch.full((channels, *size), 0.5))
        self.register_buffer("velocity", torch.zeros(shapes, 2, *sides(image, _GRID)))
        self.register_buffer("light", torch.zeros(looks, 1 if colored else channels, *fine))
        self.register_buffer("color", torch.zeros(looks, 2, *coarse) if colored else None)
        self.mean: Tensor
        """(C, H, W)."""
        self.velocity: Tensor
        """(shapes, 2, h, w): pixels of its own grid. Its flow takes pixels of the mean to those of an image."""
        self.light: Tensor
        """(looks, 1, H / detail, W / detail): brightness; of images without colors, all channels."""
        self.color: Tensor | None
        """(looks, 2, ...) at half the size of `light`: eyes see colors coarsely too."""

    @torch.no_grad()
    def fill(self, mean: Tensor, velocity: Tensor, looks: Tensor) -> None:
        """Set the mean (C, H, W) and the components, (k, 2, h, w) and (k, C, H, W) of any size and at most as many."""
        self.mean.copy_(shrunk(mean[None], self.size)[0])
        for own in (self.velocity, *self._parts):
            own.zero_()
        self.velocity[: len(velocity)] = resample(velocity, *self.velocity.shape[-2:])
        start, given = 0, opponent(looks)
        for own in self._parts:
            channels = own.shape[1]
            own[: len(given)] = shrunk(given[:, start : start + channels], (own.shape[2], own.shape[3]))
            start += channels

    def motion(self, z: Tensor) -> Tensor:
        """The velocity (B, 2, h, w) of codes (B, k)."""
        return torch.einsum("bk,kchw->bchw", z[:, : self.shapes], self.velocity.to(z))

    def appearance(self, z: Tensor) -> Tensor:
        """The image (B, C, H, W) of codes (B, k) before it is moved."""
        parts = [torch.einsum("bk,kchw->bchw", z[:, self.shapes :], part.to(z)) for part in self._parts]
        return self.mean.to(z) + self._joined(parts)

    def looks(self) -> Tensor:
        """The components of the appearance (k, C, H, W) at the full size."""
        return self._joined(self._parts)

    @property
    def _parts(self) -> list[Tensor]:
        return [self.light] if self.color is None else [self.light, self.color]

    def _joined(self, parts: list[Tensor]) -> Tensor:
        """Parts as in `light` and `color` as one image in its own colors, at the full size."""
        large = [functional.interpolate(part, self.size, mode="bilinear", align_corners=False) for part in parts]
        return _colored(torch.cat(large, 1))


def moved(maps: Tensor, field: Tensor) -> Tensor:
    """`maps` (B, C, H, W) at ``id + field``, as `fields.warp` does, and differentiable in both directions."""
    height, width = maps.shape[-2:]
    x = (torch.arange(width, device=maps.device) + field[:, 0]).clamp(0, width - 1)
    y = (torch.arange(height, device=maps.device)[:, None] + field[:, 1]).clamp(0, height - 1)
    left, top = (at.detach().floor().clamp(max=side - 2) for at, side in ((x, width), (y, height)))
    right, down = (x - left).flatten(1)[:, None], (y - top).flatten(1)[:, None]
    first = (top * width + left).long().flatten(1)[:, None]
    flat = maps.flatten(2)

    def row(start: Tensor) -> Tensor:
        near, far = (flat.gather(2, index.expand(-1, flat.shape[1], -1)) for index in (start, start + 1))
        return near + right * (far - near)

    above, below = row(first), row(first + width)
    return (above + down * (below - above)).view(maps.shape[0], -1, height, width)


def flow(velocity: Tensor, size: tuple[int, int]) -> Tensor:
    """The displacement (B, 2, *size) after one unit of time along `velocity` (B, 2, h, w), by scaling and squaring."""
    field = velocity / 2**HALVINGS
    for _ in range(HALVINGS):
        field = field + moved(field, field)
    return resample(field, *size)


class TemplateEncoderConfig(ComponentConfig):
    """How many numbers a code has."""

    shapes: int = Field(default=40, ge=1, le=512)
    """Components of the shape."""
    looks: int = Field(default=80, ge=1, le=512)
    """Components of the appearance."""


class TemplateEncoder(Encoder[TemplateEncoderConfig]):
    """Images to the codes whose images are closest to them."""

    def __init__(self, config: TemplateEncoderConfig, image: ImageSpec) -> None:
        super().__init__(config, image)
        self.latent_shape = (config.shapes + config.looks,)
        self.template = Template(image.channels, sides(image, _WORKING), 1, config.shapes, config.looks, image)

    @override
    def forward(self, x: Tensor) -> Tensor:
        z = x.new_zeros(x.shape[0], *self.latent_shape, dtype=torch.promote_types(x.dtype, torch.float32))
        mean, looks = self.template.mean[None].to(z), self.template.looks().to(z)
        full = self.template.size
        for steps, size in zip(_STEPS, ((max(2, full[0] // 2), max(2, full[1] // 2)), full), strict=True):
            level = _Level(shrunk(x.to(z), size), shrunk(mean, size), shrunk(looks, size), self.template)
            z = level.descended(z, steps)
        return z.to(x.dtype)


class _Level:
    """Images at one size, and the template at that size."""

    def __init__(self, x: Tensor, mean: Tensor, looks: Tensor, template: Template) -> None:
        self.x, self.mean, self.looks, self.template = x, mean, looks, template
        self.along = resample(template.velocity.to(x), *x.shape[-2:])

    def descended(self, z: Tensor, steps: int) -> Tensor:
        """The best codes of `steps` Gauss-Newton steps from `z`, those included."""
        best, least = z, torch.full_like(z[:, 0], torch.inf)
        for step in range(steps + 1):
            image, field = self.image(z)
            rest = (self.x - image).flatten(1)
            error = rest.square().mean(1) + _RIDGE * z.square().sum(1)
            better = error < least
            best, least = torch.where(better[:, None], z, best), torch.where(better, error, least)
            if step < steps:
                z = z + self.step(z, image, field, rest)
        return best

    def image(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The images (B, C, H, W) of codes, and the displacement that made them."""
        field = resample(exponential(-self.template.motion(z)), *self.x.shape[-2:])
        look = torch.einsum("bk,kchw->bchw", z[:, self.template.shapes :], self.looks)
        return warp(self.mean + look, field), field

    def step(self, z: Tensor, image: Tensor, field: Tensor, rest: Tensor) -> Tensor:
        """The Gauss-Newton step at codes `z`."""
        padded = functional.pad(image, (1, 1, 1, 1), mode="replicate")
        dx = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
        dy = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
        # To first order, a little more of a velocity moves the moved image by it.
        by_shape = -(dx[:, None] * self.along[:, :1] + dy[:, None] * self.along[:, 1:])
        k, c = self.looks.shape[:2]
        by_look = warp(self.looks.flatten(0, 1).expand(z.shape[0], -1, -1, -1), field).unflatten(1, (k, c))
        slopes = torch.cat([by_shape, by_look], 1).flatten(2)
        return _solved(slopes, rest, z)


def _solved(slopes: Tensor, rest: Tensor, z: Tensor) -> Tensor:
    """What conjugate gradients find of the ridge regression of `rest` (B, N) on `slopes` (B, k, N).

    A solver of linear systems would be exact, and could not be exported to ONNX.
    """
    ridge, tiny = _RIDGE * rest.shape[1], torch.finfo(z.dtype).tiny
    products = slopes @ slopes.mT
    residual = (slopes @ rest[..., None])[..., 0] - ridge * z
    scale = 1 / (products.diagonal(dim1=1, dim2=2) + ridge)
    found, way = torch.zeros_like(z), scale * residual
    length = (residual * way).sum(1, keepdim=True)
    for _ in range(_SOLVING):
        applied = (products @ way[..., None])[..., 0] + ridge * way
        share = length / (way * applied).sum(1, keepdim=True).clamp_min(tiny)
        found, residual = found + share * way, residual - share * applied
        before, length = length, (scale * residual.square()).sum(1, keepdim=True)
        way = scale * residual + length / before.clamp_min(tiny) * way
    return found


class TemplateDecoderConfig(ComponentConfig):
    """How a code is divided, and how finely components are stored."""

    shapes: int = Field(default=40, ge=1, le=512)
    """Components of the shape, as the encoder has them."""
    detail: int = Field(default=1, ge=1, le=16)
    """Side of a cell of the appearance's components, pixels. The mean has full size."""


class TemplateDecoder(Decoder[TemplateDecoderConfig]):
    """Codes to images: the mean with another appearance, moved to another shape."""

    def __init__(self, config: TemplateDecoderConfig, image: ImageSpec, latent_shape: tuple[int, ...]) -> None:
        super().__init__(config, image, latent_shape)
        if len(latent_shape) != 1 or latent_shape[0] <= config.shapes:
            raise ConfigError(
                f"shapes = {config.shapes}: codes have shape {latent_shape}, expected one with more numbers than "
                "that: set it to the shapes of the encoder 'template'"
            )
        looks = latent_shape[0] - config.shapes
        size = (image.height, image.width)
        self.template = Template(image.channels, size, config.detail, config.shapes, looks, image)

    @override
    def forward(self, z: Tensor) -> Tensor:
        wide = z.to(torch.promote_types(z.dtype, torch.float32))
        field = flow(-self.template.motion(wide), self.template.size)
        return moved(self.template.appearance(wide), field).to(z.dtype)
