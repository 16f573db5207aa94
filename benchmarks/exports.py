"""How near exported models are to torch: ``python benchmarks/exports.py [MODEL ...] [-o FILE]``.

Each model is exported to ONNX and run by ONNX Runtime. The table has the largest differences over the model's examples:
of codes and of images, relative to values above 1; and of strips of nine frames between them along lines and great
circles, in steps of 8 bit. Without models, all bundled ones are exported.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

import interpzoo.onnx
from interpzoo import list_models
from interpzoo.errors import InputError
from interpzoo.files import folder_bytes, write_text
from interpzoo.markdown import markdown_table
from interpzoo.model import InterpolationModel
from interpzoo.pretrained.load import load

_HEADER = ("model", "codes", "images", "line (1/255)", "circle (1/255)", "size")
_HEAD = """\
# Exported models and torch

`python benchmarks/exports.py -o benchmarks/studies/exports.md` exports each bundled model to ONNX and runs it by ONNX
Runtime. The columns are the largest differences from torch over its examples: of codes and of images, relative to
values above 1; and of strips of nine frames along lines and great circles, in steps of 8 bit.
"""
_STEPS = 9


@torch.no_grad()
def row(model: InterpolationModel, scratch: Path) -> list[str]:
    """The row of a model; raises an `InputError` if it cannot be exported."""
    folder = model.export(scratch / model.name)
    exported = interpzoo.onnx.load(folder)
    codes = model.examples
    if codes is None:
        raise InputError(f"{model.name!r} has no examples")
    images = model.decode(codes).clamp(0, 1)
    found = [
        _difference(exported.encode(images.numpy()), model.encode(images)),
        _difference(exported.decode(codes.numpy()), model.decode(codes)),
    ]
    cells = [model.name, *(f"{value:.1e}" for value in found)]
    z0, z1 = codes[:-1], codes[1:]
    for path in ("linear", "slerp"):
        strip = exported.decode_path(z0.numpy(), z1.numpy(), _STEPS, path=path)
        walk = model.interpolate_codes(z0, z1, torch.linspace(0, 1, _STEPS), interpolator=path)
        expected = model.decode(walk.flatten(0, 1)).unflatten(0, walk.shape[:2])
        shown = [np.rint(frames.clip(0, 1) * 255) for frames in (strip, expected.numpy())]
        cells.append(f"{np.abs(shown[0] - shown[1]).max():.0f}")
    return [*cells, f"{folder_bytes(folder) / 1e6:.1f} MB"]


def _difference(found: np.ndarray, expected: torch.Tensor) -> float:
    return float(np.abs(found - expected.numpy()).max() / max(1.0, float(expected.abs().max())))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, and what cannot be exported; or write both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=list_models())
    parser.add_argument("-o", "--output", type=Path)
    chosen = parser.parse_args(arguments)
    rows, refused = list[list[str]](), list[str]()
    for name in chosen.models:
        with TemporaryDirectory() as scratch:
            try:
                rows.append(row(load(name), Path(scratch)))
            except InputError as error:
                refused.append(f"- {error}")
    text = f"{_HEAD}\n{markdown_table(_HEADER, rows)}\n" + "\n".join(refused) + "\n"
    if chosen.output is None:
        print(text)  # noqa: T201
        return
    write_text(chosen.output, text)


if __name__ == "__main__":
    main()
