"""Images in: brings anything that shows an image to what a model takes."""

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice, zip_longest
from typing import IO, Any, TypeAlias, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, pad

from interpzoo.config import ImageSpec
from interpzoo.decoding import MOST_FILE_BYTES, formats, loaded, open_image
from interpzoo.errors import ImageError, InputError
from interpzoo.pixels import Fit, background, center_box, is_bordered, to_pixels
from interpzoo.tensors import check_plain
from interpzoo.text import explained, natural, quoted

ImageLike: TypeAlias = (
    Tensor | NDArray[Any] | Image.Image | str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes]
)
"""A tensor or array (one image or a batch), a PIL image, or an image file: its path, its bytes, or open for reading.

The path of a folder stands for the images in it. See `as_batch`.
"""

ImageInput: TypeAlias = ImageLike | Iterable[ImageLike]
"""One image or several: a tensor or array (one image or a batch), a PIL image, the path, the bytes or the open file of
an image, the path of a folder of images, or an iterable of these."""

MOST_LISTS = 8
"""Largest number of lists of images in one another."""

_ROUNDING = 1e-6  # by which values may leave [0, 1] and stay as they are
_OVERSHOOT = 0.2  # by which they are clamped: decoders' own images leave [0, 1] by about half of this
_LUMA = (0.299, 0.587, 0.114)  # ITU-R 601, as Pillow converts RGB to L


def as_batch(images: ImageInput, spec: ImageSpec, border: int = 0) -> Tensor:
    """`images` as a batch that a model of `spec` takes: (B, C, H, W), float32 in [0, 1].

    A float tensor (C, H, W) or (B, C, H, W) of the right shape comes back as it is, on its device, without a copy.
    Values up to 0.2 outside [0, 1], as decoders give, are clamped. Other sizes are cropped and resized and other
    channels converted as in `to_tensor`.

    Args:
        images: a tensor in [0, 1], or of uint8 in [0, 255]; a NumPy array of the same ranges, channels first where it
            has the model's shape or its last axis is not 1, 3 or 4, otherwise channels last, or one gray image (H, W);
            a PIL image; the path of an image file, its bytes, or the file open for reading; the path of a folder, for
            the images in it in the order of their names (2 before 10); or several of these, which are concatenated.
        spec: the shape of the model's images.
        border: images that are smaller than `spec` by just this many pixels on each side get a black border, instead of
            being resized. Transparent pictures then lie on black, too, and without a border on white.

    Raises:
        ImageError: values not finite or more than 0.2 outside [0, 1], an unreadable file, a wrong shape or type.
    """
    return _as_batch(listed(images), spec, border, 0)


def batches(images: ImageInput, spec: ImageSpec, most: int, border: int = 0) -> Iterator[Tensor]:
    """`images` as `as_batch` gives them, `most` at once; those of a list or an iterator are read as they are needed."""
    if not isinstance(images, (list, tuple, Iterator)) or not images:
        yield from as_batch(images, spec, border).split(most)
        return
    waiting: list[Tensor] = []
    for image in cast(Iterable[ImageLike], images):
        waiting.append(as_batch(image, spec, border))
        if sum(map(len, waiting)) >= most:
            *full, rest = torch.cat(waiting).split(most)
            full, waiting = ([*full, rest], []) if len(rest) == most else (full, [rest])
            yield from full
    if waiting:
        yield torch.cat(waiting)


def in_parts(images: ImageInput, most: int) -> Iterator[ImageInput]:
    """`images` in parts of at most so many, as they were given; those of a list, a folder or an iterator are not read.

    Raises an `ImageError` as `listed`.
    """
    images = images if isinstance(images, Iterator) and not _is_file(images) else listed(images)
    if isinstance(images, Tensor):
        check_plain("images", images, ImageError)
    if isinstance(images, (Tensor, np.ndarray)) and images.ndim == 4:
        yield from (images[first : first + most] for first in range(0, len(images), most))
    elif isinstance(images, (list, tuple, Iterator)) and not _is_file(images):
        items = iter(cast(Iterable[ImageLike], images))
        while part := [*islice(items, most)]:
            yield part
    else:
        yield images


