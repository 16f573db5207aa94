"""Writing a pretrained folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from torch import Tensor

from interpzoo.config import ModelConfig
from interpzoo.images import save_strip
from interpzoo.pretrained.card import write_card
from interpzoo.pretrained.folder import (
    CODES,
    CONFIG,
    EXAMPLES,
    PREVIEW,
    WEIGHTS,
    claim_folder,
    replace_files,
    write_hashes,
    write_tensors,
    write_text,
)


@dataclass(frozen=True)
class Contents:
    """Everything that is written into a pretrained folder."""

    config: ModelConfig
    weights: Mapping[str, Tensor]
    examples: Mapping[str, Tensor] | None = None
    """``codes`` (n, *latent_shape) and the ``frames`` (n, C, H, W) decoded from them."""
    codes: Tensor | None = None
    """Training codes (n, *latent_shape)."""
    preview: Tensor | None = None
    """Images (rows, columns, C, H, W) for the picture on the card."""


def save(contents: Contents, target: str | Path) -> Path:
    """Write a folder that `load` reads; a model that is already there is replaced.

    Raises:
        OutputError: the folder holds something else or cannot be written.
    """
    folder = claim_folder(Path(target))
    with TemporaryDirectory() as scratch:
        made = Path(scratch)
        write_text(made / CONFIG, contents.config.model_dump_json(indent=2, exclude_none=True) + "\n")
        write_tensors(made / WEIGHTS, contents.weights)
        if contents.examples is not None:
            write_tensors(made / EXAMPLES, contents.examples)
        if contents.codes is not None:
            write_tensors(made / CODES, {"codes": contents.codes})
        if contents.preview is not None:
            save_strip(made / PREVIEW, contents.preview)
        write_card(made, contents.config)
        write_hashes(made)
        replace_files(folder, made)
    return folder
