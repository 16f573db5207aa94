"""How well `frame` brings people's own pictures to what a model knows: ``python benchmarks/framing.py [--count 60]``.

Three kinds of pictures are made of images that no model was trained on, and written as files:

- photo: a portrait in the largest third of a side of a 4000x3000 photo, off its center, before roofs or a flower.
- selfie: a portrait that fills most of a 3000x4000 photo, stored sideways or upside down and turned by its EXIF data.
- ink: a digit in dark ink anywhere on a 1600x1200 scan of unevenly lit paper with grain and specks.

The table has how often a model warns of the picture as it is, and of the framed one, in percent; how many pictures are
refused; and the errors of those that are not, of the median picture and of the 95th percentile. For faces this is how
far the eyes are from where they are searched for, in percent of the distance between them; for digits the mean squared
error from the digit as its data set has it. ``--pictures FOLDER`` keeps some of the pictures.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from PIL import Image
from sklearn.datasets import load_sample_image
from torch import Generator, Tensor
from torch.nn.functional import interpolate

from interpzoo.build import build_component
from interpzoo.config import Component, ImageSpec
from interpzoo.data.sources import load_splits
from interpzoo.decoding import open_image
from interpzoo.errors import ImageError
from interpzoo.faces import found_eyes
from interpzoo.framing import Frame
from interpzoo.images import as_batch
from interpzoo.interfaces import DataSet
from interpzoo.markdown import markdown_table
from interpzoo.model import InterpolationModel
from interpzoo.pictures import save_strip
from interpzoo.pretrained.load import load

_HEADER = ("pictures", "model", "warned, as they are (%)", "warned, framed (%)", "refused (%)", "error", "error, 95 %")
_KINDS = ("ink", "photo", "selfie")
_PORTRAIT = 256
_TURNS = {3: 180, 6: 90, 8: 270}  # EXIF orientations, and the degrees that the stored pixels are turned by
_SHOWN = 6
_KEPT = 3


def background(height: int, width: int, generator: Generator) -> Tensor:
    """A part of one of scikit-learn's two photos, of roofs and of a flower, (3, H, W), either way round."""
    name = ("china.jpg", "flower.jpg")[int(torch.randint(2, (), generator=generator))]
    whole = torch.from_numpy(load_sample_image(name).copy()).movedim(-1, 0)[None].float() / 255
    part = 0.5 + 0.5 * float(torch.rand((), generator=generator))
    rows, columns = (
        min(side, round(part * min(whole.shape[-2:]) * s / max(height, width)))
        for side, s in zip(whole.shape[-2:], (height, width), strict=True)
    )
    top, left = (
        int(torch.randint(side - kept + 1, (), generator=generator))
        for side, kept in zip(whole.shape[-2:], (rows, columns), strict=True)
    )
    cut = whole[..., top : top + rows, left : left + columns]
    return interpolate(cut.flip(-1) if part > 0.75 else cut, (height, width), mode="bilinear")[0]


def photo(
    portrait: Tensor, share: tuple[float, float], size: tuple[int, int], generator: Generator
) -> tuple[Tensor, Tensor, float]:
    """A picture (3, H, W) with a portrait of a `share` of its shorter side; the portrait's corner and its scale."""
    height, width = size
    low, high = share
    side = round(float(low + (high - low) * torch.rand((), generator=generator)) * min(size))
    at = torch.rand(2, generator=generator)
    at = torch.where(at < 0.5, at * 0.6, 1 - (1 - at) * 0.6)  # away from the center
    left, top = (int(share * room) for share, room in zip(at.tolist(), (width - side, height - side), strict=True))
    picture = background(height, width, generator)
    large = interpolate(portrait[None], (side, side), mode="bicubic").clamp(0, 1)[0]
    picture[:, top : top + side, left : left + side] = large
    return picture, torch.tensor([left, top], dtype=torch.float64), side / _PORTRAIT


