"""Find where the eyes of the smiling faces of portraits256 are: ``python -m tools.smiles``.

Writes plugins/interpzoo_metamorphosis/smiles.json, see `interpzoo_metamorphosis.portraits`. The face detector misses a
person's eyes by some pixels, in about the same way in both photos of the person. So each pair of eyes is where the
landmarks of the neutral photo have it, moved by how far the detector's eyes are from one photo to the other.
"""

from __future__ import annotations

import io
import json
import warnings
from hashlib import sha256
from pathlib import Path
from typing import Any

import click
import datasets
import torch
from PIL import Image
from torch import Tensor

from interpzoo.data.sources import load_splits
from interpzoo.framing import found_eyes

FILE = Path(__file__).parents[1] / "plugins/interpzoo_metamorphosis/smiles.json"


@click.command()
def main() -> None:
    """Write the eyes of the smiling faces of portraits256."""
    found: dict[str, list[float]] = {}
    for table in load_splits("debruine/portraits256").values():
        rows = [*table.cast_column("image", datasets.Image(decode=False))]
        neutral = {row["person"]: row for row in rows if row["expression"] == "neutral"}
        for row in rows:
            if row["expression"] == "smiling" and (other := neutral.get(row["person"])) is not None:
                landmarks = torch.tensor(other["landmarks"][:4]).view(2, 2)
                picture, eyes = _picture(row), landmarks + _eyes(row) - _eyes(other)
                shares = eyes / torch.tensor(picture.size)
                key = sha256(row["image"]["bytes"]).hexdigest()[:16]
                found[key] = [round(value, 4) for value in shares.flatten().tolist()]
    lines = ",\n".join(f'  "{key}": {json.dumps(found[key])}' for key in sorted(found))
    FILE.write_text(f"{{\n{lines}\n}}\n", "utf-8")
    click.echo(f"{FILE.name}: {len(found)} faces")


def _picture(row: dict[str, Any]) -> Image.Image:
    return Image.open(io.BytesIO(row["image"]["bytes"])).convert("RGB")


def _eyes(row: dict[str, Any]) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of another face in the picture
        return found_eyes(row["person"], _picture(row))


if __name__ == "__main__":
    main()
