"""The limits of SECURITY.md on files and images: whatever is beyond them is refused in little memory and time."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import pytest
from PIL import Image

from interpzoo.pretrained.folder import CARD, CODES, CONFIG, EXAMPLES, PREVIEW, SUMS, WEIGHTS
from tests.safety.hostile import good

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux")]

MOST_GROWTH = 500e6
MEASURED = """
import json, resource, sys, time

import datasets
import torch
import interpzoo
from interpzoo.data.images import Images, ImagesConfig
from interpzoo.decoding import open_image
from interpzoo.pretrained.card import read_results

def peak():
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

def folder(path):
    Images(ImagesConfig(source=str(path)), interpzoo.load("ae-lines").config.image).check()

def train(path):
    interpzoo.train("ae-lines", output=path, resume=True)

def verify(path):
    problems = [str(finding.problem) for finding in interpzoo.verify(path) if finding.problem]
    if problems:
        raise interpzoo.InterpzooError("; ".join(problems))

calls = {
    "load": interpzoo.load,
    "verify": verify,
    "card": read_results,
    "open": open_image,
    "encode": interpzoo.load("acai-celeba").encode,
    "images": folder,
    "resume": train,
}
calls["encode"](torch.zeros(3, 32, 32))  # what is imported or made once is not a growth
results = []
for call, path in json.loads(sys.argv[1]):
    before, start, message = peak(), time.process_time(), ""
    try:
        calls[call](__import__("pathlib").Path(path))
    except interpzoo.InterpzooError as error:
        message = str(error)
    results.append([message, peak() - before, time.process_time() - start])
print(json.dumps(results))
"""


def sparse(path: Path, size: int, start: bytes = b"") -> Path:
    """A file of `size` bytes that takes no room on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(start)
    os.truncate(path, size)
    return path


def png(width: int, height: int, color: int) -> bytes:
    """The start of a PNG, up to some of its pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1 << 16)))


def run(cases: list[tuple[str, Path]]) -> list[tuple[str, float, float]]:
    """The message ("" if nothing was refused), the growth in bytes and the CPU seconds of each call, in one process."""
    arguments = json.dumps([(call, str(path)) for call, path in cases])
    done = subprocess.run([sys.executable, "-c", MEASURED, arguments], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    good(tmp_path_factory.mktemp("good") / "model")
    return tmp_path_factory.getbasetemp() / "good0" / "model"


def test_files_beyond_the_limits_are_refused_in_little_memory(made: Path, tmp_path: Path) -> None:
    cases: list[tuple[str, Path]] = []
    for name, call in (
        (CONFIG, "load"),
        (WEIGHTS, "load"),
        (EXAMPLES, "load"),
        (CODES, "load"),
        (SUMS, "load"),
        (CARD, "card"),
        *((name, "verify") for name in (CONFIG, WEIGHTS, EXAMPLES, CODES, PREVIEW)),
    ):
        for listed in (True, False):
            folder = Path(shutil.copytree(made, tmp_path / f"{call}-{name}-{listed}"))
            if not listed:
                (folder / SUMS).unlink(missing_ok=True)
            # The header is whole: what is refused is the size.
            sparse(folder / name, 10 << 30, (made / name).read_bytes() if (made / name).is_file() else b"")
            cases.append((call, folder))
    for start in (b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"RIFF", b""):
        cases.append(("open", sparse(tmp_path / f"image{len(cases)}", 10 << 30, start)))
    sparse(tmp_path / "photos" / "a.png", 10 << 30, b"\x89PNG\r\n\x1a\n")
    Image.new("L", (8, 8)).save(tmp_path / "photos" / "b.png")
    cases.append(("images", tmp_path / "photos"))
    header = json.dumps({"__metadata__": {}}).encode()
    start = len(header).to_bytes(8, "little") + header
    cases.append(("resume", sparse(tmp_path / "run" / "checkpoint.safetensors", 10 << 30, start).parent))
    for (call, path), (message, growth, seconds) in zip(cases, run(cases), strict=True):
        assert message, (call, path.name)
        assert growth < MOST_GROWTH, (call, path.name)
        assert seconds < 10, (call, path.name)


def test_images_beyond_the_limits_are_refused_in_little_memory(tmp_path: Path) -> None:
    """Large photos of a JPEG's kind are reduced while they are decoded; all others are refused by their header."""
    cases: list[tuple[str, Path]] = []
    for width, height in ((13_000, 13_000), (1, 100_000_000), (100_000_000, 1)):
        for color in (0, 2, 6):
            path = tmp_path / f"{width}x{height}-{color}.png"
            path.write_bytes(png(width, height, color))
            cases.append(("open", path))
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("a.png", bytes(300 << 20))
        archive.write(cases[0][1], "b.png")
    (tmp_path / "archive").mkdir()
    (tmp_path / "bomb.zip").rename(tmp_path / "archive" / "bomb.zip")
    cases.append(("images", tmp_path / "archive"))
    refused = len(cases)
    for side in ((12_000, 9_000), (13_000, 13_000)):
        photo = tmp_path / f"{side[0]}.jpg"
        Image.new("RGB", side, (200, 100, 50)).save(photo, quality=30)
        cases += [("open", photo), ("encode", photo)]
    Image.new("RGB", (12_000, 9_000)).save(tmp_path / "progressive.jpg", quality=30, progressive=True)
    results = run([*cases, ("open", tmp_path / "progressive.jpg")])
    for (call, path), (message, growth, seconds) in zip(cases, results, strict=False):
        assert growth < MOST_GROWTH, (call, path.name)
        assert seconds < 30, (call, path.name)
        assert bool(message) is (cases.index((call, path)) < refused), (call, path.name, message)
    assert "would take" in results[-1][0]
    assert results[-1][1] < MOST_GROWTH
