"""Pictures as 8-bit pixels of a model's size and channels. No torch is imported here."""

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from interpzoo.arguments import MOST_SIDE, whole
from interpzoo.decoding import loaded
from interpzoo.errors import ImageError, InputError, PictureWarning, warn
from interpzoo.text import explained, quoted, sized

Size = tuple[int, int]
"""Height and width, in pixels."""

Fit = Literal["resize", "pad", "mean"]
"""How an image is brought to a model's size. ``resize``: center crop to the aspect ratio, then antialiased bicubic.
``pad``: an equal black border. ``mean``: exact means of k x k pixels, of an image k times as large."""

_BAND = 1 << 20  # pixels that are converted at once
_DEFINED = "save it with 8 or 16 bits a channel, or give an array in [0, 1]"
_DARK = 4096  # 16-bit values below it become the darkest 17 of 256 grays: all that a camera of 12 bits gives


class Shape(Protocol):
    """Channels and size of a model's images."""

    @property
    def channels(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def width(self) -> int: ...


def fitting_size(size: Size, multiple: int) -> Size:
    """The multiples nearest to `size`, reduced in proportion if its longer side has more than `MOST_SIDE` pixels."""
    scale, most = min(1.0, MOST_SIDE / max(size)), MOST_SIDE // multiple * multiple
    height, width = (min(most, max(multiple, round(side * scale / multiple) * multiple)) for side in size)
    return height, width


def as_size(size: object, name: str = "size") -> Size:
    """`size` as (height, width); raises an `InputError` unless they are whole numbers from 1 to `MOST_SIDE`."""
    if not isinstance(size, Sequence) or isinstance(size, str | bytes) or len(size) != 2:
        raise InputError(f"{name} = {quoted(size)}: expected (height, width) in pixels")
    return whole(f"height of {name}", size[0], 1, MOST_SIDE), whole(f"width of {name}", size[1], 1, MOST_SIDE)


def checked_size(size: object, spec: Shape, multiple: int | None, name: str = "size") -> Size:
    """`size`, if a model takes it: multiples of a number, or the size of `spec` alone; else raises an `InputError`."""
    height, width = as_size(size, name)
    if multiple is None and (height, width) != (spec.height, spec.width):
        raise InputError(
            f"{name} = {height}x{width}: expected {spec.height}x{spec.width}, the only size that this model takes"
        )
    if multiple is not None and (height % multiple or width % multiple):
        raise InputError(f"{name} = {height}x{width}: expected multiples of {multiple}")
    return height, width


def is_bordered(height: int, width: int, spec: Shape, border: int) -> bool:
    """Whether an image gets its border of so many pixels as in training, and is not resized."""
    return border > 0 and (height + 2 * border, width + 2 * border) == (spec.height, spec.width)


def background(border: int) -> int:
    """The gray, 0 or 255, that transparent pictures of a model lie on: the black of its border, or else white."""
    return 0 if border else 255


def opaque(image: Image.Image, gray: int) -> Image.Image:
    """`image` without transparency: composed over a gray from 0 to 255."""
    if not image.has_transparency_data:
        return image
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, (gray, gray, gray, 255)), image).convert("RGB")


