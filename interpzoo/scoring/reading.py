"""Frames of any tool: a folder of pictures, a film, an array, or a folder of several of these."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from itertools import chain, repeat
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from interpzoo.arguments import MOST_FRAMES, MOST_IMAGES, MOST_SIDE, MOST_VALUES
from interpzoo.config import ImageSpec
from interpzoo.decoding import MOST_IMAGE_BYTES, open_frames
from interpzoo.errors import ImageError, InputError, MissingDependencyError, how_to_install
from interpzoo.files import expanded, open_regular
from interpzoo.images import as_batch, from_array, from_pixels
from interpzoo.pixels import to_pixels
from interpzoo.text import explained, natural, quoted, sized

FramesLike: TypeAlias = Tensor | NDArray[Any] | str | os.PathLike[str]
"""Paths of one tool: a tensor or an array (T, C, H, W) or (N, T, C, H, W), channels last as well, of uint8 or of floats
in [0, 1]; an ``.npy`` file of such an array; a GIF, WebP, APNG, MP4 or another video; a folder of pictures, which are
sorted by name (2 before 10); or a folder with several of these, one for each path."""

VIDEOS: Final = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ogv", ".mpg")
"""Suffixes of videos that PyAV reads."""

_ANIMATIONS: Final = (".gif", ".webp", ".apng")
_FEWEST: Final = 3  # frames of a path
_GRAY: Final = 2  # largest difference between channels of a gray film: what a video's colors lose
_SHORTEST: Final = 10.0  # milliseconds that a frame of an animation is shown at least
_ROUNDED: Final = 2.0  # milliseconds by which durations are rounded
_SAME: Final = 0.25  # of 255: mean difference from an end below which a frame of a film cannot be told from it
_RETURNED: Final = 0.75  # of the way from the first to the middle frame: that from the first to the last
_MIRRORED: Final = 0.1  # of the mean difference from the first frame: that between the ways there and back


@dataclass(frozen=True)
class Paths:
    """The paths of one tool."""

    name: str
    frames: Tensor
    """(N, T, C, H, W), float32 around [0, 1]; C is 1 where no frame has a color."""
    notes: tuple[str, ...] = ()
    """What was left out, in words."""


def read_paths(name: str, source: FramesLike, size: tuple[int, int] | None = None) -> Paths:
    """The paths in `source`, of a tool that is called `name`.

    Where a film stands still at its start or end, only one of the equal frames is kept. If a film plays there and back,
    only the way there is kept.

    Args:
        name: for notes and errors.
        source: see `FramesLike`.
        size: (height, width) to which frames are cropped and resized.

    Raises:
        ImageError: there are no frames, fewer than 3 or more than 10,000 on a path, or they differ in size; a file
            cannot be read; values are not around [0, 1].
        InputError: the frames have more than 2^29 values, or a side of more than 2,048 pixels.
        MissingDependencyError: a video is given, and ``av`` is not installed.
    """
    if isinstance(source, (Tensor, np.ndarray)):
        return Paths(name, _of_array(name, source, size))
    if not isinstance(source, (str, os.PathLike)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"{quoted(source)} are not frames: expected a path, a tensor or an array of frames")
    path = expanded(os.fspath(source))
    parts = _parts(path)
    room = MOST_VALUES
    tables: list[Tensor] = []
    notes: list[str] = []
    for part in parts:
        table = _read(part, size, room, notes)
        room -= table.numel()
        tables.append(table)
    shapes = {tuple(table.shape[-4:]): part for table, part in zip(tables, parts, strict=True)}
    if len({(shape[0], *shape[2:]) for shape in shapes}) > 1:
        found = " and ".join(f"{shape[0]} of {sized(*shape[2:])} in {part.name!r}" for shape, part in shapes.items())
        raise ImageError(
            f"{str(path)!r}: paths differ in frames ({found[:300]}): expected the same number of frames, all of one "
            "size, in each, or score them apart"
        )
    if len({table.shape[-3] for table in tables}) > 1:
        tables = [table.expand(*table.shape[:-3], 3, *table.shape[-2:]) for table in tables]
    return Paths(name, torch.cat([table if table.ndim == 5 else table[None] for table in tables]), tuple(notes))


def _parts(path: Path) -> list[Path]:
    """The files and folders that hold one path each: `path` itself, or what lies in it."""
    if not path.is_dir():
        return [path]
    try:
        inside = sorted((entry for entry in path.iterdir() if not entry.name.startswith(".")), key=_by_name)
    except OSError as error:
        raise ImageError(f"{str(path)!r} cannot be read: {error.strerror or error}") from error
    paths = [entry for entry in inside if entry.is_dir() or entry.suffix.lower() in (*VIDEOS, *_ANIMATIONS, ".npy")]
    if len(paths) > MOST_IMAGES:
        raise InputError(f"{str(path)!r} has {len(paths):,} paths: expected at most {MOST_IMAGES:,}")
    pictures = [entry for entry in inside if _is_picture(entry)]
    if paths and pictures:
        raise ImageError(
            f"{str(path)!r} has pictures, such as {pictures[0].name!r}, beside {paths[0].name!r}: expected the frames "
            "of one path, or one folder or film for each path"
        )
    return paths or [path]


def _by_name(path: Path) -> list[str | int]:
    return natural(path.name)


def _is_picture(path: Path) -> bool:
    form = Image.registered_extensions().get(path.suffix.lower())
    return form in Image.OPEN and path.suffix.lower() not in _ANIMATIONS and path.is_file()


def _read(path: Path, size: tuple[int, int] | None, room: int, notes: list[str]) -> Tensor:
    """One path (T, C, H, W), or an array of several (N, T, C, H, W)."""
    suffix = path.suffix.lower()
    if suffix == ".npy" and not path.is_dir():
        return _of_array(str(path), _load(path), size)
    if path.is_dir():
        files = sorted((entry for entry in path.iterdir() if _is_picture(entry)), key=_by_name)
        if not files:
            raise ImageError(
                f"{str(path)!r} has no frames: expected pictures such as 0000.png, or films, arrays or folders of "
                "pictures, one for each path"
            )
        images = chain.from_iterable(open_frames(file) for file in files)
    else:
        images = _decoded(path) if suffix in VIDEOS else _timed(path)
    pixels = _stacked(path, images, size, room)
    if not path.is_dir():
        if len(pixels) == 1:
            raise ImageError(
                f"{str(path)!r} is one picture: expected the frames of a path, as a folder of pictures, a film or an "
                ".npy file. For a folder write its name"
            )
        pixels = _forward(path, pixels, notes)
    _check_count(str(path), len(pixels))
    spread = (pixels.amax(1).int() - pixels.amin(1).int()).amax()
    frames = from_pixels(pixels, ImageSpec.of(pixels.shape))
    return frames if spread > _GRAY else frames.mean(1, keepdim=True) if spread > 0 else frames[:, :1]


def _stacked(path: Path, images: Iterator[Image.Image], size: tuple[int, int] | None, room: int) -> Tensor:
    """uint8 (T, 3, H, W), of the first image's size or `size`."""
    spec: ImageSpec | None = None
    found: list[Tensor] = []
    for image in images:
        if spec is None:
            height, width = size or (image.height, image.width)
            if max(height, width) > MOST_SIDE:
                raise InputError(
                    f"{str(path)!r}: frames of {sized(height, width)}, expected sides of at most {MOST_SIDE:,} pixels: "
                    "give a size"
                )
            spec = ImageSpec(channels=3, height=height, width=width)
        if size is None and (image.height, image.width) != (spec.height, spec.width):
            raise ImageError(
                f"{str(path)!r}: frame {len(found)} is {sized(image.height, image.width)} and the first "
                f"{sized(spec.height, spec.width)}: expected frames of one size, or give a size"
            )
        if len(found) >= MOST_FRAMES:
            raise InputError(f"{str(path)!r} has more than {MOST_FRAMES:,} frames: expected at most that many")
        if (len(found) + 1) * 3 * spec.height * spec.width > room:
            raise InputError(
                f"{str(path)!r}: the frames of one tool have more than {MOST_VALUES:,} values: give a smaller size, or "
                "fewer paths"
            )
        found.append(torch.from_numpy(to_pixels(image, spec)))
    if not found:
        raise ImageError(f"{str(path)!r} has no frames: expected at least 3")
    return torch.stack(found)


