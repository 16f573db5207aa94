"""The files of a pack: one picture or array for each frame, and sheets that show many."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from interpzoo.decoding import open_image
from interpzoo.pictures import save_strip, to_pil
from interpzoo.writing import write_array

FrameFormat = Literal["png", "png16", "npy"]
"""``png``: 8 bits a channel. ``png16``: 16 bits. ``npy``: the model's own float32 (C, H, W), not clamped."""

_THUMB: Final = 96  # pixels of the longer side of a frame on a sheet
_COLUMNS: Final = 21  # frames of a row of a sheet
ROWS: Final = 20
"""Rows of a sheet."""


def write_frame(path: Path, frame: Tensor, form: FrameFormat) -> None:
    """Write a frame (C, H, W), C 1 or 3; the same frame gives the same bytes."""
    if form == "npy":
        write_array(path, frame.numpy())
    elif form == "png16":
        path.write_bytes(png16(frame))
    else:
        to_pil(frame).save(path, format="PNG")  # pyright: ignore[reportAttributeAccessIssue]  # one image, not a list


def png16(frame: Tensor) -> bytes:
    """A frame (C, H, W), C 1 or 3, as a PNG of 16 bits a channel, which Pillow cannot write in color."""
    values = frame.clamp(0, 1).mul(65535).round().to(torch.int32).permute(1, 2, 0).numpy().astype(">u2")
    height, width, channels = values.shape
    rows = values.reshape(height, -1).view(np.uint8)
    raw = np.concatenate([np.zeros((height, 1), np.uint8), rows.reshape(height, -1)], 1).tobytes()  # no filter
    header = struct.pack(">IIBBBBB", width, height, 16, 0 if channels == 1 else 2, 0, 0, 0)
    parts = {b"IHDR": header, b"IDAT": zlib.compress(raw, 6), b"IEND": b""}
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts.items()
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def thumbnails(files: Sequence[Path]) -> Tensor:
    """A row (T, C, h, w) of a sheet, at most 21 of the frames in `files`, made small."""
    chosen = torch.linspace(0, len(files) - 1, min(len(files), _COLUMNS)).round().int().tolist()
    return torch.stack([_small(read_frame(files[index])) for index in chosen])


def read_frame(path: Path) -> Tensor:
    """A frame (C, H, W) in [0, 1] from its file, with 8 bits if it is a picture."""
    if path.suffix == ".npy":
        return torch.from_numpy(np.load(path, allow_pickle=False)).float()
    pixels = torch.from_numpy(np.array(open_image(path)))
    values = pixels.float() / (65535 if pixels.dtype not in (torch.uint8,) else 255)
    return values[None] if values.ndim == 2 else values.permute(2, 0, 1)


def _small(frame: Tensor) -> Tensor:
    share = _THUMB / max(frame.shape[1:])
    if share >= 1:
        return frame
    size = [max(1, math.floor(share * side + 0.5)) for side in frame.shape[1:]]
    return interpolate(frame[None], size, mode="bilinear", antialias=True)[0]


class Sheets:
    """Contact sheets ``0001.png``, ``0002.png``, ... in a folder, each with the next 20 rows."""

    def __init__(self, folder: Path, done: int) -> None:
        self._folder = folder
        self._number = done // ROWS
        self._rows: dict[str, Tensor] = {}

    def add(self, label: str, row: Tensor) -> None:
        """Put a row of `thumbnails` on the current sheet, which is written when it is full."""
        self._rows[label] = row[None]
        if len(self._rows) == ROWS:
            self.finish()

    def finish(self) -> None:
        """Write the last sheet."""
        if not self._rows:
            return
        self._folder.mkdir(exist_ok=True)
        self._number += 1
        channels = max(row.shape[2] for row in self._rows.values())
        rows: Mapping[str, Tensor] = {n: r.expand(-1, -1, channels, -1, -1) for n, r in self._rows.items()}
        save_strip(self._folder / f"{self._number:04}.png", rows, scale=1)
        self._rows = {}
