"""Image files in: opened, bounded in memory before they are decoded, and turned upright."""

import io
import os
import re
import struct
import warnings
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import IO, Final

from PIL import Image

from interpzoo.errors import ImageError
from interpzoo.files import open_regular
from interpzoo.text import explained, quoted, sized

MOST_FILE_BYTES: Final = 2**28
"""Largest image file, in bytes."""
MOST_IMAGE_BYTES: Final = 2**28
"""Largest memory for one image while it is decoded and converted: 33 million pixels in color, 53 million in gray.

A JPEG that is larger is reduced to a half, a quarter or an eighth while it is decoded.
"""
MOST_ICON_SIDE: Final = 2048
"""Longest side of an image inside an icon, whose header does not say it."""

_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16L": 2, "I;16B": 2, "I;16N": 2}  # of a pixel in Pillow; else 4
_CONVERTED = 4  # bytes of a pixel of the copy that is in color or upright
_BUFFERED = {"WEBP": 16, "AVIF": 16, "JPEG2000": 16}  # bytes of a pixel where a decoder keeps more than one copy
_REDUCED = (2, 4, 8)
_SCALES: Final[dict[object, int]] = {"L;2": 85, "L;4": 17}  # by which pixels of 2 and 4 bits become 8
_COEFFICIENT = 2  # bytes of each of a progressive JPEG's coefficients, which it keeps until its end
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = range(5, 9)
_EXIF = ("exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp")
_DRAWINGS = ("EPS", "WMF")  # formats that Pillow hands to another program, such as Ghostscript
_ICO, _CUR, _ICNS = b"\0\0\1\0", b"\0\0\2\0", b"icns"
_PNG_SIZE = re.compile(rb"\x89PNG\r\n\x1a\n.{4}IHDR(.{4})(.{4})", re.DOTALL)
_JPEG2000_SIZE = re.compile(rb"\xff\x4f\xff\x51.{4}(.{4})(.{4})", re.DOTALL)


def open_image(source: str | os.PathLike[str] | bytes) -> Image.Image:
    """The image in a file or its bytes, read whole and turned upright by its EXIF orientation.

    Raises:
        ImageError: the file cannot be read or is larger than `MOST_FILE_BYTES`, or the image would take more than
            `MOST_IMAGE_BYTES`; nothing is decoded then.
    """
    with _opened(source) as image:
        return loaded(image)


def size_of(source: str | os.PathLike[str] | bytes) -> tuple[int, int]:
    """Width and height of the image in a file or its bytes, upright, from its header; raises as `open_image`."""
    with _opened(source) as image:
        return upright_size(image)


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Width and height of `image` when it is turned as its EXIF data says."""
    return (image.height, image.width) if _orientation(image) in _SIDEWAYS else image.size


def open_frames(source: str | os.PathLike[str] | bytes) -> Iterator[Image.Image]:
    """The frames of an animation in turn, each whole, or the one image of another file; raises as `open_image`."""
    with _opened(source) as image:
        for index in range(getattr(image, "n_frames", 1)):
            image.seek(index)
            yield loaded(image).copy()


@contextmanager
def _opened(source: str | os.PathLike[str] | bytes) -> Generator[Image.Image, None, None]:
    name = "" if isinstance(source, bytes) else f"{_named(source)}: "
    try:
        with io.BytesIO(source) if isinstance(source, bytes) else open_regular(source) as file:
            _check_file(file)
            with opened(file) as image:
                yield image
    except ImageError as error:
        raise ImageError(f"{name}{error}") from error.__cause__
    except Image.UnidentifiedImageError:
        raise ImageError(f"{name}not an image of a known format, such as PNG or JPEG") from None
    except OSError as error:
        raise ImageError(f"{name}the image cannot be read: {error.strerror or explained(error)}") from error
    except Exception as error:  # Pillow's readers raise anything for damaged bytes
        raise ImageError(f"{name}the image cannot be read: {explained(error)}") from error


def opened(file: str | IO[bytes]) -> Image.Image:
    """`Image.open` of images that Pillow decodes itself.

    It does not warn about large images, which our own limit either reduces or refuses.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        Image.preinit()  # the usual formats: importing all takes a tenth of a second
        try:
            return Image.open(file, formats=formats())
        except Image.UnidentifiedImageError:
            Image.init()
            return Image.open(file, formats=formats())


def formats() -> list[str]:
    """Names that Pillow has for the image formats which are read: those that were imported so far."""
    return [name for name in Image.ID if name not in _DRAWINGS]


