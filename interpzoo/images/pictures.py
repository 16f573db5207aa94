"""PIL images to tensors of the size and channels that a model takes."""

import io
import os
import struct
import zlib
from typing import Literal

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from interpzoo.config import ImageSpec
from interpzoo.errors import ImageError

Fit = Literal["resize", "pad", "mean"]
"""How an image is brought to the size that a model takes.

``resize``: center crop to the aspect ratio, then antialiased bicubic. ``pad``: an equal black border. ``mean``: exact
means of k x k pixels, of an image k times as large.
"""

_UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)
"""What Pillow raises for damaged bytes."""


def open_image(source: str | os.PathLike[str] | bytes) -> Image.Image:
    """The image in a file (or in a file's bytes), fully read and turned upright by its EXIF orientation.

    Raises:
        ImageError: there is no such file, or no readable image in it.
    """
    name = "" if isinstance(source, bytes) else f"{os.fspath(source)!r}: "
    try:
        image = Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)
        with image:
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
    except Image.UnidentifiedImageError:
        raise ImageError(f"{name}not an image of a known format") from None
    except _UNREADABLE as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise ImageError(f"{name}the image cannot be read: {reason}") from error
    return image


def to_tensor(image: Image.Image, spec: ImageSpec, fit: Fit = "resize") -> Tensor:
    """`image` as a model of `spec` takes it: (C, H, W), float32 in [0, 1].

    Every mode works: transparency is composed over black, 16-bit grays are scaled to 8 bit, colors become gray by
    ITU-R 601, and gray is repeated in all three channels of a color model.

    Raises:
        ImageError: `fit` cannot bring this size to that of `spec`, `spec` has other than 1 or 3 channels, or the mode
            has no defined range (32-bit).
    """
    return from_pixels(to_pixels(image, spec, fit), spec)


def to_pixels(image: Image.Image, spec: ImageSpec, fit: Fit = "resize") -> Tensor:
    """The 8-bit half of `to_tensor`: uint8 (C, H, W), or (C, kH, kW) where blocks remain to be averaged (``mean``)."""
    image = _convert(image, spec.channels)
    if fit == "resize":
        image = _resize(image, spec)
    pixels = torch.from_numpy(np.array(image))
    pixels = pixels[None] if pixels.ndim == 2 else pixels.movedim(-1, 0).contiguous()
    _, height, width = pixels.shape
    across, down = spec.width - width, spec.height - height
    if fit == "pad":
        if min(across, down) < 0 or across % 2 or down % 2:
            raise ImageError(
                f"an image of {width}x{height} cannot be padded equally to {spec.width}x{spec.height}; use fit 'resize'"
            )
        return pad(pixels, (across // 2, across // 2, down // 2, down // 2))
    if fit == "mean" and (width % spec.width or height % spec.height or width * spec.height != height * spec.width):
        raise ImageError(
            f"an image of {width}x{height} is not a whole multiple of {spec.width}x{spec.height}; use fit 'resize'"
        )
    return pixels


def from_pixels(pixels: Tensor, spec: ImageSpec) -> Tensor:
    """uint8 (..., C, kH, kW) to float32 (..., C, H, W) in [0, 1]: block means, computed in float, over 255."""
    values = pixels.float()
    block = pixels.shape[-1] // spec.width
    if block > 1:
        values = avg_pool2d(values, block)
    return values.div_(255)


def center_box(height: int, width: int, spec: ImageSpec) -> tuple[int, int, int, int]:
    """Top, left, height and width of the largest central part with the aspect ratio of `spec`."""
    h = max(1, min(height, round(width * spec.height / spec.width)))
    w = max(1, min(width, round(height * spec.width / spec.height)))
    return (height - h) // 2, (width - w) // 2, h, w


def _convert(image: Image.Image, channels: int) -> Image.Image:
    """`image` in mode L or RGB."""
    if channels not in (1, 3):
        raise ImageError(f"the model takes {channels} channels; pictures have 1 or 3: give a tensor instead")
    mode = "L" if channels == 1 else "RGB"
    if image.mode == mode and "transparency" not in image.info:
        return image
    if image.mode == "I" or image.mode.startswith("I;16"):
        # Pillow would cut 16 bit at 255.
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise ImageError(f"a 32-bit image with values up to {values.max()} has no defined range: give a tensor")
        image = Image.fromarray(((values + 128) // 257).astype(np.uint8))
    elif image.mode == "F":
        raise ImageError("a 32-bit float image has no defined range: give a tensor in [0, 1]")
    try:
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image)
        return image.convert(mode)
    except ValueError as error:
        raise ImageError(f"an image of mode {image.mode!r} cannot be converted to {mode!r}: {error}") from error


def _resize(image: Image.Image, spec: ImageSpec) -> Image.Image:
    top, left, height, width = center_box(image.height, image.width, spec)
    if (height, width) != (image.height, image.width):
        image = image.crop((left, top, left + width, top + height))
    if (height, width) == (spec.height, spec.width):
        return image
    return image.resize((spec.width, spec.height), Image.Resampling.BICUBIC)
