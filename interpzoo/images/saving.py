"""A model's images to files: single images, strips and animations."""

import math
import os
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from interpzoo.errors import ImageError, InputError, OutputError
from interpzoo.files import atomic_write

_PICTURES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".gif": "GIF"}
_ANIMATIONS = {".gif": "GIF", ".webp": "WEBP"}
_VISIBLE = 96  # pixels that the longer side is enlarged to
_GAP = 2  # pixels between rows
_MOST_PIXELS = 1 << 26  # in one picture, which takes 800 MB while it is made


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
        seconds: duration of a frame.

    Raises:
        ImageError, OutputError: as `save_image`.
    """
    there = [_picture(_join(list(column), dim=-1)) for column in _enlarge(frames, scale).transpose(0, 1)]
    _save(path, _ANIMATIONS, there + there[-2:0:-1], duration=round(1000 * seconds), loop=0)


def _picture(image: Tensor) -> Image.Image:
    if image.ndim != 3 or image.shape[0] not in (1, 3) or 0 in image.shape or not image.is_floating_point():
        raise ImageError(f"cannot show {image.dtype} of shape {tuple(image.shape)}: expected floats (1 or 3, H, W)")
    image = image.detach().float().cpu()
    if not image.isfinite().all():
        raise ImageError("cannot show an image with values that are not finite")
    pixels = image.clamp(0, 1).mul(255).round().to(torch.uint8)
    return Image.fromarray(pixels[0].numpy() if len(pixels) == 1 else pixels.permute(1, 2, 0).numpy())


def _enlarge(frames: Tensor, scale: int | None) -> Tensor:
    """Frames (rows, T, C, sH, sW) of (rows, T, C, H, W) or (T, C, H, W)."""
    frames = frames[None] if frames.ndim == 4 else frames
    if frames.ndim != 5 or 0 in frames.shape:
        raise ImageError(f"frames of shape {tuple(frames.shape)}: expected (rows, T, C, H, W) or (T, C, H, W)")
    scale = math.ceil(_VISIBLE / max(frames.shape[-2:])) if scale is None else scale
    if scale < 1:
        raise InputError(f"scale = {scale}: expected 1 or more")
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
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in formats:
        raise OutputError(f"cannot write {os.fspath(path)!r}: the suffix is {suffix!r}, expected {', '.join(formats)}")
    if len(pictures) > 1:
        options |= {"save_all": True, "append_images": pictures[1:]}
    with atomic_write(path) as temporary:
        try:
            pictures[0].save(temporary, format=formats[suffix], quality=95, **options)
        except (ValueError, struct.error) as error:
            size = "x".join(map(str, pictures[0].size))
            raise OutputError(f"cannot write {os.fspath(path)!r} at {size} as {formats[suffix]}: {error}") from error