def _timed(path: Path) -> Iterator[Image.Image]:
    """The frames of an animation, each as often as its duration says: writers join frames that are alike."""
    durations = [max(1.0, float(image.info.get("duration") or 0)) for image in open_frames(path)]
    shortest = min(durations)
    units = (shortest / parts for parts in range(1, 1 + int(shortest / _SHORTEST)))
    fitting = (unit for unit in units if all(abs(d - unit * round(d / unit)) <= _ROUNDED for d in durations))
    unit = next(fitting, shortest)
    for image, duration in zip(open_frames(path), durations, strict=True):
        yield from repeat(image, min(round(duration / unit), MOST_FRAMES + 1))


def _decoded(path: Path) -> Iterator[Image.Image]:
    """The frames of a video."""
    try:
        av: Any = import_module("av")
    except ImportError:
        raise MissingDependencyError(
            f"videos need PyAV: {how_to_install('film')}; or give a folder of frames"
        ) from None
    try:
        with open_regular(path), av.open(str(path)) as container:
            if not container.streams.video:
                raise ImageError(f"{str(path)!r} has no pictures in it, only sound: expected a video")
            stream = container.streams.video[0]
            if 8 * stream.width * stream.height > MOST_IMAGE_BYTES:
                raise ImageError(
                    f"{str(path)!r}: a video of {sized(stream.height, stream.width)} pixels is too large to read"
                )
            for frame in container.decode(stream):
                yield frame.to_image()
    except av.error.FFmpegError as error:
        raise ImageError(f"{str(path)!r}: the video cannot be read: {explained(error)}") from error
    except OSError as error:
        raise ImageError(f"{str(path)!r}: the video cannot be read: {error.strerror or error}") from error


