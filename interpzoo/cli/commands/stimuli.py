"""``interpzoo stimuli``: frames between many pairs of images, with all that an experiment needs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import click

from interpzoo.cli.console import echo
from interpzoo.cli.draw_options import frame_option, interpolators_option, several, size_option, spacing_options
from interpzoo.cli.inputs import model_names
from interpzoo.cli.options import UserPath, device_option, models_argument


@click.command(
    short_help="Make stimuli for an experiment.",
    epilog="""\b
Examples:
  interpzoo stimuli metamorphosis pairs.csv --steps 11 --size 256x256 -o pack
  interpzoo stimuli acai-celeba64 ./women ./men --every-pair --frame face -o pack
  interpzoo stimuli acai-celeba64,ae-celeba pairs.csv --t 0,0.25,0.5,0.75,1 --format npy -o pack
  torchrun --nproc-per-node 2 -m interpzoo stimuli acai-celeba64 pairs.csv -o pack
""",
)
@models_argument
@click.argument("sources", nargs=-1, required=True, metavar="PAIRS|FOLDER...", type=UserPath())
@click.option(
    "-o",
    "--output",
    required=True,
    type=UserPath(file_okay=False),
    metavar="FOLDER",
    help="A new folder, or that of a run that was stopped, to continue it.",
)
@click.option("--every-pair", is_flag=True, help="Pair each image of the first folder with each of the second.")
@click.option(
    "--steps", type=int, metavar="N", default=11, show_default=True, help="Frames of a path, both ends included."
)
@several("--t", metavar="T,T,...", help="Where the frames lie instead: 0 is the first image, 1 the second.")
@spacing_options("even")
@interpolators_option
@size_option
@frame_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["png", "png16", "npy"]),
    default="png",
    show_default=True,
    help="PNG with 8 or 16 bits a channel, or arrays of float32.",
)
@device_option
def command(
    name: str,
    sources: Sequence[Path],
    *,
    output: Path,
    every_pair: bool,
    interpolators: Sequence[str],
    form: Literal["png", "png16", "npy"],
    **how: Any,
) -> None:
    """Make the frames between pairs of images with the model NAME, a file each, and a manifest of them.

    PAIRS is a CSV file with the columns first and second: image files, relative to it. A column pair, if there is one,
    names the pairs. Two FOLDERs give their images row by row, in the order of their names. With one folder twice,
    --every-pair gives each two of its images once.

    The folder gets manifest.csv, contact sheets, the sentences for a methods section, and programs for jsPsych and
    PsychoPy that show the frames. The same arguments give the same files on every run. A run that was stopped continues
    where it was. Processes that torchrun or accelerate has started share the paths.
    """
    from interpzoo.cli.progress import PathProgress
    from interpzoo.packs.pack import stimuli
    from interpzoo.packs.pairs import folder_pairs
    from interpzoo.processes import is_first

    folders = [source for source in sources if source.is_dir()]
    if len(sources) > 2 or (len(sources) == 2) != (len(folders) == 2) or (len(sources) == 1 and folders):
        raise click.UsageError("PAIRS is one CSV file, or two folders.")
    if every_pair and not folders:
        raise click.UsageError("--every-pair is for two folders.")
    pairs = folder_pairs(*folders, every=every_pair) if folders else sources[0]
    with PathProgress() as progress:
        manifest = stimuli(
            model_names(name), pairs, output, interpolators=interpolators, format=form, progress=progress, **how
        )
    if is_first():
        already = "complete already: " if progress.before == progress.total else ""
        echo(f"{manifest}: {already}{progress.total} path{'s' * (progress.total != 1)}")
