"""`verify`: check the files of a pretrained folder against their hashes, and its frames against new ones."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch

from interpzoo.errors import InterpzooError
from interpzoo.pretrained.client import Access
from interpzoo.pretrained.folder import CARD, EXAMPLES, FILES, SUMS, check_hash, read_hashes, read_tensors
from interpzoo.pretrained.load import read_model
from interpzoo.pretrained.locate import Source, locate

_MOST: Final = 1e-4
"""Largest difference between recomputed and stored values: kernels of other machines and versions round differently."""

FRAMES: Final = "frames"
"""Name of the finding on the images decoded from the example codes."""


@dataclass(frozen=True)
class Finding:
    """The result for one file, or for the frames."""

    name: str
    problem: str = ""
    """Empty if nothing is wrong."""


def verify(
    name: str | Path,
    *,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
    token: str | bool | None = None,
) -> list[Finding]:
    """Check every file of a model against its listed hash, then decode the example codes again.

    For a registered name the list itself is checked against the registry. The card, which people may edit, has no hash.

    Args:
        name, cache_dir, local_files_only, token: as for `load`.

    Raises:
        UnknownNameError, AmbiguousNameError, HubError: the model cannot be found.
        WeightsError: the list is damaged, or is not the registered one.
    """
    source = locate(name, access=Access(cache_dir, local_files_only, token))
    return [*_files(source.path), Finding(FRAMES, _frames(source))]


def _files(folder: Path) -> Iterator[Finding]:
    listed = read_hashes(folder)
    if not listed:
        yield Finding(SUMS, "is missing: there is nothing to check the files against")
    for name in FILES:
        if name in listed:
            try:
                check_hash(folder, name, listed)
            except InterpzooError as error:
                yield Finding(name, str(error))
            else:
                yield Finding(name)
        elif (folder / name).exists() and name not in (CARD, SUMS):
            yield Finding(name, f"is not listed in {SUMS}")


@torch.no_grad()
def _frames(source: Source) -> str:
    try:
        stored = read_tensors(source.path / EXAMPLES)
        if stored.keys() != {"codes", "frames"}:
            return f"cannot be decoded: {EXAMPLES} holds {', '.join(stored)}, expected codes, frames"
        frames = read_model(source).decode(stored["codes"])
    except InterpzooError as error:
        return f"cannot be decoded: {error}"
    if frames.shape != stored["frames"].shape:
        return f"have shape {tuple(frames.shape)}, expected {tuple(stored['frames'].shape)}"
    deviation = float((frames - stored["frames"]).abs().max()) if len(frames) else 0.0
    # Written with <=, which NaN fails.
    return "" if deviation <= _MOST else f"differ from the stored ones by {deviation:.3g}, expected at most {_MOST:g}"
