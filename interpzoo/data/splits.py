"""Splits of tables with images: decoded in threads, and kept in memory where they fit."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from interpzoo.data.sources import encoded
from interpzoo.decoding import loaded, open_image, opened
from interpzoo.errors import DataError, ImageError
from interpzoo.pixels import opaque

MEMORY: Final = 2 * 1024**3
"""Largest size in bytes of a split that is kept decoded."""

_CHUNK: Final = 128
"""Images that a thread decodes at a time, and that are kept together."""
_SMALL: Final = 128
"""Longest side, in pixels, at which a JPEG file is looked at for colors."""
_TINT: Final = 3  # of 255: largest difference of the channels of gray pictures, whose colors were stored with a loss
_PHOTO_AND_MORE: Final = "MPO"
"""The format of phones and cameras for a photo with a preview of it or a map of depths."""
_MOST_ERRORS: Final = 5  # damaged images that a message names


class Look(NamedTuple):
    """What is known of an image before all are decoded."""

    is_gray: bool
    """Whether it is stored in gray, or in color without any."""
    side: int
    """Its shorter side, in pixels."""
    has_several: bool
    """Whether it is the first of several pictures in one file, such as an animation or a stack."""


def _is_gray(image: Image.Image) -> bool:
    """Whether an image that is stored in color has none, as scans and pictures of microscopes often do."""
    image.draft("RGB", (_SMALL, _SMALL))
    colors = np.asarray(opaque(loaded(image), 255).convert("RGB"))
    return int((colors.max(2) - colors.min(2)).max()) <= _TINT


class DamagedError(DataError):
    """Several images cannot be used: the message names the first of them."""

    def __init__(self, source: str, errors: list[DataError]) -> None:
        self.errors = errors
        if len(errors) == 1:
            super().__init__(str(errors[0]))
            return
        first = "; ".join(str(error).removeprefix(f"data set {source!r}, ") for error in errors[:_MOST_ERRORS])
        more = f"; and {len(errors) - _MOST_ERRORS} more" if len(errors) > _MOST_ERRORS else ""
        text = f"{len(errors)} images cannot be used: remove or replace them. {first}{more}"
        super().__init__(f"data set {source!r}: {text}")


class ImageSplit:
    """Some rows of a table with images, read as pixels.

    Args:
        source: the name of the data set, for messages.
        table: a table of `datasets`.
        column: its column of images.
        rows: which images are of this split, (N,).
        columns: what a batch has beside images, of all rows of the table.
        pixels_of: brings an image to the model's size, as uint8 (C, kH, kW).
    """

    def __init__(
        self,
        source: str,
        table: Any,
        column: str,
        rows: Tensor,
        columns: Mapping[str, Tensor],
        pixels_of: Callable[[Image.Image], Tensor],
    ) -> None:
        self.columns = {name: values[rows] for name, values in columns.items()}
        self._source = source
        self._pixels_of = pixels_of
        # `datasets` would decode without threads and without `frame`.
        encoded = type(table.features[column])(decode=False)
        self._table = table.select_columns(column).cast_column(column, encoded)
        self._column = column
        self._rows = rows
        self._shape = self._first().shape
        self._kept = len(rows) * self._shape.numel() <= MEMORY
        self._decoded = torch.zeros(math.ceil(len(rows) / _CHUNK), dtype=torch.bool)  # by blocks

    def __len__(self) -> int:
        return len(self._rows)

    def look(self, most: int) -> list[Look]:
        """What is known of at most so many images; damaged ones are left out.

        Images are decoded until the first one in color is found. After it, all that are stored in color count as such.
        """
        looks: list[Look] = []
        colored = False
        for row in self._rows[:: math.ceil(len(self) / most)].tolist():
            value = self._table[row][self._column]
            with suppress(Exception):  # whatever Pillow's readers raise; decoding reports it
                local = value["bytes"] is None and "::" not in value["path"]
                with opened(value["path"] if local else io.BytesIO(encoded(value))) as image:
                    several = bool(getattr(image, "is_animated", False)) and image.format != _PHOTO_AND_MORE
                    side = min(image.size)
                    is_gray = image.mode.startswith(("1", "L", "I", "F")) or (not colored and _is_gray(image))
                    looks.append(Look(is_gray, side, several))
                    colored = colored or not is_gray
        return looks

    def pixels(self, positions: Tensor) -> Tensor:
        """The images at some positions (B,) of the split, uint8 (B, C, kH, kW)."""
        if self._kept:
            return self._keep(positions)[positions]
        pixels = self._empty(len(positions))
        step = max(1, min(_CHUNK, math.ceil(len(positions) / _threads())))
        self._decode([*zip(positions.split(step), pixels.split(step), strict=True)])
        return pixels

    def _keep(self, positions: Tensor) -> Tensor:
        """The pixels of the split, of which at least the blocks with these positions are decoded."""
        blocks = (positions // _CHUNK).unique()
        missing = blocks[~self._decoded[blocks]]
        if len(missing):
            places, pixels = torch.arange(len(self)).split(_CHUNK), self._pixels.split(_CHUNK)
            self._decode([(places[block], pixels[block]) for block in missing.tolist()])
            self._decoded[missing] = True
        return self._pixels

    @cached_property
    def _pixels(self) -> Tensor:
        return self._empty(len(self))

    def _empty(self, count: int) -> Tensor:
        return torch.empty(count, *self._shape, dtype=torch.uint8)

    def _decode(self, parts: Sequence[tuple[Tensor, Tensor]]) -> None:
        """Decode the images at some positions (B,) into uint8 (B, C, kH, kW), for each part."""

        def fill(part: tuple[Tensor, Tensor]) -> list[DataError]:
            rows, errors = self._rows[part[0]].tolist(), list[DataError]()
            for pixels, row, value in zip(part[1], rows, self._table[rows][self._column], strict=True):
                try:
                    pixels.copy_(self._decode_one(row, value, self._shape))
                except DataError as error:
                    errors.append(error)
            return errors

        pool = ThreadPoolExecutor(_threads())
        try:
            errors = [error for found in pool.map(fill, parts) for error in found]
        finally:
            pool.shutdown(cancel_futures=True)
        if errors:
            raise DamagedError(self._source, errors)

    def _first(self) -> Tensor:
        """The first image that can be read; the others are reported when all are decoded."""
        errors: list[DataError] = []
        for row in self._rows.tolist():
            try:
                return self._decode_one(row, self._table[row][self._column])
            except DataError as error:
                errors.append(error)
        raise DamagedError(self._source, errors)

    def check(self) -> list[DataError]:
        """What is wrong with each image, if all are kept in memory."""
        try:
            _ = self._kept and self._keep(torch.arange(len(self)))
        except DamagedError as error:
            return error.errors
        return []

    def _decode_one(self, row: int, value: Mapping[str, Any] | None, shape: Sequence[int] | None = None) -> Tensor:
        image = self._open(row, value)
        try:
            pixels = self._pixels_of(image)
        except ImageError as error:
            raise self._error(row, value or {}, error) from error
        if shape is not None and pixels.shape != shape:
            raise self._error(row, value or {}, f"an image of shape {tuple(pixels.shape)} among {tuple(shape)}")
        return pixels

    def _open(self, row: int, value: Mapping[str, Any] | None) -> Image.Image:
        if value is None:
            raise self._error(row, {}, "there is no image")
        try:
            return open_image(encoded(value))
        except (ImageError, OSError) as error:
            raise self._error(row, value, error) from error

    def _error(self, row: int, value: Mapping[str, Any], reason: object) -> DataError:
        return DataError(f"data set {self._source!r}, {value.get('path') or f'image {row}'}: {reason}")


def _threads() -> int:
    return min(8, os.cpu_count() or 1)
