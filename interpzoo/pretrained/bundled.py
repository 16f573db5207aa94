"""Pretrained folders that come with an installed package; imports nothing heavy, so that listing can name them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from interpzoo.registry import PretrainedModel, Registration


def bundled_folder(row: Registration[PretrainedModel]) -> Path | None:
    """The folder of a registered model in its package, if the package brings it along."""
    spec = None if row.entry.package is None else find_spec(row.entry.package)
    for root in (spec.submodule_search_locations or []) if spec else []:
        # In a wheel the folders lie in the package; in a checkout (an editable install) beside it.
        for parent in (Path(root), Path(root).parent):
            if (path := parent / "model_cards" / row.name).is_dir():
                return path
    return None


def folder_bytes(folder: Path) -> int:
    """What the files of a folder take on disk."""
    return sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
