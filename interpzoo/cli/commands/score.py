"""``interpzoo score``: frames of any tool by every metric that needs no model."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click

from interpzoo.cli.console import columns, echo
from interpzoo.cli.draw_options import size_option
from interpzoo.cli.inputs import image_files
from interpzoo.cli.options import (
    UserPath,
    data_root_option,
    dataset_option,
    features_option,
    json_file_option,
    metrics_option,
    note_inputs,
    seed_option,
    writable,
)


@click.command(
    short_help="Score frames of any tool.",
    epilog="""\b
Examples:
  interpzoo score film.mp4
  interpzoo score ours theirs.gif --ends anna.png --ends ben.png --plot profile.png
  interpzoo score frames-of-acai frames-of-ae --dataset celeba --size 32x32 --json scores.json
""",
)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=UserPath())
@click.option(
    "--ends",
    multiple=True,
    metavar="IMAGE",
    help="The images that the paths should begin and end with, two for each path in turn. Can be repeated.",
)
@size_option
@metrics_option
@dataset_option("What the frames should look like")
@data_root_option
@features_option("compare images with", "the one for the data set, or random convolutions")
@seed_option("all random choices")
@json_file_option
@click.option(
    "--plot",
    type=UserPath(dir_okay=False),
    callback=writable(".png"),
    metavar="FILE",
    help="Also draw how the frames change along the paths, as a PNG.",
)
def command(
    paths: Sequence[Path],
    *,
    ends: Sequence[str],
    size: tuple[int, int] | None,
    metrics: Sequence[str],
    dataset: str | None,
    data_root: Path | None,
    features: str | None,
    seed: int,
    output: Path | None,
    plot: Path | None,
) -> int:
    """Score the frames of one tool for each PATH by every metric that needs no model, side by side.

    A PATH is a folder of pictures, in the order of their names; a film (MP4, GIF, WebP, APNG and other videos); an .npy
    file of (T, C, H, W) or (N, T, C, H, W); or a folder with several of these, one for each path. The output begins
    with what the frames are: a cross-fade, a hard cut, or neither. Controls are scored beside the tools: 'jump', a cut
    in the middle, and 'blend', a cross-fade of the same ends.

    Brackets are 95 % confidence intervals over paths. The exit code is 1 if a metric failed.
    """
    from rich.console import Console

    from interpzoo.benchmark.plots import matplotlib_figure
    from interpzoo.files import write_text
    from interpzoo.scoring.score import score

    inside = [file for path in paths if path.is_dir() for pattern in ("*", "*/*") for file in path.glob(pattern)]
    note_inputs([*paths, *(file for file in inside if file.suffix != ".json")])
    files = image_files(ends)
    if len(files) % 2:
        raise click.UsageError(f"--ends are two images for each path, got {len(files)}.")
    if plot is not None:
        matplotlib_figure()  # a missing matplotlib is an error now, not after the work
    with Console(stderr=True).status("reading frames ...") as status:
        scores = score(
            paths,
            ends=(files[::2], files[1::2]) if files else None,
            size=size,
            metrics=metrics,
            dataset=dataset,
            data_root=data_root,
            features=features,
            seed=seed,
            progress=lambda tool, metric: status.update(f"scoring {tool}: {metric} ..."),
        )
    echo(*scores.lines(partial(columns, wrap=True)))
    if output is not None:
        write_text(output, scores.to_json())
    if plot is not None:
        scores.save_plot(plot)
    return int(any(s.error for board in scores.boards for r in board.records for s in r.scores.values()))
