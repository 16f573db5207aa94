"""Images of any kind to batches that a model takes."""

import math
import os
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from interpzoo.config import ImageSpec
from interpzoo.errors import ImageError
from interpzoo.images.pictures import center_box, open_image, to_tensor

ImageLike: TypeAlias = Tensor | NDArray[Any] | Image.Image | str | os.PathLike[str]
"""A tensor or array (one image or a batch), a PIL image, or the path of an image file; see `as_batch`."""

ImageInput: TypeAlias = ImageLike | Sequence[ImageLike]
"""One image or several, as `as_batch` takes them."""

_TOLERANCE = 1e-6
_LUMA = (0.299, 0.587, 0.114)  # ITU-R 601, as Pillow converts RGB to L


def as_batch(images: ImageInput, spec: ImageSpec) -> Tensor:
    """`images` as a batch that a model of `spec` takes: (B, C, H, W), float32 in [0, 1].

    A float tensor (C, H, W) or (B, C, H, W) of the right shape comes back as it is, on its device, without a copy.
    Other sizes are cropped and resized and other channels converted as in `to_tensor`.

    Args:
        images: a tensor in [0, 1], or of uint8 in [0, 255]; a NumPy array of the same ranges, channels first where it
            has the model's shape or its last axis is not 1, 3 or 4, otherwise channels last, or one gray image (H, W);
            a PIL image; the path of an image file; or a sequence of these, which are concatenated.
        spec: the shape of the model's images.

    Raises:
        ImageError: values that are not finite or more than 1e-6 outside [0, 1], an unreadable file, a wrong shape or
            type.
    """
    if isinstance(images, Tensor):
        return _checked(images, spec)
    if isinstance(images, np.ndarray):
        return _checked(_channels_first(images, spec), spec)
    if isinstance(images, Image.Image):
        return to_tensor(images, spec)[None]
    if isinstance(images, (str, os.PathLike)):
        return to_tensor(open_image(images), spec)[None]
    if isinstance(images, Sequence) and images:  # pyright: ignore[reportUnnecessaryIsInstance]
        return torch.cat([as_batch(image, spec) for image in images])
    raise ImageError(
        f"{type(images).__name__} is not an image: give a tensor, an array, a PIL image, a path, or several of them"
    )


def is_single(images: ImageInput) -> bool:
    """Whether `images` is one image, not a batch or sequence of them."""
    if isinstance(images, Tensor):
        return images.ndim == 3
    if isinstance(images, np.ndarray):
        return images.ndim in (2, 3)
    return isinstance(images, (Image.Image, str, os.PathLike))


def _channels_first(array: NDArray[Any], spec: ImageSpec) -> Tensor:
    """A NumPy image or batch of images as a tensor, channels first."""
    if array.dtype != np.uint8 and not np.issubdtype(array.dtype, np.floating):
        raise ImageError(f"an array of {array.dtype}: expected uint8 in [0, 255] or floats in [0, 1]")
    # A copy: read-only, reversed and byte-swapped arrays cannot be shared with torch.
    images = torch.from_numpy(np.array(array, dtype=np.uint8 if array.dtype == np.uint8 else np.float32, order="C"))
    if images.ndim == 2:
        return images[None]
    last = images.ndim > 2 and images.shape[-3:] != spec.shape and images.shape[-1] in (1, 3, 4)
    return images.movedim(-1, -3) if last else images


def _checked(images: Tensor, spec: ImageSpec) -> Tensor:
    """Images as a checked batch of the model's shape."""
    shape = tuple(images.shape)
    if images.ndim not in (3, 4) or 0 in shape:
        raise ImageError(f"images of shape {shape}: expected (C, H, W) or (B, C, H, W), as {spec.shape}")
    if images.dtype == torch.uint8:
        images = images.float() / 255
    elif images.is_floating_point():
        images = images.float()
        _check_range(images)
    else:
        raise ImageError(f"images of {images.dtype}: expected floats in [0, 1] or uint8 in [0, 255]")
    images = images if images.ndim == 4 else images[None]
    if shape[-3:] == spec.shape:
        return images
    return _with_size(_with_channels(images, spec.channels), spec)


def _check_range(images: Tensor) -> None:
    low, high = (bound.item() for bound in images.detach().aminmax())
    if low >= -_TOLERANCE and high <= 1 + _TOLERANCE:
        return
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ImageError(f"image values lie in [{low}, {high}], expected [0, 1]: they are not finite")
    fix = "divide by 255" if high > 2 else "take (x + 1) / 2" if low < -0.5 else "clamp them"
    digits = 2 if round(low, 2) < 0 or round(high, 2) > 1 else 7
    raise ImageError(f"image values lie in [{low:.{digits}f}, {high:.{digits}f}], expected [0, 1]: {fix}")


def _with_channels(images: Tensor, channels: int) -> Tensor:
    given = images.shape[1]
    if given == channels:
        return images
    if given not in (1, 3, 4) or channels not in (1, 3):
        raise ImageError(f"images of {given} channels: expected {channels}")
    if given == 4:
        images = images[:, :3] * images[:, 3:]
    if images.shape[1] == 3 and channels == 1:
        return (images * images.new_tensor(_LUMA).view(3, 1, 1)).sum(1, keepdim=True)
    return images.expand(-1, channels, -1, -1)


def _with_size(images: Tensor, spec: ImageSpec) -> Tensor:
    top, left, height, width = center_box(images.shape[2], images.shape[3], spec)
    images = images[..., top : top + height, left : left + width]
    if (height, width) == (spec.height, spec.width):
        return images.contiguous()
    # Bicubic overshoots at edges.
    return interpolate(images, (spec.height, spec.width), mode="bicubic", antialias=True).clamp(0, 1)