def to_pixels(image: Image.Image, spec: Shape, fit: Fit = "resize", gray: int = 255) -> NDArray[np.uint8]:
    """`image` as uint8 (C, H, W), or (C, kH, kW) where blocks remain to be averaged (``mean``).

    Every mode works: transparency is composed over `gray`, 16-bit grays are scaled to 8 bit, colors become gray by
    ITU-R 601, and gray is repeated in all three channels of a color model. A `PictureWarning` says so where a 16-bit
    picture has only the darkest grays, such as one of a camera of 12 bits.

    Raises:
        ImageError: `fit` cannot give the size of `spec`, its channels are not 1 or 3, or the 32-bit mode has no range.
    """
    image = loaded(image)
    if _is_deep(image) and 0 < _peak(image) < _DARK:
        warn(
            "a picture of 16 bits has no value above 4,095 of 65,535, and is read as nearly black. If its camera has "
            "12 bits, multiply its values by 16 first (10 bits: by 64), the same for all pictures",
            PictureWarning,
        )
    if fit == "resize":
        top, left, height, width = center_box(image.height, image.width, spec)
        if (height, width) != (image.height, image.width):
            image = image.crop((left, top, left + width, top + height))
    height, width = image.height, image.width
    image = _convert(image, spec.channels, gray)
    if fit == "resize" and (height, width) != (spec.height, spec.width):
        image = image.resize((spec.width, spec.height), Image.Resampling.BICUBIC)
    pixels = np.array(image)
    pixels = pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(np.moveaxis(pixels, -1, 0))
    _, height, width = pixels.shape
    across, down = spec.width - width, spec.height - height
    if fit == "pad":
        if min(across, down) < 0 or across % 2 or down % 2:
            raise ImageError(
                f"an image of {sized(height, width)} cannot be padded equally to "
                f"{sized(spec.height, spec.width)}; use fit 'resize'"
            )
        return np.pad(pixels, ((0, 0), (down // 2, down // 2), (across // 2, across // 2)))
    if fit == "mean" and (width % spec.width or height % spec.height or width * spec.height != height * spec.width):
        raise ImageError(
            f"an image of {sized(height, width)} is not a whole multiple of "
            f"{sized(spec.height, spec.width)}; use fit 'resize'"
        )
    return pixels


def center_box(height: int, width: int, spec: Shape) -> tuple[int, int, int, int]:
    """Top, left, height and width of the largest central part with the aspect ratio of `spec`."""
    h = max(1, min(height, round(width * spec.height / spec.width)))
    w = max(1, min(width, round(height * spec.width / spec.height)))
    return (height - h) // 2, (width - w) // 2, h, w


def _is_deep(image: Image.Image) -> bool:
    return image.mode == "I" or image.mode.startswith("I;16")


def _peak(image: Image.Image) -> int:
    """The largest value of a picture in one of the deep modes, of which Pillow knows it for some only."""
    rows = max(1, _BAND // image.width)
    tops = range(0, image.height, rows)
    bands = (image.crop((0, top, image.width, min(top + rows, image.height))) for top in tops)
    return max(int(np.asarray(band).max()) for band in bands)


def _convert(image: Image.Image, channels: int, gray: int) -> Image.Image:
    if channels not in (1, 3):
        raise ImageError(f"the model takes {channels} channels; pictures have 1 or 3: give a tensor instead")
    mode = "L" if channels == 1 else "RGB"
    rows = max(1, _BAND // image.width)
    if image.height > rows and (image.mode != mode or "transparency" in image.info):
        # A band at a time: what is between the two modes takes several times the memory of either.
        whole = Image.new(mode, image.size)
        for top in range(0, image.height, rows):
            band = image.crop((0, top, image.width, min(top + rows, image.height)))
            whole.paste(_convert(band, channels, gray), (0, top))
        return whole
    if image.mode == mode and "transparency" not in image.info:
        return image
    if _is_deep(image):
        # Pillow would cut 16 bit at 255.
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise ImageError(
                f"a 32-bit image with values from {values.min()} to {values.max()} has no defined range: {_DEFINED}"
            )
        key = image.info.get("transparency")
        image = Image.fromarray(((values + 128) // 257).astype(np.uint8))
        if isinstance(key, int):
            image.putalpha(Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8)))
    elif image.mode == "F":
        raise ImageError(f"a 32-bit float image has no defined range: {_DEFINED}")
    try:
        return opaque(image, gray).convert(mode)
    except Exception as error:  # such as a palette that the file's reader in Pillow forgot
        raise ImageError(
            f"an image of mode {image.mode!r} cannot be converted to {mode!r}: {explained(error)}"
        ) from error