def _forward(path: Path, pixels: Tensor, notes: list[str]) -> Tensor:
    """A film without still frames at its ends, and without its way back."""
    count = len(pixels)
    for start in dict.fromkeys((0, _still(pixels))):  # of a cut, still frames are all there is
        there = pixels[start:]
        turn = len(there) // 2  # number of the frame in the middle, if the others lie around it like in a mirror
        if len(there) > 3 and _is_mirrored(there[1:], there[0]):
            notes.append(f"{path.name} plays there and back: the way there is scored")
            pixels = there[: turn + 1]
            break
    start, end = _still(pixels), len(pixels) - _still(pixels.flip(0))
    if end - start >= _FEWEST and end - start < len(pixels):
        notes.append(f"{path.name} stands still at its ends: of {count} frames, {end - start} are scored")
        pixels = pixels[start:end]
    return pixels


def _is_mirrored(pixels: Tensor, first: Tensor) -> bool:
    """Whether a film is the same backward, as far as its frames differ from `first`, to which it comes back."""
    half = (len(pixels) + 1) // 2
    there, back = pixels[:half].float(), pixels.flip(0)[:half].float()
    moved = (there - first.float()).abs().flatten(1).mean(1)
    returns = (back[0] - first.float()).abs().mean() <= _RETURNED * moved[-1]
    return bool(moved.mean() > 0 and returns and (there - back).abs().mean() <= _MIRRORED * moved.mean())


def _still(pixels: Tensor) -> int:
    """How many frames after the first cannot be told from it."""
    apart = (pixels[1:].float() - pixels[:1].float()).abs().flatten(1).mean(1)
    moved = (apart > _SAME).nonzero()
    return int(moved[0]) if len(moved) else 0


def _load(path: Path) -> NDArray[Any]:
    try:
        with open_regular(path):
            return np.lib.format.open_memmap(path, "r")
    except Exception as error:  # NumPy's reader raises anything for a damaged header
        reason = error.strerror if isinstance(error, OSError) and error.strerror else explained(error)
        raise ImageError(f"{str(path)!r} cannot be read as an array: {reason}") from error


def _of_array(name: str, array: Tensor | NDArray[Any], size: tuple[int, int] | None) -> Tensor:
    """(N, T, C, H, W) of an array in any of the layouts."""
    layout = _layout(tuple(array.shape))
    if layout is None or 0 in array.shape:
        raise ImageError(
            f"{name!r}: frames of shape {tuple(array.shape)}: expected (T, C, H, W) or (N, T, C, H, W), C 1 or 3, or "
            "channels last"
        )
    if int(np.prod(array.shape, dtype=object)) > MOST_VALUES:
        raise InputError(f"{name!r}: frames of shape {tuple(array.shape)}: expected at most {MOST_VALUES:,} values")
    with _naming(name):
        frames = layout(array.detach().cpu() if isinstance(array, Tensor) else from_array(array))
    if frames.dtype == torch.uint8:
        frames = frames.float() / 255
    n, t, *_, height, width = frames.shape
    _check_count(name, t)
    if max(height, width) > MOST_SIDE:
        raise InputError(f"{name!r}: frames of {sized(height, width)}: expected sides of at most {MOST_SIDE:,} pixels")
    own = ImageSpec.of(frames.shape)
    wanted = own if size is None else own.model_copy(update={"height": size[0], "width": size[1]})
    with _naming(name):
        checked = as_batch(frames.flatten(0, 1), wanted)
    if wanted == own:  # as the tool gives them, not clamped
        return frames.float()
    return checked.unflatten(0, (n, t))


@contextmanager
def _naming(name: str) -> Generator[None]:
    """Let an `ImageError` say of which tool it is."""
    try:
        yield
    except ImageError as error:
        raise ImageError(f"{name!r}: {error}") from error


def _layout(shape: Sequence[int]) -> Any:
    """The function that brings an array of this shape to (N, T, C, H, W); ``None`` if it shows no frames."""
    if len(shape) == 3:  # gray frames
        return lambda x: x[None, :, None]
    if len(shape) not in (4, 5):
        return None
    if shape[-3] in (1, 3):
        return (lambda x: x[None]) if len(shape) == 4 else lambda x: x
    if shape[-1] in (1, 3):
        return (lambda x: x.movedim(-1, -3)[None]) if len(shape) == 4 else lambda x: x.movedim(-1, -3)
    return None


def _check_count(name: str, count: int) -> None:
    if not _FEWEST <= count <= MOST_FRAMES:
        raise ImageError(
            f"{name!r} has {count} frames: expected {_FEWEST} to {MOST_FRAMES:,} on a path, both ends included"
        )