def in_pairs(a: ImageInput, b: ImageInput, most: int) -> Iterator[tuple[ImageInput, ImageInput]]:
    """`in_parts` of both; raises an `InputError` when one of them ends before the other."""
    done = 0
    for parts in zip_longest(in_parts(a, most), in_parts(b, most), fillvalue=()):
        counts = [_count(part) for part in parts]
        if counts[0] != counts[1]:
            name = "a" if counts[0] < counts[1] else "b"
            raise InputError(
                f"{name} has only {done + min(counts):,} images and the other has more: "
                "expected the same number in a and b"
            )
        done += counts[0]
        yield parts


def opened(images: ImageInput) -> tuple[ImageInput, ImageInput]:
    """`images` and the first of them, without reading the others."""
    if isinstance(images, Iterator) and not _is_file(images):
        try:
            first = listed(next(cast(Iterator[ImageLike], images)))
        except StopIteration:
            raise ImageError("there is no image: the iterator is empty") from None
        return chain([cast(ImageLike, first)], cast(Iterator[ImageLike], images)), first
    images = listed(images)
    return images, images


def listed(images: ImageInput) -> ImageInput:
    """`images` to be read more than once: a folder or an iterator as a list, a file as its bytes.

    Raises:
        ImageError: a folder has no images, or a file cannot be read.
    """
    if isinstance(images, (str, os.PathLike)) and os.path.isdir(images):
        return files_in(images)
    if _is_file(images) or isinstance(images, (bytearray, memoryview)):
        return _kept(images)
    if isinstance(images, Iterator):
        return [cast(ImageLike, listed(image)) for image in cast(Iterator[ImageLike], images)]
    if isinstance(images, (list, tuple)):
        return [_kept(image) for image in cast(list[ImageLike], images)]
    return images


def files_in(folder: str | os.PathLike[str]) -> list[str]:
    """Paths of the images in a folder, in the order of their names, 2 before 10; raises an `ImageError` without any."""
    suffixes = Image.registered_extensions()
    read = formats()
    known = {suffix for suffix, form in suffixes.items() if form in read}
    try:  # `isfile` is false of links that lead nowhere or in a circle, which have no picture
        names = sorted((name for name in os.listdir(folder) if os.path.isfile(os.path.join(folder, name))), key=natural)
    except OSError as error:
        raise ImageError(f"{os.fspath(folder)!r}: the folder cannot be read: {error.strerror or error}") from error
    files = [os.path.join(folder, name) for name in names if os.path.splitext(name)[1].lower() in known]
    if not files:
        raise ImageError(f"{os.fspath(folder)!r}: the folder has no images: expected files such as .png or .jpg in it")
    return files


def _count(part: ImageInput) -> int:
    if isinstance(part, (Tensor, np.ndarray)):
        return len(part) if part.ndim == 4 else 1
    return len(part) if isinstance(part, (list, tuple)) else 1


def _is_file(value: object) -> bool:
    return hasattr(value, "read") and not isinstance(value, (Tensor, np.ndarray, Image.Image, str, os.PathLike))


def _kept(image: Any) -> Any:
    """An open file, or bytes that may change, as bytes; anything else as it is."""
    if isinstance(image, (bytearray, memoryview)):
        return bytes(image)
    if not _is_file(image):
        return image
    file: IO[bytes] = image
    try:
        data = file.read(MOST_FILE_BYTES + 1)
    except Exception as error:  # what a closed file, or one open for writing, raises
        raise ImageError(f"{quoted(file)} cannot be read: {explained(error)}") from error
    if not isinstance(data, bytes):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ImageError(f"{quoted(file)} gives text, expected the bytes of an image: open it in mode 'rb'")
    return data


