"""Images in and out: anything that shows an image to what a model takes, and a model's images to files."""

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from interpzoo.arguments import MOST_AT_ONCE, real, whole
from interpzoo.config import ImageSpec
from interpzoo.decoding import open_image
from interpzoo.errors import ImageError, InputError, OutputError
from interpzoo.files import atomic_write
from interpzoo.pixels import Fit, center_box, to_pixels
from interpzoo.tensors import check_plain
from interpzoo.text import quoted

ImageLike: TypeAlias = Tensor | NDArray[Any] | Image.Image | str | os.PathLike[str]
"""A tensor or array (one image or a batch), a PIL image, or the path of an image file; see `as_batch`."""

ImageInput: TypeAlias = ImageLike | Sequence[ImageLike]
"""One image or several, as `as_batch` takes them."""

MOST_LISTS = 8
"""Largest number of lists of images in one another."""

_ROUNDING = 1e-6  # by which values may leave [0, 1] and stay as they are
_OVERSHOOT = 0.2  # by which they are clamped: decoders' own images leave [0, 1] by about half of this
_LUMA = (0.299, 0.587, 0.114)  # ITU-R 601, as Pillow converts RGB to L
_PICTURES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".gif": "GIF"}
_ANIMATIONS = {".gif": "GIF", ".webp": "WEBP"}
_VISIBLE = 96  # pixels that the longer side is enlarged to
_GAP = 2  # pixels between rows
_MOST_SECONDS = 655  # of one frame of a GIF, which stores hundredths in 16 bits
_MOST_PIXELS = 1 << 26  # in one picture, which takes 800 MB while it is made


def as_batch(images: ImageInput, spec: ImageSpec) -> Tensor:
    """`images` as a batch that a model of `spec` takes: (B, C, H, W), float32 in [0, 1].

    A float tensor (C, H, W) or (B, C, H, W) of the right shape comes back as it is, on its device, without a copy.
    Values up to 0.2 outside [0, 1], as decoders give, are clamped. Other sizes are cropped and resized and other
    channels converted as in `to_tensor`.

    Args:
        images: a tensor in [0, 1], or of uint8 in [0, 255]; a NumPy array of the same ranges, channels first where it
            has the model's shape or its last axis is not 1, 3 or 4, otherwise channels last, or one gray image (H, W);
            a PIL image; the path of an image file; or a sequence of these, which are concatenated.
        spec: the shape of the model's images.

    Raises:
        ImageError: values not finite or more than 0.2 outside [0, 1], an unreadable file, a wrong shape or type.
    """
    return _as_batch(images, spec, 0)


def _as_batch(images: ImageInput, spec: ImageSpec, depth: int) -> Tensor:
    if isinstance(images, Tensor):
        return _checked(check_plain("images", images, ImageError), spec)
    if isinstance(images, np.ndarray):
        return _checked(_channels_first(images, spec), spec)
    if isinstance(images, Image.Image):
        return to_tensor(images, spec)[None]
    if isinstance(images, (str, os.PathLike)):
        image = open_image(images)
        try:
            return to_tensor(image, spec)[None]
        except ImageError as error:
            raise ImageError(f"{os.fspath(images)!r}: {error}") from error
    if depth > MOST_LISTS:
        raise ImageError(f"images are nested more than {MOST_LISTS} lists deep: expected one list of images")
    if isinstance(images, Sequence) and images and not isinstance(images, bytes):  # pyright: ignore[reportUnnecessaryIsInstance]
        return torch.cat([_as_batch(image, spec, depth + 1) for image in images])
    raise ImageError(
        f"{quoted(images)} is not an image: expected a tensor, an array, a PIL image, a path, or several of them"
    )


def is_single(images: ImageInput) -> bool:
    """Whether `images` is one image, not a batch or sequence of them."""
    if isinstance(images, Tensor):
        return images.ndim == 3
    if isinstance(images, np.ndarray):
        return images.ndim in (2, 3)
    return isinstance(images, (Image.Image, str, os.PathLike))


def _channels_first(array: NDArray[Any], spec: ImageSpec) -> Tensor:
    if array.dtype != np.uint8 and not np.issubdtype(array.dtype, np.floating):
        raise ImageError(f"an array of {array.dtype}: expected uint8 in [0, 255] or floats in [0, 1]")
    # A copy: read-only, reversed and byte-swapped arrays cannot be shared with torch.
    images = torch.from_numpy(np.array(array, dtype=np.uint8 if array.dtype == np.uint8 else np.float32, order="C"))
    if images.ndim == 2:
        return images[None]
    last = images.ndim > 2 and images.shape[-3:] != spec.shape and images.shape[-1] in (1, 3, 4)
    return images.movedim(-1, -3) if last else images


def _checked(images: Tensor, spec: ImageSpec) -> Tensor:
    shape = tuple(images.shape)
    if images.ndim not in (3, 4) or 0 in shape:
        raise ImageError(f"images of shape {shape}: expected (C, H, W) or (B, C, H, W), as {spec.shape}")
    if images.dtype == torch.uint8:
        images = images.float() / 255
    elif images.is_floating_point():
        images = images.float()
        images = _in_range(images)
    else:
        raise ImageError(f"images of {images.dtype}: expected floats in [0, 1] or uint8 in [0, 255]")
    images = images if images.ndim == 4 else images[None]
    if shape[-3:] == spec.shape:
        return images
    return _with_size(_with_channels(images, spec.channels), spec)


def _in_range(images: Tensor) -> Tensor:
    low, high = (bound.item() for bound in images.detach().aminmax())
    if low >= -_ROUNDING and high <= 1 + _ROUNDING:
        return images
    if low >= -_OVERSHOOT and high <= 1 + _OVERSHOOT:
        return images.clamp(0, 1)
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


