"""The sizes of images that a model takes: one alone, or any multiple of a number."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image
from torch import Tensor

from interpzoo.arguments import MOST_VALUES
from interpzoo.config import ImageSpec
from interpzoo.decoding import loaded, open_image
from interpzoo.errors import ConfigError, ImageError, InputError
from interpzoo.images import MOST_LISTS, ImageInput
from interpzoo.interfaces import Decoder, Encoder
from interpzoo.pixels import Size, checked_size, fitting_size
from interpzoo.text import quoted


@dataclass(frozen=True)
class Sizes:
    """What a pair of networks takes."""

    image: ImageSpec
    """The default size, or the only one."""
    latent_shape: tuple[int, ...]
    """Shape of a code of that size."""
    multiple: int | None
    """Heights and widths are multiples of this; ``None``: there is only the default size."""

    @classmethod
    def of(cls, image: ImageSpec, encoder: Encoder, decoder: Decoder) -> "Sizes":
        """The sizes that both networks take; `image` has the default one.

        Raises:
            ConfigError: they say that they take any size, but their codes do not grow with the images.
        """
        shape = encoder.latent_shape
        multiples = encoder.size_multiple, decoder.size_multiple
        if multiples[0] is None or multiples[1] is None:
            return cls(image, shape, None)
        multiple = math.lcm(multiples[0], multiples[1])
        factor = max(1, image.height // shape[1]) if len(shape) == 3 else 1
        if shape[1:] != (image.height // factor, image.width // factor) or multiple < 1 or multiple % factor:
            raise ConfigError(
                f"codes {shape} of images of {image.height}x{image.width} with size_multiple = {multiple}: expected "
                "(c, H / f, W / f) with one factor f, of which size_multiple is a multiple"
            )
        if image.height % multiple or image.width % multiple or decoder.noise_shape is not None:
            raise ConfigError(
                f"image = {image.height}x{image.width} with size_multiple = {multiple}: expected multiples of it, and "
                "a decoder without noise"
            )
        return cls(image, shape, multiple)

    def fit(self, images: ImageInput, size: Sequence[int] | None) -> Size:
        """The size that `images` are brought to.

        That is `size`, or else the size of the first image: rounded to the multiples that the networks take, and
        reduced in proportion if its longer side has more than `MOST_SIDE` pixels.

        Raises:
            ImageError: the first image cannot be read.
            InputError: the networks do not take `size`.
        """
        if size is not None:
            return checked_size(size, self.image, self.multiple)
        if self.multiple is None:
            return self.image.height, self.image.width
        return fitting_size(_size_of(images, self.image.channels), self.multiple)

    def spec(self, size: Size) -> ImageSpec:
        """The shape of images of a size."""
        return self.image.model_copy(update={"height": size[0], "width": size[1]})

    def code_shape(self, size: Size) -> tuple[int, ...]:
        """The shape of the code of an image of a size that the networks take."""
        if self.multiple is None:
            return self.latent_shape
        factor = self.image.height // self.latent_shape[1]
        return self.latent_shape[0], size[0] // factor, size[1] // factor

    def of_codes(self, codes: Tensor) -> ImageSpec:
        """The shape of the images that `codes` are decoded to.

        Raises:
            InputError: codes of this shape have no images.
        """
        shape = tuple(codes.shape[1:])
        if codes.ndim and shape == self.latent_shape:
            return self.image
        if self.multiple is None or len(shape) != 3 or shape[0] != self.latent_shape[0] or 0 in shape:
            one = self.latent_shape if self.multiple is None else (self.latent_shape[0], "h", "w")
            raise InputError(f"codes have shape {tuple(codes.shape)}, expected (B, {', '.join(map(str, one))})")
        factor = self.image.height // self.latent_shape[1]
        size, name = (shape[1] * factor, shape[2] * factor), f"codes of {shape[1]}x{shape[2]}: size"
        return self.spec(checked_size(size, self.image, self.multiple, name))

    def check_number(self, n: int, spec: ImageSpec) -> None:
        """Raise an `InputError` if `n` images of any size take more than `MOST_VALUES` values."""
        if self.multiple is not None and (values := n * math.prod(spec.shape)) > MOST_VALUES:
            raise InputError(
                f"{n:,} frames of {'x'.join(map(str, spec.shape))} have {values:,} values, expected at most "
                f"{MOST_VALUES:,}: take fewer steps, fewer images or a smaller size"
            )


def _size_of(images: object, channels: int, depth: int = 0) -> Size:
    """Height and width of the first image, upright."""
    if isinstance(images, (bytearray, memoryview)):
        images = bytes(images)
    if isinstance(images, (str, os.PathLike, bytes)):
        images = open_image(images)
    if isinstance(images, Image.Image):
        image = loaded(images)
        return image.height, image.width
    if isinstance(images, (Tensor, np.ndarray)):
        shape = tuple(images.shape)
        if isinstance(images, np.ndarray) and len(shape) > 2 and shape[-1] in (1, 3, 4) and shape[-3] != channels:
            shape = shape[:-1]  # channels last
        if len(shape) < 2 or 0 in shape:
            raise ImageError(f"images of shape {shape}: expected (C, H, W) or (B, C, H, W)")
        return shape[-2], shape[-1]
    if isinstance(images, Sequence) and images and depth <= MOST_LISTS:
        return _size_of(images[0], channels, depth + 1)
    raise ImageError(
        f"{quoted(images)} is not an image: expected a tensor, an array, a PIL image, a path, or several of them"
    )
