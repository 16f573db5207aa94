"""``interpzoo encode``: images to codes, in a file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from interpzoo.cli.console import echo
from interpzoo.cli.draw_options import frame_option, size_option
from interpzoo.cli.inputs import as_framed, image_files, size_of_all
from interpzoo.cli.options import UserPath, device_option, model_argument, writable

if TYPE_CHECKING:
    from interpzoo.framing import Frame

_PART: Final = 64  # images that are refined at once


@click.command(
    short_help="Write the codes of images to a file.",
    epilog="""\b
Examples:
  interpzoo encode acai-celeba ./photos -o codes.npy
  ls ./digits/*.png | interpzoo encode acai-mnist - --refine 20 -o codes.safetensors
""",
)
@model_argument
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@click.option(
    "-o",
    "--output",
    required=True,
    type=UserPath(dir_okay=False),
    callback=writable(".npy", ".safetensors"),
    metavar="FILE",
    help="File to write: .npy, or .safetensors, which also names the model and the images.",
)
@click.option("--refine", default=0, show_default=True, metavar="N", help="Steps that bring codes closer to images.")
@size_option
@frame_option
@device_option
def command(
    name: str,
    images: Sequence[str],
    *,
    output: Path,
    refine: int,
    size: tuple[int, int] | None,
    frame: Frame | None,
    device: str,
) -> None:
    """Encode all IMAGEs with the model NAME: one float32 code for each, in order."""
    files = image_files(images)
    import numpy as np
    from safetensors.numpy import save

    from interpzoo.cli.progress import PathProgress
    from interpzoo.files import atomic_write
    from interpzoo.pretrained.load import load
    from interpzoo.writing import write_array

    model = load(name, device=device)
    fixed = size_of_all(model, files, frame, size)
    at_once = _PART if refine else len(files)
    found: list[np.ndarray] = []
    with PathProgress("images") as progress:
        for first in range(0, len(files), at_once):
            shown = as_framed(model, files[first : first + at_once], frame, fixed)
            part = model.encode(shown, refine=refine, size=fixed)
            found.append(part.cpu().numpy())
            progress(first + len(part), len(files))
    codes = np.concatenate(found)
    with atomic_write(output) as temporary:
        if output.suffix.lower() == ".npy":
            write_array(temporary, codes)
        else:
            about = {"model": model.config.name, "images": json.dumps(files)}
            temporary.write_bytes(save({"codes": codes}, about))
    echo(f"{output}: {len(codes)} code{'s' * (len(codes) != 1)} of {' x '.join(map(str, codes.shape[1:]))} numbers")