def to_tensor(image: Image.Image, spec: ImageSpec, fit: Fit = "resize") -> Tensor:
    """`image` as a model of `spec` takes it: (C, H, W), float32 in [0, 1]; raises as `to_pixels`."""
    return from_pixels(torch.from_numpy(to_pixels(image, spec, fit)), spec)


def from_pixels(pixels: Tensor, spec: ImageSpec) -> Tensor:
    """uint8 (..., C, kH, kW) to float32 (..., C, H, W) in [0, 1]: block means, computed in float, over 255."""
    values = pixels.float()
    block = pixels.shape[-1] // spec.width
    if block > 1:
        values = avg_pool2d(values, block)
    return values.div_(255)


def save_image(path: str | os.PathLike[str], image: Tensor) -> None:
    """Write one image (C, H, W), C 1 or 3, in the format of the suffix; values are clamped to [0, 1].

    Raises:
        ImageError: a wrong shape, or values that are not finite.
        OutputError: the suffix is unknown or the file cannot be written; an existing file is then left as it was.
    """
    _save(path, _PICTURES, [_picture(image)])


def save_strip(path: str | os.PathLike[str], frames: Tensor, *, scale: int | None = None) -> None:
    """Write interpolations as one picture, one per row.

    Args:
        path: the file; its suffix is the format.
        frames: (rows, T, C, H, W), or (T, C, H, W) for one row; values are clamped to [0, 1].
        scale: how many times each pixel is repeated; ``None`` enlarges small images to at least 96 pixels.

    Raises:
        ImageError, OutputError: as `save_image`.
    """
    rows = [torch.cat(list(row), dim=-1) for row in _enlarge(frames, scale)]
    _save(path, _PICTURES, [_picture(_join(rows, dim=-2))])


def save_gif(path: str | os.PathLike[str], frames: Tensor, *, scale: int | None = None, seconds: float = 0.1) -> None:
    """Write interpolations as an endless animation, forward and back, with all rows side by side.

    Args:
        path: the file, ``.gif`` or ``.webp``.
        frames: (rows, T, C, H, W), or (T, C, H, W) for one row; values are clamped to [0, 1].
        scale: as in `save_strip`.
        seconds: duration of a frame, 0.01 to 655.

    Raises:
        ImageError, OutputError: as `save_image`.
        InputError: `seconds` is out of range.
    """
    seconds = real("seconds", seconds, 0.01, _MOST_SECONDS)
    there = [_picture(_join(list(column), dim=-1)) for column in _enlarge(frames, scale).transpose(0, 1)]
    _save(path, _ANIMATIONS, there + there[-2:0:-1], duration=round(1000 * seconds), loop=0)


def _picture(image: Tensor) -> Image.Image:
    check_plain("the image", image, ImageError)
    if image.ndim != 3 or image.shape[0] not in (1, 3) or 0 in image.shape or not image.is_floating_point():
        raise ImageError(f"cannot show {image.dtype} of shape {tuple(image.shape)}: expected floats (1 or 3, H, W)")
    image = image.detach().float().cpu()
    if not image.isfinite().all():
        raise ImageError("cannot show an image with values that are not finite")
    pixels = image.clamp(0, 1).mul(255).round().to(torch.uint8)
    return Image.fromarray(pixels[0].numpy() if len(pixels) == 1 else pixels.permute(1, 2, 0).numpy())


def _enlarge(frames: Tensor, scale: int | None) -> Tensor:
    check_plain("frames", frames, ImageError)
    frames = frames[None] if frames.ndim == 4 else frames
    if frames.ndim != 5 or 0 in frames.shape:
        raise ImageError(f"frames of shape {tuple(frames.shape)}: expected (rows, T, C, H, W) or (T, C, H, W)")
    scale = math.ceil(_VISIBLE / max(frames.shape[-2:])) if scale is None else whole("scale", scale, 1, MOST_AT_ONCE)
    if (pixels := frames[:, :, 0].numel() * scale**2) > _MOST_PIXELS:
        raise InputError(
            f"scale = {scale}: the picture would have {pixels:,} pixels, expected at most {_MOST_PIXELS:,}: choose a "
            "smaller scale or fewer frames"
        )
    return frames.repeat_interleave(scale, -2).repeat_interleave(scale, -1)


def _join(parts: list[Tensor], dim: int) -> Tensor:
    """`parts` (C, H, W) below (-2) or beside (-1) each other, with white between them."""
    gap = list(parts[0].shape)
    gap[dim] = _GAP
    white = parts[0].new_ones(gap)
    return torch.cat([parts[0], *(piece for part in parts[1:] for piece in (white, part))], dim)


def _save(
    path: str | os.PathLike[str], formats: Mapping[str, str], pictures: Sequence[Image.Image], **options: Any
) -> None:
    if not isinstance(path, (str, os.PathLike)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise OutputError(f"cannot write {quoted(path)}: expected the path of a file")
    suffix = os.path.splitext(os.fspath(path))[1].lower()
    if suffix not in formats:
        raise OutputError(f"cannot write {os.fspath(path)!r}: the suffix is {suffix!r}, expected {', '.join(formats)}")
    if len(pictures) > 1:
        options |= {"save_all": True, "append_images": pictures[1:]}
    with atomic_write(path) as temporary:
        try:
            pictures[0].save(temporary, format=formats[suffix], quality=95, **options)
        except OSError:  # such as a full disk, which `atomic_write` reports
            raise
        except Exception as error:  # Pillow's writers raise anything for sizes that a format cannot hold
            size = "x".join(map(str, pictures[0].size))
            raise OutputError(f"cannot write {os.fspath(path)!r} at {size} as {formats[suffix]}: {error}") from error