def scan(digit: Tensor, generator: Generator) -> Tensor:
    """A digit (28, 28) in dark ink on paper, (1, 1200, 1600)."""
    height, width = 1200, 1600

    def between(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    side = round(between(0.15, 0.6) * height)
    left, top = round(between(0, width - side)), round(between(0, height - side))
    strokes = interpolate(digit[None, None], (side, side), mode="bicubic").clamp(0, 1)[0, 0]
    light = interpolate(torch.rand(1, 1, 2, 2, generator=generator), (height, width), mode="bilinear")[0, 0]
    paper = between(0.7, 0.95) - between(0, 0.25) * light
    paper[top : top + side, left : left + side] *= 1 - between(0.5, 0.9) * strokes
    paper += 0.02 * torch.randn(height, width, generator=generator)
    for _ in range(3):  # specks of dust
        y, x = (round(between(0, limit - 4)) for limit in (height, width))
        paper[y : y + 3, x : x + 3] = 0.3
    return paper.clamp(0, 1)[None]


def save(path: Path, picture: Tensor, orientation: int = 1) -> Path:
    """Write a picture (C, H, W) as JPEG that is to be shown as it is given, after the turn of its EXIF data."""
    pixels = picture.mul(255).round().to(torch.uint8).expand(3, -1, -1).movedim(0, -1).numpy()
    image = Image.fromarray(pixels).rotate(_TURNS.get(orientation, 0), expand=True)
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(path, exif=exif, quality=92)
    return path


class Counts:
    """What happens to the pictures of one kind."""

    def __init__(self, model: InterpolationModel, how: Frame) -> None:
        self.model = model
        self.how: Frame = how
        self.plain = self.still = self.refused = self.total = 0
        self.framed: list[Tensor] = []

    def add(self, path: Path) -> Tensor | None:
        """Count the picture, and frame it: (1, C, H, W), or None where it is refused."""
        self.total += 1
        self.plain += self._warned(lambda: self.model.encode(path))
        made: list[Tensor] = []
        try:
            self.still += self._warned(lambda: made.append(self.model.frame(path, self.how)))
        except ImageError as error:
            sys.stderr.write(f"{error}\n")
            self.refused += 1
            return None
        self.framed += made
        return made[0]

    @staticmethod
    def _warned(call: Callable[[], object]) -> bool:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            call()
        return any(issubclass(one.category, UserWarning) for one in caught)

    def row(self, kind: str, error: str, beside: str) -> list[str]:
        """The row of the table."""
        counted = [f"{100 * count / self.total:.0f}" for count in (self.plain, self.still, self.refused)]
        return [kind, self.model.name, *counted, error, beside]


def faces(kind: str, model: InterpolationModel, count: int, folder: Path) -> tuple[list[str], Tensor]:
    """The row of photos or of selfies, and the first framed ones."""
    generator = Generator().manual_seed(0)
    spec = ImageSpec(channels=3, height=_PORTRAIT, width=_PORTRAIT)
    splits = load_splits("debruine/portraits256")
    entries = [row for split in ("validation", "train") for row in splits[split] if row["landmarks"]][:count]
    counts, errors = Counts(model, "face"), list[float]()
    for index, entry in enumerate(entries):
        share, size = ((0.25, 0.35), (3000, 4000)) if kind == "photo" else ((0.7, 0.95), (4000, 3000))
        picture, corner, scale = photo(as_batch(entry["image"], spec)[0], share, size, generator)
        orientation = 1 if kind == "photo" else sorted(_TURNS)[index % len(_TURNS)]
        path = save(folder / f"{kind}-{index}.jpg", picture, orientation)
        if counts.add(path) is not None:
            eyes = torch.tensor(entry["landmarks"], dtype=torch.float64).view(-1, 2)[:2]
            truth = corner + (eyes + 0.5) * scale
            off = found_eyes(path.name, open_image(path).convert("RGB")) - truth
            errors.append(float(off.norm(dim=1).mean() / (truth[1] - truth[0]).norm()))
        if index >= _KEPT:
            path.unlink()
    texts = [f"{100 * torch.tensor(errors).quantile(q):.1f} %" for q in (0.5, 0.95)]
    return counts.row(kind, *texts), torch.cat(counts.framed[:_SHOWN])


def digits(model: InterpolationModel, count: int, folder: Path) -> tuple[list[str], Tensor]:
    """The row of scans, and the first framed ones."""
    generator = Generator().manual_seed(0)
    data = build_component(DataSet, Component(name="mnist"), model.config.image, None)
    counts, errors = Counts(model, "ink"), list[float]()
    for index, digit in enumerate(data.test(count)["image"]):
        path = save(folder / f"ink-{index}.jpg", scan(digit[0, 2:-2, 2:-2], generator))
        made = counts.add(path)
        if made is not None:
            errors.append(float((made[0] - digit).square().mean()))
        if index >= _KEPT:
            path.unlink()
    texts = [f"{torch.tensor(errors).quantile(q):.4f}" for q in (0.5, 0.95)]
    return counts.row("ink", *texts), torch.cat(counts.framed[:_SHOWN])


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description="How well people's own pictures are framed.")
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--kind", choices=_KINDS, action="append", help="all if left out")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="where to keep some of the pictures")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    rows: list[list[str]] = []
    with TemporaryDirectory() as made:
        folder = given.pictures or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        for kind in given.kind or _KINDS:
            model = load("acai-mnist" if kind == "ink" else "acai-celeba64")
            row, framed = (
                digits(model, given.count, folder) if kind == "ink" else faces(kind, model, given.count, folder)
            )
            rows.append(row)
            sys.stderr.write(f"{' | '.join(row)}\n")
            save_strip(folder / f"{kind}.png", torch.stack([framed, model.reconstruct(framed)]), scale=3)
    sys.stdout.write(f"`python benchmarks/framing.py {' '.join(arguments)}`\n\n{markdown_table(_HEADER, rows)}")


if __name__ == "__main__":
    main(sys.argv[1:])
