"""Pictures out: frames as PIL images, as one picture, and as a folder of numbered files."""

import math
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, get_args

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn.functional import interpolate

from interpzoo.arguments import MOST_AT_ONCE, one_of, whole
from interpzoo.errors import ImageError, InputError
from interpzoo.files import PICTURES, filled
from interpzoo.tensors import check_plain
from interpzoo.text import printable, quoted
from interpzoo.writing import write_pictures

Frames: TypeAlias = Tensor | Mapping[str, Tensor]
"""Frames of paths (rows, T, C, H, W), or (T, C, H, W) for one; or such tensors by the label that is written at them.

Labeled frames may differ in size and channels, not in rows and T: the smaller are enlarged to the largest.
"""

Enlarge = Literal["smooth", "nearest"]
"""How frames are enlarged. ``smooth``: bicubic. ``nearest``: each pixel becomes a square."""

MOST_PIXELS: Final = 1 << 26
"""Largest number of pixels of one picture, which takes 800 MB while it is made."""

_VISIBLE: Final = 96  # pixels that the longer side is enlarged to
_GAP: Final = 2  # pixels between rows
_DIGITS: Final = 4  # at least, of a frame's number
_UNSAFE: Final = re.compile(r"[^\w.@+-]+")  # in the name of a folder that is made from a label


def to_pil(images: Tensor) -> Image.Image | list[Image.Image]:
    """An image (C, H, W) as a PIL image, or images (T, C, H, W) as a list of them; C is 1 or 3.

    Values are clamped to [0, 1]. Raises an `ImageError` for a wrong shape, or values that are not finite.
    """
    if check_plain("images", images, ImageError).ndim == 4:
        return _pictures(images) if len(images) else []
    return _picture(images)


def to_strip(frames: Frames, *, scale: int | None = None, enlarge: Enlarge = "nearest") -> Image.Image:
    """Interpolations as one PIL image, one path per row, as `save_strip` writes it; notebooks display it.

    Arguments and errors as `save_strip`.
    """
    return Sheet(frames, scale, enlarge).strip()


def save_image(path: str | os.PathLike[str], image: Tensor) -> None:
    """Write one image (C, H, W), C 1 or 3, in the format of the suffix; values are clamped to [0, 1].

    Raises:
        ImageError: a wrong shape, or values that are not finite.
        OutputError: the suffix is unknown or the file cannot be written; an existing file is then left as it was.
    """
    write_pictures(path, PICTURES, [_picture(image)])


def save_strip(
    path: str | os.PathLike[str], frames: Frames, *, scale: int | None = None, enlarge: Enlarge = "nearest"
) -> None:
    """Write interpolations as one picture, one path per row.

    Args:
        path: the file; its suffix is the format.
        frames: (rows, T, C, H, W), or (T, C, H, W) for one row; values are clamped to [0, 1]. A mapping from labels to
            such tensors writes the labels at the left, and the same row of each below one another.
        scale: how many times as large each image becomes; ``None`` enlarges small images to at least 96 pixels.
        enlarge: ``nearest`` or ``smooth``.

    Raises:
        ImageError, OutputError: as `save_image`.
        InputError: `scale` or `enlarge` is not valid, or the picture would be too large.

    Example:
        >>> import interpzoo
        >>> model, plain = interpzoo.load("acai-mnist"), interpzoo.load("ae-mnist")
        >>> a, b = model.decode(model.examples[:2])
        >>> interpzoo.save_strip("both.png", {"acai": model.interpolate(a, b), "ae": plain.interpolate(a, b)})
    """
    write_pictures(path, PICTURES, [to_strip(frames, scale=scale, enlarge=enlarge)])


def save_frames(
    folder: str | Path, frames: Frames, *, scale: int | None = 1, enlarge: Enlarge = "nearest"
) -> list[Path]:
    """Write every frame as a PNG of its own: ``0000.png``, ``0001.png``, ... The folder appears whole or not at all.

    Args:
        folder: a new or empty folder.
        frames: (T, C, H, W) for files in the folder itself; (rows, T, C, H, W) for a subfolder ``0``, ``1``, ... for
            each path; a mapping for one named after each label. Values are clamped to [0, 1].
        scale, enlarge: as in `save_strip`, but by default nothing is enlarged.

    Returns:
        The files, in order.

    Raises:
        ImageError, InputError: as `save_strip`.
        OutputError: the folder exists and is not empty, or cannot be written.
    """
    written: list[Path] = []
    with filled(folder) as (target, scratch):
        for name, path in _paths(frames):
            written += [target / file for file in _write_path(scratch, name, path, scale, enlarge)]
    return written