def _as_batch(images: ImageInput, spec: ImageSpec, border: int, depth: int) -> Tensor:
    if isinstance(images, Tensor):
        return _checked(check_plain("images", images, ImageError), spec, border)
    if isinstance(images, np.ndarray):
        return _checked(_channels_first(images, spec), spec, border)
    if isinstance(images, Image.Image):
        return _picture(images, spec, border)[None]
    if isinstance(images, (bytes, bytearray, memoryview)):
        return _picture(open_image(bytes(images)), spec, border)[None]
    if isinstance(images, (str, os.PathLike)):
        image = open_image(images)
        try:
            return _picture(image, spec, border)[None]
        except ImageError as error:
            raise ImageError(f"{os.fspath(images)!r}: {error}") from error
    if depth > MOST_LISTS:
        raise ImageError(f"images are nested more than {MOST_LISTS} lists deep: expected one list of images")
    if isinstance(images, Sequence) and images:
        return torch.cat([_as_batch(image, spec, border, depth + 1) for image in images])
    raise ImageError(
        f"{quoted(images)} is not an image: expected a tensor, an array, a PIL image, a path, or several of them"
    )


def is_single(images: ImageInput) -> bool:
    """Whether `images` is one image, not a batch or sequence of them."""
    if isinstance(images, Tensor):
        return images.ndim == 3
    if isinstance(images, np.ndarray):
        return images.ndim in (2, 3)
    if isinstance(images, (str, os.PathLike)):
        return not os.path.isdir(images)
    return isinstance(images, (Image.Image, bytes, bytearray, memoryview)) or _is_file(images)


def from_array(array: NDArray[Any]) -> Tensor:
    """A copy of an array of images, uint8 or float32; raises an `ImageError` for other numbers and masked values."""
    if np.ma.is_masked(array):
        raise ImageError("an array with masked values: fill them, as with array.filled(0)")
    if array.dtype != np.uint8 and not np.issubdtype(array.dtype, np.floating):
        raise ImageError(f"an array of {array.dtype}: expected uint8 in [0, 255] or floats in [0, 1]")
    # Read-only, reversed and byte-swapped arrays cannot be shared with torch.
    return torch.from_numpy(np.array(array, dtype=np.uint8 if array.dtype == np.uint8 else np.float32, order="C"))


def _channels_first(array: NDArray[Any], spec: ImageSpec) -> Tensor:
    images = from_array(array)
    if images.ndim == 2:
        return images[None]
    last = images.ndim > 2 and images.shape[-3:] != spec.shape and images.shape[-1] in (1, 3, 4)
    return images.movedim(-1, -3) if last else images


def _checked(images: Tensor, spec: ImageSpec, border: int) -> Tensor:
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
    images = _with_channels(images, spec.channels, background(border) / 255)
    if is_bordered(shape[-2], shape[-1], spec, border):
        return pad(images, (border,) * 4)
    return _with_size(images, spec)


def _picture(image: Image.Image, spec: ImageSpec, border: int) -> Tensor:
    image = loaded(image)
    fit = "pad" if is_bordered(image.height, image.width, spec, border) else "resize"
    return to_tensor(image, spec, fit, background(border))


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


def _with_channels(images: Tensor, channels: int, gray: float) -> Tensor:
    given = images.shape[1]
    if given == channels:
        return images
    if given not in (1, 3, 4) or channels not in (1, 3):
        raise ImageError(f"images of {given} channels: expected {channels}")
    if given == 4:
        images = gray + (images[:, :3] - gray) * images[:, 3:]
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


def to_tensor(image: Image.Image, spec: ImageSpec, fit: Fit = "resize", gray: int = 255) -> Tensor:
    """`image` as a model of `spec` takes it: (C, H, W), float32 in [0, 1]; raises as `to_pixels`."""
    return from_pixels(torch.from_numpy(to_pixels(image, spec, fit, gray)), spec)


def from_pixels(pixels: Tensor, spec: ImageSpec) -> Tensor:
    """uint8 (..., C, kH, kW) to float32 (..., C, H, W) in [0, 1]: block means, computed in float, over 255."""
    values = pixels.float()
    block = pixels.shape[-1] // spec.width
    if block > 1:
        values = avg_pool2d(values, block)
    return values.div_(255)
