"""Writing a pretrained folder."""

from collections.abc import Mapping
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


def save(
    target: str | Path,
    config: ModelConfig,
    weights: Mapping[str, Tensor],
    *,
    examples: Mapping[str, Tensor] | None,
    codes: Tensor | None,
    preview: Tensor | None,
) -> Path:
    """Write a folder that `load` reads; a model that is already there is replaced.

    Args:
        target: the folder.
        config, weights: what `load` builds the model from.
        examples: ``codes`` (n, *latent_shape) and the ``frames`` (n, C, H, W) decoded from them.
        codes: training codes (n, *latent_shape).
        preview: images (rows, columns, C, H, W) for the picture on the card.

    Raises:
        OutputError: the folder holds something else or cannot be written.
    """
    folder = claim_folder(Path(target))
    with TemporaryDirectory() as scratch:
        made = Path(scratch)
        write_text(made / CONFIG, config.model_dump_json(indent=2, exclude_none=True) + "\n")
        write_tensors(made / WEIGHTS, weights)
        if examples is not None:
            write_tensors(made / EXAMPLES, examples)
        if codes is not None:
            write_tensors(made / CODES, {"codes": codes})
        if preview is not None:
            save_strip(made / PREVIEW, preview)
        write_card(made, config)
        write_hashes(made)
        replace_files(folder, made)
    return folder