def loaded(image: Image.Image) -> Image.Image:
    """`image`, decoded if it was not yet, and a copy that is upright if its EXIF data says that it is not.

    Raises:
        ImageError: it would take more than `MOST_IMAGE_BYTES`, or cannot be decoded.
    """
    _bound(image)
    tiles = getattr(image, "tile", None)  # empty if the image was decoded before
    try:
        image.load()
    except Exception as error:  # as in `open_image`
        raise ImageError(f"the image cannot be read: {explained(error)}") from error
    if tiles and image.format == "PNG" and image.tell() == 0:  # later frames of an animation keep the first one's key
        _scale_key(image, tiles[0][-1])
    method = _UPRIGHT.get(_orientation(image))
    if method is None:
        return image
    upright = image.transpose(method)
    for key in _EXIF:  # which would turn it again
        upright.info.pop(key, None)
    return upright


def _scale_key(image: Image.Image, stored: object) -> None:
    """Bring the transparent color of a PNG to the 8 bits of its pixels; Pillow leaves it as the file has it.

    `stored` is what Pillow calls the file's pixels. It keeps those of 16-bit grays, so that their key fits.
    """
    key = image.info.get("transparency")
    if isinstance(key, int) and stored in _SCALES:
        image.info["transparency"] = key * _SCALES[stored]
    elif isinstance(key, tuple) and stored == "RGB;16B":  # of which Pillow keeps the upper 8
        image.info["transparency"] = tuple(value >> 8 for value in key)


def _orientation(image: Image.Image) -> int:
    try:
        found = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # malformed EXIF data, which says nothing about the pixels
        return 1
    return found if isinstance(found, int) else 1


def _bound(image: Image.Image) -> None:
    """Reduce a JPEG that is too large, which Pillow can before it decodes it; refuse any other."""
    per_pixel = _BUFFERED.get(image.format or "") or _BYTES.get(image.mode, 4) + _CONVERTED
    width, height = image.size
    if 0 in image.size:
        raise ImageError(f"an image of {width}x{height} pixels: expected at least one pixel")
    size, pixels = sized(height, width), width * height
    kept = _COEFFICIENT * len(image.getbands()) * pixels if {"progressive", "progression"} & {*image.info} else 0
    if kept + pixels * per_pixel > MOST_IMAGE_BYTES and image.format in ("JPEG", "MPO"):
        for factor in _REDUCED:
            if kept + pixels // factor**2 * per_pixel <= MOST_IMAGE_BYTES:
                image.draft(None, (width // factor, height // factor))
                pixels = image.width * image.height
                break
    if kept + pixels * per_pixel > MOST_IMAGE_BYTES:
        most = MOST_IMAGE_BYTES // per_pixel
        raise ImageError(
            f"an image of {size} pixels would take {(kept + pixels * per_pixel) >> 20:,} MiB in memory, expected at "
            f"most {MOST_IMAGE_BYTES >> 20} MiB ({most:,} pixels of mode {image.mode}): make it smaller"
        )


def _check_file(file: IO[bytes]) -> None:
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if size > MOST_FILE_BYTES:
        raise ImageError(f"a file of {size:,} bytes, expected an image of at most {MOST_FILE_BYTES:,} bytes")
    if file.read(4) in (_ICO, _CUR, _ICNS):
        file.seek(0)
        for width, height in _icon_sizes(file.read()):
            if max(width, height) > MOST_ICON_SIDE:
                raise ImageError(
                    f"an icon with an image of {sized(height, width)}, expected at most {MOST_ICON_SIDE} pixels"
                )
    file.seek(0)


def _icon_sizes(data: bytes) -> Iterator[tuple[int, int]]:
    """Sizes of the images in an icon, as their own headers have them: Pillow believes those, not the icon's."""
    for pattern in (_PNG_SIZE, _JPEG2000_SIZE):
        for width, height in pattern.findall(data):
            yield int.from_bytes(width, "big"), int.from_bytes(height, "big")
    if data.startswith((_ICO, _CUR)):
        (count,) = struct.unpack_from("<H", data, 4)
        for entry in range(min(count, (len(data) - 6) // 16)):
            (offset,) = struct.unpack_from("<I", data, 6 + 16 * entry + 12)
            if offset + 12 <= len(data) and not data.startswith(b"\x89PNG", offset):
                width, height = struct.unpack_from("<ii", data, offset + 4)
                yield abs(width), abs(height) // 2  # bitmaps in icons are twice as high, for the mask


def _named(source: object) -> str:
    return f"{os.fspath(source)!r:.300}" if isinstance(source, (str, os.PathLike)) else quoted(source)
