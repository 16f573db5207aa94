"""Frames as one picture, in NumPy; `interpzoo.pictures` draws the same, and more, in torch."""

import math
import os
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from interpzoo.errors import ImageError
from interpzoo.files import PICTURES
from interpzoo.onnx.arrays import all_finite, as_array
from interpzoo.writing import write_pictures

_VISIBLE: Final = 96  # pixels that the longer side is enlarged to
_GAP: Final = 2  # pixels between rows


def save_strip(path: str | os.PathLike[str], frames: NDArray[Any]) -> None:
    """Write interpolations as one picture, one path per row, as `interpzoo.save_strip` does.

    Args:
        path: the file; its suffix is the format.
        frames: (rows, T, C, H, W), or (T, C, H, W) for one row; C is 1 or 3, and values are clamped to [0, 1]. Small
            images are enlarged to at least 96 pixels.

    Raises:
        ImageError: a wrong shape, or values that are not finite.
        OutputError: the suffix is unknown or the file cannot be written; an existing file is then left as it was.
    """
    table = as_array(frames)
    table = table[None] if table.ndim == 4 else table
    if table.ndim != 5 or 0 in table.shape or table.shape[2] not in (1, 3):
        raise ImageError(f"frames of shape {table.shape}: expected ([rows,] T, 1 or 3, H, W)")
    if not all_finite(table):
        raise ImageError(f"frames of {table.dtype}: expected finite floats around [0, 1]")
    rows, count, channels, height, width = table.shape
    scale = math.ceil(_VISIBLE / max(height, width))
    height, width = scale * height, scale * width
    pixels = (table.clip(0, 1) * 255).round().astype(np.uint8).repeat(scale, 3).repeat(scale, 4)
    canvas = np.full((rows * (height + _GAP) - _GAP, count * width, channels), 255, np.uint8)
    for row, strip in enumerate(pixels):
        top = row * (height + _GAP)
        canvas[top : top + height] = strip.transpose(2, 0, 3, 1).reshape(height, count * width, channels)
    write_pictures(path, PICTURES, [Image.fromarray(canvas[:, :, 0] if channels == 1 else canvas)])
