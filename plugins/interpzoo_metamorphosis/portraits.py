"""Studio portraits whose people agreed to be shown."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from interpzoo.config import ImageSpec
from interpzoo.data.images import Images, ImagesConfig, Source
from interpzoo.framing import PORTRAIT

_OLDER = 30
"""Years from which on a person counts as older: a quarter of them."""


class PortraitsConfig(ImagesConfig):
    """Where the images come from."""

    source: Source = "debruine/portraits256"


class Portraits(Images[PortraitsConfig]):
    """Faces of 126 people before a light wall, 187 and 28 images: those of 16 people are held out.

    ``label`` is (B, 2): 1 where a person smiles, and where a person is at least 30 years old.

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

    @override
    def other_fields(self, table: Any) -> Mapping[str, Tensor]:
        smiling = [expression == "smiling" for expression in table["expression"]]
        older = [age is not None and age >= _OLDER for age in table["age"]]
        return {"label": torch.tensor([smiling, older]).T.long()}
