"""`verify`: whether a pretrained folder still is what it was, file by file, and still makes the images that it made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch

from interpzoo.errors import InterpzooError
from interpzoo.pretrained.client import Access
from interpzoo.pretrained.folder import CARD, EXAMPLES, FILES, SUMS, check_sum, read_sums, read_tensors
from interpzoo.pretrained.load import read_model
from interpzoo.pretrained.locate import locate

_MOST: Final = 1e-4
"""How far a recomputed value may be from the stored one: what kernels of other machines and versions leave."""

FRAMES: Final = "frames"
"""Name of the finding on the images decoded of the example codes."""


@dataclass(frozen=True)
class Finding:
    """What was found of one file, or of the frames."""

    name: str
    problem: str = ""
    """Empty where all is well."""


def verify(name: str | Path, *, access: Access | None = None) -> list[Finding]:
    """Hold every file of a model against the folder's list, then decode its example codes again.

    The list itself is held against the registry for a name of the zoo. The card, which people may edit, is not listed.

    Args:
        name: as `load` takes it.
        access: how the Hub may be reached.

    Raises:
        UnknownNameError, AmbiguousNameError, HubError: the model cannot be found.
        WeightsError: its list is not the one that the registry has, or is none.
    """
    folder = locate(name, access=access).path
    findings = [*_files(folder)]
    return [*findings, Finding(FRAMES, _frames(folder))]


def _files(folder: Path) -> Iterator[Finding]:
    sums = read_sums(folder)
    if not sums:
        yield Finding(SUMS, "is missing: there is nothing to hold the files against")
    for name in FILES:
        if name in sums:
            try:
                check_sum(folder, name, sums)
            except InterpzooError as error:
                yield Finding(name, str(error))
            else:
                yield Finding(name)
        elif (folder / name).exists() and name not in (CARD, SUMS):
            yield Finding(name, f"is not listed in {SUMS}")


@torch.no_grad()
def _frames(folder: Path) -> str:
    """What is wrong with the frames, if anything is."""
    try:
        stored = read_tensors(folder / EXAMPLES)
        if stored.keys() != {"codes", "frames"}:
            return f"cannot be decoded: {EXAMPLES} holds {', '.join(stored)}, expected codes, frames"
        frames = read_model(locate(folder)).decode(stored["codes"])
    except InterpzooError as error:
        return f"cannot be decoded: {error}"
    if frames.shape != stored["frames"].shape:
        return f"have shape {tuple(frames.shape)}, expected {tuple(stored['frames'].shape)}"
    deviation = float((frames - stored["frames"]).abs().max()) if len(frames) else 0.0
    # Not `>`, which not-a-number would pass.
    return "" if deviation <= _MOST else f"differ from the stored ones by {deviation:.3g}, expected at most {_MOST:g}"
