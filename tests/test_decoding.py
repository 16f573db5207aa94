"""Image files of every format, damaged or too large: an image or one error that names the file, in bounded memory."""

from __future__ import annotations

import io
import random
import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from interpzoo.config import ImageSpec
from interpzoo.decoding import MOST_FILE_BYTES, MOST_ICON_SIDE, open_image
from interpzoo.errors import ImageError
from interpzoo.images import as_batch
from tests.tiny import run_python

SPEC = ImageSpec(channels=3, height=8, width=8)
MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "I;16", "I", "F", "YCbCr", "LAB")


def written() -> Iterator[tuple[str, bytes]]:
    """A small image in every format and mode that Pillow can write here."""
    Image.init()
    pixels = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 20, 3), dtype=np.uint8))
    for kind in sorted(({*Image.SAVE} & {*Image.OPEN}) - {"EPS"}):  # which needs Ghostscript
        for mode in MODES:
            file = io.BytesIO()
            try:
                pixels.convert("L").convert(mode).save(file, kind)
            except Exception:  # formats hold a few modes each
                continue
            yield f"{kind}-{mode}", file.getvalue()


def mutated(data: bytes, draw: random.Random) -> bytes:
    """Damaged bytes: cut off, with other bytes, with a run of zeros or of large numbers, or with a part twice."""
    way, at = draw.randrange(5), draw.randrange(len(data))
    if way == 0:
        return data[:at]
    if way == 1:
        changed = bytearray(data)
        for _ in range(draw.randint(1, 8)):
            changed[draw.randrange(min(len(data), 120))] = draw.randrange(256)
        return bytes(changed)
    if way == 2:
        return data[:at] + bytes([draw.choice((0, 127, 255))]) * draw.randint(1, 8) + data[at + 4 :]
    if way == 3:
        return data[:at] + data[at // 2 :]
    changed = bytearray(data)
    changed[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    return bytes(changed)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("rounds", [3, pytest.param(100, marks=pytest.mark.slow)])
def test_damaged_files_are_an_image_or_one_error_that_names_them(rounds: int, tmp_path: Path) -> None:
    draw, path, formats = random.Random(0), tmp_path / "damaged.bin", set[str]()
    for name, data in written():
        formats.add(name.partition("-")[0])
        # 32 bits have no range, Pillow forgets the palette of an ICNS, and version 10.3 cannot read its own YCbCr TIFF.
        odd = name.endswith(("-I", "-F")) or name in ("ICNS-P", "TIFF-YCbCr") or name.startswith("SPIDER")
        for number in range(rounds):
            path.write_bytes(mutated(data, draw) if number else data)
            try:
                assert as_batch(path, SPEC).shape == (1, *SPEC.shape)
            except ImageError as error:
                if "damaged.bin" not in str(error) or not (number or odd):
                    pytest.fail(f"{name}, round {number}: {error}")
            except Exception as error:
                pytest.fail(f"{name}, round {number}: {type(error).__name__}: {error}")
    assert len(formats) > 15


def exif(*entries: tuple[int, int, int, bytes]) -> bytes:
    """EXIF data of tags, each with its type, count and value."""
    packed = [struct.pack("<HHI4s", *entry) for entry in sorted(entries)]
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(packed)) + b"".join(packed) + bytes(4)


def test_malformed_exif_data_does_not_cost_the_image() -> None:
    draw = random.Random(1)
    turned = (0x0112, 3, 1, struct.pack("<HH", 6, 0))
    for _ in range(60):
        tag = draw.choice((256, 257, 270, 271, 282, 283, 306, 34665, 34853, 40965))
        odd = (tag, draw.randrange(1, 13), draw.randrange(1, 5), draw.randbytes(4))
        for data in (exif(turned, odd), exif(odd), draw.randbytes(40)):
            file = io.BytesIO()
            Image.new("RGB", (40, 20)).save(file, "JPEG", exif=data)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                assert {*open_image(file.getvalue()).size} == {40, 20}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_an_image_and_its_file_are_turned_alike(orientation: int, kind: str, tmp_path: Path) -> None:
    pixels = np.zeros((16, 16), np.uint8)
    pixels[:8], pixels[:4, :4] = 200, 90
    tags = Image.Exif()
    tags[0x0112] = orientation
    path = tmp_path / f"photo.{kind.lower()}"
    Image.fromarray(pixels).convert("RGB").save(path, kind, exif=tags)
    by_path = as_batch(path, SPEC)
    with Image.open(path) as image:
        assert torch.equal(as_batch(image, SPEC), by_path)
    assert torch.equal(as_batch(open_image(path), SPEC), by_path)
    alone = as_batch(Image.fromarray(pixels), SPEC)
    assert torch.allclose(alone, by_path, atol=0.1) == (orientation == 1)


def png(width: int, height: int, depth: int, color: int, *, rows: bool) -> bytes:
    """A PNG file of one color, of a few kilobytes whatever its size; without its rows it is cut off."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color]
    row = bytes(1 + -(-width * depth * samples // 8))
    packer, packed = zlib.compressobj(1), b""
    for _ in range(height if rows else 0):
        packed += packer.compress(row)
    packed += packer.flush()
    palette = chunk(b"PLTE", bytes(768)) + chunk(b"tRNS", bytes(256)) if color == 3 else b""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + palette + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def icon(*images: bytes) -> bytes:
    """A Windows icon of these PNG files, which all claim to be of 256x256."""
    offset, entries = 6 + 16 * len(images), b""
    for image in images:
        entries += struct.pack("<BBBBHHII", 0, 0, 0, 0, 1, 32, len(image), offset)
        offset += len(image)
    return b"\0\0\1\0" + struct.pack("<H", len(images)) + entries + b"".join(images)


GROWTH = """
import resource, sys, warnings
warnings.simplefilter("ignore")
from interpzoo.config import ImageSpec
from interpzoo.errors import ImageError
from interpzoo.images import as_batch
spec = ImageSpec(channels=int(sys.argv[1]), height=32, width=32)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[2:]:
    try:
        print("taken", tuple(as_batch(path, spec).shape))
    except ImageError as error:
        print("refused", error)
print(int((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024))
"""
"""Reads images and prints by how many MiB that made the process grow at most."""


def growth(channels: int, *paths: Path) -> tuple[list[str], int]:
    """What became of each image, and by how many MiB the process grew."""
    done = run_python(GROWTH, str(channels), *map(str, paths))
    assert not done.returncode, done.stderr
    *lines, grown = done.stdout.splitlines()
    return [line.split()[0] for line in lines], int(grown)


def test_images_that_would_fill_the_memory_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    webp = io.BytesIO()
    Image.new("RGB", (16, 16)).save(webp, "WEBP", lossless=True)
    canvas = bytearray(webp.getvalue())
    canvas[21:25] = struct.pack("<I", 16382 | 10899 << 14)
    outside = b"GIF89a" + struct.pack("<HH", 60_000, 2_900) + b"\x80\0\0" + bytes(6)
    files = {
        "square": png(13_000, 13_000, 8, 6, rows=False),
        "deep": png(13_000, 13_000, 16, 6, rows=False),
        "palette": png(13_000, 13_000, 8, 3, rows=False),
        "line": png(1, 100_000_000, 8, 0, rows=False),
        "row": png(178_000_000, 1, 1, 0, rows=False),
        "icon": icon(*[png(2 * MOST_ICON_SIDE, 2 * MOST_ICON_SIDE, 8, 6, rows=False)] * 256),
        "canvas": bytes(canvas),
        "gif": outside + bytes([44, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 68, 1, 0, 59]),
    }
    paths = [tmp_path / name for name in files]
    for path, data in zip(paths, files.values(), strict=True):
        path.write_bytes(data)
    answers, grown = growth(1, *paths)
    assert answers == ["refused"] * len(files)
    assert grown < 100


def test_a_large_image_is_refused_by_one_message_and_without_pillows_warning() -> None:
    with pytest.raises(ImageError, match="an image of 10000x10000 pixels would take 476 MiB in memory"):
        open_image(png(10_000, 10_000, 8, 0, rows=False))


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.webp"
    with path.open("wb") as file:
        file.truncate(MOST_FILE_BYTES + 1)
    with pytest.raises(ImageError, match=r"large\.webp': a file of 268,435,457 bytes, expected .* at most 268,435,456"):
        open_image(path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("color", "depth", "side"), [(0, 8, 7300), (0, 16, 6600), (3, 8, 7300), (6, 16, 5700), (4, 8, 5700)]
)
def test_the_largest_images_that_are_taken_stay_below_half_a_gigabyte(
    color: int, depth: int, side: int, tmp_path: Path
) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(png(side, side, depth, color, rows=True))
    for channels in (1, 3):
        answers, grown = growth(channels, path)
        assert answers == ["taken"]
        assert grown < 500, grown


@pytest.mark.slow
@pytest.mark.parametrize("size", [(4000, 3000), (12_000, 9000), (13_000, 13_000)])
def test_photos_of_up_to_169_million_pixels_are_reduced_while_they_are_decoded(
    size: tuple[int, int], tmp_path: Path
) -> None:
    path = tmp_path / "photo.jpg"
    Image.linear_gradient("L").resize(size).convert("RGB").save(path, quality=50)
    answers, grown = growth(3, path)
    assert answers == ["taken"]
    assert grown < 500, grown
