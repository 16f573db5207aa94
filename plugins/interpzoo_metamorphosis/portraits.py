"""Studio portraits whose people agreed to be shown."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import cache, cached_property
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor
from typing_extensions import override

from interpzoo.config import ImageSpec
from interpzoo.data.images import Images, ImagesConfig, Source
from interpzoo.framing import PORTRAIT
from interpzoo.interfaces import Batch
from interpzoo_metamorphosis.fields import warp

_OLDER = 30
"""Years from which on a person counts as older: a quarter of them."""
_SEAM = 1 / 32
"""Width of the seam between two photos, as a share of the image's height."""


class PortraitsConfig(ImagesConfig):
    """Where the images come from."""

    source: Source = "debruine/portraits256"


class Portraits(Images[PortraitsConfig]):
    """Faces of 126 people before a light wall, 187 and 28 images: those of 16 people are held out.

    ``label`` is (B, 2): 1 where a person smiles, and where a person is at least 30 years old.

    The files of smiling faces have the eyes 9 % lower than those of neutral ones, and the chin is cut off. Here their
    eyes are brought to where all others are, and what is then missing at the border is continued by the neutral photo
    of the same person. ``smiles.json`` has the eyes of these files (`tools.smiles` found them), as shares of the sides.

    They are of the Face Research Lab London Set (DeBruine & Jones 2017, doi 10.6084/m9.figshare.5047666.v5), and of
    further sets of webmorphR.stim, CC BY 4.0. People of the London set consented to be shown in studies and to
    illustrate research, and to nothing else: models trained on their images pass these terms on.
    """

    license = "cc-by-4.0"
    framing = PORTRAIT

    def __init__(self, config: PortraitsConfig, image: ImageSpec, root: Path | None = None) -> None:
        super().__init__(config, image, root)
        self.hub_id = None  # the Hub does not have them
        self.label_names = ("Smiling", "Older")
        self.fields = frozenset({"image", "label"})

    @override
    def train(self, indices: Tensor, generator: Generator) -> Batch:
        return _aligned(super().train(indices, generator), self._training_neutral)

    @override
    def test(self, limit: int | None = None) -> Batch:
        return _aligned(super().test(limit), self._test_neutral)

    @override
    def examples(self, n: int, generator: Generator) -> Batch:
        return _aligned(super().examples(n, generator), self._test_neutral)

    @override
    def other_fields(self, table: Any) -> Mapping[str, Tensor]:
        smiling = [expression == "smiling" for expression in table["expression"]]
        older = [age is not None and age >= _OLDER for age in table["age"]]
        known = _smiles()
        stored = table.cast_column("image", type(table.features["image"])(decode=False))["image"]
        keys = [sha256(value["bytes"] or b"").hexdigest()[:16] for value in stored]
        people = {person: number for number, person in enumerate(table["person"])}
        return {
            "label": torch.tensor([smiling, older]).T.long(),
            "eyes": torch.tensor([known.get(key, [math.nan] * 4) for key in keys]).view(-1, 2, 2),
            "person": torch.tensor([people[person] for person in table["person"]]),
        }

    @cached_property
    def _training_neutral(self) -> dict[int, Tensor]:
        return _neutral(super().train(torch.arange(self.size or 0), Generator()))

    @cached_property
    def _test_neutral(self) -> dict[int, Tensor]:
        return _neutral(super().test())


def _neutral(everyone: Batch) -> dict[int, Tensor]:
    """The neutral photo of each person, (C, H, W)."""
    rows = (everyone["label"][:, 0] == 0).nonzero().flatten()
    return {int(everyone["person"][row]): everyone["image"][row] for row in rows}


def _aligned(batch: Batch, neutral: Mapping[int, Tensor]) -> Batch:
    """The batch with the smiling faces where all others are."""
    images = batch["image"].clone()
    for row in batch["eyes"].isfinite().flatten(1).all(1).nonzero().flatten().tolist():
        moved, known = _moved(images[row], batch["eyes"][row])
        other = neutral.get(int(batch["person"][row]))
        images[row] = moved if other is None else torch.lerp(other, moved, known)
    return {"image": images, "label": batch["label"]}


def _moved(image: Tensor, eyes: Tensor) -> tuple[Tensor, Tensor]:
    """An image (C, H, W) with its `eyes` (2, 2), shares of the sides, where `PORTRAIT` has them.

    And how far to take it instead of another photo: 1 inside, and to 0 where it ends, (H, W).
    """
    height, width = image.shape[-2:]
    sides = torch.tensor([width, height])
    (first, second), (left, right) = (torch.complex(*(at * sides).T) for at in (eyes, torch.tensor(PORTRAIT.eyes)))
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    source = first + (second - first) / (right - left) * (torch.complex(x, y) - left)
    field = torch.stack([source.real - x, source.imag - y])
    moved = warp(image[None], field[None], "bicubic")[0].clamp(0, 1)
    inside = torch.minimum(
        torch.minimum(source.real, width - source.real), torch.minimum(source.imag, height - source.imag)
    )
    share = (inside / (_SEAM * height)).clamp(0, 1)
    return moved, share.square() * (3 - 2 * share)


@cache
def _smiles() -> dict[str, list[float]]:
    return json.loads(files("interpzoo_metamorphosis").joinpath("smiles.json").read_text("utf-8"))