def save_stream(
    folder: str | Path,
    parts: Iterable[Tensor],
    *,
    scale: int | None = 1,
    enlarge: Enlarge = "nearest",
    progress: Callable[[int], None] = lambda done: None,
) -> int:
    """As `save_frames`, for paths that come in parts (rows, T, C, H, W), as `InterpolationModel.stream` gives them.

    Path i of all has the subfolder i. A part is written before the next is asked for, so that the memory is bounded.

    Args:
        folder, scale, enlarge: as in `save_frames`.
        parts: the paths, any number of them.
        progress: called with the number of paths that are written, after each part.

    Returns:
        The number of paths.

    Raises:
        ImageError, InputError, OutputError: as `save_frames`; and what `parts` raises. Then no folder is left.
    """
    scalar = isinstance(parts, Tensor) and parts.ndim == 0  # a tensor says that it is iterable, whatever its shape
    if scalar or not isinstance(parts, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ImageError(f"parts = {quoted(parts)}: expected an iterator of frames (rows, T, C, H, W)")
    count = 0
    with filled(folder) as (_, scratch):
        for part in parts:
            write_paths(scratch, count, part, scale=scale, enlarge=enlarge)
            count += len(_checked(part))
            progress(count)
        if not count:
            raise ImageError("no frames: expected at least one path")
    return count


def write_paths(folder: Path, first: int, frames: Tensor, *, scale: int | None = 1, enlarge: Enlarge) -> None:
    """Write paths (rows, T, C, H, W) to the new subfolders `first`, `first` + 1, ...; raises as `save_frames`."""
    for row, path in enumerate(_checked(frames), first):
        _write_path(folder, str(row), path, scale, enlarge)


def _write_path(folder: Path, name: str, path: Tensor, scale: int | None, enlarge: Enlarge) -> list[Path]:
    """Write the frames of a path (T, C, H, W) to a subfolder; the files, relative to the folder."""
    sheet = Sheet(path, scale, enlarge)
    (folder / name).mkdir(parents=True, exist_ok=not name)
    digits = max(_DIGITS, len(str(sheet.count - 1)))
    files = [Path(name, f"{index:0{digits}}.png") for index in range(sheet.count)]
    shown = _pictures(path) if scale == 1 else map(sheet.frame, range(sheet.count))
    for file, picture in zip(files, shown, strict=True):
        picture.save(folder / file, format="PNG")
    return files


class Sheet:
    """Paths of frames, brought to one size and enlarged, to be put together in one picture.

    Args:
        frames, scale, enlarge: as in `save_strip`.
        least: pixels that the longer side is enlarged to where `scale` is ``None``.

    Raises:
        ImageError, InputError: as `save_strip`.
    """

    def __init__(self, frames: Frames, scale: int | None, enlarge: Enlarge, least: int = _VISIBLE) -> None:
        labeled = [*frames.items()] if isinstance(frames, Mapping) else [("", frames)]
        self._tables = [_checked(table) for _, table in labeled]
        self._labels = [printable(str(label)) for label, _ in labeled]
        if not self._tables:
            raise ImageError("no frames: expected a tensor for each label")
        if len({table.shape[:2] for table in self._tables}) > 1:
            shapes = ", ".join(f"{label!r} {tuple(table.shape)}" for label, table in labeled)
            raise ImageError(f"labels have different numbers of paths or frames ({shapes}): expected the same for each")
        self._enlarge = one_of("enlarge", enlarge, get_args(Enlarge))
        height, width = (max(table.shape[axis] for table in self._tables) for axis in (-2, -1))
        if scale is None:
            scale = math.ceil(least / max(height, width))
        self._scale = whole("scale", scale, 1, MOST_AT_ONCE)
        self._size = self._scale * height, self._scale * width
        self.count = self._tables[0].shape[1]
        """T: how many frames a path has."""

    def strip(self) -> Image.Image:
        """All frames: one path per row, labels at the left."""
        self._check_pixels(self.count)
        (height, width), rows, left = self._size, self._rows(), self._margin
        canvas = self._canvas(left + width * self.count, (height + _GAP) * len(rows) - _GAP)
        draw = ImageDraw.Draw(canvas)
        for number, (label, path) in enumerate(rows):
            top = number * (height + _GAP)
            if label:
                draw.text((_GAP, top + height // 2), label, fill=0, font=self._font, anchor="lm")
            for index in range(self.count):
                canvas.paste(self._tile(path[index]), (left + index * width, top))
        return canvas

    def frame(self, index: int) -> Image.Image:
        """The frames at one position of all paths, side by side, labels above."""
        self._check_pixels(1)
        width, rows, top = self._size[1], self._rows(), self._band
        canvas = self._canvas(*self.frame_size)
        draw = ImageDraw.Draw(canvas)
        for number, (label, path) in enumerate(rows):
            left = number * (width + _GAP)
            canvas.paste(self._tile(path[index]), (left, top))
            if label:
                draw.text((left + width // 2, top // 2), label, fill=0, font=self._fitting(label), anchor="mm")
        return canvas

    @property
    def frame_size(self) -> tuple[int, int]:
        """Width and height of `frame`."""
        height, width = self._size
        return (width + _GAP) * len(self._rows()) - _GAP, self._band + height

    def _rows(self) -> list[tuple[str, Tensor]]:
        """The first path of each label, then the second of each, and so on."""
        tables = [*zip(self._labels, self._tables, strict=True)]
        return [(label, table[row]) for row in range(len(self._tables[0])) for label, table in tables]

    def _tile(self, image: Tensor) -> Image.Image:
        _check_picture(image)
        image = image.detach().float().cpu()
        if tuple(image.shape[-2:]) != self._size:
            if self._enlarge == "nearest":
                image = interpolate(image[None], self._size, mode="nearest-exact")[0]
            else:
                image = interpolate(image[None], self._size, mode="bicubic", antialias=True)[0]
        return _picture(image)

    def _canvas(self, width: int, height: int) -> Image.Image:
        gray = all(table.shape[2] == 1 for table in self._tables)
        return Image.new("L" if gray else "RGB", (width, height), "white")

    @property
    def _font(self) -> Any:
        return ImageFont.load_default(max(10, min(self._size[0] // 6, 24)))

    def _fitting(self, label: str) -> Any:
        """A font in which the label is no wider than a frame, if there is one that can be read."""
        size = max(10, min(self._size[0] // 6, 24))
        while size > 8 and ImageFont.load_default(size).getlength(label) > self._size[1]:
            size -= 1
        return ImageFont.load_default(size)

    @property
    def _margin(self) -> int:
        longest = max((math.ceil(self._font.getlength(label)) for label in self._labels if label), default=0)
        return longest + 3 * _GAP if longest else 0

    @property
    def _band(self) -> int:
        return max(16, min(self._size[0] // 4, 36)) if any(self._labels) else 0

    def _check_pixels(self, frames: int) -> None:
        pixels = len(self._rows()) * frames * math.prod(self._size)
        if pixels > MOST_PIXELS:
            raise InputError(
                f"scale = {self._scale}: the picture would have {pixels:,} pixels, expected at most {MOST_PIXELS:,}: "
                "choose a smaller scale or fewer frames"
            )


def _paths(frames: Frames) -> Sequence[tuple[str, Tensor]]:
    """Each single path (T, C, H, W) with the subfolder that it is written to."""
    if isinstance(frames, Mapping):
        if not frames:
            raise ImageError("no frames: expected a tensor for each label")
        named = {_UNSAFE.sub("-", str(label)).strip("-.") or "-": table for label, table in frames.items()}
        if len(named) < len(frames):
            raise InputError(f"labels {quoted([*frames])} give the same folder twice: expected different names")
        return [(f"{name}/{inner}", path) for name, table in named.items() for inner, path in _paths(table)]
    table = _checked(frames)
    return [("", table[0])] if len(table) == 1 else [(str(row), path) for row, path in enumerate(table)]


def _checked(frames: Tensor) -> Tensor:
    check_plain("frames", frames, ImageError)
    table = frames[None] if frames.ndim == 4 else frames
    if table.ndim != 5 or 0 in table.shape:
        raise ImageError(f"frames of shape {tuple(frames.shape)}: expected (rows, T, C, H, W) or (T, C, H, W)")
    return table


def _check_picture(image: Tensor) -> None:
    check_plain("the image", image, ImageError)
    if image.ndim != 3 or image.shape[0] not in (1, 3) or 0 in image.shape or not image.is_floating_point():
        raise ImageError(f"cannot show {image.dtype} of shape {tuple(image.shape)}: expected floats (1 or 3, H, W)")
    if not bool(image.isfinite().all()):
        raise ImageError("cannot show an image with values that are not finite")


def _picture(image: Tensor) -> Image.Image:
    _check_picture(image)
    return _drawn(image[None])[0]


def _pictures(images: Tensor) -> list[Image.Image]:
    """PIL images of images (T, C, H, W), converted together."""
    _check_picture(images.movedim(0, -1).flatten(2))
    return _drawn(images)


def _drawn(images: Tensor) -> list[Image.Image]:
    pixels = images.detach().float().cpu().clamp(0, 1).mul(255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return [Image.fromarray(array[..., 0] if array.shape[2] == 1 else array) for array in pixels]
